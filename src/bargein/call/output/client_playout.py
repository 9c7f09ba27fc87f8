"""The playout of a call whose client gets the agent's audio from the model itself.

Nothing is sent from here. The client holds, resumes and cuts by the call's notices, and reports what it has played.
"""

from __future__ import annotations

from bargein.audio.lengths import syllables
from bargein.audio.words import MS_PER_CHAR
from bargein.call.output.playout import STALL_MS, Cleared, PlayoutEvent
from bargein.call.output.reply import Replies, Reply
from bargein.call.output.report_watch import END_MS
from bargein.call.output.track import Position, Track
from bargein.floor import ReplyEnded, ReplyFailed, ReplyStalled, ReplyStarted
from bargein.protocols import Held, Played, SpeechChunk, Transport, Word

LOST_MS = 20_000.0  # without a word more: a reply is made faster than it is heard, so the model is lost
LEARN = 0.5  # of the difference between the known pace and the last whole reply's


class ClientPlayout:
    """Playout's shape. All times in ms on the call's clock."""

    def __init__(self, replies: Replies, transport: Transport) -> None:
        self._replies = replies
        self._transport = transport
        self.held = False
        self._started = False
        self._reported_ms = 0.0  # when a report moved on
        self._text_ms = 0.0  # when the model gave text last
        self._finished = False
        self._complete_ms: float | None = None
        self._now_ms = 0.0
        self._ms_per_char = MS_PER_CHAR

    # ----------------------------------------------------------------------------------------------- one reply

    @property
    def track(self) -> Track | None:
        """The live reply's text and the client's reports on it. None: there is none yet."""
        live = self._replies.live
        return None if live is None else live.track

    def begin(self, reply: Reply, tts_rate: int, ahead_ms: float = 0.0) -> None:
        """The reply's text will come. ahead_ms: of no meaning here. A reply that is no longer live gets no track."""
        if self._replies.live is not reply:
            return
        reply.track = Track(reply.id, tts_rate, self._transport.rate_out, elsewhere=True, written=reply.written)
        reply.track.words.ms_per_char = self._ms_per_char
        self._started = self._finished = False
        self._text_ms = self._reported_ms = self._now_ms
        self._complete_ms = None

    def push_audio(self, reply: int, chunk: SpeechChunk) -> tuple[Word, ...]:
        """Take a chunk's text: the client has the audio. A chunk of another reply than the live one is dropped."""
        track = self._replies.live_track(reply)
        if track is None:
            return ()
        self._text_ms = self._now_ms
        return track.words.add(chunk)

    async def wait_room(self) -> None:
        """Text takes no room."""

    def finish(self, reply: int, failure: str | None = None) -> tuple[Word, ...]:
        """The model has given all text, or has failed. Only the client knows how long the audio is."""
        track = self._replies.live_track(reply)
        if track is not None:
            track.complete, track.failure = True, failure
            self._complete_ms = self._now_ms
        return ()

    def end_at_word(self, reply: int) -> None:
        """The client has the audio already."""

    def go_on(self, reply: Reply) -> None:
        """The reply is the live one again, under another id, after a filler. It has not sounded."""
        self._started = self._finished = False
        if reply.track is not None:
            reply.track.reply = reply.id

    def client_back(self) -> None:
        """A call whose client gets its audio elsewhere ends with its connection."""

    # --------------------------------------------------------------------------------------- hold, resume, cut

    def hold(self, now_ms: float) -> None:
        """The client pauses by itself."""
        self.held = True

    def resume(self, now_ms: float) -> None:
        """The client goes on by itself."""
        self.held = False
        self._reported_ms = self._text_ms = now_ms

    def cut(self, now_ms: float, *, stalled: bool = False) -> Cleared:
        """The live reply is over. How much audio was not heard is unknown here. stalled: as in Playout."""
        self.held = False
        track = self.track
        if track is None:
            return Cleared(0, 0.0, Position(0, 0.0, 0.0))
        return Cleared(0, 0.0, track.reported_position() if stalled else track.position(now_ms))

    def flush(self, reply: int, now_ms: float) -> None:
        """The client empties itself by the call's notice."""

    # ------------------------------------------------------------------------------------------------- reports

    def on_played(self, now_ms: float, report: Played) -> None:
        """The client says where in a reply it is."""
        track = self._replies.live_track(report.reply)
        if track is None or self.held:
            return
        if report.samples > track.made:
            self._reported_ms = now_ms
        self._finished = self._finished and not report.playing
        track.reach(report.samples)
        bound_ms = float("inf") if report.playing else 0.0
        track.report(now_ms - report.age_ms, report.samples, playing=report.playing, bound_ms=bound_ms)

    def on_held(self, now_ms: float, report: Held) -> None:
        """The client says where it fell silent."""
        track = self._replies.live_track(report.reply)
        if track is not None:
            self._reported_ms = now_ms
            track.reach(report.samples)
            track.report(now_ms, report.samples, playing=False, bound_ms=report.bound_ms, final=True)

    def on_finished(self, now_ms: float, reply: int) -> ReplyEnded | ReplyFailed | ReplyStalled | None:
        """The client has played all that came. None: more may come."""
        track = self._replies.live_track(reply)
        if track is None:
            return None
        self._reported_ms = now_ms
        self._finished = True
        return self._over(track, now_ms) if track.complete and self._started else None

    # ---------------------------------------------------------------------------------------------------- time

    def tick(self, now_ms: float, *, excused: bool = False) -> list[PlayoutEvent]:
        """What has happened by the client's reports. excused: the model waits for a tool, and no text is expected."""
        self._now_ms = now_ms
        track = self.track
        if track is None or self.held:
            return []
        events: list[PlayoutEvent] = []
        if not self._started and track.made:
            self._started = True
            self._text_ms = now_ms
            events.append(ReplyStarted(now_ms, track.reply))
        complete = self._complete_ms
        silent_ms = now_ms - max(self._reported_ms, complete or 0.0)
        if complete is None and excused:
            self._text_ms = now_ms
        elif complete is None and self._started and now_ms - self._text_ms >= LOST_MS:
            track.failure = f"the model gave nothing for {LOST_MS:g} ms"
            events.append(self._over(track, now_ms))
        elif complete is not None and self._finished and self._started:
            events.append(self._over(track, now_ms))
        elif track.failure is not None and silent_ms >= END_MS:
            events.append(self._over(track, now_ms, confirmed=False))
        elif silent_ms >= STALL_MS and not self._finished and (self._started or complete is not None):
            why = f"the client's reports have stood still for {STALL_MS:g} ms"
            events.append(ReplyStalled(now_ms, track.reply, why))
        return events

    def _over(self, track: Track, now_ms: float, *, confirmed: bool = True) -> ReplyEnded | ReplyFailed:
        self.held = False
        letters = sum(map(syllables, track.words.text.strip()))
        if track.failure is not None:
            return ReplyFailed(now_ms, track.reply, track.failure, confirmed)
        if letters >= 20 and track.made:
            self._ms_per_char += (track.made * 1000 / track.rate / letters - self._ms_per_char) * LEARN
        track.words.finish()
        return ReplyEnded(now_ms, track.reply)
