"""OpenAI Realtime's events, from and to a simulated server: both are checked by the types of the vendor's SDK."""

from __future__ import annotations

import itertools
import json
from functools import cache
from typing import Any, get_args

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent, SessionUpdateEvent
from pydantic import BaseModel

from bargein_simulators.realtime_parameters import RealtimeRefused, check_event, invalid

Json = dict[str, Any]

APPEND = {"type", "audio"}

_numbers = itertools.count(1)


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


def parsed(text: str | bytes) -> object:
    """A message of the client. Raises ValueError for what is no JSON; NaN and Infinity are none."""
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def client_event(event: object) -> Json:
    """Check an event of the client. Raises RealtimeRefused."""
    if not isinstance(event, dict) or "type" not in event:
        raise RealtimeRefused("invalid_event", "The 'type' field is missing.")
    kind = event["type"]
    models = _models(RealtimeClientEvent)
    if not isinstance(kind, str) or kind not in models:
        raise invalid("type", kind, list(models))
    if kind == "input_audio_buffer.append" and event.keys() == APPEND and isinstance(event["audio"], str):
        return event  # fifty of these come in a second
    check_event(models[kind], event)
    return event


def check_session(session: object) -> None:
    """Check the session in the body of an HTTP request. Raises RealtimeRefused."""
    check_event(SessionUpdateEvent, {"type": "session.update", "session": session})
