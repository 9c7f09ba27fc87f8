"""The far end of a telephone stream in virtual time, for whichever vendor: plays, returns marks, obeys a clear."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

import numpy as np

from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.clock import ManualClock
from bargein.transports.telephone.transport import TelephoneDialect, TelephoneTransport

WAY_MS = 30  # either way
LEAD_MS = 100
CLEAR = None
Heard = list[int] | str | None  # audio as it is on the wire, a mark's name, or a clear


class Manners(Protocol):
    """One vendor's half of the messages."""

    returning: bool
    silence: int

    def start(self) -> list[str]: ...

    def heard(self, data: bytes, *, binary: bool) -> Heard: ...

    def mark(self, name: str) -> str: ...

    def cleared(self) -> str | None: ...

    def spoken(self, number: int, samples: Samples) -> str | bytes:
        """The caller's sound."""
        ...

    def stop(self) -> str | None: ...


class FarEnd:
    """A telephone.Wire by shape. sounded: every sample that was played, but for the silence that filled up a frame;
    pieces: the lengths of the messages of audio; marks: all that it was asked to return."""

    def __init__(self, manners: Manners, dialect: TelephoneDialect) -> None:
        self.clock = ManualClock(1000)
        self.telephone = TelephoneTransport(self, dialect, self.clock)
        self.unsent = 0
        self.sounded: list[int] = []
        self.pieces: list[int] = []
        self.marks: list[str] = []
        self.closed: tuple[int, str] | None = None
        self._manners = manners
        self._per_ms = dialect.rate // 1000
        self._frame = dialect.rate // 50
        self._mulaw = dialect.mulaw
        self._there: deque[tuple[float, Heard]] = deque()
        self._back: deque[tuple[float, str]] = deque()
        self._line: deque[int | str] = deque()
        for message in manners.start():
            self.telephone.incoming(message)

    def text(self, data: bytes) -> None:
        self._there.append((self.clock.now_ms() + WAY_MS, self._manners.heard(data, binary=False)))

    def binary(self, data: bytes) -> None:
        self._there.append((self.clock.now_ms() + WAY_MS, self._manners.heard(data, binary=True)))

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    # -------------------------------------------------------------------------------------------------- its life

    def live(self, ms: int) -> None:
        for _ in range(ms):
            self.clock.advance(1)
            left = self._per_ms
            while left and self._line:
                if isinstance(item := self._line.popleft(), str):
                    self._answer(self._manners.mark(item))
                    continue
                left -= 1
                if item != self._manners.silence:
                    self.sounded.append(item)
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
                for name in left if self._manners.returning else ():
                    self._answer(self._manners.mark(name))
                if (answer := self._manners.cleared()) is not None:
                    self._answer(answer)
            elif isinstance(heard, str):
                self.marks.append(heard)
                self._line.append(heard)
            else:
                self.pieces.append(len(heard))
                self._line.extend(heard)
            self._marks_that_are_due()

    def _marks_that_are_due(self) -> None:
        while self._line and isinstance(self._line[0], str):
            self._answer(self._manners.mark(str(self._line.popleft())))

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
