"""The responses of a simulated session: asked for, made, cancelled, and told of in the server's order."""

from __future__ import annotations

import asyncio
import base64
import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bargein.audio.mulaw import to_mulaw
from bargein.audio.pcm import Pcm
from bargein.protocols import Word
from bargein_simulators.chat import ServedToolCall
from bargein_simulators.realtime_config import AUDIO_FORMATS
from bargein_simulators.realtime_events import Json, RealtimeRefused, error_event, new_id
from bargein_simulators.realtime_items import ServerItem, typed

if TYPE_CHECKING:
    from bargein_simulators.openai_realtime import RealtimeSimulator
    from bargein_simulators.realtime_session import RealtimeSession

TEXT_LEAD_MS = 1_500  # so much earlier than its sound a word's text comes
ESCAPE = 2  # deltas that were on their way when a cancel came


@dataclass(slots=True)
class Running:
    """A response under way."""

    id: str
    params: Json
    default: bool
    reason: str | None = None  # why it is cancelled
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    output: list[Json] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def cancelled(self) -> bool:
        return self.reason is not None


class Responses:
    """Those of one session. At most one at a time writes to its conversation."""

    def __init__(self, sim: RealtimeSimulator, session: RealtimeSession) -> None:
        self._sim, self._session = sim, session
        self._running: dict[str, Running] = {}
        self._active: Running | None = None

    def answers(self) -> None:
        """A turn is over, and the server answers by itself."""
        active = self._active
        if active is None:
            self.create({})
        elif active.cancelled():
            # Sound that is fed at once ends sooner than what it interrupted.
            self._session.spawn(self._respond_after(active))
        else:
            self._session.out(error_event("conversation_already_has_active_response", self._busy(), None))

    async def _respond_after(self, running: Running) -> None:
        if running.task is not None:
            await asyncio.wait([running.task])
        self.answers()

    def _busy(self) -> str:
        active = self._active.id if self._active is not None else ""
        return (
            f"Conversation already has an active response in progress: {active}. "
            "Wait until the response is finished before creating a new one."
        )

    def create(self, params: Json) -> None:
        """The client asks for one. Raises Refused."""
        if self._sim.fault("mute"):
            return
        default = params.get("conversation") != "none"
        if default and self._active is not None:
            raise RealtimeRefused("conversation_already_has_active_response", self._busy())
        running = Running(new_id("resp"), params, default)
        self._running[running.id] = running
        if default:
            self._active = running
        running.task = self._session.spawn(self._respond(running))

    def cancel(self, response_id: str | None) -> None:
        """None: the one that writes to the conversation. Raises Refused."""
        running = self._active if response_id is None else self._running.get(response_id)
        if running is None or running.cancelled():
            raise RealtimeRefused("response_cancel_not_active", "Cancellation failed: no active response found")
        running.reason = "client_cancelled"
        running.stop.set()

    def interrupt(self) -> None:
        """The server's own doing, where it was asked to."""
        if self._active is not None and self._active.reason is None:
            self._active.reason = "turn_detected"
            self._active.stop.set()
        if self._session.speaker is not None:
            self.clear_output()

    def clear_output(self) -> None:
        """The loudspeaker falls silent. Raises Refused where there is none."""
        if self._session.speaker is None:
            raise RealtimeRefused("invalid_value", "There is no output audio buffer over WebSocket.", "type")
        cleared = self._session.speaker.clear()
        if cleared is None:
            return
        response, sent_ms = cleared
        self._session.tell("output_audio_buffer.cleared", response_id=response)
        for item in reversed(list(self._session.items.values())):
            if item.wire.get("role") == "assistant" and item.ms > 0:
                if item.truncated_ms is None and sent_ms < item.ms:
                    self._session.shorten(item, int(sent_ms))
                break

    async def _respond(self, running: Running) -> None:
        sim = self._sim
        self._session.tell("response.created", response=self._response(running, "in_progress"))
        failed = "rate_limit_exceeded" if sim.fault("rate_limit") else "server_error" if sim.fault("fail") else None
        try:
            await self._wait(running, sim.first_audio_ms + (2_000 if sim.fault("slow") else 0))
            if failed is None and not running.cancelled():
                for part in await self._answer(running):
                    if running.cancelled():
                        break
                    if isinstance(part, ServedToolCall):
                        await self._call(running, part)
                    else:
                        await self._say(running, part)
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
        self._session.tell("response.done", response=self._response(running, status, detail))
        limits = [{"name": "tokens", "limit": 40_000, "remaining": 39_000, "reset_seconds": 1.5}]
        self._session.tell("rate_limits.updated", rate_limits=limits)

    async def _answer(self, running: Running) -> list[str | ServedToolCall]:
        given = running.params.get("input")
        if given is None:
            items = list(self._session.items.values())
            for item in items:
                await item.read.wait()
        else:  # these stand in the conversation's place; one may be a reference to an item of it
            items = [self._session.items.get(wire.get("id") or "") or typed(wire) for wire in given]
        instructions = running.params.get("instructions") or self._session.config["instructions"]
        return self._sim.answer(items, instructions)

    async def _wait(self, running: Running, ms: float) -> None:
        """So long, or until it is cancelled."""
        if ms > 0 and not running.cancelled():
            try:
                async with asyncio.timeout(ms / 1000):
                    await running.stop.wait()
            except TimeoutError:
                pass

    async def _say(self, running: Running, text: str) -> None:
        """One spoken item, in the order in which the server tells of it."""
        output = self._session.config["audio"]["output"]
        kind = output["format"]["type"] if self._session.speaker is None else "audio/pcm"
        rate = AUDIO_FORMATS[kind]
        said = await self._sim.speech.say(text, rate)
        wire: Json = {
            "id": new_id("item"),
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "content": [],
        }
        item = ServerItem(wire, truth=said.words, spoken=text, pcm=said.pcm)
        item.read.set()
        ids = self._begin_item(running, item)
        self._session.tell("response.content_part.added", **ids, part={"type": "audio", "transcript": ""})
        size = int(self._sim.chunk_ms * rate / 1000)
        told, escaped = 0, 0
        for at in range(0, len(said.pcm.samples), size):
            if running.cancelled():
                escaped += 1
                # What a loudspeaker of ours has not, nobody hears.
                if escaped > ESCAPE or self._session.speaker is not None:
                    break
            chunk = said.pcm.samples[at : at + size]
            told = self._tell_text(ids, said.words, text, told, at * 1000 / rate + TEXT_LEAD_MS)
            if self._sim.fault_after("drop", item.ms):
                self._session.drop(1011)
                return
            item.ms += len(chunk) * 1000 / rate
            if self._session.speaker is not None:
                self._session.speaker.play(running.id, Pcm(chunk, rate))
            else:
                data = to_mulaw(chunk) if kind == "audio/pcmu" else chunk.astype("<i2").tobytes()
                self._session.tell("response.output_audio.delta", **ids, delta=base64.b64encode(data).decode())
            if self._sim.speed:
                await self._wait(running, self._sim.chunk_ms / self._sim.speed)
            else:
                await asyncio.sleep(0)
        whole = not running.cancelled()
        if whole:
            self._tell_text(ids, said.words, text, told, float("inf"))
        if self._session.speaker is not None:
            self._session.speaker.end(running.id)
        self._end_item(running, item, ids, text if whole else text[:told], whole=whole)

    def _tell_text(self, ids: Json, words: tuple[Word, ...], text: str, told: int, until_ms: float) -> int:
        """The text of the words that begin before a moment; how far that is."""
        following = next((word.begin for word in words if word.start_ms >= until_ms), len(text))
        if following > told:
            self._session.tell("response.output_audio_transcript.delta", **ids, delta=text[told:following])
        return max(told, following)

    def _begin_item(self, running: Running, item: ServerItem) -> Json:
        index, last = len(running.output), next(reversed(self._session.items), None)
        running.output.append(item.wire)
        self._session.tell(
            "response.output_item.added", response_id=running.id, output_index=index, item=copy.deepcopy(item.wire)
        )
        if running.default:
            self._session.items[item.id] = item
            self._session.tell("conversation.item.added", item=copy.deepcopy(item.wire), previous_item_id=last)
        ids: Json = {"response_id": running.id, "item_id": item.id, "output_index": index}
        return ids if item.wire["type"] == "function_call" else {**ids, "content_index": 0}

    def _end_item(self, running: Running, item: ServerItem, ids: Json, text: str, *, whole: bool) -> None:
        self._session.tell("response.output_audio.done", **ids)
        self._session.tell("response.output_audio_transcript.done", **ids, transcript=text)
        self._session.tell("response.content_part.done", **ids, part={"type": "audio", "transcript": text})
        item.wire["status"] = "completed" if whole else "incomplete"
        item.wire["content"] = [{"type": "output_audio", "transcript": text}]
        self._item_done(running, item)
        if item.truncated_ms is None:
            item.text = text
        else:  # it was shortened while it was made: what is kept of it has no text either
            item.wire["content"][0].pop("transcript")

    def _item_done(self, running: Running, item: ServerItem) -> None:
        wire = copy.deepcopy(item.wire)
        if running.default:
            self._session.tell("conversation.item.done", item=wire, previous_item_id=None)
        index = next(k for k, made in enumerate(running.output) if made["id"] == item.id)
        running.output[index] = wire  # what was made, whatever is shortened later
        self._session.tell("response.output_item.done", response_id=running.id, output_index=index, item=wire)

    async def _call(self, running: Running, call: ServedToolCall) -> None:
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
        for piece in (call.arguments[:half], call.arguments[half:]):
            if piece:
                self._session.tell("response.function_call_arguments.delta", **more, delta=piece)
            await self._wait(running, self._sim.token_ms)
            if running.cancelled():
                wire["status"] = "incomplete"
                self._item_done(running, item)
                return
        wire |= {"status": "completed", "arguments": call.arguments}
        self._session.tell("response.function_call_arguments.done", **more, name=call.tool, arguments=call.arguments)
        self._item_done(running, item)

    def _response(self, running: Running, status: str, detail: Json | None = None) -> Json:
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
