"""Gemini Live's BidiGenerateContent, locally: real turns, speech with transcripts, tool calls, and faults on demand.

Every message that comes and goes is checked by the types of Google's SDK. A refusal is a close with a code.
"""

from __future__ import annotations

from typing import get_args

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocket

from bargein_simulators.connection import serve_connection
from bargein_simulators.faults import add_fault_route
from bargein_simulators.gemini_live_behavior import Fault, GeminiLiveSimulator
from bargein_simulators.gemini_live_session import GeminiLiveSession

PATH = "/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent"


def gemini_live_app(sim: GeminiLiveSimulator | None = None) -> FastAPI:
    """A server with Gemini Live alone. The simulator is also app.state.gemini_live."""
    sim = sim or GeminiLiveSimulator()
    app = FastAPI(title="Gemini Live, simulated", openapi_url=None)
    add_gemini_live(app, sim)
    add_fault_route(app, sim.faults, get_args(Fault))
    return app


def add_gemini_live(app: FastAPI, sim: GeminiLiveSimulator) -> None:
    """Give an app Gemini Live's path. The simulator is also app.state.gemini_live."""
    app.state.gemini_live = sim

    @app.websocket(PATH)
    async def live(socket: WebSocket, version: str) -> None:
        fault = sim.fault("401", "404", "500")
        status = int(fault) if fault else 0
        key = socket.headers.get("x-goog-api-key") or socket.query_params.get("key")
        if version not in ("v1beta", "v1alpha"):
            status = 404
        elif sim.api_key is not None and key != sim.api_key:
            status = 401
        session = GeminiLiveSession(sim, socket)
        sim.sessions.append(session)
        refusal = JSONResponse({"error": {"code": status}}, status_code=status) if status else None
        await serve_connection(socket, session, refusal, session.run)
