"""The conversation as Anthropic's Messages API takes it: a system text, then the turns of user and assistant.

Notes about the hearing stand in the user's turns, marked as notes. A tool's call and its result stand in two turns that
follow each other. The first turn and the last are the user's: newer models refuse a prompt that ends with the
assistant's own words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from bargein.protocols import Prompt, ToolSpec
from bargein.vendors.common.messages import CALL_BEGINS, MARKED_NOTES, YOUR_TURN, Message, as_messages, marked

_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")


def system_and_turns(prompt: Prompt) -> tuple[list[Message], list[Message]]:
    """The request's `system` and `messages`. A cache breakpoint ends the system text, and covers the tools, too."""
    first, *rest = as_messages(prompt)
    system = {"type": "text", "text": f"{first['content']}{MARKED_NOTES}", "cache_control": {"type": "ephemeral"}}
    turns: list[Message] = []
    for message in rest:
        role, blocks = _blocks(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    if not turns or turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [_text(CALL_BEGINS)]})
    if turns[-1]["role"] == "assistant":
        turns.append({"role": "user", "content": [_text(YOUR_TURN)]})
    return [system], turns


def as_anthropic_tools(specs: Sequence[ToolSpec]) -> list[Message]:
    """Tools as the Messages API offers them."""
    return [
        {"name": spec.name, "description": spec.description, "input_schema": dict(spec.parameters)} for spec in specs
    ]


def _blocks(message: Message) -> tuple[str, list[Message]]:
    """A message's turn, and its content there."""
    content = str(message["content"] or "")
    match message["role"]:
        case "system":
            return "user", [_text(marked(content))]
        case "tool":
            id_ = _id(message["tool_call_id"])
            result = {"type": "tool_result", "tool_use_id": id_, "content": content or "(nothing)"}
            return "user", [result | ({"is_error": True} if content.startswith("Error: ") else {})]
        case "assistant" if message.get("tool_calls"):
            return "assistant", [_tool_use(call) for call in message["tool_calls"]]
        case role:
            return role, [_text(content)]


def _tool_use(call: Message) -> Message:
    function = call["function"]
    return {
        "type": "tool_use",
        "id": _id(call["id"]),
        "name": function["name"],
        "input": _object(function["arguments"]),
    }


def _object(arguments: str) -> dict[str, Any]:
    """Arguments as the API takes them. Another model's arguments that are no JSON object are left out."""
    try:
        read = json.loads(arguments or "{}")
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _id(given: str) -> str:
    """A call's id in the characters that the API takes: another model may have made the call."""
    return _NOT_IN_AN_ID.sub("_", given) or "call"


def _text(text: str) -> Message:
    return {"type": "text", "text": text}
