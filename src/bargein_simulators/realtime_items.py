"""The items of a simulated conversation, as the server has them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bargein.audio.pcm import Pcm
from bargein.protocols import Word
from bargein_simulators.realtime_events import Json


@dataclass(slots=True)
class ServerItem:
    """An item of the conversation as the server has it. wire: as it is told; ms: its sound so far; text: what was
    said in it, by whoever reads sound; truncated_ms: what it was shortened to; truth: its words' true times;
    spoken, pcm: what the model meant to say, and all of its sound."""

    wire: Json
    ms: float = 0.0
    text: str = ""
    truncated_ms: float | None = None
    truth: tuple[Word, ...] = ()
    spoken: str = ""
    pcm: Pcm | None = None
    read: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        return str(self.wire["id"])

    def heard(self) -> str:
        """What of it the server believes was heard: the words that end within the sound that it has left."""
        if self.truncated_ms is None and self.wire.get("status") != "incomplete":
            return self.spoken
        until_ms = self.ms if self.truncated_ms is None else self.truncated_ms
        ends = [word.end for word in self.truth if word.end_ms <= until_ms]
        return self.spoken[: ends[-1]] if ends else ""


def typed(wire: Json) -> ServerItem:
    """An item that came in writing."""
    text = " ".join(part.get("text") or "" for part in wire.get("content") or [])
    item = ServerItem(wire, text=text, spoken=text)
    item.read.set()
    return item
