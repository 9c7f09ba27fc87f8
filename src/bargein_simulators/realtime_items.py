"""The items of a simulated conversation, as the server keeps them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bargein.audio.pcm import Pcm
from bargein.protocols import Word
from bargein_simulators.realtime_events import Json


@dataclass(slots=True)
class ServerItem:
    """An item of the conversation."""

    wire: Json
    """The item as clients get it."""
    ms: float = 0.0
    """Length of its audio so far."""
    text: str = ""
    """Its text, or the transcript of its audio."""
    truncated_ms: float | None = None
    """Length that it was truncated to. None: it was not."""
    truth: tuple[Word, ...] = ()
    """True times of the words in the model's audio."""
    spoken: str = ""
    """The model's whole text."""
    pcm: Pcm | None = None
    """The model's whole audio."""
    read: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once `text` is known."""

    @property
    def id(self) -> str:
        return str(self.wire["id"])

    def heard(self) -> str:
        """The words that the caller heard, as far as the server knows: those that end within the audio that is left."""
        if self.truncated_ms is None and self.wire.get("status") != "incomplete":
            return self.spoken
        until_ms = self.ms if self.truncated_ms is None else self.truncated_ms
        ends = [word.end for word in self.truth if word.end_ms <= until_ms]
        return self.spoken[: ends[-1]] if ends else ""


def text_item(wire: Json) -> ServerItem:
    """An item that a client sent as text."""
    text = " ".join(part.get("text") or "" for part in wire.get("content") or [])
    item = ServerItem(wire, text=text, spoken=text)
    item.read.set()
    return item
