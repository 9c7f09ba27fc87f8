"""Gemini Live: a model that hears and speaks. The floor owns the turns (`settings.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from pydantic import SecretStr

from bargein.errors import Unavailable
from bargein.protocols import ConversationItem, SessionConfig
from bargein.vendors.google.address import HOST, NO_KEY, google_access

try:
    from bargein.vendors.google.live.connection import GeminiLiveConnection
    from bargein.vendors.google.live.settings import MODEL, VOICE, LiveSettings
    from bargein.vendors.google.live.socket import open_socket

    INSTALLED = True
except ImportError:  # the extra "google" is not there: `GeminiLive` says so when it is made
    INSTALLED = False
    MODEL = VOICE = ""

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection


class GeminiLive:
    """protocols.RealtimeModel by shape.

    base_url: without the version; None is BARGEIN_GOOGLE_URL, or Google itself. The others are the fields of
    `LiveSettings`. Raises Unavailable without the SDK, UsageError for a value out of range.
    """

    turns = False
    transcribes_user = True

    def __init__(
        self,
        *,
        api_key: SecretStr | str | None = None,
        base_url: str | None = None,
        model: str = MODEL,
        voice: str = VOICE,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
    ) -> None:
        if not INSTALLED:
            raise Unavailable("The package google-genai is not installed", advice="Install the extra: bargein[google]")
        self.settings = LiveSettings(model, voice, temperature, max_output_tokens)
        self.name = model
        at = google_access(api_key=api_key, base_url=base_url)
        self._url, self._key = at.base_url or HOST, at.key or NO_KEY

    def open(self, brief: SessionConfig, items: Callable[[], Sequence[ConversationItem]]) -> GeminiLiveConnection:
        """protocols.RealtimeModel.open."""
        return GeminiLiveConnection(self.settings, self.connect, brief, items)

    def connect(self) -> AbstractAsyncContextManager[ClientConnection]:
        """The WebSocket of one connection."""
        return open_socket(self._url, self._key)

    async def aclose(self) -> None:
        """Nothing is kept open between calls."""
