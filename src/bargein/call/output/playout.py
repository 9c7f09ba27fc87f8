"""The call's loudspeaker: paces one reply at a time to the transport, and can hold, resume and cut it.

A frame is due `lead_ms` before it is to sound, so the far end never has more than that in hand, and a hold or a cut
has little to take back. Frames go by the clock and not by the far end's reports: a report is late by the network's
delay, and pacing by it would starve a distant listener by just that.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bargein.audio.echo import LineEcho
from bargein.audio.pcm import FRAME_MS
from bargein.call.output.track import Position, Track
from bargein.floor import ReplyEnded, ReplyFailed, ReplyStarted
from bargein.protocols import Held, Meter, Played, SpeechChunk, Transport, Word

BUFFER_MS = 3_000  # all that is made and not heard, wherever it lies: 150 frames; then the voice waits
TELL_MS = 600  # how long a far end has to say where a hold caught it; a far away one takes half of that
SLICE_MS = 200  # a voice's stretches are taken in pieces of at most this
STALL_MS = 5_000  # a voice that stays silent this long in the middle of a reply is lost
GRACE_MS = 1_500  # a far end that owes us "finished" for this long does not get to hold the floor

Happened = ReplyStarted | ReplyEnded | ReplyFailed


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a cut took back. chunks, ms: made and not heard; position: where the far end was."""

    chunks: int
    ms: float
    position: Position


