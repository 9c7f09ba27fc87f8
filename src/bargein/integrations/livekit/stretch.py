"""What the sink plays between two holds: to the sink a segment of its own, flushed at its end or cleared by a hold."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from livekit import rtc
from livekit.agents.voice import io

from bargein.clock import Clock
from bargein.integrations.livekit.pace import SinkHold, SinkPace
from bargein.integrations.livekit.segment import OutputSegment

log = logging.getLogger(__name__)

REPORT_S = 1.0  # for a sink to say how far it has played, after it was emptied
FIRST_MS = 300.0  # after it, a sink has played something
SLOWEST_MS = 1_500.0  # a telephone sounds so much later than its sink thinks; a report from before it is wrong
PART = 0.01  # of a sample, which arithmetic may add to a position that was counted


class SinkStretch:
    """Feeds the sink from where the segment was last heard. on_fed: gets each frame, and in how many ms it sounds.
    on_change: called when the stretch has ended or failed. pace: says what a hold does with the sink. A sink
    that does not know its position to the sample is not emptied again, one that loses audio is not paused again."""

    def __init__(
        self,
        sink: io.AudioOutput,
        segment: OutputSegment,
        clock: Clock,
        on_fed: Callable[[rtc.AudioFrame, float], None],
        on_change: Callable[[], None],
        pace: SinkPace,
    ) -> None:
        self._sink, self._segment, self._clock = sink, segment, clock
        self._on_fed, self._on_change = on_fed, on_change
        self._pace = pace
        self.base = segment.played
        """Position in the segment at which the stretch begins."""
        self.ended = False
        """The sink has said how far it has played."""
        self._segments_before = sink.captured_playout_segments
        self._began_ms: float | None = None  # when the sink began to play, as far as our clock tells
        self._emptied_ms = 0.0
        self._capturing = self._flushed = self._emptied = False
        self._paused_ms: float | None = None  # since when
        self._was_paused = False
        self._resumed = asyncio.Event()
        self._report = asyncio.Event()
        self._more = asyncio.Event()
        self._feeding = asyncio.create_task(self._feed(), name="feed LiveKit's sink")
        self._feeding.add_done_callback(lambda _: on_change())

    def pushed(self) -> None:
        """The segment has more audio, or is whole."""
        self._more.set()

    def check(self) -> None:
        """Raise what the sink has raised."""
        if self._feeding.done() and not self._feeding.cancelled():
            self._feeding.result()

    def silence(self) -> None:
        """Give the sink no more, and empty it if that is wanted."""
        self._feeding.cancel()
        if not self._capturing:  # LiveKit's sinks are not flushed in the middle of a capture
            self._empty()

    def pause(self) -> None:
        """The sink plays no more, and keeps what it has."""
        if self._paused_ms is not None:
            return
        self._sink.pause()
        self._paused_ms, self._was_paused = self._clock.now_ms(), True
        self._resumed.clear()

    def resume(self) -> None:
        """The sink goes on with what it has."""
        if self._paused_ms is None:
            return
        if self._began_ms is not None:
            self._began_ms += self._clock.now_ms() - self._paused_ms
        self._paused_ms = None
        self._resumed.set()
        self._sink.resume()

    async def stop(self) -> None:
        """Give the sink no more, and wait until it has said how far it has played."""
        self._feeding.cancel()
        await asyncio.gather(self._feeding, return_exceptions=True)
        self._empty()
        self.resume()  # it has nothing more of this stretch, and the next one must sound
        if self.ended:
            return
        try:
            async with asyncio.timeout(REPORT_S if self._began_ms is not None else 0):
                await self._report.wait()
        except TimeoutError:
            if self._began_ms is not None:
                log.warning("%s does not say how far it has played: our own clock counts", self._sink.label)
                self._pace.hold = SinkHold.PLAYS_OUT
            self._end(self._by_clock())

    def finished(self, event: io.PlaybackFinishedEvent) -> None:
        """The sink says how far it has played."""
        if self.ended:
            return
        if not event.interrupted and self._flushed and not self._emptied:
            lost_ms = self._segment.ms(self._segment.fed - self.base) - event.playback_position * 1000
            if self._was_paused and lost_ms > 1:
                self._pace.hold = SinkHold.PLAYS_OUT
                log.warning("%s has lost %.0f ms in a pause: it is not paused again", self._sink.label, lost_ms)
            self._end(self._segment.fed)
            return
        if not self._emptied:  # another hand has emptied the sink below us: the rest follows in the next stretch
            self._feeding.cancel()
            if not self._flushed:
                self._sink.flush()
        self._end(self._told(event.playback_position * self._segment.rate))

    def _told(self, samples: float) -> int:
        """Where the segment goes on, by the sink's report."""
        by_clock = self._by_clock() - self.base
        late = by_clock - samples
        impossible = self._emptied and (
            self._segment.ms(round(late)) > SLOWEST_MS or (samples <= 0 and self._segment.ms(by_clock) > FIRST_MS)
        )
        if (
            self._emptied
            and self._pace.hold is SinkHold.EMPTIED
            and (impossible or abs(samples - round(samples)) > PART)
        ):
            self._pace.hold = SinkHold.PLAYS_OUT
            log.warning(
                "%s does not know its position to the sample (%.6f s): from here on a hold lets it play what it has",
                self._sink.label,
                samples / self._segment.rate,
            )
        return self.base + (by_clock if impossible else round(samples))

    def _end(self, position: int) -> None:
        self.ended = True
        self._segment.back_to(position)
        self._report.set()
        self._on_change()

    def _by_clock(self) -> int:
        if self._began_ms is None:
            return self.base
        if not self._emptied:
            return self._segment.fed
        return self.base + round((self._emptied_ms - self._began_ms) * self._segment.rate / 1000)

    def _empty(self) -> None:
        if self.ended or self._emptied:
            return
        if self._sink.captured_playout_segments == self._segments_before:
            self._emptied = True
            self._end(self.base)  # none of it came so far
            return
        if not self._flushed:
            self._flushed = True
            self._sink.flush()
        if self._pace.hold is SinkHold.EMPTIED or self._segment.cleared:
            self._emptied, self._emptied_ms = True, self._clock.now_ms()
            self._sink.clear_buffer()

    async def _feed(self) -> None:
        segment, pace = self._segment, self._pace
        lead = pace.lead
        step = max(1, round(segment.rate * lead.step_ms / 1000))
        while segment.fed < segment.made or not segment.flushed:
            if segment.made - segment.fed < step and not segment.flushed:
                self._more.clear()
                await self._more.wait()
                continue
            if self._paused_ms is not None:
                await self._resumed.wait()
                continue
            ahead_ms = self._ahead_ms()
            steps = pace.steps(ahead_ms)
            if steps < 1:
                await pace.wait(ahead_ms)
                continue
            whole = max(1, (segment.made - segment.fed) // step)
            frame = segment.next_frame(step * min(steps, whole, lead.most_steps))
            # Counted first: where this task is cancelled, the sink may have taken the frame.
            segment.fed += frame.samples_per_channel
            self._capturing = True
            await self._sink.capture_frame(frame)
            self._capturing = False
            if self._began_ms is None:
                self._began_ms = self._clock.now_ms()
            segment.drop_old()
            self._on_fed(frame, ahead_ms)
        self._sink.flush()
        self._flushed = True

    def _ahead_ms(self) -> float:
        """How much audio the sink has, as far as our clock tells."""
        if self._began_ms is None:
            return 0.0
        ahead_ms = self._segment.ms(self._segment.fed - self.base) - (self._clock.now_ms() - self._began_ms)
        if ahead_ms < 0:
            self._began_ms -= ahead_ms  # the sink ran dry
            return 0.0
        return ahead_ms
