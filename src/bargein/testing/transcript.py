"""A conversation as lines for people."""

from __future__ import annotations

from collections.abc import Sequence

from bargein.notices import Problem
from bargein.protocols import AgentSaid, ConversationItem, ToolResult, UserBackchannel, UserSaid


def transcript(
    items: Sequence[ConversationItem], problems: Sequence[Problem], state: str, now_ms: float, over: str | None
) -> str:
    """The conversation as heard, what failed, and where the call stands."""
    lines = [f"  {_line(item)}" for item in items] or ["  (no word has been said)"]
    lines += [f"  problem: {problem.code}: {problem.message}" for problem in problems]
    where = f"over: {over}" if over is not None else state
    return "\n".join([f"The call so far ({now_ms / 1000:.2f} s, {where}):", *lines])


def _line(item: ConversationItem) -> str:
    match item:
        case AgentSaid(text=text, unheard=unheard, ended=ended):
            rest = f" [{ended}; unheard: {unheard!r}]" if unheard else f" [{ended}]" if ended != "completed" else ""
            return f"agent: {text}{rest}"
        case UserSaid(text=text, over=over):
            return f"user: {text or '(words unknown)'}" + (f" [over {over.text!r}]" if over else "")
        case UserBackchannel(text=text, over=over):
            return f"user, in passing: {text}" + (f" [over {over.text!r}]" if over else "")
        case ToolResult(tool=tool, arguments=arguments, result=result, error=error):
            return (
                f"tool: {tool}({arguments}) -> {'running' if result is None else result}{' [error]' if error else ''}"
            )
