"""Voices: each file is one vendor, satisfying `contracts.Voice` by shape."""
