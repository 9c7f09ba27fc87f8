"""The responses of a simulated session: created, spoken, cancelled, with their events in the vendor's order."""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bargein.audio.alaw import to_alaw
from bargein.audio.mulaw import to_mulaw
from bargein.audio.pcm import Pcm, Samples
from bargein.protocols import Word
from bargein_simulators.chat import ServedToolCall
from bargein_simulators.realtime_behavior import RealtimeBehavior
from bargein_simulators.realtime_config import AUDIO_FORMATS
from bargein_simulators.realtime_events import Json, RealtimeRefused, error_event, new_id
from bargein_simulators.realtime_items import ServerItem, text_item
from bargein_simulators.realtime_port import SessionPort

TEXT_LEAD_MS = 1_500  # a word's text comes so much earlier than its audio
ESCAPE = 2  # deltas that still come after a cancel


def _pcm(samples: Samples) -> bytes:
    return samples.astype("<i2").tobytes()


ENCODERS: Mapping[str, Callable[[Samples], bytes]] = {
    "audio/pcm": _pcm,
    "audio/pcmu": to_mulaw,
    "audio/pcma": to_alaw,
}


@dataclass(slots=True)
class RunningResponse:
    """A response under way."""

    id: str
    params: Json
    """Of the response.create."""
    default: bool
    """Whether its items go into the conversation."""
    reason: str | None = None
    """Why it is cancelled. None: it is not."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    output: list[Json] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def cancelled(self) -> bool:
        return self.reason is not None


class Responses:
    """The responses of one session. At most one at a time writes to the conversation."""

    def __init__(self, sim: RealtimeBehavior, session: SessionPort) -> None:
        self._sim, self._session = sim, session
        self._running: dict[str, RunningResponse] = {}
        self._active: RunningResponse | None = None

    def respond_to_turn(self) -> None:
        """The user's turn is over, and the server creates the response itself."""
        active = self._active
        if active is None:
            self.create({})
        elif active.cancelled():
            # Audio that is fed at once ends before the response that it interrupted.
            self._session.spawn(self._respond_after(active))
        else:
            self._session.send_event(error_event("conversation_already_has_active_response", self._busy(), None))

    async def _respond_after(self, running: RunningResponse) -> None:
        if running.task is not None:
            await asyncio.wait([running.task])
        self.respond_to_turn()

    def _busy(self) -> str:
        active = self._active.id if self._active is not None else ""
        return (
            f"Conversation already has an active response in progress: {active}. "
            "Wait until the response is finished before creating a new one."
        )

    def create(self, params: Json) -> None:
        """The client creates a response. Raises RealtimeRefused."""
        if self._sim.fault("mute"):
            return
        default = params.get("conversation") != "none"
        if default and self._active is not None:
            raise RealtimeRefused("conversation_already_has_active_response", self._busy())
        running = RunningResponse(new_id("resp"), params, default)
        self._running[running.id] = running
        if default:
            self._active = running
        running.task = self._session.spawn(self._respond(running))

    def cancel(self, response_id: str | None) -> None:
        """Cancel a response. None: the one that writes to the conversation. Raises RealtimeRefused."""
        running = self._active if response_id is None else self._running.get(response_id)
        if running is None or running.cancelled():
            raise RealtimeRefused("response_cancel_not_active", "Cancellation failed: no active response found")
        running.reason = "client_cancelled"
        running.stop.set()

    def interrupt(self) -> None:
        """The server cancels the response, because the user speaks."""
        if self._active is not None and self._active.reason is None:
            self._active.reason = "turn_detected"
            self._active.stop.set()
        if self._session.speaker is not None:
            self.clear_output()

    def clear_output(self) -> None:
        """Silence the loudspeaker. Raises RealtimeRefused where there is none."""
        if self._session.speaker is None:
            raise RealtimeRefused("invalid_value", "There is no output audio buffer over WebSocket.", "type")
        cleared = self._session.speaker.clear()
        if cleared is None:
            return
        response, sent_ms = cleared
        self._session.send("output_audio_buffer.cleared", response_id=response)
        for item in reversed(list(self._session.items.values())):
            if item.wire.get("role") == "assistant" and item.ms > 0:
                if item.truncated_ms is None and sent_ms < item.ms:
                    self._session.shorten(item, int(sent_ms))
                break

    async def _respond(self, running: RunningResponse) -> None:
        sim = self._sim
        self._session.send("response.created", response=self._response(running, "in_progress"))
        failed = "rate_limit_exceeded" if sim.fault("rate_limit") else "server_error" if sim.fault("fail") else None
        try:
            await self._wait(running, sim.first_audio_ms + (2_000 if sim.fault("slow") else 0))
            if failed is None and not running.cancelled():
                for part in await self._answer(running):
                    if running.cancelled():
                        break
                    if isinstance(part, ServedToolCall):
                        await self._function_call(running, part)
                    else:
                        await self._speak(running, part)
        finally:
            del self._running[running.id]
            if self._active is running:
                self._active = None
        status = "failed" if failed else "cancelled" if running.reason else "completed"
        if failed:
            detail: Json | None = {"type": "failed", "error": {"type": "invalid_request_error", "code": failed}}
        else:
            detail = {"type": "cancelled", "reason": running.reason} if running.reason else None
        if running.cancelled() and self._sim.fault("no_done"):
            return
        self._session.send("response.done", response=self._response(running, status, detail))
        limits = [{"name": "tokens", "limit": 40_000, "remaining": 39_000, "reset_seconds": 1.5}]
        self._session.send("rate_limits.updated", rate_limits=limits)

    async def _answer(self, running: RunningResponse) -> list[str | ServedToolCall]:
        given = running.params.get("input")
        if given is None:
            items = list(self._session.items.values())
            for item in items:
                await item.read.wait()
        else:  # these replace the conversation; one may be a reference to an item of the conversation
            items = [self._session.items.get(wire.get("id") or "") or text_item(wire) for wire in given]
        instructions = running.params.get("instructions") or self._session.config["instructions"]
        return self._sim.answer(items, instructions)

    async def _wait(self, running: RunningResponse, ms: float) -> None:
        """Wait for so long, or until the response is cancelled."""
        if ms > 0 and not running.cancelled():
            try:
                async with asyncio.timeout(ms / 1000):
                    await running.stop.wait()
            except TimeoutError:
                pass

    async def _speak(self, running: RunningResponse, text: str) -> None:
        """Send one spoken item, its events in the server's order."""
        output = self._session.config["audio"]["output"]
        kind = output["format"]["type"] if self._session.speaker is None else "audio/pcm"
        rate = AUDIO_FORMATS[kind]
        speech = await self._sim.speech.say(text, rate)
        wire: Json = {
            "id": new_id("item"),
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        item = ServerItem(wire, truth=speech.words, spoken=text, pcm=speech.pcm)
        item.read.set()
        ids = self._begin_item(running, item)
        self._session.send("response.content_part.added", **ids, part={"type": "audio", "transcript": ""})
        size = int(self._sim.chunk_ms * rate / 1000)
        sent_chars, escaped = 0, 0
        for at in range(0, len(speech.pcm.samples), size):
            if running.cancelled():
                escaped += 1
                # Over WebRTC, audio that the loudspeaker did not get is never heard.
                if escaped > ESCAPE or self._session.speaker is not None:
                    break
            chunk = speech.pcm.samples[at : at + size]
            sent_chars = self._send_text(ids, speech.words, text, sent_chars, at * 1000 / rate + TEXT_LEAD_MS)
            if self._sim.fault_after("drop", item.ms):
                self._session.disconnect(1011)
                return
            item.ms += len(chunk) * 1000 / rate
            if self._session.speaker is not None:
                self._session.speaker.play(running.id, Pcm(chunk, rate))
            else:
                data = ENCODERS[kind](chunk)
                self._session.send("response.output_audio.delta", **ids, delta=base64.b64encode(data).decode())
            if self._sim.speed:
                await self._wait(running, self._sim.chunk_ms / self._sim.speed)
            else:
                await asyncio.sleep(0)
        whole = not running.cancelled()
        if whole:
            self._send_text(ids, speech.words, text, sent_chars, float("inf"))
        if self._session.speaker is not None:
            self._session.speaker.end(running.id)
        self._end_item(running, item, ids, text if whole else text[:sent_chars], whole=whole)

    def _send_text(self, ids: Json, words: tuple[Word, ...], text: str, sent_chars: int, until_ms: float) -> int:
        """Send the text of the words that begin before until_ms. Returns the number of characters sent so far."""
        following = next((word.begin for word in words if word.start_ms >= until_ms), len(text))
        if following > sent_chars:
            self._session.send("response.output_audio_transcript.delta", **ids, delta=text[sent_chars:following])
        return max(sent_chars, following)

    def _begin_item(self, running: RunningResponse, item: ServerItem) -> Json:
        index, last = len(running.output), next(reversed(self._session.items), None)
        running.output.append(item.wire)
        self._session.send(
            "response.output_item.added", response_id=running.id, output_index=index, item=copy.deepcopy(item.wire)
        )
        if running.default:
            self._session.items[item.id] = item
            self._session.send("conversation.item.added", item=copy.deepcopy(item.wire), previous_item_id=last)
        ids: Json = {"response_id": running.id, "item_id": item.id, "output_index": index}
        return ids if item.wire["type"] == "function_call" else {**ids, "content_index": 0}

    def _end_item(self, running: RunningResponse, item: ServerItem, ids: Json, text: str, *, whole: bool) -> None:
        self._session.send("response.output_audio.done", **ids)
        self._session.send("response.output_audio_transcript.done", **ids, transcript=text)
        self._session.send("response.content_part.done", **ids, part={"type": "audio", "transcript": text})
        item.wire["status"] = "completed" if whole else "incomplete"
        item.wire["content"] = [{"type": "output_audio", "transcript": text}]
        self._item_done(running, item)
        if item.truncated_ms is None:
            item.text = text
        else:  # truncated during the response: the item that is kept has no text
            item.wire["content"][0].pop("transcript")

    def _item_done(self, running: RunningResponse, item: ServerItem) -> None:
        wire = copy.deepcopy(item.wire)
        if running.default:
            self._session.send("conversation.item.done", item=wire, previous_item_id=None)
        index = next(k for k, made in enumerate(running.output) if made["id"] == item.id)
        running.output[index] = wire  # the response keeps the item as it was made, even when it is truncated later
        self._session.send("response.output_item.done", response_id=running.id, output_index=index, item=wire)

    async def _function_call(self, running: RunningResponse, call: ServedToolCall) -> None:
        wire: Json = {
            "id": new_id("item"),
            "type": "function_call",
            "status": "in_progress",
            "call_id": new_id("call"),
            "name": call.tool,
            "arguments": "",
        }
        item = ServerItem(wire)
        item.read.set()
        ids = self._begin_item(running, item)
        more = {**ids, "call_id": wire["call_id"]}
        half = len(call.arguments) // 2
        for chunk in (call.arguments[:half], call.arguments[half:]):
            if chunk:
                self._session.send("response.function_call_arguments.delta", **more, delta=chunk)
            await self._wait(running, self._sim.token_ms)
            if running.cancelled():
                wire["status"] = "incomplete"
                self._item_done(running, item)
                return
        wire |= {"status": "completed", "arguments": call.arguments}
        self._session.send("response.function_call_arguments.done", **more, name=call.tool, arguments=call.arguments)
        self._item_done(running, item)

    def _response(self, running: RunningResponse, status: str, detail: Json | None = None) -> Json:
        usage = {"total_tokens": 1, "input_tokens": 1, "output_tokens": 0}
        return {
            "id": running.id,
            "object": "realtime.response",
            "status": status,
            "status_details": detail,
            "output": [] if status == "in_progress" else copy.deepcopy(running.output),
            "conversation_id": self._session.conversation if running.default else None,
            "output_modalities": ["audio"],
            "max_output_tokens": "inf",
            "audio": {"output": copy.deepcopy(self._session.config["audio"]["output"])},
            "usage": None if status == "in_progress" else usage,
            "metadata": running.params.get("metadata"),
        }
