"""A caller's telephone line, for the whole call: speaks the script whatever stream is connected, and plays what comes.

Places count samples of one clock from the begin of the call, over all streams. While no stream is connected, the
caller's words are lost, as on a real line.
"""

from __future__ import annotations

import asyncio
from binascii import b2a_base64
from collections.abc import Sequence
from typing import Protocol

from bargein.audio.mulaw import to_mulaw
from bargein.audio.pcm import Samples
from bargein.clock import Clock, MonotonicClock
from bargein_bench.callers.caller_audio import CallerAudio, Echo, EndCallStep, Step
from bargein_bench.callers.result import Result
from bargein_bench.callers.telephone import FRAME, RATE, SimulatedTelephone


class LineStream(Protocol):
    """Where the caller's audio goes."""

    def frame(self, place: int, payload: bytes) -> None:
        """20 ms of the caller. payload: base64 of mu-law."""
        ...

    def key(self, key: str) -> None: ...


class CallerLine:
    """lasts_ms: length of the call, unless one side ends it before. way_ms: delay of the network, one way. keep: keep
    the caller's audio for the record. telephone: what plays; None: one of Twilio's kind."""

    def __init__(
        self,
        steps: Sequence[Step],
        lasts_ms: float,
        *,
        echo: Echo | None = None,
        way_ms: float = 0.0,
        seed: int = 1,
        clock: Clock | None = None,
        keep: bool = False,
        telephone: SimulatedTelephone | None = None,
    ) -> None:
        self.result = Result(telephone or SimulatedTelephone(lasts_ms + 2000))
        self.clock = clock or MonotonicClock()
        self.way_s = way_ms / 1000
        self.over = asyncio.Event()
        """The call, or the stream of a caller without a network, is over."""
        self.stream: LineStream | None = None
        self._lasts = int(lasts_ms * RATE / 1000)
        self._keep = keep
        self._caller_audio = CallerAudio(self.result.telephone, steps, RATE, FRAME, echo, seed, self.result.spoken)
        noise = self._caller_audio.noise
        self._quiet = [_payload(noise[i : i + FRAME]) for i in range(0, len(noise), FRAME)]

    def begin(self) -> None:
        """The call begins now: this is place 0."""
        self.result.began_ms = self.clock.now_ms()

    @property
    def now(self) -> int:
        """The place of this moment."""
        return int(self.at_ms * RATE / 1000)

    @property
    def at_ms(self) -> float:
        """Since the begin of the call."""
        return self.clock.now_ms() - self.result.began_ms

    async def until(self, place: int) -> None:
        """Wait for a place."""
        wait = (self.result.began_ms + place * 1000 / RATE - self.clock.now_ms()) / 1000
        if wait > 0:
            await asyncio.sleep(wait)

    async def speak(self) -> str:
        """Send a frame every 20 ms, on a grid that does not drift: the caller's audio of the 20 ms before. Until the
        call is over, the caller hangs up, or the call has lasted. Returns who ended the call."""
        place = 0
        while not self.over.is_set() and place < self._lasts:
            await self.until(place + FRAME)
            if self._do_steps(place):
                return "the caller"
            if self._caller_audio.sends(place):
                payload = self._payload_at(place)
                if self.stream is not None:
                    self.stream.frame(place, payload)
            elif self._keep:
                self.result.caller_frames.append(self._caller_audio.unsent)
            place += FRAME
        return "the other side" if self.over.is_set() else "us"

    def _do_steps(self, place: int) -> bool:
        """Do the steps of the frame at this place. Returns True where the caller hangs up."""
        for step in self._caller_audio.due(place):
            if isinstance(step, EndCallStep):
                return True
            if self.stream is not None:
                self.stream.key(step.key)
        return False

    def _payload_at(self, place: int) -> bytes:
        """base64 of a frame."""
        if self._caller_audio.quiet and not self._keep:
            return self._quiet[(place // FRAME) % len(self._quiet)]
        samples = self._caller_audio.render(place)
        if self._keep:
            self.result.caller_frames.append(samples)
        return _payload(samples)


def _payload(samples: Samples) -> bytes:
    return b2a_base64(to_mulaw(samples), newline=False)
