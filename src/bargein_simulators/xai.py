"""xAI's realtime API, spoken locally: OpenAI's Realtime with xAI's session, names, pings, and errors without codes.

What is told of xAI's wire is little, and second-hand: this refuses what is known to be otherwise, and no more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.websockets import WebSocket

from bargein_simulators.openai_realtime import RealtimeSimulator, RealtimeWire, connected
from bargein_simulators.realtime_events import Json

UNKNOWN = ("type", "output_modalities", "truncation", "max_output_tokens", "reasoning")
TIMES = ("audio_start_ms", "audio_end_ms")
TRANSCRIBES = "grok-transcribe"


@dataclass(slots=True)
class XaiWire:
    """Both directions of one server."""

    def incoming(self, event: Json) -> Json:
        """A client's event, as OpenAI has it."""
        if event.get("type") == "response.cancel" and "response_id" in event:
            return {"type": "xai.refused", "event_id": "response.cancel carries no id"}
        if event.get("type") != "session.update":
            return event
        session = dict(event.get("session") or {})
        if any(name in session for name in UNKNOWN):
            return {"type": "xai.refused", "event_id": "unknown field of the session"}
        audio = {name: dict(half) for name, half in (session.pop("audio", None) or {}).items()}
        took, gave = audio.setdefault("input", {}), audio.setdefault("output", {})
        if "turn_detection" in session:
            took["turn_detection"] = session.pop("turn_detection")
        if "voice" in session:
            session.pop("voice")  # OpenAI's types know only OpenAI's voices
            gave["voice"] = "marin"
        if took.get("transcription", {}).get("model") == TRANSCRIBES:
            took["transcription"] = {"model": "gpt-realtime-whisper"}
        return event | {"session": session | {"type": "realtime", "audio": audio}}

    def outgoing(self, event: Json) -> list[Json]:
        """OpenAI's event, as xAI says it."""
        kind = event["type"]
        event = {name: value for name, value in event.items() if name not in TIMES}
        if kind == "session.created":
            ping = {"type": "ping", "timestamp": int(time.time() * 1000)}
            created = {"type": "conversation.created", "conversation": {"id": "conv_x"}}
            return [self._session(event), created, ping]
        if kind == "session.updated":
            return [self._session(event)]
        if kind == "error":
            error = dict(event["error"])
            return [event | {"error": {"type": error.get("type"), "message": error.get("message")}}]
        if kind.startswith("response.") and "response" in event:
            response = {name: value for name, value in event["response"].items() if name != "metadata"}
            return [event | {"response": response}]
        return [event]

    @staticmethod
    def _session(event: Json) -> Json:
        session = dict(event["session"])
        audio = {name: dict(half) for name, half in (session.get("audio") or {}).items()}
        turns = audio.get("input", {}).pop("turn_detection", None)
        voice = audio.get("output", {}).pop("voice", None)
        rest = {name: value for name, value in session.items() if name not in UNKNOWN}
        return event | {"session": rest | {"audio": audio, "turn_detection": turns, "voice": voice}}


def add_xai(app: FastAPI, sim: RealtimeSimulator) -> None:
    """Give an app the route /xai/v1/realtime."""

    @app.websocket("/xai/v1/realtime")
    async def realtime(socket: WebSocket) -> None:
        wire = XaiWire()
        await connected(sim, socket, RealtimeWire(wire.incoming, wire.outgoing))


def xai_app(sim: RealtimeSimulator) -> FastAPI:
    """A server with xAI alone."""
    app = FastAPI(title="xAI, simulated", openapi_url=None)
    add_xai(app, sim)
    return app
