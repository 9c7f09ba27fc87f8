"""Whom a route lets in: it asks for the hub by one of these dependencies."""

from __future__ import annotations

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from bargein.server.hub import Hub

LISTEN_COOKIE = "bargein_listen"


def hub_of(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


def peer_of(connection: HTTPConnection) -> str:
    """The address that a request or a socket comes from."""
    return connection.client.host if connection.client is not None else ""


def owner(request: Request) -> Hub:
    """For routes that only the server's owner may use."""
    hub = hub_of(request)
    hub.gate.demand_owner(request.headers, peer_of(request))
    return hub


def listener(request: Request) -> Hub:
    """For the sound of a call: a browser's player has no token, but the cookie that came with the call's story."""
    hub = hub_of(request)
    cookie = request.cookies.get(LISTEN_COOKIE)
    hub.gate.demand_operator(request.headers, [f"token.{cookie}"] if cookie else [], peer_of(request))
    return hub


def caller(request: Request) -> Hub:
    """For routes that a page may use, too."""
    hub = hub_of(request)
    hub.gate.demand_caller(request.headers, [], peer_of(request))
    return hub


def is_owner(request: Request) -> bool:
    """For routes that a page may use, too: whether the server's owner asks."""
    return hub_of(request).gate.demand_caller(request.headers, [], peer_of(request))


of_hub, of_owner, of_caller, by_owner = Depends(hub_of), Depends(owner), Depends(caller), Depends(is_owner)
of_listener = Depends(listener)
