"""The calls of this process: how many may be, which there are, which there were, and who watches them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec

from bargein.call.call import Call
from bargein.notices import Notice
from bargein.protocols import SERVER_STOPPED
from bargein.recorder.redaction import NO_REDACTION, Redaction
from bargein.server.metrics import Metrics
from bargein.server.refusals import Refusal

WATCHER_NOTICES = 512  # some ten seconds of a lively call; then the oldest is dropped
WATCHERS = 16  # of one call
GOODBYE_S = 9.0  # for the last sentence of every call; the floor ends each of them within 8 s
MOVES_AT_ONCE = 32  # calls that wait for a quiet moment to leave

log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()


class Watcher:
    """One who looks on. What he does not take in time he misses; the call never waits for him."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: deque[str] = deque(maxlen=WATCHER_NOTICES)
        self._wake = asyncio.Event()
        self._over = False
        self.missed = 0  # since `next` told so last

    def tell(self, text: str) -> None:
        if len(self._waiting) == WATCHER_NOTICES:
            self.missed += 1
            self._metrics.notice_dropped()
        self._waiting.append(text)
        self._wake.set()

    def end(self) -> None:
        self._over = True
        self._wake.set()

    async def next(self) -> str | None:
        """The next notice, as JSON; None: the call is over. A gap is told as `{"type": "missed", "notices": n}`."""
        while True:
            if self.missed:
                missed, self.missed = self.missed, 0
                return f'{{"type":"missed","notices":{missed}}}'
            if self._waiting:
                return self._waiting.popleft()
            if self._over:
                return None
            self._wake.clear()
            await self._wake.wait()


class Elsewhere(Protocol):
    """Those who look on from other nodes: `Fleet`, by shape."""

    def watched(self, call_id: str) -> bool:
        """There are some."""
        ...

    def publish(self, call_id: str, text: str) -> None:
        """Tell them. Never waits."""
        ...


class Mover(Protocol):
    """Takes calls to other nodes."""

    def begin(self) -> None:
        """No new call is placed here; the other nodes know it at once."""
        ...

    def end(self) -> None:
        """Calls are placed here again."""
        ...

    async def move(self, call: Call) -> bool:
        """Returns when the call has left. False: it stays: no other node has room, or none can know of it."""
        ...


class Watchers:
    """All who look on at one call."""

    def __init__(
        self,
        metrics: Metrics,
        elsewhere: Elsewhere | None = None,
        call_id: str = "",
        redaction: Redaction = NO_REDACTION,
    ) -> None:
        self._metrics = metrics
        self._redaction = redaction
        self._elsewhere, self._call_id = elsewhere, call_id
        self._watchers: set[Watcher] = set()

    def publish(self, notice: Notice) -> None:
        """Tell every one. Never waits; encodes once, and only if there is a watcher."""
        far = self._elsewhere is not None and self._elsewhere.watched(self._call_id)
        if not self._watchers and not far:
            return
        if self._redaction.nothing:
            text = _encoder.encode(notice).decode()
        else:
            text = _encoder.encode(self._redaction.fields(msgspec.to_builtins(notice))).decode()
        for watcher in self._watchers:
            watcher.tell(text)
        if far and self._elsewhere is not None:
            self._elsewhere.publish(self._call_id, text)

    @contextmanager
    def one_more(self) -> Iterator[Watcher]:
        """Raises Refusal when too many look on already."""
        if len(self._watchers) >= WATCHERS:
            raise Refusal(429, "too_many_watchers", "Too many watch this call", advice="Close one of them")
        watcher = Watcher(self._metrics)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def end(self) -> None:
        for watcher in self._watchers:
            watcher.end()


