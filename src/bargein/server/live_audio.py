"""Both sides of a running call, for operators who listen, from whichever node has the call.

A listener gets one text message, `{"type": "audio", "rate": 16000, "channels": ["user", "agent"]}`, and then binary
ones: the block's first sample (8 bytes, little endian, from the call's time 0 on), and 100 ms of both sides as 16-bit
PCM, interleaved. The agent's side is what the caller heard, some 300 ms after it was heard. A call without listeners
pays nothing.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import numpy as np
from starlette.websockets import WebSocket, WebSocketDisconnect

from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Samples
from bargein.audio.resample import StreamResampler
from bargein.call.call import Call
from bargein.errors import BargeinError
from bargein.fleet.keys import audio_of, call_of
from bargein.recorder.audio_lanes import AgentLane, ReplyLane, UserLane, assembled
from bargein.server.call_commands import home_of
from bargein.server.call_events import goes_on
from bargein.server.hub import Hub
from bargein.server.live_feed import SLOW_S, close_over, pour
from bargein.server.refusals import Refusal

log = logging.getLogger(__name__)

LISTEN = "bargein.listen"  # the subprotocol
BLOCK_MS = 100
LAG_MS = 200.0  # after a block's end: most reports have come by then
WAIT_MS = 1_000.0  # more, for a client whose reports are late
AGAIN_MS = 40.0  # between two looks at such a client
WAITING = 40  # blocks that wait for a listener: 4 s; then the oldest goes
LISTENERS = 4  # to one call
RESAMPLER_MS = 70  # that the resampler keeps back
_MULAW = from_mulaw(bytes(range(256)))

Take = Callable[[bytes], None]
Over = Callable[[], None]


class LiveSides:
    """protocols.AudioTaker by shape: gives each block of both sides to those who listen. rate: Hz of the user's audio.
    agent_rate: Hz of the replies'; None: they do not come by this server. at: the time of a position in the user's
    stream, in ms on the call's clock. over: called once, at the call's end."""

    def __init__(
        self,
        take: Take,
        over: Over,
        *,
        rate: int,
        agent_rate: int | None,
        at: Callable[[int], float],
        now_ms: float,
    ) -> None:
        self._take, self._over = take, over
        self.rate = rate
        self._agent_rate = agent_rate or rate
        self._index = int(now_ms // BLOCK_MS) + 1
        self._size, self._agent_size = BLOCK_MS * rate // 1000, BLOCK_MS * self._agent_rate // 1000
        self._user = UserLane(rate, at, self._index * self._size)
        self._agent = AgentLane(self._agent_rate)
        self._resampler = None if agent_rate in (None, rate) else StreamResampler(self._agent_rate, rate)
        self._carry = np.zeros(RESAMPLER_MS * rate // 1000, np.int16)
        self._due_ms = self._next_due_ms

    def user(self, first: int, samples: Samples) -> None:
        """Audio of the user, as it came."""
        self._user.push(first, samples)

    def replaced(self, first: int, samples: Samples) -> None:
        """Audio of the user that came late."""
        self._user.replace(first, samples)

    def reply(self, heard: int = 0) -> ReplyLane:
        """One more reply of the agent."""
        return self._agent.reply(heard)

    def tick(self, now_ms: float) -> None:
        """Time passes: a block may be due."""
        while now_ms >= self._due_ms:
            end_ms = (self._index + 1) * BLOCK_MS
            late = now_ms >= end_ms + LAG_MS + WAIT_MS
            if not late and not self._agent.settled((self._index + 1) * self._agent_size):
                self._due_ms = now_ms + AGAIN_MS
                return
            self._take(self._block())
            self._due_ms = self._next_due_ms

    def close(self, now_ms: float) -> None:
        """The call is over."""
        self._over()

    def _block(self) -> bytes:
        first = self._index * self._size
        both = np.empty((self._size, 2), "<i2")
        both[:, 0] = assembled(self._user.lay(first, first + self._size), self._size, _MULAW)
        begin = self._index * self._agent_size
        agent = assembled(self._agent.lay(begin, begin + self._agent_size), self._agent_size, _MULAW)
        both[:, 1] = self._at_rate(agent)
        self._index += 1
        return struct.pack("<Q", first) + both.tobytes()

    def _at_rate(self, agent: Samples) -> Samples:
        """The resampler keeps some audio back: the agent's side comes so much later."""
        if self._resampler is None:
            return agent
        out = np.concatenate((self._carry, self._resampler.push_audio(agent)))
        self._carry = out[self._size :]
        return out[: self._size]

    @property
    def _next_due_ms(self) -> float:
        return (self._index + 1) * BLOCK_MS + LAG_MS


