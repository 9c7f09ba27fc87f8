"""Ears with words: each file is one, satisfying `contracts.Reader` by shape."""
