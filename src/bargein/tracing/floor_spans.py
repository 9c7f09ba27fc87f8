"""Spans of what the floor decides: turns, replies, holds, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, Status, StatusCode

from bargein import floor as f
from bargein.tracing import attributes as a
from bargein.tracing.maker import SpanMaker, Told, inside
from bargein.tracing.open_spans import OpenReplies, OpenReply


class FloorSpans:
    """context: of the call's span."""

    def __init__(self, maker: SpanMaker, context: Context) -> None:
        self._maker = maker
        self._context = context
        self._turns: dict[int, Span] = {}
        self.replies = OpenReplies()

    def event(self, event: f.Event) -> None:
        """What happened to the floor."""
        match event:
            case f.ReplyStarted(at_ms, reply):
                if (known := self.replies.get(reply)) is not None:
                    known.span.add_event("sounds", timestamp=self._maker.ns(at_ms))
                    known.span.set_attribute(a.FIRST_AUDIO_MS, round(at_ms - known.asked_ms, 1))
            case f.ReplyEnded(at_ms, reply):
                self._end_reply(reply, "completed", "", at_ms)
            case f.ReplyFailed(at_ms, reply, why):
                if (known := self.replies.get(reply)) is not None:
                    known.span.set_status(Status(StatusCode.ERROR, self._maker.why(why)))
                self._end_reply(reply, "failed", why, at_ms)
            case f.Words() | f.SoundJudged() | f.Judged() | f.TurnStarted():
                self._evidence(event)
            case _:
                pass

    def action(self, action: f.Action) -> None:
        """What the floor ordered, at the maker's time."""
        at_ms = self._maker.at_ms
        match action:
            case f.Listen(turn, from_ms):
                if turn not in self._turns:
                    self._turns[turn] = self._maker.start("turn", from_ms, self._context, {a.TURN: turn})
            case f.CloseTurn(turn, why):
                self._end_turn(turn, "closed", why)
            case f.Answer(reply, turn, why):
                answered = self._end_turn(turn, "answered", why)
                links = [Link(answered.get_span_context())] if answered is not None else None
                self._begin(reply, why, {a.TURN: turn, a.KIND: "reply"}, links)
            case f.Say(reply, why):
                self._begin(reply, why, {})
            case f.Reprompt(reply, cause, why):
                self._begin(reply, why, {a.KIND: "reprompt", a.CAUSE: cause})
            case f.SayFiller(reply, why):
                self.replies.put_behind()
                self._begin(reply, why, {a.KIND: "filler"})
            case f.ContinueReply(reply):
                self.replies.continue_behind(reply)
            case f.Hold():
                self._hold(action)
            case f.Resume(reply, why):
                if (known := self.replies.get(reply)) is not None and known.hold is not None:
                    self._verdict(known, "resume", known.onset_ms, why, {})
                    self._end_hold(known, "resume", why, at_ms)
            case f.Cut(reply, barge_in):
                self._interrupted(reply, "cut", barge_in)
            case f.DiscardReply(reply, turn, barge_in):
                self._interrupted(reply, "discarded", barge_in)
                if turn and turn not in self._turns:
                    told: Told = {a.TURN: turn, a.REOPENED: True}
                    self._turns[turn] = self._maker.start("turn", barge_in.onset_ms, self._context, told)
            case f.DiscardLateReply(reply, why):
                self._end_reply(reply, "late", why, at_ms)
            case f.CutStalledReply(reply, why):
                self._end_reply(reply, "stalled", why, at_ms)
            case _:
                pass

    def sounds(self, facts: Mapping[str, Any]) -> None:
        """The note that a reply sounds: its kind is known."""
        if (known := self.replies.get(facts.get("reply", 0))) is not None:
            known.span.set_attribute(a.KIND, str(facts.get("reply_kind", "")))

    def heard(self, facts: Mapping[str, Any]) -> None:
        """The note on what the caller heard of a reply."""
        if (known := self.replies.get(facts.get("reply", 0))) is None:
            return
        known.span.set_attribute(a.EXACT, bool(facts.get("exact")))
        if self._maker.has_words:
            known.span.set_attribute(a.HEARD, self._maker.words(facts.get("text")))
            known.span.set_attribute(a.UNHEARD, self._maker.words(facts.get("unheard")))

    def close(self) -> None:
        """The call is over."""
        end_ns = self._maker.ns()
        self.replies.close(end_ns)
        for span in self._turns.values():
            span.set_attribute(a.ENDED, "call over")
            span.end(end_ns)
        self._turns.clear()

    def _end_turn(self, turn: int, ended: str, why: str) -> Span | None:
        span = self._turns.pop(turn, None)
        if span is not None:
            span.set_attributes({a.ENDED: ended, a.WHY: self._maker.why(why)})
            span.end(self._maker.ns())
        return span

    def _begin(self, reply: int, why: str, told: Told, links: list[Link] | None = None) -> None:
        at_ms = self._maker.at_ms
        told = {a.REPLY: reply, a.WHY: self._maker.why(why), **told}
        span = self._maker.start("reply", at_ms, self._context, told, links=links)
        self.replies.begin(reply, OpenReply(span, inside(span, self._context), at_ms))

    def _end_reply(self, reply: int, ended: str, why: str, at_ms: float) -> None:
        if (known := self.replies.end(reply, self._maker.ns(at_ms))) is None:
            return
        self._end_hold(known, ended, why, at_ms)
        known.span.set_attribute(a.ENDED, ended)
        if why:
            known.span.set_attribute(a.END_WHY, self._maker.why(why))

    def _hold(self, order: f.Hold) -> None:
        if (known := self.replies.get(order.reply)) is None or known.hold is not None:
            return
        told: Told = {
            a.REPLY: order.reply,
            a.SOURCE: order.source.value,
            a.WHY: self._maker.why(order.why),
            a.ONSET_MS: order.onset_ms,
        }
        known.onset_ms = order.onset_ms
        known.hold = self._maker.start("hold", self._maker.at_ms, known.context, told)

    def _interrupted(self, reply: int, ended: str, barge_in: f.BargeIn) -> None:
        known = self.replies.get(reply)
        if known is not None and known.ended_ns is None:
            told: Told = {a.SOURCE: barge_in.source.value, a.CONFIDENCE: barge_in.confidence}
            self._verdict(known, "cut", barge_in.onset_ms, barge_in.why, told)
        self._end_reply(reply, ended, barge_in.why, self._maker.at_ms)

    def _verdict(self, known: OpenReply, verdict: str, onset_ms: float, why: str, told: Told) -> None:
        told = {a.VERDICT: verdict, a.WHY: self._maker.why(why), a.ONSET_MS: onset_ms, **told}
        self._maker.start("verdict", onset_ms, known.context, told).end(self._maker.ns())

    def _end_hold(self, known: OpenReply, verdict: str, why: str, at_ms: float) -> None:
        if known.hold is not None:
            known.hold.set_attributes({a.VERDICT: verdict, a.END_WHY: self._maker.why(why)})
            known.hold.end(self._maker.ns(at_ms))
            known.hold = None

    def _evidence(self, event: f.Words | f.SoundJudged | f.Judged | f.TurnStarted) -> None:
        """What is known of the sound that holds."""
        live = self.replies.live
        if live is None or live.hold is None:
            return
        told: dict[str, str | bool | float | tuple[str, ...]] = {}
        match event:
            case f.SoundJudged(words=words, other=other):
                told[a.OTHER] = other
                if words is not None:
                    told[a.WORDS] = words
            case f.Judged(interrupts=interrupts, confidence=confidence, why=why):
                told |= {a.INTERRUPTS: interrupts, a.CONFIDENCE: confidence, a.WHY: self._maker.why(why)}
            case f.Words(text=text) | f.TurnStarted(text=text):
                told[a.HAS_WORDS] = bool(text)
                if self._maker.has_words:
                    told[a.TEXT] = self._maker.words(text)
        live.hold.add_event(type(event).__name__, told, self._maker.ns(event.at_ms))
