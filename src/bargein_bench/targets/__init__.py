"""Agents that can be called, one protocol a file."""
