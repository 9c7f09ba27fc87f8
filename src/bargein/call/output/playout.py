"""Paces the live reply to the transport, and can hold, resume and cut it.

A frame is due `lead_ms` before it is to sound: the client never has more audio than that, and a hold or a cut has
little to take back. Frames are paced by the clock and not by the client's reports: a report is late by the network's
delay, and a distant listener would run dry by as much.

What was heard is told by the reports alone. A client whose reports stand still gets no more audio, and before long the
reply has stalled: it ends at the last sample that was reported. Only where a client cannot report does our own pace say
when a reply is over: a transport without reports, and a telephone network that has never returned a mark.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bargein.audio.echo import LineEcho
from bargein.audio.pcm import FRAME_MS
from bargein.call.output.reply import Replies, Reply
from bargein.call.output.report_watch import END_MS, REFILL_MS, ReportWatch
from bargein.call.output.track import BEYOND_REPORT_MS, Position, Track
from bargein.floor import ReplyEnded, ReplyFailed, ReplyStalled, ReplyStarted
from bargein.protocols import AudioTaker, Held, Meter, Played, SpeechChunk, Transport, Word

BUFFER_MS = 3_000  # of audio that is made and not heard, wherever it lies: then the TTS waits
HELD_WAIT_MS = 600  # for the client's word on where a hold caught it; a distant client takes half of that
SLICE_MS = 200  # the longest piece of a TTS's chunk that is taken at once
STALL_MS = 5_000  # of silence in the middle of a reply: the TTS is lost

PlayoutEvent = ReplyStarted | ReplyEnded | ReplyFailed | ReplyStalled


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a cut took back."""

    chunks: int
    """Frames that were made and not heard."""
    ms: float
    """Audio that was made and not heard."""
    position: Position
    """Where the client was."""


