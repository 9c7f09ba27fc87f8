"""Holds, resumes and stops the live reply as the floor orders, and tells the client."""

from __future__ import annotations

import logging
import time

from bargein import floor as f
from bargein import notices as n
from bargein.call.context import CallContext
from bargein.call.output.client_playout import ClientPlayout
from bargein.call.output.playout import Cleared, Playout
from bargein.call.output.read_ahead import has_words
from bargein.call.output.reply import Replies, Reply
from bargein.call.output.silence_timer import SilenceTimer
from bargein.call.output.speaker import Speaker
from bargein.call.output.track import Position
from bargein.call.record.ledger import Ledger
from bargein.call.record.outages import Outages
from bargein.call.responders.responder import Responder

log = logging.getLogger(__name__)


class ReplyControl:
    """Every stop silences first, and settles the record afterwards. Nothing here waits."""

    def __init__(
        self,
        context: CallContext,
        floor: f.Floor,
        replies: Replies,
        playout: Playout | ClientPlayout,
        speaker: Speaker,
        ledger: Ledger,
        responder: Responder,
        silence: SilenceTimer,
        outages: Outages | None = None,
    ) -> None:
        self._context = context
        self._floor = floor
        self._replies = replies
        self._playout = playout
        self._speaker = speaker
        self._ledger = ledger
        self._responder = responder
        self._silence = silence
        self._outages = outages or Outages(context)
        self._held_since_ms = 0.0

    def hold(self, order: f.Hold, now_ms: float) -> None:
        """Fall silent, and lose nothing."""
        self._playout.hold(now_ms)
        self._held_since_ms = now_ms
        if self._floor.reply.sounding:  # a silent client has nothing to pause
            self._silence.ordered(now_ms)
            self._context.notify(n.HoldNow(order.reply, order.onset_ms, order.why))
        self._context.decided("hold", order.why, order.reply, order.onset_ms)
        self._context.meter.observe("onset_to_hold", now_ms - order.onset_ms, order.source.value)
        self._context.meter.count("holds", cause=order.source.value)

    def resume(self, order: f.Resume, now_ms: float) -> None:
        """Go on from the sample of the hold."""
        self._context.notify(n.ResumeNow(order.reply, order.why))
        if not self._playout.held:
            return  # the client's own hold is undone, in which the call had no part
        self._playout.resume(now_ms)
        self._context.decided("resume", order.why, order.reply)
        self._context.meter.observe("hold_to_resume", now_ms - self._held_since_ms, "")
        self._context.meter.count("resumes")

    def cut(self, order: f.Cut, now_ms: float) -> None:
        """The reply sounded, and is over: silence it, tell the client, and record what was heard so far."""
        context, barge_in = self._context, order.barge_in
        if not self._playout.held:
            self._silence.ordered(now_ms)  # a held client is silent already
        cleared = self._playout.cut(now_ms)
        behind = self._replies.behind
        reply = self._speaker.stop()
        if behind is not None:
            self._responder.stopped(behind, sounded=False)
        track = reply.track if reply is not None and self._replies.has_sounded(reply) else None
        if reply is not None and reply.response is not None and track is not None and not reply.by_fallback:
            late = reply.speech.words() if reply.speech is not None else ()
            track.words.guess((*late, *reply.response.words()))
        away = barge_in.source is f.Source.LOST
        # The connection may have been dead for long before that was noticed: only what was reported was heard.
        position = track.reported_position() if away and track is not None else cleared.position
        heard_ms = position.ms
        heard_text = track.words.heard(heard_ms).text if track is not None else ""
        source = barge_in.source.value
        context.notify(
            n.AudioInterrupted(
                conversation_id=context.call_id,
                reply_id=order.reply,
                cleared_chunks=cleared.chunks,
                cleared_ms=round(cleared.ms, 1),
                heard_ms=round(heard_ms, 1),
                heard_text=heard_text,
                timestamp=time.time(),
            )
        )
        context.notify(n.BargeInHappened(order.reply, barge_in.onset_ms, source, barge_in.confidence, barge_in.why))
        context.notify(n.TtsInterrupted(order.reply, source))
        context.decided("cut", barge_in.why, order.reply, barge_in.onset_ms)
        context.meter.observe("onset_to_cut", now_ms - barge_in.onset_ms, source)
        context.meter.count("cuts", cause=source)
        kind = reply.kind if reply is not None else "reply"
        log.info("Call %s: %s %d cut (%s)", context.call_id, kind, order.reply, barge_in.why)
        if reply is None:
            return
        if track is not None:
            (self._ledger.lost if away else self._ledger.cut)(reply, position)
        self._responder.stopped(reply, sounded=track is not None)
        if away and reply.kind != "filler":
            self._replies.lost = reply

    def cut_stalled(self, order: f.CutStalledReply, now_ms: float) -> Reply | None:
        """The client does not play the reply: end it where the client was, and let no stale audio sound later."""
        context = self._context
        cleared = self._playout.cut(now_ms, stalled=True)
        behind = self._replies.behind
        reply = self._speaker.stop()
        if behind is not None:
            self._responder.stopped(behind, sounded=False)
        sounded = reply is not None and self._replies.has_sounded(reply)
        if reply is not None and sounded:
            self._ledger.cut(reply, cleared.position)
        self._empty_client(order.reply, cleared)
        context.notify(n.TtsInterrupted(order.reply, "stalled"))
        advice = "Let the page play sound (click it), or look at the connection to the telephone network"
        context.notify(n.Problem("not_played", f"Reply {order.reply} is not played: {order.why}", advice))
        context.decided("stall", order.why, order.reply)
        context.meter.count("stalls")
        log.warning("Call %s: reply %d is not played (%s)", context.call_id, order.reply, order.why)
        if reply is not None:
            self._responder.stopped(reply, sounded=sounded)
        return reply

    def flush_client(self, order: f.FlushClient, now_ms: float) -> None:
        """The reply is over, and the client may still hold some of it."""
        self._playout.flush(order.reply, now_ms)
        self._empty_client(order.reply, Cleared(0, 0.0, Position(0, 0.0, 0.0)))
        self._context.decided("flush", order.why, order.reply)

    def _empty_client(self, reply: int, cleared: Cleared) -> None:
        known = self._replies.sounded
        heard = known is not None and known.id == reply and known.track is not None
        heard_ms = known.heard_ms if known is not None and heard else 0.0
        self._context.notify(
            n.AudioInterrupted(
                conversation_id=self._context.call_id,
                reply_id=reply,
                cleared_chunks=cleared.chunks,
                cleared_ms=round(cleared.ms, 1),
                heard_ms=round(heard_ms, 1),
                heard_text=known.track.words.heard(heard_ms).text if known is not None and known.track else "",
                timestamp=time.time(),
            )
        )

    def discard(self, order: f.DiscardReply, now_ms: float) -> None:
        """The user interrupted before the reply sounded."""
        reply = self._discard("dropped", now_ms)
        if order.barge_in.source is f.Source.LOST and not order.turn and reply is not None and reply.kind != "filler":
            self._replies.lost = reply
        self._context.decided("drop", order.why, order.reply, order.barge_in.onset_ms)
        self._context.meter.count("drops", cause=order.barge_in.source.value)

    def discard_late(self, order: f.DiscardLateReply, now_ms: float) -> None:
        """The reply did not come in time: its model is taken to be away, or its voice where the model has written."""
        live = self._replies.live
        if live is not None:
            spoken_by_tts = live.response is None  # a realtime model that writes and is silent is lost itself
            self._outages.lost("voice_lost" if spoken_by_tts and has_words(live.text) else "model_lost", order.why)
        self._discard("abandoned", now_ms)
        self._context.decided("abandon", order.why, order.reply)

    def _discard(self, cause: str, now_ms: float) -> Reply | None:
        self._playout.cut(now_ms)
        behind = self._replies.behind
        reply = self._speaker.stop()
        for stopped in (behind, reply):
            if stopped is not None:
                self._responder.stopped(stopped, sounded=False)
        self._responder.discard_prepared(cause)
        return reply