class Playout:
    """All times in ms on the call's clock. track: the live reply's, or None. echo: told of all that sounds."""

    def __init__(self, transport: Transport, meter: Meter, lead_ms: float, echo: LineEcho | None = None) -> None:
        self._transport = transport
        self._meter = meter
        self._echo = echo
        self._lead_ms = lead_ms
        self._most_waiting_ms = max(BUFFER_MS - SLICE_MS - lead_ms, SLICE_MS)
        self._excused = False
        self.track: Track | None = None
        self.held = False
        self._held_at_ms = 0.0
        self._asked = False  # a far end that cannot pause has not told yet where it fell silent
        self._tells = True  # and does tell, as far as we know
        self._resume_asked = False
        self._due_ms = 0.0
        self._dry_since_ms: float | None = None
        self._started = False
        self._room = asyncio.Event()

    # ----------------------------------------------------------------------------------------------- one reply

    def begin(self, reply: int, voice_rate: int) -> Track:
        """A reply's audio will come. The one before must have ended."""
        can = self._transport.capabilities
        self.track = Track(reply, voice_rate, self._transport.rate_out, mulaw=can.mulaw, whole=can.at_once)
        self._started = False
        self._dry_since_ms = None
        self._room.set()
        return self.track

    def push(self, reply: int, spoken: SpeechChunk) -> tuple[Word, ...]:
        """Take a stretch of the live reply from its voice; anything else is late and dropped."""
        if self.track is None or self.track.reply != reply:
            return ()
        words = self.track.push(spoken)
        if self.track.waiting_ms >= self._most_waiting_ms:
            self._room.clear()
        return words

    async def room(self) -> None:
        """Wait until the voice may run on."""
        await self._room.wait()

    def finish(self, reply: int, failure: str | None = None) -> tuple[Word, ...]:
        """The voice is through with the reply, or was lost in it; the words that got their times only now."""
        if self.track is None or self.track.reply != reply:
            return ()
        return self.track.finish(failure)

    # --------------------------------------------------------------------------------------- hold, resume, cut

    def hold(self, now_ms: float) -> None:
        """Fall silent: nothing more leaves. Where the far end cannot pause it is cleared, and sent again later.

        A reply that has no audio yet is held as well: what its voice gives meanwhile waits."""
        self._resume_asked = False
        if self.held:
            return
        self.held = True
        self._held_at_ms = now_ms
        if self.track is None:
            return
        first = self._transport.hold(self.track.reply)
        if not self._transport.capabilities.pause:
            # Our best guess, in case we are to resume before the far end has told us.
            position = self.track.position(now_ms)
            self.track.at(now_ms, position.samples, playing=False)
            self.track.rewind(position.samples)
            self._asked = self._started and self._transport.capabilities.reports and self._tells
        elif first is not None:
            self.track.unsend(first)  # what had not left yet need not leave: it is sent after the resume
        self._silenced(now_ms)

    def resume(self, now_ms: float) -> None:
        """Go on. A far end that was cleared is waited for a little: only it knows from where."""
        if not self.held:
            return
        if self._asked:
            self._resume_asked = True
            return
        self.held = self._resume_asked = False
        self._dry_since_ms = None
        if self.track is None:
            return
        if self._transport.capabilities.pause:
            self._due_ms += now_ms - self._held_at_ms
        else:
            self.track.recut()
            self._due_ms = now_ms - self._lead_ms
            self.track.at(now_ms, self.track.sent, playing=True)

    def cut(self, now_ms: float) -> Cleared:
        """The reply is over: forget all of it. The caller tells the far end."""
        track = self.track
        self.held = self._asked = self._resume_asked = False
        if track is None:
            return Cleared(0, 0.0, Position(0, 0.0, 0.0))
        position = track.position(now_ms)
        self._transport.flush(track.reply)
        self._silenced(now_ms)
        ms = (track.made - position.samples) * 1000 / track.rate
        self.track = None
        self._room.set()
        return Cleared(max(0, -int(-ms // FRAME_MS)), max(0.0, ms), position)

    # ------------------------------------------------------------------------------------------------- reports

    def played(self, now_ms: float, told: Played) -> None:
        """The far end says where it is in a reply. Of another than the live one it changes nothing."""
        track = self.track
        if track is not None and track.reply == told.reply and told.samples <= track.sent and not self.held:
            bound_ms = float("inf") if told.playing else 0.0
            at_ms = now_ms - told.age_ms
            track.at(at_ms, told.samples, playing=told.playing, before=told.before, bound_ms=bound_ms)
            track.forget(told.samples)

    def paused(self, now_ms: float, told: Held) -> None:
        """The far end says where it fell silent."""
        track = self.track
        if track is None or track.reply != told.reply:
            return
        if self._transport.capabilities.pause:
            if told.samples <= track.sent:
                track.at(now_ms, told.samples, playing=False, bound_ms=told.bound_ms)
                track.forget(told.samples)
        elif self.held:
            track.rewind(told.samples)
            track.at(now_ms, track.sent, playing=False, bound_ms=told.bound_ms, surely=True)
            self._told(now_ms)

    def finished(self, now_ms: float, reply: int) -> ReplyEnded | ReplyFailed | None:
        """The far end says that it has played all; None when that is not the live reply's end."""
        track = self.track
        if track is None or track.reply != reply or not track.done_sending:
            return None
        return self._over(track, now_ms)

    # ---------------------------------------------------------------------------------------------------- time

    def tick(self, now_ms: float, *, excused: bool = False) -> list[Happened]:
        """Send what is due. Never waits. excused: it is nobody's fault if no sound comes now."""
        track = self.track
        self._excused = excused
        if self._asked and now_ms - self._held_at_ms >= TELL_MS:
            self._tells = False
            self._told(now_ms)
        if track is None or self.held:
            return []
        happened: list[Happened] = []
        if not track.done_sending:
            self._send(track, now_ms, happened)
        if not self._room.is_set() and track.waiting_ms < self._most_waiting_ms:
            self._room.set()
        if track.done_sending:
            silent_ms = self._due_ms + self._lead_ms  # when the last frame has sounded, if nothing hindered it
            if not self._started or now_ms >= silent_ms + (GRACE_MS if self._transport.capabilities.reports else 0):
                happened.append(self._over(track, now_ms))
        elif self._excused and self._dry_since_ms is not None:
            self._dry_since_ms = now_ms  # the model waits for a tool, and the voice for the model
        elif self._dry_since_ms is not None and now_ms - self._dry_since_ms >= STALL_MS and self._started:
            track.finish(f"the voice gave nothing for {STALL_MS} ms")
        return happened

    def _send(self, track: Track, now_ms: float, happened: list[Happened]) -> None:
        # After a pause of the voice the far end is empty: it gets a whole lead again, not a slow trickle.
        behind = self._due_ms < now_ms - self._lead_ms - FRAME_MS
        if not self._started or behind:
            if self._started and self._dry_since_ms is None:
                self._meter.count("frames_late")
            self._due_ms = now_ms - self._lead_ms
        while self._due_ms <= now_ms:
            frame = track.next_frame()
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
                track.at(now_ms, 0, playing=can.at_once or not can.reports)
                happened.append(ReplyStarted(now_ms, track.reply))
            if frame.last:
                return

    def _told(self, now_ms: float) -> None:
        self._asked = False
        if self._resume_asked:
            self.resume(now_ms)

    def _silenced(self, now_ms: float) -> None:
        if self._echo is not None:
            self._echo.silenced(now_ms)

    def _over(self, track: Track, now_ms: float) -> ReplyEnded | ReplyFailed:
        self.track = None
        self.held = self._asked = self._resume_asked = False
        if track.failure is not None:
            return ReplyFailed(now_ms, track.reply, track.failure)
        return ReplyEnded(now_ms, track.reply)
