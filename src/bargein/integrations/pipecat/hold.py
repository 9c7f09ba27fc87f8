"""The hold in Pipecat's output.

The sender takes a chunk from its queue, gives it to the output filter, and writes what the filter returns. A filter
that waits holds the sender with its queue intact: nothing is lost, and the next sample is the one after the last that
was written.

An interruption empties the queue, but not the filter: the chunk that waits there is of the reply that is over, and is
dropped. So after a cut the filter stays shut until the queue has been emptied.

What a transport has taken is out of reach. Some pace themselves; others take a second of audio, or all of it. So the
filter itself lets nothing pass more than LEAD_S before its time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from loguru import logger
from pipecat.audio.filters.base_audio_filter import BaseAudioFilter
from pipecat.frames.frames import FilterControlFrame

from bargein.integrations.floor import BargeinFloor
from bargein.integrations.pipecat.version import check_version

HOLD_LIMIT_S = 3.0  # of a reply that sounds; the floor decides far sooner, so a longer hold is an error of ours
BEGIN_LIMIT_S = 20.0  # of a reply that has not begun, while the user speaks
CUT_LIMIT_S = 0.5  # for the interruption to pass through the pipeline and empty the queue
LEAD_S = 0.06  # three chunks: fewer crackle where the loop is late, more are heard after a hold
COARSE_MS = 20.0  # longer chunks make a hold late by as much

Background = Callable[[int], Awaitable[bool]]
"""Plays that many bytes of a mixer's background, in real time. False: the line took none."""


