"""A connection's first events: the session as we want it, or the reason why OpenAI refuses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from bargein.errors import VendorLost, VendorRefused
from bargein.vendors.openai.realtime.items import Json
from bargein.vendors.openai.realtime.send_queue import encode

T = TypeVar("T")

LOST = "Look at OpenAI's status, and at this machine's network"

NOT_AN_EVENT = (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError, ArithmeticError)

decode = msgspec.json.Decoder(dict).decode


async def open_session(connection: AsyncRealtimeConnection, session: Json) -> Json:
    """Set up the session. Returns the session as OpenAI grants it.

    Raises VendorRefused where OpenAI refuses it, VendorLost where another try may work."""
    await _until(connection, "session.created")
    update = {"type": "session.update", "event_id": "open", "session": session}
    await connection.send_raw(encode(update).decode())
    granted = (await _until(connection, "session.updated")).get("session")
    return granted if isinstance(granted, dict) else {}


def read(data: bytes, taken: Callable[[Json], T]) -> T:
    """What `taken` makes of an event. Raises VendorLost for data that is not an event."""
    try:
        return taken(decode(data))
    except NOT_AN_EVENT as error:
        raise VendorLost(f"sent data that is not an event ({type(error).__name__})", advice="Try again") from error


async def _until(connection: AsyncRealtimeConnection, kind: str) -> Json:
    while True:
        event = read(await connection.recv_bytes(), _checked)
        if event["type"] == kind:
            return event


def _checked(event: Json) -> Json:
    if event["type"] == "error":
        error = event["error"]
        if error.get("type") == "invalid_request_error":
            what = f"OpenAI Realtime refused the session ({error.get('code')}, {error.get('param')})"
            raise VendorRefused(what, advice="Check the model's and the voice's name")
        raise VendorLost(f"answered with an error ({error.get('code')})", advice="Try again")
    return event


def handshake_error(status: int) -> VendorRefused | VendorLost:
    """What an HTTP status in place of a WebSocket means."""
    if status not in (400, 401, 402, 403, 404):
        return VendorLost(f"answered {status}", advice=LOST)
    advice = {
        401: "Check OPENAI_API_KEY",
        403: "Check what the API key may do",
        404: "Check the model's name, or whether the call still lasts",
    }.get(status, "Check the model's name and the account")
    return VendorRefused(f"OpenAI Realtime refused with {status}", advice=advice)
