"""The hands of a reply, and what a server tells of its responses."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field

from bargein.protocols import AgentSaid, SpeechChunk, ToolCall
from bargein.vendors.common.openai_realtime.audio_formats import NegotiatedFormats
from bargein.vendors.common.openai_realtime.items import Json
from bargein.vendors.common.openai_realtime.protocol import REPLY, RealtimeProtocol
from bargein.vendors.common.openai_realtime.response import OpenAIResponse
from bargein_simulators.realtime_events import error_event, server_event

SECOND = base64.b64encode(bytes(48_000)).decode()  # of silence, 24 kHz


@dataclass
class Line:
    """The hands of a reply, and the wire."""

    language: str = "en"
    pace: float = 60.0
    sent: list[Json] = field(default_factory=list)
    webrtc: bool = False
    vendor_turns: bool = False
    epoch: int = 0
    retold: list[AgentSaid] = field(default_factory=list)
    told: list[AgentSaid] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = RealtimeProtocol(self.put, webrtc=self.webrtc, vendor_turns=self.vendor_turns)

    def put(self, event: Json, urgent: bool) -> None:
        self.sent.append(event)

    formats = NegotiatedFormats(16_000, mulaw=False)

    async def begin(self, reply: OpenAIResponse) -> None:
        self.session.begin(reply)

    def stop(self, reply: OpenAIResponse) -> None:
        self.session.stop(reply)

    def order(self, event: Json) -> None:
        self.sent.append(event)

    def tell(self, said: AgentSaid) -> None:
        self.told.append(said)

    def never_began(self, call: ToolCall) -> None:
        self.unanswered.append(call.id)

    def retell(self, said: AgentSaid) -> None:
        self.retold.append(said)

    def reply(self, number: int) -> OpenAIResponse:
        return OpenAIResponse(self, number, {}, spoken=False, mulaw=False, webrtc=self.webrtc)

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.sent]

    # -- what the server tells
    def created(self, response: str, reply: int | None) -> None:
        metadata = {REPLY: str(reply)} if reply is not None else None
        told = {"id": response, "status": "in_progress", "conversation_id": "conv_1", "metadata": metadata}
        self.session.event(server_event("response.created", response=told))

    def audio(self, response: str, item: str = "item_1", delta: str = SECOND) -> None:
        self.session.event(
            server_event(
                "response.output_audio.delta",
                response_id=response,
                item_id=item,
                output_index=0,
                content_index=0,
                delta=delta,
            )
        )

    def text(self, response: str, text: str, item: str = "item_1") -> None:
        kind = "response.output_audio_transcript.delta"
        self.session.event(
            server_event(kind, response_id=response, item_id=item, output_index=0, content_index=0, delta=text)
        )

    def item_done(self, response: str, item: Json) -> None:
        self.session.event(server_event("response.output_item.done", response_id=response, output_index=0, item=item))

    def done(self, response: str, status: str = "completed", *items: str, error: str | None = None) -> None:
        output = [message(item) for item in items]
        details = {"type": "failed", "error": {"type": "x", "code": error}} if error else None
        told = {
            "id": response,
            "status": status,
            "status_details": details,
            "output": output,
            "conversation_id": "conv_1",
        }
        self.session.event(server_event("response.done", response=told))

    def refuse(self, code: str, event_id: str | None) -> None:
        self.session.event(error_event(code, "no", event_id))


def message(item: str, status: str = "completed") -> Json:
    return {"id": item, "type": "message", "role": "assistant", "status": status, "content": []}


def call(item: str, status: str = "completed") -> Json:
    name = {"name": "look", "arguments": "{}", "call_id": f"of_{item}"}
    return {"id": item, "type": "function_call", "status": status, **name}


async def heard(reply: OpenAIResponse) -> tuple[str, float]:
    """All that a reply says: its text, and how long it sounds."""
    text, ms = "", 0.0
    async with asyncio.timeout(5):
        async for piece in reply.audio():
            assert isinstance(piece, SpeechChunk)
            text += piece.text
            ms += piece.pcm.ms
    return text, ms


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)
