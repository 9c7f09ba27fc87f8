"""The playout of a call whose far end gets the agent's sound from the model itself: it sends nothing, and goes by
what the far end reports. A hold, a resume and a cut are the far end's to do; the call tells it."""

from __future__ import annotations

from bargein.audio.words import MS_PER_CHAR
from bargein.call.output.playout import GRACE_MS, STALL_MS, Cleared, Happened
from bargein.call.output.track import Position, Track
from bargein.floor import ReplyEnded, ReplyFailed, ReplyStarted
from bargein.protocols import Held, Meter, Played, SpeechChunk, Transport, Word

LOST_MS = 20_000.0  # without a word more: a reply is made faster than it is heard, and of this one nothing comes
LEARN = 0.5  # how much of the pace that was known the last whole reply leaves


class ClientPlayout:
    """call.playout.Playout by shape. All times in ms on the call's clock."""

    def __init__(self, transport: Transport, meter: Meter) -> None:
        self._transport = transport
        self._meter = meter
        self.track: Track | None = None
        self.held = False
        self._started = False
        self._heard_ms = 0.0  # when the far end reported last
        self._news_ms = 0.0  # when the model did
        self._finished = False
        self._complete_ms: float | None = None
        self._now_ms = 0.0
        self._ms_per_char = MS_PER_CHAR

    # ----------------------------------------------------------------------------------------------- one reply

    def begin(self, reply: int, voice_rate: int) -> Track:
        """A reply will be made. The one before must have ended."""
        self.track = Track(reply, voice_rate, self._transport.rate_out, elsewhere=True)
        self.track.words.ms_per_char = self._ms_per_char
        self._started = self._finished = False
        self._news_ms = self._now_ms
        self._complete_ms = None
        return self.track

    def push(self, reply: int, spoken: SpeechChunk) -> tuple[Word, ...]:
        """More of its text."""
        if self.track is None or self.track.reply != reply:
            return ()
        self._news_ms = self._now_ms
        return self.track.words.add(spoken)

    async def room(self) -> None:
        """Text takes none."""

    def finish(self, reply: int, failure: str | None = None) -> tuple[Word, ...]:
        """The model is through with the reply; how long its sound is, only the far end will know."""
        if self.track is not None and self.track.reply == reply:
            self.track.complete, self.track.failure = True, failure
            self._complete_ms = self._now_ms
        return ()

    # --------------------------------------------------------------------------------------- hold, resume, cut

    def hold(self, now_ms: float) -> None:
        self.held = True

    def resume(self, now_ms: float) -> None:
        self.held = False
        self._heard_ms = self._news_ms = now_ms

    def cut(self, now_ms: float) -> Cleared:
        """The reply is over. How much sound there would have been, nobody here knows."""
        self.held = False
        track, self.track = self.track, None
        return Cleared(0, 0.0, Position(0, 0.0, 0.0) if track is None else track.position(now_ms))

    # ------------------------------------------------------------------------------------------------- reports

    def played(self, now_ms: float, told: Played) -> None:
        """The far end says where it is in a reply."""
        track = self.track
        if track is None or track.reply != told.reply or self.held:
            return
        self._heard_ms = now_ms
        self._finished = self._finished and not told.playing
        track.reach(told.samples)
        bound_ms = float("inf") if told.playing else 0.0
        track.at(now_ms - told.age_ms, told.samples, playing=told.playing, bound_ms=bound_ms)

    def paused(self, now_ms: float, told: Held) -> None:
        """The far end says where it fell silent."""
        track = self.track
        if track is not None and track.reply == told.reply:
            self._heard_ms = now_ms
            track.reach(told.samples)
            track.at(now_ms, told.samples, playing=False, bound_ms=told.bound_ms, surely=True)

    def finished(self, now_ms: float, reply: int) -> ReplyEnded | ReplyFailed | None:
        """The far end has played all that came; None while more may come."""
        track = self.track
        if track is None or track.reply != reply:
            return None
        self._heard_ms = now_ms
        self._finished = True
        return self._over(track, now_ms) if track.complete and self._started else None

    # ---------------------------------------------------------------------------------------------------- time

    def tick(self, now_ms: float, *, excused: bool = False) -> list[Happened]:
        """What has happened by the far end's reports. excused: it is nobody's fault if no sound comes now."""
        self._now_ms = now_ms
        track = self.track
        if track is None or self.held:
            return []
        happened: list[Happened] = []
        if not self._started and track.made:
            self._started = True
            self._news_ms = now_ms
            happened.append(ReplyStarted(now_ms, track.reply))
        complete = self._complete_ms
        if complete is None:
            if excused:
                self._news_ms = now_ms
            elif self._started and now_ms - self._news_ms >= LOST_MS:
                track.failure = f"the model gave nothing for {LOST_MS:g} ms"
                happened.append(self._over(track, now_ms))
            return happened
        silent = now_ms - max(self._heard_ms, complete)
        if (self._finished and self._started) or silent >= (GRACE_MS if track.failure else STALL_MS):
            # A far end that reports nothing any more does not get to hold the floor.
            happened.append(self._over(track, now_ms))
        return happened

    def _over(self, track: Track, now_ms: float) -> ReplyEnded | ReplyFailed:
        self.track = None
        self.held = False
        letters = len(track.words.text.strip())
        if track.failure is not None:
            return ReplyFailed(now_ms, track.reply, track.failure)
        if letters >= 20 and track.made:
            self._ms_per_char += (track.made * 1000 / track.rate / letters - self._ms_per_char) * LEARN
        track.words.finish()
        return ReplyEnded(now_ms, track.reply)
