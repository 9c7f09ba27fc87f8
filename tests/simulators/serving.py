"""Serves an ASGI app on a free loopback port, inside the test's own event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI


class _Quiet(uvicorn.Server):
    """Tells when it listens, so that nobody has to look again and again."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.listening.set()


@asynccontextmanager
async def serving(app: FastAPI, *, ws: bool = False) -> AsyncIterator[str]:
    """Gives http://127.0.0.1:port while the app is served; on leaving, the server is gone. ws: with WebSockets."""
    config = uvicorn.Config(
        app,
        log_level="critical",
        ws="websockets-sansio" if ws else "none",
        lifespan="on" if ws else "off",
        timeout_graceful_shutdown=1,
    )
    server = _Quiet(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]), name="simulator")
        await server.listening.wait()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
