"""The conversation in OpenAI's items: for a session that has to be made anew, and for the notes in one that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from bargein.protocols import AgentSaid, ConversationItem, ToolResult, ToolSpec, UserBackchannel, UserSaid
from bargein.vendors.common.openai_realtime.prompts import backchannel_note, cut_note, over_note, wording

Json = dict[str, Any]
STILL_RUNS = "It still runs. You are told when it is done; do not call it again for this."


def note(text: str) -> Json:
    """A note of the system's."""
    return _message("system", "input_text", text)


def typed(text: str) -> Json:
    """The user's words that came as text."""
    return _message("user", "input_text", text)


def called(used: ToolResult) -> Json:
    """The call that asked for a tool."""
    return {"type": "function_call", "call_id": used.id, "name": used.tool, "arguments": used.arguments}


def output(used: ToolResult) -> Json:
    """What a tool has come to, for the call that asked for it."""
    return {"type": "function_call_output", "call_id": used.id, "output": _result(used)}


def late(used: ToolResult, language: str) -> Json:
    """The same for a call that was answered already."""
    return note(wording(language).late_tool.format(tool=used.tool, result=_result(used)))


def created(item: Json) -> Json:
    """The event that puts an item at the conversation's end."""
    return {"type": "conversation.item.create", "item": item}


def tool(spec: ToolSpec) -> Json:
    """A function, as a session declares it."""
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": dict(spec.parameters),
    }


def as_items(items: Sequence[ConversationItem], language: str, assistant_text: str = "output_text") -> list[Json]:
    """The conversation so far: the agent's words that were heard, the user's that are known, and the notes.

    assistant_text: the type of the content in an assistant's message."""
    made: list[Json] = []
    for item in items:
        match item:
            case AgentSaid():
                if item.text.strip():
                    made.append(_message("assistant", assistant_text, item.text.strip()))
                if item.ended == "cut" and (told := cut_note(item, language)):
                    made.append(note(told))
            case UserSaid():
                if item.text:
                    made.append(typed(item.text.strip()))
                    if item.over is not None and item.over.text.strip():
                        made.append(note(over_note(item.over, language)))
            case UserBackchannel():
                made.append(note(backchannel_note(item.text, language)))
            case ToolResult():
                made += [called(item), output(item)]
            case _:
                assert_never(item)
    return made


def _result(used: ToolResult) -> str:
    result = STILL_RUNS if used.result is None else used.result
    return f"Error: {result}" if used.error else result


def _message(role: str, kind: str, text: str) -> Json:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
