"""The routes of calls and nodes. Every node answers them for every call of the fleet."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.websockets import WebSocket

from bargein.call.output.utterance_queue import SAY_CHARS
from bargein.errors import BargeinError
from bargein.server.access import of_owner, owner, peer_of
from bargein.server.call_commands import command, listing
from bargein.server.call_events import watch_call
from bargein.server.hub import Hub
from bargein.server.live_audio import LiveAudio
from bargein.server.node_commands import drain_nodes, undrain_nodes
from bargein.server.records.pages import page_for
from bargein.server.refusals import refusal_for


class SayThis(BaseModel):
    """The body of POST /calls/{id}/say."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=SAY_CHARS)
    interruptible: bool = True


class TransferTo(BaseModel):
    """The body of POST /calls/{id}/transfer. to: E.164, "+4930123456"; of a SIP call, "sip:user@host", too."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field(min_length=1, max_length=200)


class KeysToSend(BaseModel):
    """The body of POST /calls/{id}/keys. keys: 0-9, * and #."""

    model_config = ConfigDict(extra="forbid")

    keys: str = Field(min_length=1, max_length=40)


class PolicyChange(BaseModel):
    """The body of POST /calls/{id}/policy. policy: a preset; settings: single numbers."""

    model_config = ConfigDict(extra="forbid")

    policy: str | None = Field(default=None, max_length=40)
    settings: dict[str, Any] = Field(default_factory=dict, max_length=200)


class RecordCall(BaseModel):
    """The body of POST /calls/{id}/recording. on: the caller has agreed; false: stop, the caller has refused."""

    model_config = ConfigDict(extra="forbid")

    on: bool


class DrainThis(BaseModel):
    """The body of POST /drain."""

    model_config = ConfigDict(extra="forbid")

    move: bool = False
    """Calls move to other nodes now."""
    node: str | None = Field(default=None, max_length=40)
    """None: this server, with all its workers."""


router = APIRouter()


@router.get("/calls", response_model=None)
async def calls(request: Request) -> dict[str, Any] | Response:
    """Of all nodes; for a browser, the page of the list."""
    return page_for(request, "calls.html") or await listing(owner(request))


@router.get("/calls/{call_id}", response_model=None)
async def call(request: Request, call_id: str) -> dict[str, Any] | Response:
    """The call's status; for a browser, its page."""
    return page_for(request, "call.html") or await command(owner(request), "status", call_id)


@router.post("/calls/{call_id}/interrupt")
async def interrupt(call_id: str, hub: Hub = of_owner) -> dict[str, Any]:
    """Stop the agent, whatever the policy says. False: there was nothing to stop."""
    return await command(hub, "interrupt", call_id)


@router.post("/calls/{call_id}/say", status_code=202)
async def say(call_id: str, this: SayThis, hub: Hub = of_owner) -> dict[str, Any]:
    """Have the agent say this as soon as the floor is free."""
    return await command(hub, "say", call_id, text=this.text, interruptible=this.interruptible)


@router.post("/calls/{call_id}/hangup")
async def hangup(call_id: str, hub: Hub = of_owner) -> dict[str, Any]:
    return await command(hub, "hangup", call_id)


@router.post("/calls/{call_id}/transfer")
async def transfer(call_id: str, this: TransferTo, hub: Hub = of_owner) -> dict[str, Any]:
    """Hand the caller on to another number, now. Only for telephone calls, and with the vendor's credentials."""
    return await command(hub, "transfer", call_id, to=this.to)


@router.post("/calls/{call_id}/keys", status_code=202)
async def keys(call_id: str, this: KeysToSend, hub: Hub = of_owner) -> dict[str, Any]:
    """Press telephone keys at the far end. Only for calls by SIP."""
    return await command(hub, "keys", call_id, keys=this.keys)


@router.post("/calls/{call_id}/policy")
async def policy(call_id: str, this: PolicyChange, hub: Hub = of_owner) -> dict[str, Any]:
    """Change the call's policy from now on: a preset, single numbers, or both."""
    return await command(hub, "policy", call_id, policy=this.policy, settings=this.settings)


@router.post("/calls/{call_id}/recording")
async def recording(call_id: str, this: RecordCall, hub: Hub = of_owner) -> dict[str, Any]:
    """Record the call's audio from now on, or stop. Stopped, both sides are silence in the file."""
    return await command(hub, "recording", call_id, on=this.on)


@router.websocket("/calls/{call_id}/events")
async def events(socket: WebSocket, call_id: str) -> None:
    """First the call's status (`{"type": "call", ...}`), then every notice as it comes; closes with the call."""
    hub: Hub = socket.app.state.hub
    try:
        hub.gate.demand_operator(socket.headers, socket.scope["subprotocols"], peer_of(socket))
        await watch_call(hub, socket, call_id)
    except BargeinError as error:
        await socket.send_denial_response(refusal_for(error).response())


@router.websocket("/calls/{call_id}/listen")
async def listen(socket: WebSocket, call_id: str) -> None:
    """Both sides of a running call, as live_audio.py says; closes with the call."""
    hub: Hub = socket.app.state.hub
    who = peer_of(socket)
    try:
        hub.gate.demand_operator(socket.headers, socket.scope["subprotocols"], who)
        live: LiveAudio = socket.app.state.live_audio
        await live.listen(socket, call_id, f"an operator at {who}")
    except BargeinError as error:
        await socket.send_denial_response(refusal_for(error).response())


@router.get("/nodes")
async def nodes(hub: Hub = of_owner) -> dict[str, Any]:
    """The nodes of the fleet, with their load."""
    found = [msgspec.to_builtins(_named(node)) for node in await hub.fleet.nodes()]
    return {"here": hub.fleet.node, "nodes": found}


@router.post("/drain", status_code=202)
async def drain(this: DrainThis, hub: Hub = of_owner) -> dict[str, Any]:
    """Take no new call. Those that run may end by themselves for the time of the settings; then, or at once with
    `move`, they move to other nodes."""
    return {"nodes": await drain_nodes(hub, this.node, move=this.move)}


@router.delete("/drain")
async def undrain(node: str | None = None, hub: Hub = of_owner) -> dict[str, Any]:
    """Take calls again."""
    return {"nodes": await undrain_nodes(hub, node)}


def _named(node: Any) -> dict[str, Any]:
    """A struct that crosses the store as a list, with the names of its fields."""
    return {
        name: _named(value) if isinstance(value, msgspec.Struct) else value
        for name, value in msgspec.structs.asdict(node).items()
    }
