"""OpenAI Realtime's events, from and to a simulated server: both are checked by the types of the vendor's SDK."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any, get_args

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel, ValidationError

Json = dict[str, Any]

_numbers = itertools.count(1)


class RealtimeRefused(Exception):
    """An event of the client is answered with an `error`. code, message, param: in the vendor's words."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


@cache
def _models(union: Any) -> dict[str, type[BaseModel]]:
    """The SDK's models in a union, by the type of their event."""
    found: dict[str, type[BaseModel]] = {}
    for model in get_args(get_args(union)[0]):
        for kind in get_args(model.model_fields["type"].annotation):
            found[kind] = model
    return found


def new_id(kind: str) -> str:
    """A new id in the vendor's form: "item_000012"."""
    return f"{kind}_{next(_numbers):06}"


def server_event(kind: str, **fields: Any) -> Json:
    """An event to the client. Raises ValidationError, our defect, where the SDK does not know the event."""
    event = {"type": kind, "event_id": new_id("event"), **fields}
    _models(RealtimeServerEvent)[kind].model_validate(event)
    return event


def error_event(code: str | None, message: str, event_id: str | None, param: str | None = None) -> Json:
    """An `error` about an event of the client. The session goes on."""
    kind = "server_error" if code in ("session_expired", "server_error") else "invalid_request_error"
    error = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
    return server_event("error", error=error)


def client_event(event: object) -> Json:
    """Check an event of the client. Raises RealtimeRefused."""
    if not isinstance(event, dict) or "type" not in event:
        raise RealtimeRefused("invalid_event", "The 'type' field is missing.")
    kind = event["type"]
    if not isinstance(kind, str) or kind not in _models(RealtimeClientEvent):
        raise RealtimeRefused("invalid_value", f"Invalid value: '{kind}'.", "type")
    if kind == "input_audio_buffer.append" and isinstance(event.get("audio"), str):
        return event  # fifty of these come in a second, and they have no other field
    if kind == "conversation.item.truncate" and isinstance(at := event.get("audio_end_ms"), int) and at < 0:
        raise RealtimeRefused(
            "integer_below_min_value",
            f"Invalid 'audio_end_ms': integer below minimum value. Expected a value >= 0, but got {at} instead.",
            "audio_end_ms",
        )
    try:
        _models(RealtimeClientEvent)[kind].model_validate(event)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RealtimeRefused("invalid_value", f"Invalid value for '{where}': {first['msg']}.", where) from None
    return event
