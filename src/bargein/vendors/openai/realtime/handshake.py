"""A connection's first events: the session as we want it, or the reason why it is not to be had."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from bargein.errors import VendorLost, VendorRefused
from bargein.vendors.openai.realtime.items import Json
from bargein.vendors.openai.realtime.send_queue import encode

T = TypeVar("T")

NONSENSE = (msgspec.DecodeError, KeyError, TypeError, AttributeError, ValueError, ArithmeticError)

decode = msgspec.json.Decoder(dict).decode


async def open_session(connection: AsyncRealtimeConnection, session: Json) -> None:
    """Raises VendorRefused when it is not to be had, VendorLost when it was not this time."""
    await _until(connection, "session.created")
    update = {"type": "session.update", "event_id": "open", "session": session}
    await connection.send_raw(encode(update).decode())
    await _until(connection, "session.updated")


def read(data: bytes, taken: Callable[[Json], T]) -> T:
    """What an event comes to. Raises VendorLost for what is none."""
    try:
        return taken(decode(data))
    except NONSENSE as error:
        raise VendorLost(f"sent what is no event ({type(error).__name__})", advice="Try again") from error


async def _until(connection: AsyncRealtimeConnection, kind: str) -> None:
    while read(await connection.recv_bytes(), _kind) != kind:
        pass


def _kind(event: Json) -> str:
    kind: str = event["type"]
    if kind == "error":
        error = event["error"]
        if error.get("type") == "invalid_request_error":
            what = f"OpenAI Realtime refused the session ({error.get('code')}, {error.get('param')})"
            raise VendorRefused(what, advice="Check the model's and the voice's name")
        raise VendorLost(f"answered with an error ({error.get('code')})", advice="Try again")
    return kind