class Calls:
    """most: calls at a time; kept: finished calls that stay listed. redaction: of all that is told of them."""

    def __init__(self, most: int, kept: int, metrics: Metrics, redaction: Redaction = NO_REDACTION) -> None:
        self._redaction = redaction
        self._most = most
        self._metrics = metrics
        self._live: dict[str, tuple[Call, Watchers]] = {}
        self._dialing: dict[str, tuple[Callable[[], dict[str, object]], Watchers]] = {}  # calls of ours that ring
        self._finished: deque[dict[str, object]] = deque(maxlen=kept)
        self._taken = 0
        self._none = asyncio.Event()  # no call is live
        self._none.set()
        self._ended = asyncio.Event()  # set at the end of each call
        self._closing = False
        self._closed = False  # for good
        self._move = False  # the drain was asked to move calls at once
        self._drain_lock = asyncio.Lock()
        self._replaced = asyncio.Event()  # the drain that runs is to end
        self.mover: Mover | None = None
        self.is_late: Callable[[], bool] = lambda: False
        """Whether the process runs too late for one more call."""

    @property
    def taken(self) -> int:
        """Seats that are taken, by calls and by those that want to become one."""
        return self._taken

    @property
    def most(self) -> int:
        """Seats."""
        return self._most

    @property
    def ids(self) -> list[str]:
        """Of the live calls."""
        return list(self._live)

    async def over(self, ids: Collection[str]) -> None:
        """Returns when none of these calls is live."""
        while not self._live.keys().isdisjoint(ids):
            self._ended.clear()
            await self._ended.wait()

    @property
    def speaking(self) -> int:
        """Calls in which the agent speaks now."""
        return sum(call.floor.reply.sounding for call, _ in self._live.values())

    @contextmanager
    def place(self, *, instead: bool = False) -> Iterator[None]:
        """A place for a connection that has proved what it is. Raises Refusal when there is none.

        instead: of a call that ends for this one, whose place is free in a moment."""
        self._demand_open()
        if not instead:
            self.demand_place()
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    def demand_place(self) -> None:
        """Raises Refusal when no place is free."""
        self._demand_open()
        if self._taken >= self._most:
            self._metrics.call_refused("busy")
            raise Refusal(503, "busy", f"The server has {self._most} calls already", advice="Call again a little later")
        if self.is_late():
            self._metrics.call_refused("late")
            message = f"The server runs late with {self._taken} calls"
            raise Refusal(503, "busy", message, advice="Call again a little later")

    @contextmanager
    def listed(self, call: Call, watchers: Watchers) -> Iterator[None]:
        """The call can be found while the block runs, and its last state for a while after it. Raises Refusal when
        the server is about to close."""
        self._demand_open()
        self._live[call.id] = (call, watchers)
        self._none.clear()
        self._metrics.call_began()
        try:
            yield
        finally:
            del self._live[call.id]
            self._finished.appendleft(self._told(call))
            watchers.end()
            self._ended.set()
            if not self._live:
                self._none.set()

    @contextmanager
    def dialing(self, call_id: str, status: Callable[[], dict[str, object]], watchers: Watchers) -> Iterator[None]:
        """A call of ours that is not answered yet can be found while the block runs. If its status is over then, it is
        kept as the last one."""
        self._dialing[call_id] = (status, watchers)
        try:
            yield
        finally:
            del self._dialing[call_id]
            if (last := status())["over"] is not None:
                self._finished.appendleft(last)
                watchers.end()

    def heard(self) -> dict[str, tuple[int, int]]:
        """The calls whose agent sounds: the reply, and how many samples of it were heard."""
        found = {call_id: call.heard for call_id, (call, _) in self._live.items() if call.floor.reply.sounding}
        return {call_id: heard for call_id, heard in found.items() if heard is not None}

    def lose(self, call_id: str, why: str) -> None:
        """A live call goes on elsewhere, and ends here without a word."""
        if call_id in self._live:
            self._live[call_id][0].hang_up(why)

    def call(self, call_id: str) -> Call:
        """A live call. Raises Refusal for one that is over, or never was."""
        return self._find(call_id)[0]

    def watchers(self, call_id: str) -> Watchers:
        """A live call's, or those of one that rings. Raises Refusal for one that is over, or never was."""
        return self._dialing[call_id][1] if call_id in self._dialing else self._find(call_id)[1]

    def status(self, call_id: str) -> dict[str, object]:
        """A call's state, or its last one. Raises Refusal for one that we do not know."""
        if call_id in self._live:
            return self._told(self._live[call_id][0])
        if call_id in self._dialing:
            return self._dialing[call_id][0]()
        if (status := self.ended(call_id)) is not None:
            return status
        raise _unknown(call_id)

    def is_live(self, call_id: str) -> bool:
        """The call runs here, or rings."""
        return call_id in self._live or call_id in self._dialing

    def forget(self, call_id: str) -> bool:
        """List a call no more that is over. False: it was not listed."""
        kept = [status for status in self._finished if status["id"] != call_id]
        found = len(kept) < len(self._finished)
        if found:
            self._finished.clear()
            self._finished.extend(kept)
        return found

    def ended(self, call_id: str) -> dict[str, object] | None:
        """The last state of a call that ran here, and is still listed. None: there is none."""
        return next((status for status in self._finished if status["id"] == call_id), None)

    def listing(self) -> dict[str, list[dict[str, object]]]:
        """All, newest first; without what was said."""
        calls = [self._told(call) for call, _ in self._live.values()]
        calls += [status() for status, _ in self._dialing.values()]
        return {
            "calls": [_short(status) for status in reversed(calls)],
            "finished": [_short(status) for status in self._finished],
        }

    def _told(self, call: Call) -> dict[str, object]:
        status = dataclasses.asdict(call.status())
        return status if self._redaction.nothing else self._redaction.fields(status)

    @property
    def closing(self) -> bool:
        """No call begins any more."""
        return self._closing

    async def drain(self, within_s: float, at_once: asyncio.Event, *, move: bool = False) -> None:
        """No call begins after this. Those that run may end by themselves within this time; then each moves to another
        node at its next quiet moment; where none has room, its agent says goodbye, and it ends.

        at_once: once it is set, nothing is waited for. move: calls move now. A later drain takes the place of this
        one, which then returns; a wish to move stays."""
        self._closing = True
        self._move = move = move or self._move
        self._replaced.set()
        self._replaced = replaced = asyncio.Event()
        async with self._drain_lock:
            if self.mover is not None:
                self.mover.begin()
            if self._live:
                wait_s = 0.0 if move else within_s
                log.warning("No more calls are taken; %d may end by themselves within %g s", len(self._live), wait_s)
                await self._first_of(wait_s, self._none, at_once, replaced)
            if self._live and self.mover is not None and not at_once.is_set() and not replaced.is_set():
                await self._move_all(self.mover, at_once, replaced)
            if at_once.is_set() or replaced.is_set():
                return
            for call, _ in self._live.values():
                call.say_goodbye(SERVER_STOPPED)
            await self._first_of(GOODBYE_S, self._none, at_once, replaced)

    def reopen(self) -> None:
        """Calls are taken again, unless the server closes, or a drain still runs."""
        if self._closed or self._drain_lock.locked():
            return
        self._closing = self._move = False
        if self.mover is not None:
            self.mover.end()

    async def _move_all(self, mover: Mover, *stops: asyncio.Event) -> None:
        """Until each call has left, or says goodbye, or one of the events is set."""
        places = asyncio.Semaphore(MOVES_AT_ONCE)
        done = asyncio.Event()

        async def leave(call: Call) -> None:
            async with places:
                moved = await mover.move(call)
            if not moved and call.over is None:
                call.say_goodbye(SERVER_STOPPED)

        leaving = asyncio.gather(*(leave(call) for call, _ in self._live.values()))
        leaving.add_done_callback(lambda _: done.set())
        try:
            await self._first_of(None, done, *stops)
        finally:
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving

    async def _first_of(self, within_s: float | None, *events: asyncio.Event) -> None:
        """Until one of them is set, or the time is over."""
        waiting = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waiting, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    async def hang_up_all(self, reason: str) -> None:
        """No call begins after this; returns when every one is over."""
        self._closing = self._closed = True
        for call, _ in self._live.values():
            call.hang_up(reason)
        await self._none.wait()

    def _demand_open(self) -> None:
        """Raises Refusal when the server is about to close."""
        if self._closing:
            self._metrics.call_refused("closing")
            raise Refusal(503, "closing", "The server is closing", advice="Call again a little later")

    def _find(self, call_id: str) -> tuple[Call, Watchers]:
        if call_id in self._live:
            return self._live[call_id]
        if call_id in self._dialing:
            advice = "Wait until GET /calls/{id} shows another state, or watch its events"
            raise Refusal(409, "call_rings", "That call is not answered yet", advice=advice)
        self.status(call_id)
        raise Refusal(409, "call_over", "That call is over", advice="Look at it with GET /calls/{id}")


def _short(status: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in status.items() if key not in ("conversation", "policy")}


def _unknown(call_id: str) -> Refusal:
    return Refusal(404, "unknown_call", f"There is no call {call_id[:80]!r}", advice="See GET /calls for what there is")