class Playout:
    """The live reply's audio on its way to the client. All times in ms on the call's clock.

    echo: gets all audio that sounds.
    """

    def __init__(
        self, replies: Replies, transport: Transport, meter: Meter, lead_ms: float, echo: LineEcho | None = None
    ) -> None:
        self._replies = replies
        self._transport = transport
        self._meter = meter
        self._echo = echo
        self._lead_ms = lead_ms
        self._watch = ReportWatch()
        self.held = False
        """Nothing is sent, because the floor has ordered a hold."""
        self.record: AudioTaker | None = None
        """The call's recording. None: there is none."""
        self._held_at_ms = 0.0
        self._awaits_held = False  # a client that cannot pause has yet to report where it fell silent
        self._reports_held = True  # such a client does report it, as far as we know
        self._resume_asked = False
        self._due_ms = 0.0
        self._dry_since_ms: float | None = None
        self._started = False
        self._room = asyncio.Event()
        self._ahead_ms = float(BUFFER_MS)
        self._batch = transport.capabilities.batch
        self._batch_ms = (self._batch - 1) * FRAME_MS

    # ----------------------------------------------------------------------------------------------- one reply

    @property
    def track(self) -> Track | None:
        """The live reply's audio. None: there is none yet."""
        live = self._replies.live
        return None if live is None else live.track

    def begin(self, reply: Reply, tts_rate: int, ahead_ms: float = BUFFER_MS) -> None:
        """The reply's audio will come, at most ahead_ms before it is heard. A reply that is no longer live gets no
        track."""
        if self._replies.live is not reply:
            return
        can = self._transport.capabilities
        self._ahead_ms = max(min(ahead_ms, BUFFER_MS) - SLICE_MS, SLICE_MS)
        reply.track = Track(
            reply.id,
            tts_rate,
            self._transport.rate_out,
            mulaw=can.mulaw,
            whole=can.plays_immediately,
            written=reply.written,
        )
        if self.record is not None:
            reply.track.record = self.record.reply()
            reply.track.record.hide(reply.track.digits)
        self._started = False
        self._dry_since_ms = None
        self._room.set()

    def push_audio(self, reply: int, chunk: SpeechChunk) -> tuple[Word, ...]:
        """Take a chunk of the live reply from its TTS. A chunk of another reply is late and dropped."""
        track = self._replies.live_track(reply)
        if track is None:
            return ()
        words = track.push_audio(chunk)
        if not self._has_room(track):
            self._room.clear()
        return words

    async def wait_room(self) -> None:
        """Wait until the TTS may run on."""
        await self._room.wait()

    def _has_room(self, track: Track) -> bool:
        waiting_ms = track.waiting_ms + self._lead_ms
        unheard_ms = track.unheard_ms if self._watch.has_reported and not track.paced else 0.0
        return max(waiting_ms, unheard_ms) < self._ahead_ms

    def finish(self, reply: int, failure: str | None = None) -> tuple[Word, ...]:
        """The TTS has ended, or has failed. Returns the words whose times are known only now."""
        track = self._replies.live_track(reply)
        return () if track is None else track.finish(failure)

    def end_at_word(self, reply: int) -> None:
        """Nothing after the word that sounds is wanted of the live reply."""
        track = self._replies.live_track(reply)
        if track is not None:
            track.end_at_word()
            self._room.set()

    def go_on(self, reply: Reply) -> None:
        """The reply is the live one again, under another id, after a filler. It has not sounded."""
        self._started = False
        self._dry_since_ms = None
        if reply.track is not None:
            reply.track.reply = reply.id
        self._room.set()

    def client_back(self) -> None:
        """The client has another connection: what the lost one failed to report says nothing of this one."""
        self._reports_held = True

    # --------------------------------------------------------------------------------------- hold, resume, cut

    def hold(self, now_ms: float) -> None:
        """Fall silent: nothing more is sent. A client that cannot pause is cleared, and gets the rest again later.

        A reply without audio is held as well: what its TTS gives meanwhile waits.
        """
        self._resume_asked = False
        if self.held:
            return
        self.held = True
        self._held_at_ms = now_ms
        track = self.track
        if track is None:
            return
        first = self._transport.hold(track.reply)
        if not self._transport.capabilities.pause:
            # Our best estimate, in case the resume comes before the client's report.
            position = track.position(now_ms)
            track.assume(now_ms, position.samples, playing=False)
            track.rewind(position.samples)
            self._awaits_held = self._started and self._transport.capabilities.reports and self._reports_held
        elif first is not None:
            track.unsend(first)  # frames that had not left are sent after the resume
        self._silenced(now_ms)

    def resume(self, now_ms: float) -> None:
        """Go on. A client that was cleared is waited for: only the client knows from which sample."""
        if not self.held:
            return
        if self._awaits_held:
            self._resume_asked = True
            return
        self.held = self._resume_asked = False
        self._dry_since_ms = None
        self._watch.begin(now_ms)
        track = self.track
        if track is None:
            return
        if self._transport.capabilities.pause:
            self._due_ms += now_ms - self._held_at_ms
        else:
            track.recut()
            self._due_ms = now_ms - self._lead_ms
            track.assume(now_ms, track.sent, playing=True)

    def cut(self, now_ms: float, *, stalled: bool = False) -> Cleared:
        """Send nothing more of the live reply, and empty the transport of it. The caller notifies the client, and ends
        the reply.

        stalled: the client does not play, so that only its own word counts on how far it came.
        """
        track = self.track
        self.held = self._awaits_held = self._resume_asked = False
        if track is None:
            return Cleared(0, 0.0, Position(0, 0.0, 0.0))
        position = track.reported_position() if stalled else track.position(now_ms)
        self.flush(track.reply, now_ms)
        ms = (track.made - position.samples) * 1000 / track.rate
        self._room.set()
        return Cleared(max(0, -int(-ms // FRAME_MS)), max(0.0, ms), position)

    def flush(self, reply: int, now_ms: float) -> None:
        """Empty the transport of a reply, which may be over. The caller notifies the client."""
        self._transport.flush(reply)
        self._silenced(now_ms)

    # ------------------------------------------------------------------------------------------------- reports

    def on_played(self, now_ms: float, report: Played) -> None:
        """The client says where in a reply it is. A report on another reply than the live one changes nothing."""
        track = self._replies.live_track(report.reply)
        if track is not None and report.samples <= track.sent and not self.held:
            self._reported(track, report.samples, now_ms)
            bound_ms = float("inf") if report.playing else 0.0
            at_ms = now_ms - report.age_ms
            track.report(at_ms, report.samples, playing=report.playing, before=report.before, bound_ms=bound_ms)
            track.discard_before(report.samples)

    def on_held(self, now_ms: float, report: Held) -> None:
        """The client says where it fell silent."""
        track = self._replies.live_track(report.reply)
        if track is None:
            return
        if self._transport.capabilities.pause:
            if report.samples <= track.sent:
                self._reported(track, report.samples, now_ms)
                track.report(now_ms, report.samples, playing=False, bound_ms=report.bound_ms)
                track.discard_before(report.samples)
        elif self.held:
            if track.can_have_played(report.samples):
                at = track.reach(report.samples)
                self._reported(track, at, now_ms)
                track.rewind(at)
                track.report(now_ms, track.sent, playing=False, bound_ms=report.bound_ms, final=True)
            self._stop_waiting(now_ms)
        elif track.done_sending and report.samples <= track.sent:  # with the report of the reply's end
            self._reported(track, report.samples, now_ms)
            track.report(now_ms, report.samples, playing=True, bound_ms=report.bound_ms)

    def on_finished(self, now_ms: float, reply: int) -> ReplyEnded | ReplyFailed | ReplyStalled | None:
        """The client will play no more of a reply; its position was reported before. None: the live reply has more to
        come."""
        track = self._replies.live_track(reply)
        if track is None or not track.done_sending:
            return None
        if track.unheard_ms > BEYOND_REPORT_MS:
            return self._stalled(track, now_ms, f"the client has finished {track.unheard_ms:.0f} ms before the end")
        return self._over(track, now_ms)

    def _reported(self, track: Track, samples: int, now_ms: float) -> None:
        self._watch.came()
        track.paced = False
        if samples > track.reported:
            self._watch.moved(now_ms)

    @property
    def _paces(self) -> bool:
        """The client does not report, as far as we know. A network that plays audio at once cannot be suspended."""
        can = self._transport.capabilities
        return not can.reports or (can.plays_immediately and not self._watch.has_reported)

    # ---------------------------------------------------------------------------------------------------- time

    def tick(self, now_ms: float, *, excused: bool = False) -> list[PlayoutEvent]:
        """Send the frames that are due, and tell what has happened. Never waits.

        excused: the model waits for a tool, and no audio is expected. A reply that is over is reported once the caller
        ends it.
        """
        live = self._replies.live
        track = None if live is None else live.track
        if self._awaits_held and now_ms - self._held_at_ms >= HELD_WAIT_MS:
            self._reports_held = False
            self._stop_waiting(now_ms)
        if track is None or self.held:
            return []
        events: list[PlayoutEvent] = []
        if not track.done_sending and self._may_send(track, now_ms):
            self._send(track, now_ms, events)
        if not self._room.is_set() and self._has_room(track):
            self._room.set()
        if (over := self._has_ended(track, now_ms)) is not None:
            events.append(over)
        elif track.done_sending:
            pass
        elif excused and self._dry_since_ms is not None:
            self._dry_since_ms = now_ms  # the model waits for a tool, and the TTS for the model
        elif self._dry_since_ms is not None and now_ms - self._dry_since_ms >= STALL_MS and self._started:
            track.finish(f"the TTS gave nothing for {STALL_MS} ms")
        return events

    def _may_send(self, track: Track, now_ms: float) -> bool:
        """A client whose reports stand still gets no more; once they move on, it is filled up as it plays."""
        if track.paced:
            return True
        unplayed_ms = track.unplayed_ms
        may, again = self._watch.may_send(unplayed_ms)
        if again:
            self._due_ms = now_ms + max(0.0, unplayed_ms - REFILL_MS)
        return may

    def _has_ended(self, track: Track, now_ms: float) -> ReplyEnded | ReplyFailed | ReplyStalled | None:
        """By the client's reports; by our own pace for a client that gives none."""
        if not self._started:
            return self._over(track, now_ms) if track.done_sending else None
        silent_ms = self._due_ms + self._lead_ms  # when the last frame has sounded, unless the network was late
        if track.paced:
            grace_ms = END_MS if self._transport.capabilities.reports else 0.0
            over = track.done_sending and now_ms >= silent_ms + grace_ms
            return self._over(track, now_ms, confirmed=False) if over else None
        if track.done_sending and track.reported >= track.made:
            return self._over(track, now_ms)
        if self._watch.lost(now_ms, track.unplayed_ms):
            return self._stalled(track, now_ms, f"the client's reports have stood still for {self._watch.lost_ms:g} ms")
        if track.done_sending and self._watch.end_overdue(now_ms, silent_ms):
            return self._stalled(track, now_ms, f"the client's report of the end is overdue by {END_MS:g} ms")
        return None

    def _send(self, track: Track, now_ms: float, events: list[PlayoutEvent]) -> None:
        # After a pause of the TTS the client is empty: it gets a whole lead again, not a slow trickle.
        behind = self._due_ms < now_ms - self._lead_ms - FRAME_MS
        if not self._started or behind:
            if self._started and self._dry_since_ms is None:
                self._meter.count("frames_late")
            self._due_ms = now_ms - self._lead_ms
        # Frames that go together go when the last of them is due: the client never has more audio than without.
        due_ms = now_ms - self._batch_ms
        while self._due_ms <= due_ms:
            frame = track.next_frame(self._batch)
            if frame is None:
                if self._dry_since_ms is None and self._started:
                    self._dry_since_ms = now_ms
                    self._meter.count("underruns")
                return
            if not (frame.last and track.made == 0) and not self._transport.send(frame):
                return
            track.sent_frame(frame)
            if self._echo is not None:
                self._echo.played(self._due_ms + self._lead_ms, frame.samples)
            self._dry_since_ms = None
            self._due_ms += len(frame.samples) * 1000 / track.rate
            if len(frame.samples) and not self._started:
                self._started = True
                can = self._transport.capabilities
                track.paced = self._paces
                track.assume(now_ms, 0, playing=can.plays_immediately or not can.reports)
                self._watch.begin(now_ms)
                events.append(ReplyStarted(now_ms, track.reply))
            if frame.last:
                return

    def _stop_waiting(self, now_ms: float) -> None:
        self._awaits_held = False
        if self._resume_asked:
            self.resume(now_ms)

    def _silenced(self, now_ms: float) -> None:
        if self._echo is not None:
            self._echo.silenced(now_ms)

    def _over(self, track: Track, now_ms: float, *, confirmed: bool = True) -> ReplyEnded | ReplyFailed:
        self.held = self._awaits_held = self._resume_asked = False
        if track.failure is not None:
            return ReplyFailed(now_ms, track.reply, track.failure, confirmed)
        return ReplyEnded(now_ms, track.reply, confirmed)

    def _stalled(self, track: Track, now_ms: float, why: str) -> ReplyStalled:
        return ReplyStalled(now_ms, track.reply, why)
