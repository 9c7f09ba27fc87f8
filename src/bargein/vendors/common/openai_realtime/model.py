"""A speech model over a WebSocket, of any server that speaks OpenAI's Realtime protocol: protocols.RealtimeModel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bargein.errors import Unavailable
from bargein.protocols import ConversationItem, SessionConfig
from bargein.vendors.common.openai_realtime.dialect import RealtimeDialect
from bargein.vendors.common.openai_realtime.settings import RealtimeSettings

try:
    import openai

    from bargein.vendors.common.openai_realtime.connection import OpenAIRealtimeConnection

    INSTALLED = True
except ImportError:  # the extra is not there: `demand_sdk` says so
    INSTALLED = False

if TYPE_CHECKING:
    from openai.resources.realtime.realtime import AsyncRealtimeConnection

MESSAGE_BYTES = 16 * 1024 * 1024  # OpenAI's own bound is 15 MiB
CLOSE_S = 0.5  # longest wait for the server's close frame
REQUEST_S = 10.0


def demand_sdk(extra: str) -> None:
    """Raises Unavailable where the SDK is not installed. extra: the one that brings it."""
    if not INSTALLED:
        raise Unavailable("The package openai is not installed", advice=f"Install the extra: bargein[{extra}]")


class WebSocketRealtime:
    """client: the SDK's, with address and key. headers: of the handshake, besides the SDK's own."""

    def __init__(
        self,
        settings: RealtimeSettings,
        dialect: RealtimeDialect,
        client: openai.AsyncOpenAI,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.settings, self.dialect = settings, dialect
        self.name = settings.model
        self.turns = settings.turn_detection in ("semantic_vad", "vendor")
        self.transcribes_user = settings.transcription_model is not None
        self._client = client
        self._headers = dict(headers or {})

    def open(self, brief: SessionConfig, items: Callable[[], Sequence[ConversationItem]]) -> OpenAIRealtimeConnection:
        """protocols.RealtimeModel.open: all sound goes by way of us."""
        return OpenAIRealtimeConnection(self.settings, self.dialect, self.connect, brief, items, None)

    async def aclose(self) -> None:
        """Close the connections that are kept open between requests."""
        await self._client.close()

    @asynccontextmanager
    async def connect(self, call_id: str | None = None) -> AsyncIterator[AsyncRealtimeConnection]:
        """The SDK's own connection. call_id: the call over WebRTC to join."""
        options = {"max_size": MESSAGE_BYTES, "close_timeout": CLOSE_S, "compression": None}
        where = {"call_id": call_id} if call_id is not None else {"model": self.name}
        # The SDK's own attempts to connect again are off: it would begin a session that knows nothing.
        async with self._client.realtime.connect(
            extra_headers=self._headers,
            websocket_connection_options=options,  # type: ignore[arg-type]
            **where,  # type: ignore[arg-type]
        ) as connection:
            yield connection
