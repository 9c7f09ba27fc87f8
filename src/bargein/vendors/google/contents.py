"""A prompt in Gemini's shape, made of the messages that every chat model gets."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

from google.genai import types

from bargein.protocols import Prompt
from bargein.vendors.common.messages import Message, as_messages

KEPT_SIGNATURES = 1_000
ANY_SIGNATURE = b"skip_thought_signature_validator"  # Google's word for a call that another model made


class ThoughtSignatures:
    """Signatures of tool calls. Gemini 3 refuses a call of its own that comes back without its signature."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, bytes] = OrderedDict()

    def keep(self, call: str, signature: bytes | None) -> None:
        """Keep the signature of a call, if there is one."""
        if signature:
            self._known[call] = signature
            if len(self._known) > KEPT_SIGNATURES:
                self._known.popitem(last=False)

    def of(self, call: str) -> bytes:
        """The signature to send with a call."""
        return self._known.get(call, ANY_SIGNATURE)


def as_contents(prompt: Prompt, signatures: ThoughtSignatures) -> tuple[str, list[types.Content]]:
    """The system's instruction, and the conversation. Gemini knows no message of the system behind the first one: a
    note stands in brackets, as the user's. Neighbours of one role become one content."""
    first, *messages = as_messages(prompt)
    names: dict[str, str] = {}
    contents: list[types.Content] = []
    for message in messages:
        role = "model" if message["role"] == "assistant" else "user"
        parts = _parts(message, names, signatures)
        if contents and contents[-1].role == role:
            contents[-1].parts = [*(contents[-1].parts or ()), *parts]
        else:
            contents.append(types.Content(role=role, parts=parts))
    if not contents or contents[-1].role == "model" or contents[0].role == "model":
        begin = types.Content(role="user", parts=[types.Part(text="[The call begins.]")])
        if not contents or contents[0].role == "model":
            contents.insert(0, begin)
        if contents[-1].role == "model":
            contents.append(types.Content(role="user", parts=[types.Part(text="[Go on.]")]))
    return str(first["content"]), contents


def _parts(message: Message, names: dict[str, str], signatures: ThoughtSignatures) -> list[types.Part]:
    if message["role"] == "tool":
        call = str(message["tool_call_id"])
        text = str(message["content"])
        key = "error" if text.startswith("Error: ") else "output"
        response = types.FunctionResponse(name=names.get(call, call), response={key: text})
        return [types.Part(function_response=response)]
    if calls := message.get("tool_calls"):
        return [_call(call, names, signatures) for call in calls]
    text = str(message["content"])
    return [types.Part(text=f"[{text}]" if message["role"] == "system" else text)]


def _call(call: Any, names: dict[str, str], signatures: ThoughtSignatures) -> types.Part:
    name = str(call["function"]["name"])
    names[call["id"]] = name
    try:
        arguments = json.loads(call["function"]["arguments"])
    except ValueError:
        arguments = {}
    made = types.FunctionCall(name=name, args=arguments if isinstance(arguments, dict) else {})
    return types.Part(function_call=made, thought_signature=signatures.of(call["id"]))
