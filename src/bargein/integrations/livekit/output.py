"""The agent's audio on its way out of LiveKit, in a buffer of ours.

The sink behind us gets the audio a little ahead of its playback and no more. In a hold it gets none, and when the reply
goes on the next sample goes out first: nothing is lost or said twice. LiveKit's own room has up to 200 ms in its queue,
and throws it away in a pause.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from livekit import rtc
from livekit.agents.voice import io

from bargein.clock import Clock, MonotonicClock
from bargein.integrations.floor import BargeinFloor
from bargein.integrations.livekit.input import mono
from bargein.integrations.livekit.pace import SinkPace
from bargein.integrations.livekit.segment import OutputSegment
from bargein.integrations.livekit.stretch import SinkStretch

log = logging.getLogger(__name__)

AHEAD_MS = 60_000.0  # of audio that is kept before its time; LiveKit waits with more
OVERDUE_MS = 1_000.0  # past the longest hold of the policy: the floor is gone, and the reply goes on


class FloorOutput(io.AudioOutput):
    """sink: the output that was there before. on_over: gets each segment when it is over, and gives the text of it
    that was heard, if that is known. empties: a hold empties the sink at once, and the sink says how far it has played;
    else the sink plays the little that it has."""

    def __init__(
        self,
        sink: io.AudioOutput,
        floor: BargeinFloor,
        on_over: Callable[[OutputSegment], str | None] = lambda _: None,
        clock: Clock | None = None,
        empties: bool = False,
    ) -> None:
        super().__init__(label="Bargein", capabilities=io.AudioOutputCapabilities(pause=True))
        self._sink, self._floor, self._on_over = sink, floor, on_over
        self._clock, self._pace = clock or MonotonicClock(), SinkPace(empties)
        self._segments: deque[OutputSegment] = deque()
        self._stretch: SinkStretch | None = None
        self._held = self._paused = False
        self._overdue: asyncio.TimerHandle | None = None
        self._announced = False  # the segment that sounds
        self._aside = False  # LiveKit's audio goes past us
        self._moved = asyncio.Event()
        self._shorter = asyncio.Event()
        self._playing: asyncio.Task[None] | None = None
        sink.on("playback_started", self._sink_started)
        sink.on("playback_progressed", self._sink_progressed)
        sink.on("playback_finished", self._sink_finished)

    # ------------------------------------------------------------------------------------- what the floor orders

    def hold(self) -> None:
        """Fall silent now, and keep all that has not sounded."""
        if self._held or self._aside or not self._segments:
            return
        self._held = True
        longest_ms = self._floor.floor.policy.hold.hold_max_ms + OVERDUE_MS
        self._overdue = asyncio.get_running_loop().call_later(longest_ms / 1000, self._end_hold)
        self._silence()

    def release(self) -> None:
        """Go on with the sample after the last one that sounded."""
        self._held = False
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
        self._moved.set()

    def _end_hold(self) -> None:
        log.error("The floor has decided nothing for too long: the reply goes on")
        self.release()

    def awake(self) -> None:
        """The process is awake for the user's audio."""
        self._pace.awake()

    @property
    def empties(self) -> bool:
        """A hold empties the sink."""
        return self._pace.empties

    @property
    def held(self) -> bool:
        """The floor holds what waits here."""
        return self._held

    @property
    def idle(self) -> bool:
        """Nothing waits or sounds."""
        return not self._segments

    # ------------------------------------------------------------------------------------------ LiveKit's side

    @property
    def next_in_chain(self) -> io.AudioOutput:
        return self._sink

    @property
    def sample_rate(self) -> int | None:
        rate: int | None = self._sink.sample_rate
        return rate

    @property
    def can_pause(self) -> bool:
        return True

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._aside:
            await self._sink.capture_frame(frame)
            return
        if not self._segments or self._segments[-1].flushed:
            self._segments.append(OutputSegment(frame.sample_rate, frame.num_channels))
        segment = self._segments[-1]
        segment.push_audio(frame)
        self._pushed()
        while segment.ms(segment.made - segment.fed) > AHEAD_MS and not (
            segment.cleared or segment.over or self._aside
        ):
            self._shorter.clear()
            await self._shorter.wait()

    def flush(self) -> None:
        super().flush()
        if self._aside:
            self._sink.flush()
        elif self._segments:
            segment = self._segments[-1]
            segment.flushed = True
            # A flush of an interruption comes with a clear at once.
            asyncio.get_running_loop().call_soon(segment.end)
            self._pushed()

    def clear_buffer(self) -> None:
        if self._aside or not self._segments:
            self._sink.clear_buffer()
            return
        for segment in self._segments:
            segment.cleared = segment.flushed = True
        self._shorter.set()
        self._silence()
        self.release()

    def pause(self) -> None:
        self._paused = True
        self._silence()

    def resume(self) -> None:
        self._paused = False
        self._moved.set()

    # --------------------------------------------------------------------------------------------- its playback

    def start(self) -> None:
        """Begin to play. Its owner awaits `aclose`."""
        self._playing = asyncio.create_task(self._play_all(), name="the floor's output")

    async def aclose(self) -> None:
        """Play no more: what is left and what comes goes past us, so that LiveKit's call can go on."""
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
        await self._step_aside()

    async def _play_all(self) -> None:
        try:
            while True:
                while not self._segments:
                    await self._wait()
                segment = self._segments[0]
                while not segment.over:
                    await self._play(segment)
                self._finish(segment)
        except Exception:
            log.exception("The floor's output has failed: LiveKit's own output plays from here on")
            await self._step_aside()

    async def _play(self, segment: OutputSegment) -> None:
        """The next thing to do for the segment."""
        if segment.cleared or (segment.flushed and segment.played == segment.made):
            segment.over = True
        elif self._held or self._paused or not (segment.made > segment.fed or segment.flushed):
            await self._wait()
        elif segment.begun or self._floor.wants_to_speak():
            segment.begun = True
            await self._play_stretch(segment)
        else:
            await self._wait_for_the_floor()

    async def _play_stretch(self, segment: OutputSegment) -> None:
        """Feed the sink until all was heard, or until it has to be silent."""
        stretch = self._stretch = SinkStretch(
            self._sink,
            segment,
            self._clock,
            on_fed=self._fed,
            on_change=self._moved.set,
            pace=self._pace,
        )
        try:
            while not (stretch.ended or self._held or self._paused or segment.cleared):
                stretch.check()
                await self._wait()
        finally:
            await stretch.stop()
            self._stretch = None

    def _fed(self, frame: rtc.AudioFrame, in_ms: float) -> None:
        self._shorter.set()
        self._floor.played(mono(frame), frame.sample_rate, in_ms)

    def _finish(self, segment: OutputSegment) -> None:
        self._segments.popleft()
        self._shorter.set()
        self._announced = False
        heard = self._on_over(segment)
        self._floor.has_spoken()
        self.on_playback_finished(
            playback_position=segment.played / segment.rate,
            interrupted=segment.cleared,
            synchronized_transcript=heard if segment.cleared else None,
        )

    async def _step_aside(self) -> None:
        """LiveKit and the sink speak to each other from here on. The sink gets what waits, without a pace."""
        if self._aside:
            return
        self._aside = True
        self.release()
        self._shorter.set()
        for segment in self._segments:
            try:
                while segment.fed < segment.made and not segment.cleared:
                    frame = segment.next_frame(segment.rate)
                    segment.fed += frame.samples_per_channel
                    await self._sink.capture_frame(frame)
            except Exception:
                log.exception("LiveKit's output %s takes no audio", self._sink.label)
                segment.cleared = True
            if segment.cleared or segment.played == segment.made:
                self.on_playback_finished(playback_position=segment.played / segment.rate, interrupted=segment.cleared)
            elif segment.flushed:
                self._sink.flush()
        self._segments.clear()

    # ------------------------------------------------------------------------------------------ what the sink says

    def _sink_started(self, event: io.PlaybackStartedEvent) -> None:
        if self._aside or not self._announced:
            self._announced = True
            self.on_playback_started(created_at=event.created_at)

    def _sink_progressed(self, event: io.PlaybackProgressedEvent) -> None:
        base_s = 0.0
        if self._segments and self._stretch is not None:
            base_s = self._stretch.base / self._segments[0].rate
        self.on_playback_progressed(started_at=event.started_at, offset=event.offset + base_s, duration=event.duration)

    def _sink_finished(self, event: io.PlaybackFinishedEvent) -> None:
        if self._aside:
            self.on_playback_finished(
                playback_position=event.playback_position,
                interrupted=event.interrupted,
                synchronized_transcript=event.synchronized_transcript,
            )
        elif self._stretch is not None:
            self._stretch.finished(event)

    # -------------------------------------------------------------------------------------------------- waiting

    def _silence(self) -> None:
        if self._stretch is not None:
            self._stretch.silence()
        self._moved.set()

    def _pushed(self) -> None:
        if self._stretch is not None:
            self._stretch.pushed()
        self._moved.set()

    async def _wait(self) -> None:
        """Until something has changed since the last wait."""
        await self._moved.wait()
        self._moved.clear()

    async def _wait_for_the_floor(self) -> None:
        change = asyncio.ensure_future(self._floor.wait_change())
        change.add_done_callback(lambda _: self._moved.set())
        try:
            await self._wait()
        finally:
            change.cancel()
