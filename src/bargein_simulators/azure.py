"""Azure OpenAI, spoken locally: OpenAI's Realtime and chat under a resource's path, with deployments, and Azure's keys.

sim = AzureSimulator(realtime=RealtimeSimulator(...), chat=ChatSimulator(...))
app = azure_app(sim)        # serve it with uvicorn; endpoint is http://host:port
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from bargein_simulators.chat import ChatSimulator, add_chat
from bargein_simulators.openai_realtime import RealtimeSimulator, connected

WHISPER = "gpt-realtime-whisper"  # a deployment that only transcribes
DEPLOYMENTS = ("gpt-realtime", "gpt-realtime-2.1", "gpt-4.1-mini", WHISPER)
PREVIEW_S = 0.05  # until a session of the preview's address fails
CHAT = "/openai/v1/chat/completions"


@dataclass(slots=True)
class AzureSimulator:
    """A resource of one's own."""

    realtime: RealtimeSimulator
    chat: ChatSimulator = field(default_factory=ChatSimulator)
    deployments: tuple[str, ...] = DEPLOYMENTS
    key: str | None = None
    """The resource's key. None: any."""
    tokens: frozenset[str] = frozenset()
    """Tokens of Entra that are valid."""
    asked: list[str] = field(default_factory=list)
    """How each handshake showed who asks: "api-key", "bearer" or "nothing"."""

    def refusal(self, headers: dict[str, str]) -> bool:
        """Whether the headers show no key and no token of this resource."""
        given = headers.get("api-key")
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        self.asked.append("api-key" if given else "bearer" if bearer else "nothing")
        if self.key is None:
            return False
        return given != self.key and bearer not in (self.key, *self.tokens)


def azure_app(sim: AzureSimulator) -> FastAPI:
    """A server with this resource alone."""
    app = FastAPI(title="Azure OpenAI, simulated", openapi_url=None)
    add_azure(app, sim)
    return app


def add_azure(app: FastAPI, sim: AzureSimulator) -> None:
    """Give an app the resource's routes, under /openai."""
    inner = FastAPI(openapi_url=None)
    add_chat(inner, sim.chat)

    @app.websocket("/openai/v1/realtime")
    async def realtime(socket: WebSocket) -> None:
        headers = dict(socket.headers)
        if sim.refusal(headers):
            await socket.send_denial_response(_no("401", "Access denied due to invalid subscription key.", 401))
            return
        name = socket.query_params.get("model", "")
        if "api-version" in socket.query_params:
            await _preview(socket)
        elif name not in sim.deployments:
            message = "The API deployment for this resource does not exist."
            await socket.send_denial_response(_no("DeploymentNotFound", message, 404))
        elif name == WHISPER:
            message = "The realtime operation does not work with the specified model."
            await socket.send_denial_response(_no("OpperationNotSupported", message, 400))
        else:
            await connected(sim.realtime, socket, key=sim.realtime.api_key)

    async def chat(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {k.decode(): v.decode() for k, v in scope["headers"]}
        if sim.refusal(headers):
            await Request(scope, receive).body()
            await _no("401", "Access denied due to invalid subscription key.", 401)(scope, receive, send)
            return
        await inner({**scope, "path": f"/v1{scope['path'].rpartition('/v1')[2]}", "root_path": ""}, receive, send)

    app.mount("/openai/v1", chat)


async def _preview(socket: WebSocket) -> None:
    """An address with an api-version opens, and its session fails."""
    await socket.accept()
    await socket.send_text(json.dumps({"type": "session.created", "event_id": "e1", "session": {}}))
    await socket.receive()
    await asyncio.sleep(PREVIEW_S)
    await socket.close(1011, "api-version is not supported")


def _no(code: str, message: str, status: int) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status)
