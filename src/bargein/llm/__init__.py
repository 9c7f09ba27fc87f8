"""Minds: each file is one, satisfying `contracts.ChatModel` by shape."""
