"""A vendor's media stream in simulated time: it plays audio, returns marks and obeys a clear."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

import numpy as np

from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.clock import ManualClock
from bargein.transports.telephone.dialect import TelephoneDialect
from bargein.transports.telephone.transport import TelephoneTransport

WAY_MS = 30  # either way
LEAD_MS = 100
CLEAR = None
Heard = list[int] | str | None  # audio as it is on the wire, a mark's name, or a clear


class VendorMessages(Protocol):
    """One vendor's half of the messages."""

    returning: bool
    silence: int

    def start(self) -> list[str]: ...

    def heard(self, data: bytes, *, binary: bool) -> Heard: ...

    def mark(self, name: str) -> str: ...

    def cleared(self) -> str | None: ...

    def spoken(self, number: int, samples: Samples) -> str | bytes:
        """A message of the caller's audio."""
        ...

    def stop(self) -> str | None: ...


class SimulatedStream:
    """The network's end of one stream, and the transport at ours. A `Wire` by shape."""

    def __init__(self, messages: VendorMessages, dialect: TelephoneDialect) -> None:
        self.clock = ManualClock(1000)
        self.telephone = TelephoneTransport(self, dialect, self.clock)
        self.unsent = 0
        self.played: list[int] = []
        """Every sample that was played, without the silence that filled up a frame."""
        self.chunks: list[int] = []
        """Lengths of the messages of audio."""
        self.marks: list[str] = []
        """Names of the marks that were asked for."""
        self.closed: tuple[int, str] | None = None
        self._messages = messages
        self._there: deque[tuple[float, Heard]] = deque()
        self._back: deque[tuple[float, str]] = deque()
        self._line: deque[int | str] = deque()
        for message in messages.start():
            self.telephone.incoming(message)
        self._per_ms = dialect.rate // 1000
        self._frame = dialect.rate // 50
        self._mulaw = dialect.mulaw

    def text(self, data: bytes) -> None:
        self._there.append((self.clock.now_ms() + WAY_MS, self._messages.heard(data, binary=False)))

    def binary(self, data: bytes) -> None:
        self._there.append((self.clock.now_ms() + WAY_MS, self._messages.heard(data, binary=True)))

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    # -------------------------------------------------------------------------------------------------- its life

    def live(self, ms: int) -> None:
        for _ in range(ms):
            self.clock.advance(1)
            left = self._per_ms
            while left and self._line:
                if isinstance(item := self._line.popleft(), str):
                    self._answer(self._messages.mark(item))
                    continue
                left -= 1
                if item != self._messages.silence:
                    self.played.append(item)
            self._arrivals()
            self._marks_that_are_due()
            while self._back and self._back[0][0] <= self.clock.now_ms():
                self.telephone.incoming(self._back.popleft()[1])

    def _arrivals(self) -> None:
        while self._there and self._there[0][0] <= self.clock.now_ms():
            _, heard = self._there.popleft()
            if heard is CLEAR:
                left = [item for item in self._line if isinstance(item, str)]
                self._line.clear()
                for name in left if self._messages.returning else ():
                    self._answer(self._messages.mark(name))
                if (answer := self._messages.cleared()) is not None:
                    self._answer(answer)
            elif isinstance(heard, str):
                self.marks.append(heard)
                self._line.append(heard)
            else:
                self.chunks.append(len(heard))
                self._line.extend(heard)
            self._marks_that_are_due()

    def _marks_that_are_due(self) -> None:
        while self._line and isinstance(self._line[0], str):
            self._answer(self._messages.mark(str(self._line.popleft())))

    def _answer(self, message: str) -> None:
        self._back.append((self.clock.now_ms() + WAY_MS, message))

    # --------------------------------------------------------------------------------------------------- our end

    def audio(self, samples: int) -> c.WireSamples:
        """A reply of which every sample is known by its value, and none is silence."""
        count = np.arange(samples)
        return (count % 200).astype(np.uint8) if self._mulaw else (count % 20_000 + 1).astype(np.int16)

    def speak(self, audio: c.WireSamples, first: int = 0, ms: int | None = None, reply: int = 1) -> None:
        """Send a reply from there on, in frames of 20 ms with a lead; for so long, or to its end."""
        began = self.clock.now_ms()
        at, sequence = first, 0
        while at < len(audio):
            sent_ms = (at - first) / self._per_ms
            while sent_ms - (self.clock.now_ms() - began) > LEAD_MS:
                if ms is not None and self.clock.now_ms() - began >= ms:
                    return
                self.live(1)
            end = min((at // self._frame + 1) * self._frame, len(audio))
            self.telephone.send(c.AudioOut(reply, sequence, at, audio[at:end], last=end == len(audio)))
            at, sequence = end, sequence + 1
        self.live(ms - int(self.clock.now_ms() - began) if ms is not None else 0)

    async def told(self) -> list[c.Inbound]:
        """All that our end has told the call since the last time."""
        got: list[c.Inbound] = []

        async def read() -> None:
            async for item in self.telephone.receive():
                got.append(item)

        task = asyncio.create_task(read())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return got

    async def held(self) -> c.Held:
        """Hold reply 1, and what is told of it."""
        self.telephone.hold(1)
        self.live(2 * WAY_MS)
        (held,) = [item for item in await self.told() if isinstance(item, c.Held)]
        return held
