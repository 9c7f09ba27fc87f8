"""What waits to be sent to OpenAI Realtime besides the user's sound: what is urgent, then the rest in its order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from bargein.vendors.common.openai_realtime.items import Json

log = logging.getLogger(__name__)

WAITING = 2_000  # a line so far behind is lost; in a break the oldest go
COMMIT, CLEAR = "input_audio_buffer.commit", "input_audio_buffer.clear"
ASKING = ("response.create", "response.cancel")
LASTING = ("conversation.item.", "input_audio_buffer.")  # what is still right when the same session is joined again

encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class OutboundEvent:
    """after: position in the user's sound that goes up before it."""

    kind: str
    text: str
    after: int = 0


class RealtimeSendQueue:
    """lasting: the session at the other end outlives a connection, so its conversation's orders wait for the next one;
    full: told when more waits than a line that reads can owe."""

    def __init__(self, *, lasting: bool, full: Callable[[], None]) -> None:
        self._lasting, self._full = lasting, full
        self._urgent: deque[OutboundEvent] = deque()
        self._orders: deque[OutboundEvent] = deque()
        self._open = False
        self._wake = asyncio.Event()

    def opens(self) -> None:
        """A connection is up."""
        self._open = True
        self._wake.set()

    def breaks(self) -> None:
        """It is over. What was not sent is gone, but for what lasts."""
        self._open = False
        self._urgent.clear()
        kept = [order for order in self._orders if self._lasting and order.kind.startswith(LASTING)]
        self._orders = deque(kept[-WAITING // 2 :])  # the next connection must not be full before it has begun

    def put(self, event: Json, *, after: int = 0, urgent: bool = False) -> None:
        """Have an event sent: after those before it, or in front of all. Without a connection only what lasts waits."""
        kind: str = event["type"]
        if not self._open and not (self._lasting and kind.startswith(LASTING)):
            return
        if len(self._orders) >= WAITING:
            if self._open:
                self._full()
                return
            log.warning("The break is long: the oldest %s is forgotten", self._orders.popleft().kind)
        (self._urgent if urgent else self._orders).append(OutboundEvent(kind, encode(event).decode(), after))
        self._wake.set()

    def waiting(self, kind: str) -> int:
        """How many of a kind were not sent."""
        return sum(order.kind == kind for order in self._orders)

    def forget(self, kind: str) -> None:
        """Orders of a kind that were not sent are not to be."""
        self._orders = deque(order for order in self._orders if order.kind != kind)

    def due(self, sent: int) -> OutboundEvent | None:
        """The next that may go, when the user's sound was sent up to there."""
        if self._urgent:
            return self._urgent.popleft()
        return self._orders.popleft() if self._orders and sent >= self._orders[0].after else None

    @property
    def after(self) -> int | None:
        """The position that the first order waits for; None: no order waits."""
        return self._orders[0].after if self._orders else None

    def wake(self) -> None:
        """There is sound to be sent."""
        self._wake.set()

    async def news(self) -> None:
        """Wait for anything to send. Look once more before: what came since the last wait is told at once."""
        await self._wake.wait()
        self._wake.clear()
