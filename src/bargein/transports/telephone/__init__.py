"""Telephone media streams: one dialect a file."""
