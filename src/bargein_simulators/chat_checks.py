"""What a chat server refuses in a request: values out of range, and conversations that no vendor takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bargein_simulators.chat_wire import VendorName

ROLES = ("system", "assistant", "user", "function", "tool", "developer")
PARTS = ("text", "image_url", "input_audio", "refusal", "file")
MISTRAL_PARTS = (*PARTS, "thinking", "reference", "document_url")
CHOICES = ("none", "auto", "required")
FORMATS = ("text", "json_object", "json_schema")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
NAME, LONGEST_NAME = re.compile(r"[a-zA-Z0-9_-]+"), 64
MOST_STOPS = 4
LIMITS: Mapping[str, tuple[float | None, float | None]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "max_tokens": (1, None),
    "max_completion_tokens": (1, None),
}
WHOLE = ("max_tokens", "max_completion_tokens", "seed")


class RefusedChat(NamedTuple):
    """Why a request is refused, in OpenAI's words."""

    message: str
    param: str | None = None
    code: str | None = "invalid_value"


def chat_refusal(request: Mapping[str, Any], vendor: VendorName) -> RefusedChat | None:
    """The first reason to refuse a request whose types are right. None: it is taken."""
    for found in (
        _numbers(request),
        _messages(request["messages"], vendor),
        _tool_messages(request["messages"]),
        _tools(request, vendor),
        _choices(request, vendor),
    ):
        for refusal in found:
            return refusal
    return None


def _numbers(request: Mapping[str, Any]) -> Iterator[RefusedChat]:
    for name in (*LIMITS, "seed"):
        value = request.get(name)
        if value is None:
            continue
        kind = "integer" if name in WHOLE else "decimal"
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or (name in WHOLE and not isinstance(value, int))
        ):
            yield RefusedChat(f"Invalid type for '{name}': expected {kind}.", name, "invalid_type")
            continue
        least, most = LIMITS.get(name, (None, None))
        if least is not None and value < least:
            message = f"{kind} below minimum value. Expected a value >= {least}, but got {value} instead."
            yield RefusedChat(f"Invalid '{name}': {message}", name, f"{kind}_below_min_value")
        if most is not None and value > most:
            message = f"{kind} above maximum value. Expected a value <= {most}, but got {value} instead."
            yield RefusedChat(f"Invalid '{name}': {message}", name, f"{kind}_above_max_value")
    if request.get("max_tokens") is not None and request.get("max_completion_tokens") is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        yield RefusedChat(message, "max_tokens", "invalid_parameter_combination")
    stop = request.get("stop")
    if isinstance(stop, list) and len(stop) > MOST_STOPS:
        message = f"array too long. Expected an array with maximum length {MOST_STOPS}, but got one of {len(stop)}."
        yield RefusedChat(f"Invalid 'stop': {message}", "stop", "array_above_max_length")


def _messages(messages: Sequence[Mapping[str, Any]], vendor: VendorName) -> Iterator[RefusedChat]:
    if not messages:
        yield _empty("messages")
    parts = MISTRAL_PARTS if vendor == "mistral" else PARTS
    for index, message in enumerate(messages):
        where, content = f"messages[{index}]", message.get("content")
        if message["role"] not in ROLES:
            yield _value(f"{where}.role", message["role"], ROLES)
        if content is None and not (message["role"] == "assistant" and message.get("tool_calls")):
            yield RefusedChat(
                f"Invalid value for 'content': expected a string, got null. ({where})", f"{where}.content"
            )
        for number, part in enumerate(content if isinstance(content, list) else ()):
            if part.get("type") not in parts:
                yield _value(f"{where}.content[{number}].type", part.get("type"), parts)
            elif part["type"] == "text" and not isinstance(part.get("text"), str):
                yield _missing(f"{where}.content[{number}].text")
            elif part["type"] == "input_audio" and part.get("input_audio") is None:
                yield _missing(f"{where}.content[{number}].input_audio")


