"""The WebSocket to Gemini Live, and what its refusals and ends mean.

The messages are those of the SDK's types. The socket is our own, because the SDK's client has no way to a server
without TLS (every address becomes wss://), waits up to ten seconds in its close, bounds a message at 1 MiB, and builds
each 40 ms of audio by way of three models.
"""

from __future__ import annotations

from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bargein.errors import VendorLost, VendorRefused
from bargein.vendors.google.address import VERSION

PATH = f"/ws/google.ai.generativelanguage.{VERSION}.GenerativeService.BidiGenerateContent"
MESSAGE_BYTES = 16 * 1024 * 1024
CLOSE_S = 0.5  # longest wait for the vendor's close frame
LOST = "Look at Google's status, and at this machine's network"
KEY_ADVICE = "Check GEMINI_API_KEY"
REFUSALS = (1003, 1007, 1008)  # close codes

decode = msgspec.json.Decoder(dict).decode


def open_socket(base_url: str, key: str) -> connect:
    """The connection, as an async context manager."""
    url = base_url.rstrip("/")
    if url.startswith("http"):
        url = "ws" + url.removeprefix("http")
    return connect(
        url + PATH,
        additional_headers={"x-goog-api-key": key},
        max_size=MESSAGE_BYTES,
        close_timeout=CLOSE_S,
        compression=None,
        proxy=None if url.startswith("ws://") else True,
    )


async def receive(socket: ClientConnection) -> dict[str, Any]:
    """The next message: Google sends text as binary frames. Raises ConnectionClosed, or VendorLost for no message."""
    data = await socket.recv(decode=False)
    try:
        message: dict[str, Any] = decode(data)
    except msgspec.DecodeError as error:
        raise VendorLost("sent data that is no message", advice="Try again") from error
    return message


def as_vendor_error(error: Exception) -> VendorRefused | VendorLost:
    """What the end of a connection means, however it shows."""
    match error:
        case VendorRefused():
            return error
        case InvalidStatus():
            return status_error(error.response.status_code)
        case TimeoutError():
            return VendorLost("did not answer in time", advice=LOST)
        case ConnectionClosed():
            return VendorLost(f"closed the connection ({code_of(error)})", advice=LOST)
        case _:
            return VendorLost(f"broke off ({type(error).__name__})", advice=LOST)


def status_error(status: int) -> VendorRefused | VendorLost:
    """What an HTTP status in place of a WebSocket means."""
    if status not in (400, 401, 402, 403, 404):
        return VendorLost(f"answered {status}", advice=LOST)
    advice = {404: "Check the address and the model's name"}.get(status, KEY_ADVICE)
    return VendorRefused(f"Gemini Live refused with {status}", advice=advice)


def setup_error(closed: ConnectionClosed) -> VendorRefused | VendorLost:
    """What a close in place of setupComplete means. The reason is read and never passed on: it may quote the key."""
    code, reason = code_of(closed), (closed.rcvd.reason if closed.rcvd else "").casefold()
    if "quota" in reason or "billing" in reason:
        return VendorRefused(f"Gemini Live refused the session ({code}, quota)", advice="Check the account's billing")
    if code not in REFUSALS:
        return VendorLost(f"closed the connection ({code})", advice=LOST)
    if "api key" in reason or "credential" in reason or "permission" in reason:
        return VendorRefused(f"Gemini Live refused the key ({code})", advice=KEY_ADVICE)
    advice = "Check the model's and the voice's name, and the tools' parameters"
    return VendorRefused(f"Gemini Live refused the session ({code})", advice=advice)


def code_of(closed: ConnectionClosed) -> int:
    """The code of a close; 1006 where none came."""
    return closed.rcvd.code if closed.rcvd else 1006
