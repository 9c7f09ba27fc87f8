"""A call's transport over one connection after another: a connection is not a call.

    kept = KeptTransport(first, clock, keep_ms)     # the call's transport; first: an open connection
    await kept.carry_on(second)                     # the same client, on a new connection, until that is lost, too

While no connection is there, nothing leaves: frames are dropped, because the call cuts the reply that sounded, and
notices wait for the next connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from bargein import protocols as c
from bargein.audio.ambience import Ambience
from bargein.clock import Clock
from bargein.notices import Notice, ReplyBegins

MAX_NOTICES = 200  # kept for a client that is away; the oldest go first
REPLACED = "another connection has taken the call over"


Deliver = Callable[[c.AudioIn | c.Played], None]


class Connection(c.Transport, Protocol):
    """A transport that another one can replace."""

    def release(self, reason: str) -> None:
        """The call goes on elsewhere: `receive` ends now. Never waits."""
        ...


def _nothing() -> None:
    """Until a listener is set."""


@dataclass(eq=False, slots=True)
class _Attached:
    wire: Connection
    released: asyncio.Event = field(default_factory=asyncio.Event)


class KeptTransport:
    """A `protocols.Transport` by shape. keep_ms: for so long the call waits for a client that was lost. 0: no time."""

    def __init__(self, first: Connection, clock: Clock, keep_ms: float) -> None:
        self.capabilities = first.capabilities
        self.rate_in = first.rate_in
        self.rate_out = first.rate_out
        self.newest_reply = 0
        """The newest reply that a client was told of."""
        self.on_client_sent: Callable[[], None] = _nothing
        """Told once for each connection, when the client sends something over it."""
        self._client_sent = False
        self._clock = clock
        self._keep_ms = keep_ms
        self._expected_ms: float | None = None
        self._cause = "back"
        self._attached = _Attached(first)
        self._there = True  # the client hears what is sent
        self._lost = False  # no connection is there
        self._closed = False
        self._news = asyncio.Event()
        self._notices: deque[Notice] = deque(maxlen=MAX_NOTICES)
        self._end = 0  # position after the user's newest audio
        self._end_ms = clock.now_ms()  # when that audio came
        self._deliver: Deliver | None = None  # takes what comes often, at once
        self._background: Ambience | None = None
        self._base: int | None = 0  # where this connection's audio begins. None: none has come yet

    @property
    def away(self) -> bool:
        """No connection is there."""
        return self._lost and not self._closed

    @property
    def closed(self) -> bool:
        """The call is over."""
        return self._closed

    # --------------------------------------------------------------------------------------------- connections

    def fits(self, wire: Connection) -> bool:
        """Whether a connection can carry this call: its audio must have the same form."""
        same = replace(wire.capabilities, repair_ms=self.capabilities.repair_ms) == self.capabilities
        return same and (wire.rate_in, wire.rate_out) == (self.rate_in, self.rate_out)

    async def carry_on(self, wire: Connection) -> None:
        """The client is on this connection now, until it is lost or replaced, or the call is over."""
        before = self._attached.wire
        released = self.take_over(wire)
        await before.close(REPLACED)
        await released.wait()

    def take_over(self, wire: Connection) -> asyncio.Event:
        """The client is on this connection now; an older one is released. Returns the event of its own release."""
        before = self._attached
        self._attached = _Attached(wire)
        self._base = None
        self._client_sent = False
        self._expected_ms = None
        self._there = False  # until the call has heard that the old connection is lost
        if not self._lost:
            before.wire.release(REPLACED)
            before.released.set()
        self._lost = False
        if self._background is not None and isinstance(wire, c.PlaysBackground):
            wire.play_background(self._background)
        for notice in self._notices:
            wire.notify(notice)
        self._notices.clear()
        self._news.set()
        return self._attached.released

    def expect_return(self, keep_ms: float | None) -> None:
        """The network ends this connection now, and may bring the caller back within keep_ms: its end is no hang-up.
        None: it does not."""
        self._expected_ms = keep_ms

    def returns_because(self, cause: str) -> None:
        """Why the client comes back, as in the floor's `ClientBack`."""
        self._cause = cause

    # ------------------------------------------------------------------------------------------------- incoming

    async def receive(self) -> AsyncIterator[c.Inbound]:
        """The items of every connection in turn; `ConnectionLost` and `ConnectionBack` stand between two of them."""
        while True:
            attached, reason = self._attached, REPLACED
            if self._deliver is not None and isinstance(attached.wire, c.DeliversAtOnce):
                attached.wire.deliver_to(partial(self._at_once, attached))
            async with aclosing(attached.wire.receive()) as items:  # type: ignore[type-var]  # each is a generator
                async for item in items:
                    if self._attached is not attached:
                        break
                    if not self._client_sent and not isinstance(item, c.ClientHangUp):
                        self._client_sent = True
                        self.on_client_sent()
                    if isinstance(item, c.AudioIn):
                        yield self._placed(item)
                    elif isinstance(item, c.ClientHangUp) and self._keeps(item):
                        reason = item.reason
                        break
                    else:
                        yield item
                        if isinstance(item, c.ClientHangUp):
                            return
            if self._attached is attached:
                self._there, self._lost = False, True
                self._news.clear()
                attached.released.set()
            keep_ms = self._keep_ms if self._expected_ms is None else self._expected_ms
            yield c.ConnectionLost(reason, keep_ms, self.capabilities.backlog_ms)
            if self._attached is attached:
                await attached.wire.close(reason)  # the client may not know yet
            while self._lost:
                self._news.clear()
                await self._news.wait()
            self._there = True
            cause, self._cause = self._cause, "back"
            yield c.ConnectionBack(cause)

    def deliver_to(self, handle: Deliver | None) -> None:
        """As the connections can. To be called before `receive`, and with None at any time."""
        self._deliver = handle
        if handle is None and isinstance(self._attached.wire, c.DeliversAtOnce):
            self._attached.wire.deliver_to(None)

    def _at_once(self, attached: _Attached, item: c.AudioIn | c.Played) -> None:
        deliver = self._deliver
        if self._attached is not attached or deliver is None:
            return  # another connection has taken the call over
        if not self._client_sent:
            self._client_sent = True
            self.on_client_sent()
        deliver(self._placed(item) if isinstance(item, c.AudioIn) else item)

    def _keeps(self, item: c.ClientHangUp) -> bool:
        return self._expected_ms is not None or (item.lost and self._keep_ms > 0)

    def _placed(self, audio: c.AudioIn) -> c.AudioIn:
        """The audio at its place in the whole call: the time without a connection is a gap, but for what the client
        has kept of it (positions below 0)."""
        if audio.replaces:
            return replace(audio, first_sample=(self._base or 0) + audio.first_sample)
        now, first, size = self._clock.now_ms(), audio.first_sample, len(audio.samples)
        if self._base is None:
            gap = round((now - self._end_ms) * self.rate_in / 1000) - max(size, -first)
            self._base = self._end + max(0, gap) - first
        elif self._base + first < 0:
            self._base = -first
        if self._base:
            audio = replace(audio, first_sample=self._base + audio.first_sample)
        self._end, self._end_ms = audio.first_sample + size, now
        return audio

    # ------------------------------------------------------------------------------------------------- outgoing

    def send(self, frame: c.AudioOut) -> bool:
        """As the connection does. Without a client the frame is dropped: its reply is about to be cut."""
        self.newest_reply = max(self.newest_reply, frame.reply)
        return self._attached.wire.send(frame) if self._there else True

    def hold(self, reply: int) -> c.AudioOut | None:
        """As the connection does."""
        return self._attached.wire.hold(reply) if self._there else None

    def flush(self, reply: int) -> int:
        """As the connection does."""
        return self._attached.wire.flush(reply) if self._there else 0

    def play_background(self, background: Ambience) -> bool:
        """As the connection does, and later ones of this client."""
        self._background = background
        wire = self._attached.wire
        return isinstance(wire, c.PlaysBackground) and wire.play_background(background)

    def notify(self, notice: Notice) -> None:
        """As the connection does. A client that is away gets it when it is back."""
        if isinstance(notice, ReplyBegins):
            self.newest_reply = max(self.newest_reply, notice.reply_id)
        if self._lost:
            self._notices.append(notice)
        else:
            self._attached.wire.notify(notice)

    async def close(self, reason: str) -> None:
        """The call is over."""
        self._closed = True
        self._deliver = None
        self.on_client_sent = _nothing
        self._notices.clear()
        attached = self._attached
        await attached.wire.close(reason)
        attached.released.set()
