"""The trace of the request that a call comes by: taken from its headers, for whatever the request begins."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from bargein.server.hub import Hub
from bargein.tracing.carried import CARRIED, carried


class TraceHeaders:
    """ASGI middleware, there only where calls are traced. Each request is a task of its own, with its own context."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            CARRIED.set(carried(Headers(scope=scope).items()))
        await self._app(scope, receive, send)


def carry_trace(hub: Hub, *told: Mapping[str, str]) -> None:
    """The task of a telephone's call goes on with the trace that its network told of: in the first of these that has
    one."""
    if hub.telemetry is None:
        return
    for headers in told:
        if found := carried(headers.items()):
            CARRIED.set(found)
            return
