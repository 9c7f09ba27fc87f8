"""Bargein: voice agents that can be interrupted as a person can."""

__version__ = "0.1.0"
