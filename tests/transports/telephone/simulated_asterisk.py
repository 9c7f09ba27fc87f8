"""A simulated Asterisk in simulated time, at the far end of a network, and the transport at ours."""

from __future__ import annotations

from collections import deque

import numpy as np

from bargein import protocols as c
from bargein.clock import ManualClock
from bargein.notices import ResumeNow
from bargein.transports.telephone.asterisk import AsteriskDialect
from bargein.transports.telephone.transport import TelephoneTransport
from bargein_bench.callers.asterisk_queue import AsteriskRelease, MediaQueue

WAY_MS = 15
LEAD_MS = 100
SLIN16 = (
    '{"event":"MEDIA_START","connection_id":"agent","channel":"WebSocket/agent/0x7f01","channel_id":"pbx-17.3",'
    '"format":"slin16","optimal_frame_size":640,"ptime":20,"channel_variables":{"BARGEIN_AGENT":"front","from":"100"}}'
)
PLAIN = "MEDIA_START connection_id:agent channel:WebSocket/agent/0x7f01 format:slin16 optimal_frame_size:640 ptime:20"


class Pbx:
    """Asterisk at the far end of a network, and the transport at ours. A `Wire` by shape."""

    def __init__(self, codec: str = "slin16", release: AsteriskRelease | None = None, *, as_json: bool = True) -> None:
        self.clock = ManualClock(1000)
        self.unsent = 0
        self.played: list[int] = []
        self.texts: list[str] = []
        self.faults: list[str] = []
        self.closed: tuple[int, str] | None = None
        self.dialect = AsteriskDialect()
        self.telephone = TelephoneTransport(self, self.dialect, self.clock)
        self.queue = MediaQueue(codec, self._back, release=release, as_json=as_json, fault=self.faults.append)
        self._to: deque[tuple[float, str | bytes]] = deque()
        self._from: deque[tuple[float, str]] = deque()
        self._ms = 0
        self.queue.start()
        self.live(WAY_MS)
        self.rate = self.dialect.rate
        self.frame = self.rate // 50

    def text(self, data: bytes) -> None:
        self.texts.append(data.decode())
        self._to.append((self.clock.now_ms() + WAY_MS, data.decode()))

    def binary(self, data: bytes) -> None:
        self._to.append((self.clock.now_ms() + WAY_MS, data))

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def _back(self, text: str) -> None:
        self._from.append((self.clock.now_ms() + WAY_MS, text))

    def live(self, ms: int) -> None:
        for _ in range(ms):
            self.clock.advance(1)
            self._ms += 1
            while self._to and self._to[0][0] <= self.clock.now_ms():
                item = self._to.popleft()[1]
                if isinstance(item, bytes):
                    self.queue.binary(item)
                else:
                    self.queue.text(item)
            if self._ms % 20 == 0 and (frame := self.queue.tick()) is not None:
                samples = self.dialect.incoming.expand(frame).tolist()
                self.played += [sample for sample in samples if abs(sample) > 8]
            while self._from and self._from[0][0] <= self.clock.now_ms():
                self.telephone.incoming(self._from.popleft()[1])

    def audio(self, ms: int) -> c.WireSamples:
        """A reply of which no sample is silence."""
        count = np.arange(self.rate * ms // 1000)
        if self.dialect.mulaw:
            return (count % 100).astype(np.uint8)
        return (count % 20_000 + 1000).astype(np.int16)

    def speak(self, audio: c.WireSamples, first: int = 0, ms: int | None = None, reply: int = 1) -> int:
        """Send a reply with a lead, for so long or to its end. Returns the position of what was sent."""
        began, at = self.clock.now_ms(), first
        while at < len(audio):
            while (at - first) * 1000 / self.rate - (self.clock.now_ms() - began) > LEAD_MS:
                if ms is not None and self.clock.now_ms() - began >= ms:
                    return at
                self.live(1)
            end = at + self.frame
            frame = c.AudioOut(reply, at // self.frame, at, audio[at:end], last=end >= len(audio))
            if not self.telephone.send(frame):
                self.live(1)
                continue
            at = end
        return at

    def reports(self) -> list[c.Inbound]:
        found, queue = [], self.telephone._incoming
        while queue:
            found.append(queue.popleft())
        return found

    def resume(self, reply: int = 1) -> None:
        self.telephone.notify(ResumeNow(reply, "a cough"))


def only(found: list[c.Inbound], kind: type) -> list:  # type: ignore[type-arg]
    return [item for item in found if isinstance(item, kind)]
