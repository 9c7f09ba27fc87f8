"""What the parts of a simulated session ask of the session, and of its loudspeaker."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from bargein.audio.pcm import Pcm
from bargein_simulators.realtime_events import Json
from bargein_simulators.realtime_items import ServerItem


class SimulatedSpeaker(Protocol):
    """A loudspeaker at the server, as WebRTC has one: it plays audio in real time."""

    def play(self, response: str, pcm: Pcm) -> None: ...

    def end(self, response: str) -> None:
        """The response has no more audio."""
        ...

    def clear(self) -> tuple[str, float] | None:
        """Fall silent. Returns the response and how much of its audio had been sent (ms). None: it was silent."""
        ...


class SessionPort(Protocol):
    """A session, as its input audio buffer and its responses see it."""

    config: Json
    conversation: str
    items: dict[str, ServerItem]
    speaker: SimulatedSpeaker | None

    def send(self, kind: str, **fields: Any) -> None: ...

    def send_event(self, event: Json) -> None: ...

    def add(self, item: ServerItem, after: str | None = None) -> ServerItem: ...

    def shorten(self, item: ServerItem, at_ms: int) -> None: ...

    def spawn(self, work: Any) -> asyncio.Task[None]: ...

    def disconnect(self, code: int) -> None: ...
