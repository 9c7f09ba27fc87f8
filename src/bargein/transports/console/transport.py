"""A protocols.Transport by shape: the person at this machine is the caller.

Without headphones the microphone hears the loudspeaker. So the transport is half duplex unless it is told otherwise:
while the agent sounds, and a moment after, the microphone counts as silent.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

import numpy as np

from bargein import notices as n
from bargein import protocols as c
from bargein.audio.ambience import Ambience
from bargein.audio.pcm import Samples
from bargein.transports.console.playback import LoudspeakerQueue
from bargein.transports.console.sound_card import Card

RATE_IN, RATE_OUT = 16_000, 24_000
TAIL_MS = 250.0  # of a room, after the agent's last sound
MOST_WAITING = 250  # blocks of the microphone: 5 s of an event loop that stands still; older ones are dropped


class ConsoleTransport:
    """headphones: the microphone does not hear the loudspeaker, so that the agent can be interrupted by voice. level:
    gets the loudness of each 20 ms of either side, 0..1."""

    capabilities = c.TransportCapabilities(pause=True, reports=True)
    rate_in, rate_out = RATE_IN, RATE_OUT

    def __init__(
        self, card: Card, *, headphones: bool = False, level: Callable[[str, float], None] = lambda _, __: None
    ) -> None:
        self._card = card
        self._headphones = headphones
        self._level = level
        self._playback = LoudspeakerQueue(RATE_OUT)
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[c.Inbound] = deque()
        self._news = asyncio.Event()
        self._sample = 0
        self._waiting = 0  # blocks of the microphone in the inbox
        self._deaf_until_s = 0.0
        self._now_s = 0.0  # on the card's clock
        self._closed = False
        card.open(self._captured, self._pull)

    # --------------------------------------------------------------------------------------- in the card's thread

    def _pull(self, count: int, sounds_s: float, now_s: float) -> Samples:
        samples = self._playback.pull(count, sounds_s)
        self._hand_over(self._played, now_s, _loudness(samples))
        return samples

    def _captured(self, samples: Samples) -> None:
        self._hand_over(self._heard, samples)

    def _hand_over(self, take: Callable[..., None], *given: object) -> None:
        if self._closed:
            return
        if self._in_loop():
            take(*given)
            return
        try:
            self._loop.call_soon_threadsafe(take, *given)
        except RuntimeError:  # the loop is closed: the process ends
            self._closed = True

    def _in_loop(self) -> bool:
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    # --------------------------------------------------------------------------------------------- in the event loop

    def _played(self, now_s: float, level: float) -> None:
        self._now_s = now_s
        if self._playback.sounds(now_s):
            self._deaf_until_s = now_s + TAIL_MS / 1000
        self._level("agent", level)
        for report in self._playback.reports(now_s):
            self._put(report)

    def _heard(self, samples: Samples) -> None:
        first, self._sample = self._sample, self._sample + len(samples)
        deaf = not self._headphones and self._now_s < self._deaf_until_s
        self._level("you", 0.0 if deaf else _loudness(samples))
        if self._waiting >= MOST_WAITING:
            return  # the gap in the positions counts as silence
        self._waiting += 1
        self._put(c.AudioIn(np.zeros(len(samples), np.int16) if deaf else samples, first))

    def put(self, item: c.Inbound) -> None:
        """What the person does beside speaking: types, stops the agent, hangs up."""
        self._put(item)

    def _put(self, item: c.Inbound) -> None:
        self._inbox.append(item)
        self._news.set()

    # ------------------------------------------------------------------------------------------------ the Transport

    async def receive(self) -> AsyncIterator[c.Inbound]:
        while True:
            while self._inbox:
                item = self._inbox.popleft()
                if isinstance(item, c.AudioIn):
                    self._waiting -= 1
                yield item
                if isinstance(item, c.ClientHangUp):
                    return
            self._news.clear()
            await self._news.wait()

    def send(self, frame: c.AudioOut) -> bool:
        return self._playback.push(frame)

    def hold(self, reply: int) -> None:
        """The notice pauses in place: nothing is taken back."""

    def flush(self, reply: int) -> int:
        return self._playback.flush(reply)

    def play_background(self, background: Ambience) -> bool:
        """The loudspeaker plays at every moment."""
        self._playback.background = background
        return True

    def notify(self, notice: n.Notice) -> None:
        match notice:
            case n.HoldNow(reply_id=reply):
                self._put(self._playback.pause(reply))
            case n.ResumeNow():
                self._playback.go_on()
            case n.AudioInterrupted(reply_id=reply):
                position = self._playback.position(reply)
                self._playback.flush(reply)
                self._put(c.Flushed(reply, position))
            case _:
                pass

    async def close(self, reason: str) -> None:
        self._closed = True
        self._card.close()


def _loudness(samples: Samples) -> float:
    """0..1, from -60 dBFS to 0."""
    if not len(samples):
        return 0.0
    wave = samples.astype(np.float32)
    level = 10 * float(np.log10(max(float(np.dot(wave, wave)) / len(wave), 1.0) / 32768**2))
    return min(1.0, max(0.0, 1 + level / 60))