class LiveListener:
    """One who listens. What the listener's connection does not take in time is left out; the call never waits."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque(maxlen=WAITING)
        self._wake = asyncio.Event()
        self._over = False
        self.rate = 0
        """Hz, once there is a block."""

    def take(self, block: bytes) -> None:
        """One more block."""
        self._waiting.append(block)
        self._wake.set()

    def end(self) -> None:
        """The call is over."""
        self._over = True
        self._wake.set()

    async def next(self) -> bytes | None:
        """The next block. None: the call is over."""
        while not self._waiting:
            if self._over:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()


class _HeardCall:
    """A call of this node that is listened to, and by whom."""

    def __init__(self, hub: Hub, call: Call, who: str, over: Over) -> None:
        self._fleet, self._topic = hub.fleet, audio_of(call.id)
        self.listeners: set[LiveListener] = set()
        self.passed_on = False
        """Other nodes get it, too."""
        self._over = over
        self.rate = 0
        """Hz."""
        self._leave = call.hear(self._open, by=who)

    def leave(self) -> None:
        """No listener is left."""
        self._leave()

    def _open(self, *, rate: int, agent_rate: int | None, at: Callable[[int], float], now_ms: float) -> LiveSides:
        self.rate = rate
        return LiveSides(self._take, self._end, rate=rate, agent_rate=agent_rate, at=at, now_ms=now_ms)

    def _take(self, block: bytes) -> None:
        for listener in self.listeners:
            listener.take(block)
        if not self.passed_on:
            return
        if self._fleet.watched(self._topic):
            self._fleet.publish(self._topic, f"{self.rate} {base64.b64encode(block).decode()}")
        else:
            self.passed_on = False
            if not self.listeners:
                self._over()

    def _end(self) -> None:
        for listener in self.listeners:
            listener.end()
        self._over()


class LiveAudio:
    """Who listens to the calls of this node, or from it to those of other nodes."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._calls: dict[str, _HeardCall] = {}
        hub.fleet.leased = self._leased

    @property
    def listeners(self) -> int:
        """Listeners at this node to its own calls."""
        return sum(len(heard.listeners) for heard in self._calls.values())

    async def listen(self, socket: WebSocket, call_id: str, who: str) -> None:
        """Send a call's audio until it is over, and after it when it moves. who: for log and record. Raises
        BargeinError before the socket is accepted."""
        accepted = False
        while True:
            try:
                async with self._listening(call_id, who) as listener:
                    first = await listener.next()
                    if not accepted:
                        await socket.accept(LISTEN if LISTEN in socket.scope["subprotocols"] else None)
                        accepted = True
                    if not await _tell(socket, listener, first):
                        return
            except BargeinError:
                if not accepted:
                    raise
                break
            if not await goes_on(self._hub, call_id):
                break
        await close_over(socket)

    @asynccontextmanager
    async def _listening(self, call_id: str, who: str) -> AsyncIterator[LiveListener]:
        """A listener of a call on any node."""
        listener = LiveListener()
        if await home_of(self._hub, call_id) is not None:
            async with self._hub.fleet.watch(audio_of(call_id)) as texts:
                passing = asyncio.create_task(_pass_on(texts, listener), name=f"audio of {call_id}")
                try:
                    yield listener
                finally:
                    passing.cancel()
                    await asyncio.wait([passing])
            return
        heard = self._heard(call_id, who)
        if len(heard.listeners) >= LISTENERS:
            raise Refusal(429, "too_many_listeners", "Too many listen to this call", advice="Close one of them")
        listener.rate = heard.rate
        heard.listeners.add(listener)
        log.warning("Call %s: %s listens", call_id, who)
        try:
            yield listener
        finally:
            heard.listeners.discard(listener)
            if not heard.listeners and not heard.passed_on:
                self._forget(call_id)
            log.warning("Call %s: %s listens no more", call_id, who)

    def _heard(self, call_id: str, who: str) -> _HeardCall:
        """Raises Refusal for a call that does not run here."""
        heard = self._calls.get(call_id)
        if heard is None:
            call = self._hub.calls.call(call_id)
            heard = self._calls[call_id] = _HeardCall(self._hub, call, who, partial(self._forget, call_id))
        return heard

    def _forget(self, call_id: str) -> None:
        heard = self._calls.pop(call_id, None)
        if heard is not None:
            heard.leave()

    def _leased(self, topic: str) -> None:
        """Another node watches something of a call of this one."""
        call_id = call_of(topic)
        if topic == audio_of(call_id) and self._hub.calls.is_live(call_id):
            with suppress(Refusal):  # it rings, and nothing is said yet: the next lease comes soon
                self._heard(call_id, "an operator at another server").passed_on = True


async def _pass_on(texts: AsyncIterator[str], listener: LiveListener) -> None:
    try:
        async for text in texts:
            rate, _, block = text.partition(" ")
            listener.rate = int(rate)
            listener.take(base64.b64decode(block))
    finally:
        listener.end()


async def _tell(socket: WebSocket, listener: LiveListener, first: bytes | None) -> bool:
    """Until the call is over, or leaves. False: the listener went away, or reads no more."""
    if first is not None:
        facts = {"type": "audio", "rate": listener.rate, "channels": ["user", "agent"]}
        try:
            async with asyncio.timeout(SLOW_S):
                await socket.send_text(json.dumps(facts))
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            return False
    return await pour(socket, listener, first, socket.send_bytes)
