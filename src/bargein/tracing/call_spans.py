"""The trace of one call, made of what the call tells its journal.

    call
      turn          from the first of the user's audio to the floor's decision that the turn is over
      reply         from the floor's order to the end of the reply; a link leads to the turn that it answers
        chat ..., text_to_speech ..., generate_content ...     one answer of a vendor
        execute_tool ...
        hold        from the silence to the verdict, with the evidence as events
        verdict     from the first sample of the interruption to the decision
      speech_to_text ...                                       the streaming STT's session, or one reading

A span has the times of the call's clock, which are known exactly, and not those at which the span was made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import context as contexts
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind, Tracer, format_trace_id

from bargein import floor as f
from bargein.agent import Agent
from bargein.protocols import Journal
from bargein.recorder.redaction import Redaction
from bargein.tracing import attributes as a
from bargein.tracing.carried import memory_of
from bargein.tracing.floor_spans import FloorSpans
from bargein.tracing.maker import SpanMaker, Told, inside
from bargein.tracing.part_spans import PartSpans

log = logging.getLogger(__name__)

MARKS: Mapping[str, tuple[str, ...]] = {
    "outage": ("code", "over"),
    "fault": ("code",),
    "away": ("keep_ms",),
    "back": (),
    "asked": ("what",),
    "transfer": (),
    "not_transferred": (),
    "machine": (),
    "recording": ("rate",),
    "recording_ended": (),
}
"""Notes that are an event of the call's span, and those of their facts that hold no words of the call."""


class CallSpans:
    """protocols.Journal and protocols.CallTrace by shape: passes all on to the call's own journal. Raises nothing: a
    trace that fails is given up, and the call goes on.

    door: what the call came by. facts: about the connection, as they are told; they have numbers of callers, and stand
    in the span where the words of the call do. content: as in SpanMaker. parent: the context that the trace begins in.
    """

    def __init__(
        self,
        tracer: Tracer,
        journal: Journal,
        *,
        call_id: str,
        agent: Agent,
        policy: f.Policy,
        door: str,
        facts: Mapping[str, str],
        content: Redaction | None,
        parent: contexts.Context | None = None,
    ) -> None:
        self._journal = journal
        self._maker = maker = SpanMaker(tracer, content)
        told = {
            a.CALL: call_id,
            a.CONVERSATION: call_id,
            a.AGENT_NAME: agent.name,
            a.DOOR: door,
            a.LANGUAGE: agent.language,
            a.PRESET: policy.preset,
        }
        if content is not None:
            told |= {f"bargein.fact.{name}": value for name, value in facts.items()}
        self._call = maker.start("call", 0.0, parent, told, SpanKind.SERVER)
        self.context = inside(self._call, parent)
        """The context of the call's span."""
        self.trace_id = format_trace_id(self._call.get_span_context().trace_id)
        self._floor = FloorSpans(maker, self.context)
        self._parts = PartSpans(maker, self.context, self._floor.replies, agent)
        self._over = False
        self._of_note: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "user": self._user,
            "bye": self._bye,
            "sounds": self._floor.sounds,
            "heard": self._floor.heard,
            "vendor": self._parts.vendor,
            "tool": self._parts.tool,
            "stt": self._parts.stt,
        }

    # ------------------------------------------------------------------------------------------------- a journal

    def event(self, event: f.Event) -> None:
        self._journal.event(event)
        if type(event) is not f.SpeechWindow:  # which are most of all events
            self._do(self._floor.event, event)

    def action(self, at_ms: float, action: f.Action) -> None:
        self._journal.action(at_ms, action)
        self._maker.at_ms = at_ms
        self._do(self._floor.action, action)

    def note(self, at_ms: float, kind: str, **facts: object) -> None:
        self._journal.note(at_ms, kind, **facts)
        self._maker.at_ms = max(self._maker.at_ms, at_ms)
        if (tell := self._of_note.get(kind)) is not None:
            self._do(tell, facts)
        elif kind in MARKS:
            self._do(self._mark, kind, facts)

    def close(self) -> None:
        """The call is over: end every span."""
        self._journal.close()
        self._do(self._end)
        self._over = True
        self._of_note = {}  # which leads back here

    # --------------------------------------------------------------------------------------------------- a trace

    @contextmanager
    def current(self) -> Iterator[None]:
        """The call's span is the current one in the block."""
        token = contexts.attach(self.context)
        try:
            yield
        finally:
            contexts.detach(token)

    def memory(self) -> bytes:
        """What another server needs to go on with the trace."""
        headers: dict[str, str] = {}
        inject(headers, self.context)
        return memory_of(headers)

    def enter_tool(self, at_ms: float, call: str, tool: str, reply: int) -> object:
        """protocols.CallTrace"""
        return None if self._over else self._parts.enter_tool(at_ms, call, tool, reply)

    def leave_tool(self, at_ms: float, entered: Any) -> None:
        """protocols.CallTrace"""
        if entered is not None:
            contexts.detach(entered)

    # ------------------------------------------------------------------------------------------------- the call

    def _user(self, facts: Mapping[str, Any]) -> None:
        if self._maker.has_words:
            told: Told = {a.TURN: int(facts.get("turn") or 0), a.TEXT: self._maker.words(facts.get("text"))}
            self._call.add_event("user", told, self._maker.ns())

    def _mark(self, kind: str, facts: Mapping[str, Any]) -> None:
        told: dict[str, str | float | int] = {}
        for name in MARKS[kind]:
            if isinstance(value := facts.get(name), str | float | int):
                told[f"bargein.{name}"] = value
        self._call.add_event(kind, told, self._maker.ns())

    def _bye(self, facts: Mapping[str, Any]) -> None:
        self._call.set_attribute(a.END_WHY, self._maker.why(str(facts.get("reason", ""))))

    def _end(self) -> None:
        self._floor.close()
        self._parts.close()
        self._call.set_attributes({f"bargein.count.{name}": count for name, count in self._maker.counts.items()})
        self._call.end(self._maker.ns())

    def _do(self, tell: Callable[..., None], *given: object) -> None:
        if self._over:
            return
        try:
            tell(*given)
        except Exception:  # a fault of ours, or of a span processor of the user's own
            self._over = True
            log.exception("The trace of a call failed, and is given up")
