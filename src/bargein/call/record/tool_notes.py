"""The record's word on the tools of a call."""

from __future__ import annotations

from bargein.call.context import CallContext
from bargein.call.output.reply import Reply
from bargein.protocols import Effect, ToolCall, ToolResult


def note_began(context: CallContext, call: ToolCall, effect: Effect, reply: Reply) -> None:
    """The tool runs now."""
    context.journal.note(
        context.now_ms(),
        "tool_began",
        id=call.id,
        tool=call.tool,
        reply=reply.id,
        effect=effect,
        arguments=call.arguments,
    )


def note_result(context: CallContext, used: ToolResult, reply: Reply | None = None) -> None:
    """The call of a tool is on record, with its result, or without one so far. reply: None: no reply waits for it."""
    context.journal.note(
        context.now_ms(),
        "tool",
        id=used.id,
        tool=used.tool,
        reply=None if reply is None else reply.id,
        arguments=used.arguments,
        result=used.result,
        error=used.error,
    )
