"""Where Deepgram's SDK connects for Flux and Nova."""

from __future__ import annotations

from deepgram import DeepgramClientEnvironment

BASE_URL = "wss://api.deepgram.com"


def environment(base_url: str | None) -> DeepgramClientEnvironment:
    """base_url: ws://, wss://, http:// or https://, without a path. None: Deepgram's own."""
    url = (base_url or BASE_URL).rstrip("/")
    socket = url.replace("http", "ws", 1) if url.startswith("http") else url
    web = url.replace("ws", "http", 1) if url.startswith("ws") else url
    return DeepgramClientEnvironment(base=web, production=socket, agent=socket, agent_rest=web)