class BargeinHold(BaseAudioFilter):
    """The transport's `audio_out_filter`. One for each call."""

    def __init__(self, floor: BargeinFloor) -> None:
        check_version()
        self.started = False
        """Whether a transport has taken it."""
        self.waited_s = 0.0
        """How long the newest chunk waited."""
        self._used_s = time.monotonic()
        self.background: Background | None = None
        """Keeps a mixer's background going in a hold. None: the line is silent."""
        self._floor = floor
        self._open = False  # for good: the call ends, or has no floor
        self.protected = False
        """The audio that sounds may not be interrupted."""
        self._lapsed = False  # this reply was held too long: it is held no more
        self._cut = False  # what waits is of a reply that is over
        self._resets = 0
        self._woken = asyncio.Event()
        self._told_coarse = False
        self._rate, self._bytes_ms = 0, 0.0  # bytes of a millisecond, of one channel
        self.channels = 0
        """Of the output's audio. 0: not known yet, and no chunk waits for its time."""
        self._due_s = 0.0  # when all that has passed is over, if it plays at once

    async def start(self, sample_rate: int) -> None:
        """A transport has taken it."""
        if self.started:
            logger.warning(
                "Bargein: two transports share one hold, so each plays at half its pace. "
                "Give **bargein.output() to the one that the user hears."
            )
        self.started = True
        self._rate, self._bytes_ms = sample_rate, sample_rate * 2 / 1000

    async def stop(self) -> None:
        """The transport ends, and the floor with it."""
        self.open("the transport ended")
        await self._floor.aclose()

    async def process_frame(self, frame: FilterControlFrame) -> None:
        """It has no settings to change at runtime."""

    async def filter(self, audio: bytes) -> bytes:
        """The chunk, as soon as the agent may speak; nothing, if its reply is over by then. Never raises: the sender
        would end, and the agent be silent."""
        if self._open:
            return audio
        try:
            return await self._filter(audio)
        except Exception as error:
            self.open("an error of ours")
            logger.opt(exception=error).error("Bargein: the agent is held no more in this call.")
            return audio

    async def _filter(self, audio: bytes) -> bytes:
        came_s = self._used_s = time.monotonic()
        self.waited_s = 0.0
        length_s = self._length_s(len(audio))
        resets = self._resets
        while resets == self._resets:
            if not self._may_pass():
                await self._wait(len(audio), length_s)
            elif (early_s := self._early_s()) > 0.0:
                await asyncio.sleep(early_s)
            else:
                break
        now_s = time.monotonic()
        if now_s != came_s:
            self.waited_s, self._used_s = now_s - came_s, now_s
        if resets != self._resets:
            return b""
        sounds_s = max(self._due_s, now_s)
        self._due_s = sounds_s + length_s
        if self.channels <= 1:
            self._floor.played(audio, self._rate, (sounds_s - now_s) * 1000)
        if not self._told_coarse and self.channels:
            self._tell_coarse(len(audio))
        return audio

    def _length_s(self, size: int) -> float:
        return size / self._bytes_ms / self.channels / 1000 if self.channels and self._bytes_ms else 0.0

    def _early_s(self) -> float:
        return self._due_s - LEAD_S - time.monotonic()

    @property
    def idle_s(self) -> float:
        """Since the newest chunk came."""
        return time.monotonic() - self._used_s

    # ------------------------------------------------------------------------------------------ what it is told

    def protect(self, *, protected: bool) -> None:
        """Set `protected`: such audio passes also while the user speaks."""
        self.protected = protected
        self._wake()

    def cut(self) -> None:
        """The reply is over. Nothing passes until `reset`."""
        self._cut = True
        self._due_s = 0.0  # the interruption empties the transport, too

    def reset(self, *, drop: bool = True) -> None:
        """The sender is silent, its queue is empty: what waits here is dropped, what comes next is new. drop=False:
        what waits may not be interrupted, and passes."""
        self._lapsed = False
        if self._cut:
            self._cut = False
            self._resets += drop
            self._wake()

    def open(self, why: str) -> None:
        """Everything passes from here on."""
        if not self._open:
            self._open = True
            logger.debug(f"Bargein: the hold is open for good, {why}")
            self._wake()

    # ------------------------------------------------------------------------------------------------- waiting

    def _may_pass(self) -> bool:
        if self._open or self._lapsed or self._floor.broken:
            return True
        if self._cut:
            return False
        return self._floor.wants_to_speak() or self.protected

    def _wake(self) -> None:
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()

    def _limit_s(self) -> float:
        if self._cut:
            return CUT_LIMIT_S
        return HOLD_LIMIT_S if self._floor.floor.reply.sounding else BEGIN_LIMIT_S

    async def _wait(self, size: int, length_s: float) -> None:
        since, limit = time.monotonic(), self._limit_s()
        resets = self._resets
        while resets == self._resets and not self._may_pass():
            if limit != self._limit_s():
                since, limit = time.monotonic(), self._limit_s()
            left = since + limit - time.monotonic()
            if left <= 0:
                self._give_up(limit)
                return
            if self.background is None:
                await self._change(left)
            elif (early_s := self._early_s()) > 0.0:
                await self._change(min(left, early_s))
            elif await self.background(size):
                self._due_s = max(self._due_s, time.monotonic()) + length_s
            else:
                await self._change(left)

    async def _change(self, limit_s: float) -> None:
        """Until the floor has moved or this filter was told something, but no longer than limit_s."""
        waits = [asyncio.ensure_future(self._floor.wait_change()), asyncio.ensure_future(self._woken.wait())]
        try:
            await asyncio.wait(waits, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    def _give_up(self, limit_s: float) -> None:
        if self._cut:
            logger.warning(
                f"Bargein: no interruption has emptied the output {limit_s:g} s after a cut. The agent speaks on. "
                "Look for a processor that keeps InterruptionFrames, or a muted user."
            )
            self.reset()
            return
        logger.warning(f"Bargein: a hold was not decided within {limit_s:g} s. The agent speaks on.")
        self._lapsed = True

    def _tell_coarse(self, size: int) -> None:
        self._told_coarse = True
        chunk_ms = size / self._bytes_ms / max(self.channels, 1) if self._bytes_ms else 0.0
        if chunk_ms > COARSE_MS:
            logger.info(
                f"Bargein: the output plays chunks of {chunk_ms:g} ms, so a hold may be that late. "
                "Set audio_out_10ms_chunks=2 in the transport's params."
            )