def _tool_messages(messages: Sequence[Mapping[str, Any]]) -> Iterator[RefusedChat]:
    """Each tool call is followed by its output, and each output follows its call."""
    open_ids: list[str] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            given = message.get("tool_call_id")
            if given not in open_ids:
                words = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                yield RefusedChat(f"Invalid parameter: {words}", f"messages.[{index}].role", None)
                return
            open_ids.remove(given)
            continue
        if open_ids:
            yield _unanswered(open_ids, index)
            return
        calls = message.get("tool_calls") or []
        if not isinstance(calls, list) or not all(isinstance(call, Mapping) for call in calls):
            where = f"messages[{index}].tool_calls"
            yield RefusedChat(f"Invalid type for '{where}': expected an array of objects.", where, "invalid_type")
            return
        open_ids = [str(call.get("id")) for call in calls]
    if open_ids:
        yield _unanswered(open_ids, len(messages))


def _unanswered(ids: Sequence[str], index: int) -> RefusedChat:
    words = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
    )
    return RefusedChat(
        f"{words} The following tool_call_ids did not have response messages: {', '.join(ids)}",
        f"messages.[{index}].role",
        None,
    )


def _tools(request: Mapping[str, Any], vendor: VendorName) -> Iterator[RefusedChat]:
    tools, choice = request.get("tools"), request.get("tool_choice")
    if tools is None:
        if choice not in (None, "none") and vendor != "mistral":
            message = "'tool_choice' is only allowed when 'tools' are specified."
            yield RefusedChat(f"Invalid value for 'tool_choice': {message}", "tool_choice", None)
        return
    if not isinstance(tools, list):
        yield RefusedChat("Invalid type for 'tools': expected an array of objects.", "tools", "invalid_type")
        return
    if not tools and vendor == "openai":
        yield _empty("tools")
    names = []
    for index, tool in enumerate(tools):
        where = f"tools[{index}].function"
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping):
            yield _missing(where)
            return
        name = function.get("name")
        if not name:
            yield _missing(f"{where}.name")
        elif not isinstance(name, str) or not NAME.fullmatch(name):
            words = "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            yield RefusedChat(f"Invalid '{where}.name': {words}", f"{where}.name")
        elif len(name) > LONGEST_NAME:
            words = f"string too long. Expected a string with maximum length {LONGEST_NAME}."
            yield RefusedChat(f"Invalid '{where}.name': {words}", f"{where}.name", "string_above_max_length")
        names.append(name)
    if isinstance(choice, Mapping):
        named = (choice.get("function") or {}).get("name") if isinstance(choice.get("function"), Mapping) else None
        if named not in names:
            yield RefusedChat(f"Tool choice '{named}' not found in 'tools' parameter.", "tool_choice")


def _choices(request: Mapping[str, Any], vendor: VendorName) -> Iterator[RefusedChat]:
    choice, wanted = request.get("tool_choice"), request.get("response_format")
    words = (*CHOICES, "any") if vendor == "mistral" else CHOICES
    if choice is not None and not isinstance(choice, Mapping) and choice not in words:
        yield _value("tool_choice", choice, words)
    if wanted is not None and (not isinstance(wanted, Mapping) or wanted.get("type") not in FORMATS):
        yield _value("response_format.type", wanted.get("type") if isinstance(wanted, Mapping) else wanted, FORMATS)
    efforts = (*EFFORTS, "default") if vendor == "groq" else EFFORTS
    if (effort := request.get("reasoning_effort")) is not None and effort not in efforts:
        yield _value("reasoning_effort", effort, efforts)
    if vendor == "groq" and request.get("reasoning_format") and request.get("include_reasoning") is not None:
        yield RefusedChat("reasoning_format and include_reasoning cannot both be set.", "reasoning_format", None)


def _value(param: str, value: object, supported: Sequence[str]) -> RefusedChat:
    quoted = [f"'{name}'" for name in supported]
    names = f"{', '.join(quoted[:-1])}, and {quoted[-1]}"
    return RefusedChat(f"Invalid value: {str(value)[:80]!r}. Supported values are: {names}.", param)


def _missing(param: str) -> RefusedChat:
    return RefusedChat(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def _empty(param: str) -> RefusedChat:
    words = "empty array. Expected an array with minimum length 1, but got an empty array instead."
    return RefusedChat(f"Invalid '{param}': {words}", param, "empty_array")
