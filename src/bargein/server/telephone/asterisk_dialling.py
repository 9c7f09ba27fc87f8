"""POST /asterisk/calls: we dial Asterisk, where a channel waits for us.

The channel was made by `Dial(WebSocket/INCOMING/...)`, or by ARI's externalMedia with `connection_type=server`. The
connection's id is the way in, so only the server's owner may name one.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from bargein.server.access import of_owner
from bargein.server.hub import Hub
from bargein.server.refusals import Refusal
from bargein.server.telephone.asgi import carry
from bargein.server.telephone.asterisk import MEDIA, AsteriskLine
from bargein.server.telephone.serve import MEDIA_PROTOCOL, SocketRequest
from bargein.transports.websocket import MESSAGE_BYTES

log = logging.getLogger(__name__)

CONNECT_S = 5.0
CLOSE_S = 2.0
STATUS = {404: "It waits for no such connection", 409: "The connection is taken already"}


class DialAsterisk(BaseModel):
    """The body of POST /asterisk/calls."""

    model_config = ConfigDict(extra="forbid")

    connection_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,80}$")
    """The channel variable MEDIA_WEBSOCKET_CONNECTION_ID."""
    agent: str | None = Field(default=None, max_length=100)
    policy: str | None = Field(default=None, max_length=40)
    language: str | None = Field(default=None, max_length=35)
    channel: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,80}$")
    """The caller's own channel, for hang-ups and transfers."""
    answer: bool = False
    """The channel was dialled with the option `n`, and is to be answered."""


router = APIRouter()


@router.post("/asterisk/calls", status_code=202)
async def dial_asterisk(this: DialAsterisk, hub: Hub = of_owner) -> dict[str, str]:
    """Take up a channel that waits. Answers once the connection is open."""
    base = hub.settings.asterisk_url
    if base is None:
        raise Refusal(404, "no_asterisk", "No Asterisk is known here", advice="Set BARGEIN_ASTERISK_URL")
    with hub.calls.place():
        socket = await _open(base, this.connection_id)
    given = this.model_dump(exclude={"connection_id", "answer"}, exclude_none=True)
    if this.answer:
        given["answer"] = "1"
    caller = SocketRequest(urlsplit(base).hostname or "", {}, f"{MEDIA}?{urlencode(given)}")
    hub.tasks.create_task(_carry(hub, caller, socket), name="a call at Asterisk")
    return {"connection_id": this.connection_id}


async def _open(base: str, connection_id: str) -> ClientConnection:
    """Raises Refusal."""
    url = f"{base.replace('http', 'ws', 1).rstrip('/')}/media/{connection_id}"
    advice = "Check BARGEIN_ASTERISK_URL, and that the channel still waits"
    try:
        return await connect(
            url,
            subprotocols=[Subprotocol(MEDIA_PROTOCOL)],
            open_timeout=CONNECT_S,
            close_timeout=CLOSE_S,
            ping_interval=None,  # releases up to 22.7 end the call at a ping
            compression=None,
            max_size=MESSAGE_BYTES,
            proxy=None,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        what = STATUS.get(status, f"It answered with {status}")
        raise Refusal(409 if status == 409 else 502, "not_connected", f"Asterisk: {what}", advice=advice) from None
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
        what = f"Asterisk could not be reached: {type(error).__name__}"
        raise Refusal(502, "not_connected", what, advice=advice) from None


async def _carry(hub: Hub, caller: SocketRequest, socket: ClientConnection) -> None:
    """The call, to its end. Raises nothing."""

    async def receive() -> dict[str, Any]:
        try:
            data = await socket.recv()
        except ConnectionClosed as closed:
            return {"type": "websocket.disconnect", "code": closed.rcvd.code if closed.rcvd is not None else None}
        return {"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data}

    async def send(message: Any) -> None:
        if message["type"] == "websocket.close":
            await socket.close(message["code"], message["reason"])
            return
        try:
            await socket.send(message["text"] if "text" in message else message["bytes"])
        except ConnectionClosed:
            raise OSError("the connection is gone") from None

    try:
        await carry(hub, AsteriskLine(hub.settings, hub.gate), caller, receive, send)
    except Exception:
        log.exception("A call at Asterisk failed")
    finally:
        with suppress(OSError):
            await socket.close()
