"""What Flux, Nova and Aura share of Deepgram's handshake: the key, and the response to a refused one."""

from __future__ import annotations

import uuid

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket


def key_fits(api_key: str | None, socket: WebSocket) -> bool:
    """Whether the client has the key that is required. api_key: None accepts every client."""
    return api_key is None or socket.headers.get("authorization", "") in (f"Token {api_key}", f"Bearer {api_key}")


def refused(status: int, code: str, key: str = "", *, message: str = "") -> JSONResponse:
    """The vendor's response. key: quoted in the message, as real servers may do; no adapter may pass it on.

    message: in place of the code.
    """
    words = message or (f"{code}: {key}" if key else code)
    return JSONResponse({"err_code": code, "err_msg": words, "request_id": str(uuid.uuid4())}, status_code=status)
