"""The agent `voxtral`, which several vendors can make: an LLM that hears the user's turn itself."""

from __future__ import annotations

GREETING = (
    "Hello, and welcome. I am Voxtral: I hear your voice itself, I write what I think, and a voice speaks it, piece by "
    "piece, through a queue. Speak, and both my queues are empty before you have said a word. "
    "So, what would you like to talk about?"
)
NAME = "voxtral"
