"""Follows the live reply as it sounds: its beginning, what the caller has heard of it, its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

from bargein import floor as f
from bargein import notices as n
from bargein.call.context import CallContext
from bargein.call.output.client_playout import ClientPlayout
from bargein.call.output.playout import Playout, PlayoutEvent
from bargein.call.output.reply import Replies, Reply
from bargein.call.record.ledger import Ledger

log = logging.getLogger(__name__)


class ReplyProgress:
    """Turns what the playout knows into the floor's events. completed: gets each reply that was heard whole; lost:
    each that failed while it sounded."""

    def __init__(
        self,
        context: CallContext,
        replies: Replies,
        playout: Playout | ClientPlayout,
        ledger: Ledger,
        completed: Callable[[Reply], None],
        lost: Callable[[Reply], None] = lambda _: None,
    ) -> None:
        self._context = context
        self._replies = replies
        self._playout = playout
        self._ledger = ledger
        self._completed = completed
        self._lost = lost

    def tick(self, now_ms: float) -> None:
        """Send what is due, and see how far the reply has come. Called every 20 ms."""
        replies = self._replies
        live = replies.live
        for event in self._playout.tick(now_ms, excused=live is not None and live.busy):
            self.happened(event)
        live = replies.live
        if live is not None and live is replies.sounded:
            if live.waits or live.protected:
                self._heard_so_far(live, now_ms)
            if now_ms >= live.tell_ms:
                self._ledger.tell_words(live, now_ms)
        if replies.unconfirmed is not None:
            self._ledger.tick(now_ms)

    def happened(self, event: PlayoutEvent) -> None:
        """The live reply begins to sound, or is over."""
        if isinstance(event, f.ReplyStarted):
            live = self._replies.live
            if live is not None and live.id == event.reply:
                self._ledger.begins(live)
                self._context.journal.note(self._context.now_ms(), "sounds", reply=event.reply, reply_kind=live.kind)
                log.info("Call %s: %s %d sounds", self._context.call_id, live.kind, event.reply)
                self._context.meter.observe("first_audio", event.at_ms - live.asked_ms, live.kind)
        elif not isinstance(event, f.ReplyStalled):  # that one the floor ends, as it does a cut
            self._over(event)
        self._context.feed(event)

    def _heard_so_far(self, live: Reply, now_ms: float) -> None:
        chars = self._ledger.heard_chars(now_ms)
        if live.waits:
            live.mark_heard(chars)
        if live.protected and chars >= live.protected:
            live.protected = 0
            self._context.notify(n.ReplyBegins(live.id, live.kind, interruptible=True))
            self._context.feed(f.ReplyProtected(now_ms, live.id, protected=False))

    def _over(self, event: f.ReplyEnded | f.ReplyFailed) -> None:
        reply = self._replies.end(event.reply)
        if reply is None:
            return
        completed = isinstance(event, f.ReplyEnded)
        if completed:
            self._completed(reply)
        else:
            self._lost(reply)
        if not self._replies.has_sounded(reply):
            return
        ended: Literal["completed", "failed"] = "completed" if completed else "failed"
        log.info("Call %s: %s %d %s", self._context.call_id, reply.kind, reply.id, ended)
        self._ledger.over(reply, ended, confirmed=event.confirmed)
        self._context.meter.count("replies", cause=reply.kind)
