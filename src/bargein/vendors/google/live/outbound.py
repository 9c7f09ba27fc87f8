"""What goes up to Gemini Live: the audio of the user's turns, and orders that have their place in that audio.

Outside of a turn nothing goes up. Positions are counted in samples of the audio that was pushed.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec

from bargein.audio.pcm import Samples
from bargein.vendors.common.backlog import Backlog
from bargein.vendors.google.live.contents import Json

KEEP_MS = 60_000  # of audio that no session has answered
IDLE_MS = 3_000  # of audio that is kept while no turn is open: covers any pre-roll
PIECE_MS = 40  # of audio in one message: what the server lacks of a turn when the turn ends
MOST_ORDERS = 500

Kind = Literal["start", "end", "other"]
encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class LiveOrder:
    """One message that is no audio."""

    text: str
    kind: Kind = "other"
    at: int = 0
    """start: position at which the turn begins. end: the position up to which audio goes before."""


class LiveOutbound:
    """rate: Hz of the audio that is pushed, which goes up as it is."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._piece = rate * PIECE_MS // 1000
        self._backlog = Backlog(rate, KEEP_MS)
        self._orders: deque[LiveOrder] = deque()
        self._wake = asyncio.Event()
        self._active = False  # an activity is open at the server
        self._head = f'{{"realtimeInput":{{"audio":{{"mimeType":"audio/pcm;rate={rate}","data":"'
        self.held = False
        """A tool call waits for its result: Google closes a connection (1008) on which audio goes up meanwhile."""

    @property
    def end(self) -> int:
        """Position after the newest sample."""
        return self._backlog.end

    @property
    def sent(self) -> int:
        """Position of the next sample that goes up."""
        return self._backlog.sent

    @property
    def full(self) -> bool:
        """More waits than a connection that reads can owe."""
        return len(self._orders) > MOST_ORDERS

    def ago(self, ms: float) -> int:
        """The position so long before the end; never before the beginning."""
        return max(0, self.end - int(ms * self._rate / 1000))

    def push_audio(self, samples: Samples, wanted: int | None) -> None:
        """The next audio. wanted: the first position that a turn still needs; None: no turn needs any."""
        self._backlog.push_audio(samples)
        oldest = self.ago(IDLE_MS)
        if wanted is None:
            self._backlog.skip(oldest)
        self._backlog.acknowledge(oldest if wanted is None else min(oldest, wanted))
        if self._active and self._backlog.waiting >= self._piece:
            self._wake.set()

    def put(self, message: Json) -> None:
        """Have a message sent, behind those that wait."""
        self._put(LiveOrder(encode(message).decode()))

    def start(self, position: int) -> None:
        """The user's turn begins there."""
        self._put(LiveOrder('{"realtimeInput":{"activityStart":{}}}', "start", position))

    def finish(self, position: int) -> None:
        """The user's turn ends there."""
        self._put(LiveOrder('{"realtimeInput":{"activityEnd":{}}}', "end", position))

    def urgent(self, messages: Iterable[Json]) -> None:
        """Have messages sent in front of all others: results of tools, for which the model waits."""
        self._orders.extendleft(LiveOrder(encode(message).decode()) for message in reversed(list(messages)))
        self._wake.set()

    def _put(self, order: LiveOrder) -> None:
        self._orders.append(order)
        self._wake.set()

    def opens(self) -> None:
        """A connection is up, and has heard nothing. Audio that is kept can go up once more."""
        self._orders.clear()
        self._active = self.held = False
        self._backlog.rewind()

    def due(self) -> str | None:
        """The next message, if one may go now."""
        order = self._orders[0] if self._orders else None
        if order is not None and not (self.held and order.kind != "other"):
            if order.kind != "end" or self._backlog.sent >= min(order.at, self.end):
                return self._taken(self._orders.popleft())
            return self._audio(order.at)
        return self._audio(None) if order is None else None

    def _taken(self, order: LiveOrder) -> str:
        if order.kind == "start":
            self._active = True
            self._backlog.skip(order.at)
        elif order.kind == "end":
            self._active = False
        return order.text

    def _audio(self, until: int | None) -> str | None:
        if not self._active or self.held:
            return None
        size = self._piece if until is None else min(self._piece, until - self.sent)
        samples = self._backlog.take(size)
        # Base64 needs no escapes, so that the message need not be encoded anew for each piece.
        return None if samples is None else f'{self._head}{b64encode(samples.tobytes()).decode()}"}}}}}}'

    def wake(self) -> None:
        """Look once more for what is due."""
        self._wake.set()

    async def news(self) -> None:
        """Wait for anything to send."""
        await self._wake.wait()
        self._wake.clear()
