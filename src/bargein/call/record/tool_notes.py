"""The record's word on the tools of a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bargein.call.context import CallContext
from bargein.call.output.reply import Reply
from bargein.protocols import Effect, ToolCall, ToolResult


@contextmanager
def tool_runs(context: CallContext, call: ToolCall, effect: Effect, reply: Reply) -> Iterator[None]:
    """The tool runs in this block, and inside its own span, where the call is traced."""
    context.journal.note(
        context.now_ms(),
        "tool_began",
        id=call.id,
        tool=call.tool,
        reply=reply.id,
        effect=effect,
        arguments=call.arguments,
    )
    if context.trace is None:
        yield
        return
    entered = context.trace.enter_tool(context.now_ms(), call.id, call.tool, reply.id)
    try:
        yield
    finally:
        context.trace.leave_tool(context.now_ms(), entered)


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
