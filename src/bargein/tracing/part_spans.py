"""Spans of what a call asks of vendors and tools, with the semantic conventions for generative AI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import context as contexts
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from bargein.agent import Agent
from bargein.tracing import attributes as a
from bargein.tracing.maker import SpanMaker, Told, inside
from bargein.tracing.open_spans import OpenReplies

TOKENS: Mapping[str, str] = {
    "input_tokens": a.INPUT_TOKENS,
    "output_tokens": a.OUTPUT_TOKENS,
    "cached_tokens": a.CACHED_TOKENS,
}
"""Facts of the note on an LLM's answer, and their attributes."""


class PartSpans:
    """context: of the call's span. replies: what is asked for a reply stands inside its span."""

    def __init__(self, maker: SpanMaker, context: contexts.Context, replies: OpenReplies, agent: Agent) -> None:
        self._maker = maker
        self._context = context
        self._replies = replies
        self._providers = a.providers(agent)
        self._tools: dict[str, Span] = {}
        self._stt = self._session(agent)

    def enter_tool(self, at_ms: float, call: str, tool: str, reply: int) -> object:
        """A tool begins: its span is the current one until `leave_tool`."""
        told: Told = {
            a.OPERATION: "execute_tool",
            a.TOOL: tool,
            a.TOOL_CALL: call,
            a.TOOL_TYPE: "function",
            a.REPLY: reply,
        }
        span = self._maker.start(f"execute_tool {tool}", at_ms, self._inside(reply), told)
        self._tools[call] = span
        return contexts.attach(inside(span, self._context))

    def tool(self, facts: Mapping[str, Any]) -> None:
        """The note on a tool's result."""
        if facts.get("result") is None or (span := self._tools.pop(str(facts.get("id")), None)) is None:
            return
        if self._maker.has_words:
            span.set_attribute(a.TOOL_ARGUMENTS, self._maker.fact("arguments", facts.get("arguments")))
            span.set_attribute(a.TOOL_RESULT, self._maker.fact("result", facts.get("result")))
        if facts.get("error"):
            span.set_attribute(a.ERROR_TYPE, "tool_error")
            span.set_status(Status(StatusCode.ERROR))
        span.end(self._maker.ns())

    def vendor(self, facts: Mapping[str, Any]) -> None:
        """The note on one answer of a vendor, when the answer is over."""
        part, name, reply = str(facts["part"]), str(facts["name"]), int(facts.get("reply") or 0)
        asked_ms, first_ms = float(facts["asked_ms"]), facts.get("first_ms")
        told: dict[str, str | bool | int | float] = {
            a.PART: part,
            a.OPERATION: a.OPERATIONS.get(part, part),
            a.PROVIDER: self._providers.get(name, "_OTHER"),
            a.MODEL: name,
            a.REPLY: reply,
            a.CHARS: int(facts.get("chars") or 0),
            a.STOPPED: bool(facts.get("stopped")),
        }
        if part in ("tts", "realtime"):
            told[a.OUTPUT_TYPE] = "speech"
        told |= {TOKENS[name]: facts[name] for name in TOKENS if isinstance(facts.get(name), int)}
        if first_ms is not None:
            told[a.FIRST_CHUNK_S] = round((first_ms - asked_ms) / 1000, 4)
        span = self._maker.start(f"{told[a.OPERATION]} {name}", asked_ms, self._inside(reply), told, SpanKind.CLIENT)
        if first_ms is not None:
            span.add_event("first", timestamp=self._maker.ns(first_ms))
        if why := facts.get("why"):
            span.set_attribute(a.ERROR_TYPE, "vendor_failed")
            span.set_status(Status(StatusCode.ERROR, self._maker.why(str(why))))
        span.end(self._maker.ns())

    def stt(self, facts: Mapping[str, Any]) -> None:
        """The note that the streaming STT went away, or is back."""
        if self._stt is None:
            return
        lost = str(facts.get("lost") or "")
        self._stt.add_event("lost" if lost else "back", {a.WHY: lost}, self._maker.ns())
        if lost and facts.get("for_good"):
            self._stt.set_status(Status(StatusCode.ERROR, lost))

    def close(self) -> None:
        """The call is over."""
        end_ns = self._maker.ns()
        for span in self._tools.values():
            span.set_attribute(a.ENDED, "call over")
            span.end(end_ns)
        self._tools.clear()
        if self._stt is not None:
            self._stt.end(end_ns)
            self._stt = None

    def _session(self, agent: Agent) -> Span | None:
        """A streaming STT listens as long as the call lasts."""
        stt = agent.streaming_stt
        if stt is None:
            return None
        operation = a.OPERATIONS["stt"]
        told: Told = {
            a.PART: "stt",
            a.OPERATION: operation,
            a.PROVIDER: a.provider_of(stt),
            a.MODEL: stt.name,
            a.STREAM: True,
        }
        return self._maker.start(f"{operation} {stt.name}", 0.0, self._context, told, SpanKind.CLIENT)

    def _inside(self, reply: int) -> contexts.Context:
        return self._replies.context(reply, self._context)
