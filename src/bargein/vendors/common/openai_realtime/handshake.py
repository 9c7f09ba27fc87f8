"""A connection's first events: the session as we want it, or the reason why the server refuses it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import msgspec
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from bargein.errors import VendorLost, VendorRefused
from bargein.vendors.common.openai_realtime.dialect import RealtimeDialect
from bargein.vendors.common.openai_realtime.items import Json
from bargein.vendors.common.openai_realtime.send_queue import encode

T = TypeVar("T")

LOST = "Look at the vendor's status, and at this machine's network"

Connect = Callable[[str | None], AbstractAsyncContextManager[AsyncRealtimeConnection]]
"""Opens a connection; the argument is the id of a call over WebRTC to join."""

NOT_AN_EVENT = (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError, ArithmeticError)

decode = msgspec.json.Decoder(dict).decode


async def open_session(connection: AsyncRealtimeConnection, session: Json, dialect: RealtimeDialect) -> Json:
    """Set up the session. Returns the session as the server grants it.

    Raises VendorRefused where the server refuses it, VendorLost where another try may work."""
    await _until(connection, "session.created", dialect)
    update = {"type": "session.update", "event_id": "open", "session": session}
    await connection.send_raw(encode(update).decode())
    granted = (await _until(connection, "session.updated", dialect)).get("session")
    return dialect.granted(granted) if isinstance(granted, dict) else {}


def read(data: bytes, taken: Callable[[Json], T]) -> T:
    """What `taken` makes of an event. Raises VendorLost for data that is not an event."""
    try:
        return taken(decode(data))
    except NOT_AN_EVENT as error:
        raise VendorLost(f"sent data that is not an event ({type(error).__name__})", advice="Try again") from error


async def _until(connection: AsyncRealtimeConnection, kind: str, dialect: RealtimeDialect) -> Json:
    while True:
        event = read(await connection.recv_bytes(), lambda event: _checked(event, dialect))
        if event["type"] == kind:
            return event


def _checked(event: Json, dialect: RealtimeDialect) -> Json:
    if event["type"] == "error":
        error = event["error"]
        if error.get("type") == "invalid_request_error":
            what = f"{dialect.server} Realtime refused the session ({error.get('code')}, {error.get('param')})"
            raise VendorRefused(what, advice="Check the model's and the voice's name")
        raise VendorLost(f"answered with an error ({error.get('code')})", advice="Try again")
    return event


def handshake_error(status: int, body: bytes, dialect: RealtimeDialect) -> VendorRefused | VendorLost:
    """What an HTTP status in place of a WebSocket means. body: searched for codes, and never shown."""
    if status not in (400, 401, 402, 403, 404):
        return VendorLost(f"answered {status}", advice=LOST)
    what = f"{dialect.server} Realtime refused with {status}"
    for code, advice in dialect.refusal_codes.items():
        if code.encode() in body:
            return VendorRefused(what, advice=advice)
    known = {401: f"Check {dialect.key}", 403: "Check what the API key may do", **dialect.advice}
    return VendorRefused(what, advice=known.get(status, "Check the model's name and the account"))
