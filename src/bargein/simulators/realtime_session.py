"""One session of a simulated OpenAI Realtime: what the server keeps, and how it answers each event.

It knows nothing of sockets. `take` is given what a client sends, whoever of its peers that was; `tell` is called with
what goes to all of them. The input clock counts sound, not time; a response is made faster than it could be heard,
unless it goes to a loudspeaker of ours (`speaker`), as it does over WebRTC.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import HotResampler
from bargein.contracts import Word
from bargein.simulators.chat import Call
from bargein.simulators.realtime_events import Json, Refused, client_event, error_event, new_id, server_event
from bargein.simulators.realtime_vad import Vad

if TYPE_CHECKING:
    from bargein.simulators.openai_realtime import RealtimeSimulator

log = logging.getLogger(__name__)

LEAST_COMMIT_MS = 100
MOST_APPEND_BYTES = 15 * 1024 * 1024
TEXT_LEAD_MS = 1_500  # so much earlier than its sound a word's text comes
ESCAPE = 2  # deltas that were on their way when a cancel came
PARTIAL_MS = 600  # of speech, after which a streaming transcriber tells its first words
SEMANTIC_MS = {"low": 1_200.0, "medium": 600.0, "auto": 600.0, "high": 300.0}
KEPT = 2_000
PCM = 24_000
AUDIO_FORMATS = {"audio/pcm": PCM, "audio/pcmu": 8_000}
PADDING_MS = 300
BOTH_ON: Json = {"create_response": True, "interrupt_response": True}
TURN_DETECTION: dict[str, Json] = {
    "server_vad": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": PADDING_MS,
        "silence_duration_ms": 200,
        "idle_timeout_ms": None,
        **BOTH_ON,
    },
    "semantic_vad": {"type": "semantic_vad", "eagerness": "auto", **BOTH_ON},
}


class Speaker(Protocol):
    """A loudspeaker at the server's end, as WebRTC has: it plays in real time what it is given."""

    def play(self, response: str, pcm: Pcm) -> None: ...

    def end(self, response: str) -> None:
        """Nothing more comes of that response."""
        ...

    def clear(self) -> tuple[str, float] | None:
        """Fall silent: the response, and how much of its sound had been sent (ms); None when it was silent."""
        ...


@dataclass(slots=True)
class ServerItem:
    """An item of the conversation as the server has it. wire: as it is told; ms: its sound so far; text: what was
    said in it, by whoever reads sound; truncated_ms: what it was shortened to; truth: its words' true times;
    spoken, pcm: what the model meant to say, and all of its sound."""

    wire: Json
    ms: float = 0.0
    text: str = ""
    truncated_ms: float | None = None
    truth: tuple[Word, ...] = ()
    spoken: str = ""
    pcm: Pcm | None = None
    read: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        return str(self.wire["id"])

    def heard(self) -> str:
        """What of it the server believes was heard: the words that end within the sound that it has left."""
        if self.truncated_ms is None and self.wire.get("status") != "incomplete":
            return self.spoken
        until_ms = self.ms if self.truncated_ms is None else self.truncated_ms
        ends = [word.end for word in self.truth if word.end_ms <= until_ms]
        return self.spoken[: ends[-1]] if ends else ""


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


class RealtimeSession:
    """sim: how it is to behave. speaker: over WebRTC. received: what came, sound left out, with its time by the
    monotonic clock; deleted: ids of items that are gone."""

    def __init__(self, sim: RealtimeSimulator, model: str, config: Json | None = None) -> None:
        self.sim = sim
        self.id = new_id("sess")
        self.conversation = new_id("conv")
        self.config = _defaults(model)
        self.items: dict[str, ServerItem] = {}
        self.received: deque[tuple[float, Json]] = deque(maxlen=KEPT)
        self.sent: deque[tuple[float, Json]] = deque(maxlen=KEPT)
        self.deleted: list[str] = []
        self.speaker: Speaker | None = None
        self.over = asyncio.Event()
        self.close: Callable[[int], None] | None = None  # ends the peers' connections
        self._script = sim.script if sim.scripts is None else deque(sim.scripts())
        self._peers: list[Callable[[Json], None]] = []
        self._vad = Vad(16_000)
        self._resampler: HotResampler | None = HotResampler(PCM, 16_000)
        self._next_item: str | None = None  # of the speech that goes on
        self._partial: str | None = None  # the item whose first words were told
        self._running: dict[str, Running] = {}
        self._active: Running | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        if config is not None:
            self._merge(config)

    # ---------------------------------------------------------------------------------------------------- peers

    def join(self, peer: Callable[[Json], None], *, greet: bool = True) -> None:
        """One more who is told everything. greet: begin with session.created."""
        self._peers.append(peer)
        if greet:
            event = server_event("session.created", session=self.wire())
            self.sent.append((time.monotonic(), event))
            peer(event)

    def leave(self, peer: Callable[[Json], None]) -> None:
        if peer in self._peers:
            self._peers.remove(peer)

    def tell(self, kind: str, **fields: Any) -> None:
        self._out(server_event(kind, **fields))

    def _out(self, event: Json) -> None:
        self.sent.append((time.monotonic(), event))
        sound = event["type"] == "response.output_audio.delta"
        for peer in list(self._peers):
            if not (sound and self.speaker is not None):
                peer(event)

    async def end(self) -> None:
        """The session is over, and all of its tasks."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.over.set()

    def wire(self) -> Json:
        return {**copy.deepcopy(self.config), "id": self.id, "object": "realtime.session", "expires_at": self.expires}

    @property
    def expires(self) -> int:
        return int(time.time()) + 3600

    # ------------------------------------------------------------------------------------------------ what comes

    def take(self, raw: object) -> None:
        """One of the client's events. What is wrong with it is answered with an `error`, and changes nothing else."""
        given = raw.get("event_id") if isinstance(raw, dict) else None
        event_id = given if isinstance(given, str) else None
        try:
            event = client_event(raw)
            if event["type"] == "input_audio_buffer.append":
                self._append(event["audio"])
                return
            self.received.append((time.monotonic(), event))
            self._event(event)
        except Refused as refused:
            self._out(error_event(refused.code, refused.message, event_id, refused.param))

    def _event(self, event: Json) -> None:
        match event["type"]:
            case "session.update":
                self._merge(event["session"])
                self.tell("session.updated", session=self.wire())
            case "input_audio_buffer.commit":
                self._commit_by_hand()
            case "input_audio_buffer.clear":
                self._vad.clear()
                self.tell("input_audio_buffer.cleared")
            case "output_audio_buffer.clear":
                self._clear_output()
            case "conversation.item.create":
                self._create_item(event)
            case "conversation.item.retrieve":
                kept = self._item(event, "item_retrieve_invalid_item_id").wire
                self.tell("conversation.item.retrieved", item=copy.deepcopy(kept))
            case "conversation.item.delete":
                item = self._item(event, "item_delete_invalid_item_id")
                del self.items[item.id]
                self.deleted.append(item.id)
                self.tell("conversation.item.deleted", item_id=item.id)
            case "conversation.item.truncate":
                self._truncate(event)
            case "response.create":
                self._create_response(event.get("response") or {})
            case "response.cancel":
                self._cancel(event.get("response_id"))
            case _:
                pass

    def _item(self, event: Json, code: str) -> ServerItem:
        item = self.items.get(event["item_id"])
        if item is None:
            raise Refused(code, f"Item with item_id '{event['item_id'][:60]}' does not exist.", "item_id")
        return item

    # ------------------------------------------------------------------------------------------------ the session

    def _merge(self, session: Json) -> None:
        if "model" in session and session["model"] != self.config["model"] and self.sent:
            raise Refused("invalid_value", "The model cannot be changed.", "session.model")
        output = ((session.get("audio") or {}).get("output")) or {}
        known = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
        if isinstance(output.get("voice"), str) and output["voice"] not in known:
            raise Refused("invalid_value", "Invalid value: unknown voice.", "session.audio.output.voice")
        config = _merged(self.config, session)
        for side in ("input", "output"):
            if (kind := (config["audio"][side]["format"] or {}).get("type")) not in AUDIO_FORMATS:
                raise Refused("invalid_value", f"This simulator has no '{kind}'.", f"session.audio.{side}.format.type")
        self.config = config
        took = config["audio"]["input"]
        rate = AUDIO_FORMATS[took["format"]["type"]]
        want = 8_000 if rate == 8_000 else 16_000
        if self._vad.rate != want:
            self._vad = Vad(want)
            self._resampler = None if want == rate else HotResampler(rate, want)
        turns = took.get("turn_detection")
        self._vad.on = turns is not None
        if turns is not None:
            given = {name: value for name, value in turns.items() if value is not None}
            turns = took["turn_detection"] = {**TURN_DETECTION[turns["type"]], **given}  # the answer is always whole
            semantic = turns["type"] == "semantic_vad"
            self._vad.threshold = 0.5 if semantic else turns["threshold"]
            self._vad.silence_ms = SEMANTIC_MS[turns["eagerness"]] if semantic else turns["silence_duration_ms"]

    @property
    def _turns(self) -> Json | None:
        found: Json | None = self.config["audio"]["input"].get("turn_detection")
        return found

    # ---------------------------------------------------------------------------------------------- sound that comes

    def _append(self, audio: str) -> None:
        try:
            data = base64.b64decode(audio, validate=True)
        except ValueError:
            raise Refused("invalid_value", "Invalid audio: expected base64.", "audio") from None
        if len(data) > MOST_APPEND_BYTES:
            raise Refused("invalid_value", "Audio chunk too large.", "audio")
        if self.config["audio"]["input"]["format"]["type"] == "audio/pcmu":
            self.hear(from_mulaw(data))
        else:
            self.hear(np.frombuffer(data[: len(data) // 2 * 2], "<i2"))

    def hear(self, samples: Samples) -> None:
        """The user's sound, in the session's input format's rate."""
        if self._resampler is not None:
            samples = self._resampler.feed(samples)
        padding = (self._turns or {}).get("prefix_padding_ms", PADDING_MS)
        for heard in self._vad.feed(samples):
            if heard.kind == "started":
                self._next_item = new_id("item")
                self.tell(
                    "input_audio_buffer.speech_started",
                    audio_start_ms=max(0, int(heard.at_ms - padding)),
                    item_id=self._next_item,
                )
                if self.sim.fault("drop_speech"):
                    self._drop(1011)
                elif (self._turns or {}).get("interrupt_response", True):
                    self._interrupt()
            else:
                item = self._next_item or new_id("item")
                self.tell("input_audio_buffer.speech_stopped", audio_end_ms=int(heard.at_ms), item_id=item)
                self._commit(item, self._vad.take(heard.began_ms - padding, heard.at_ms))
                if (self._turns or {}).get("create_response", True):
                    self._vad_response()
        if self._vad.speaking and self._vad.now_ms - self._vad.speech_ms >= PARTIAL_MS:
            self._tell_partial()

    def _tell_partial(self) -> None:
        transcription = self.config["audio"]["input"].get("transcription") or {}
        if self._partial != self._next_item and transcription.get("model") == "gpt-realtime-whisper":
            self._partial = self._next_item
            self._spawn(self._read_partial(str(self._next_item), self._vad.since(self._vad.speech_ms - 150)))

    async def _read_partial(self, item: str, pcm: Pcm) -> None:
        text = await self.sim.read(pcm, self._script, over=False)
        if text and item == self._next_item:
            kind = "conversation.item.input_audio_transcription.delta"
            self.tell(kind, item_id=item, content_index=0, delta=text)

    def _commit_by_hand(self) -> None:
        if self._vad.waiting_ms < LEAST_COMMIT_MS:
            raise Refused(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer "
                f"only has {self._vad.waiting_ms:.2f}ms of audio.",
            )
        item = self._next_item if self._vad.speaking and self._next_item else new_id("item")
        self._commit(item, self._vad.take())

    def _commit(self, item_id: str, pcm: Pcm) -> None:
        self._next_item = None
        last = next(reversed(self.items), None)
        self.tell("input_audio_buffer.committed", item_id=item_id, previous_item_id=last)
        wire = {
            "id": item_id,
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        item = self._add(ServerItem(wire, pcm.ms))
        self._spawn(self._read(item, pcm))

    async def _read(self, item: ServerItem, pcm: Pcm) -> None:
        began = time.monotonic()
        item.text = await self.sim.read(pcm, self._script, over=True)
        item.read.set()
        if self.config["audio"]["input"].get("transcription") is None:
            return
        await asyncio.sleep(max(0.0, began + self.sim.transcript_ms / 1000 - time.monotonic()))
        kind = "conversation.item.input_audio_transcription"
        if self.sim.fault("no_transcript"):
            error = {"type": "server_error", "code": "transcription_failed", "message": "Failed.", "param": None}
            self.tell(f"{kind}.failed", item_id=item.id, content_index=0, error=error)
            return
        usage = {"type": "duration", "seconds": round(pcm.ms / 1000)}
        self.tell(f"{kind}.completed", item_id=item.id, content_index=0, transcript=item.text, usage=usage)

    # -------------------------------------------------------------------------------------------------- items

    def _add(self, item: ServerItem, after: str | None = None) -> ServerItem:
        last = next(reversed(self.items), None)
        if after == "root":
            self.items = {item.id: item} | self.items
        elif after is not None and after in self.items:
            order = list(self.items.values())
            order.insert(next(k for k, known in enumerate(order) if known.id == after) + 1, item)
            self.items = {known.id: known for known in order}
        else:
            after = last
            self.items[item.id] = item
        wire = copy.deepcopy(item.wire)  # what is told shares nothing with what is kept: it may be changed later
        self.tell("conversation.item.added", item=wire, previous_item_id=after)
        self.tell("conversation.item.done", item=wire, previous_item_id=after)
        return item

    def _create_item(self, event: Json) -> None:
        wire: Json = dict(event["item"])
        wire["id"] = wire.get("id") or new_id("item")
        wire.setdefault("status", "completed")
        after = event.get("previous_item_id")
        if wire["id"] in self.items:
            raise Refused(
                "item_create_duplicate_item_id", f"Item with id '{wire['id'][:60]}' already exists.", "item.id"
            )
        if after not in (None, "root") and after not in self.items:
            raise Refused(
                "item_create_invalid_previous_item_id", "The previous item does not exist.", "previous_item_id"
            )
        content = wire.get("content") or []
        if wire.get("role") == "assistant" and any(part.get("type") == "output_audio" for part in content):
            raise Refused("invalid_value", "Assistant audio cannot be created.", "item.content")
        self._add(_typed(wire), after)

    def _truncate(self, event: Json) -> None:
        item = self._item(event, "item_truncate_invalid_item_id")
        if item.wire.get("role") != "assistant" or item.ms == 0:
            raise Refused("unsupported_content_type", "Only model output audio messages can be truncated")
        self._shorten(item, event["audio_end_ms"])

    def _shorten(self, item: ServerItem, at_ms: int) -> None:
        has = item.ms if item.truncated_ms is None else item.truncated_ms
        if at_ms > has:
            message = f"Audio content of {int(has)}ms is already shorter than {at_ms}ms"
            raise Refused("invalid_value", message, "audio_end_ms")
        item.truncated_ms = float(at_ms)
        item.text = ""
        for part in item.wire["content"]:
            part.pop("transcript", None)
        self.tell("conversation.item.truncated", item_id=item.id, content_index=0, audio_end_ms=at_ms)

    # ------------------------------------------------------------------------------------------------ responses

    def _vad_response(self) -> None:
        active = self._active
        if active is None:
            self._create_response({})
        elif active.cancelled():
            self._spawn(self._respond_after(active))  # sound that is fed at once ends sooner than what it interrupted
        else:
            self._out(error_event("conversation_already_has_active_response", self._busy(), None))

    async def _respond_after(self, running: Running) -> None:
        if running.task is not None:
            await asyncio.wait([running.task])
        self._vad_response()

    def _busy(self) -> str:
        active = self._active.id if self._active is not None else ""
        return (
            f"Conversation already has an active response in progress: {active}. "
            "Wait until the response is finished before creating a new one."
        )

    def _create_response(self, params: Json) -> None:
        if self.sim.fault("mute"):
            return
        default = params.get("conversation") != "none"
        if default and self._active is not None:
            raise Refused("conversation_already_has_active_response", self._busy())
        running = Running(new_id("resp"), params, default)
        self._running[running.id] = running
        if default:
            self._active = running
        running.task = self._spawn(self._respond(running))

    def _cancel(self, response_id: str | None) -> None:
        running = self._active if response_id is None else self._running.get(response_id)
        if running is None or running.cancelled():
            raise Refused("response_cancel_not_active", "Cancellation failed: no active response found")
        running.reason = "client_cancelled"
        running.stop.set()

    def _interrupt(self) -> None:
        """The server's own doing, where it was asked to."""
        if self._active is not None and self._active.reason is None:
            self._active.reason = "turn_detected"
            self._active.stop.set()
        if self.speaker is not None:
            self._clear_output()

    def _clear_output(self) -> None:
        if self.speaker is None:
            raise Refused("invalid_value", "There is no output audio buffer over WebSocket.", "type")
        cleared = self.speaker.clear()
        if cleared is None:
            return
        response, sent_ms = cleared
        self.tell("output_audio_buffer.cleared", response_id=response)
        for item in reversed(list(self.items.values())):
            if item.wire.get("role") == "assistant" and item.ms > 0:
                if item.truncated_ms is None and sent_ms < item.ms:
                    self._shorten(item, int(sent_ms))
                break

    async def _respond(self, running: Running) -> None:
        sim = self.sim
        self.tell("response.created", response=self._response(running, "in_progress"))
        failed = "rate_limit_exceeded" if sim.fault("rate_limit") else "server_error" if sim.fault("fail") else None
        try:
            await self._wait(running, sim.first_audio_ms + (2_000 if sim.fault("slow") else 0))
            if failed is None and not running.cancelled():
                for part in await self._answer(running):
                    if running.cancelled():
                        break
                    if isinstance(part, Call):
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
        if running.cancelled() and self.sim.fault("no_done"):
            return
        self.tell("response.done", response=self._response(running, status, detail))
        limits = [{"name": "tokens", "limit": 40_000, "remaining": 39_000, "reset_seconds": 1.5}]
        self.tell("rate_limits.updated", rate_limits=limits)

    async def _answer(self, running: Running) -> list[str | Call]:
        given = running.params.get("input")
        if given is None:
            items = list(self.items.values())
            for item in items:
                await item.read.wait()
        else:  # these stand in the conversation's place; one may be a reference to an item of it
            items = [self.items.get(wire.get("id") or "") or _typed(wire) for wire in given]
        instructions = running.params.get("instructions") or self.config["instructions"]
        return self.sim.answer(items, instructions)

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
        output = self.config["audio"]["output"]
        kind = output["format"]["type"] if self.speaker is None else "audio/pcm"
        rate = AUDIO_FORMATS[kind]
        said = await self.sim.speech.say(text, rate)
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
        self.tell("response.content_part.added", **ids, part={"type": "audio", "transcript": ""})
        size = int(self.sim.chunk_ms * rate / 1000)
        told, escaped = 0, 0
        for at in range(0, len(said.pcm.samples), size):
            if running.cancelled():
                escaped += 1
                if escaped > ESCAPE or self.speaker is not None:  # what a loudspeaker of ours has not, nobody hears
                    break
            chunk = said.pcm.samples[at : at + size]
            told = self._tell_text(ids, said.words, text, told, at * 1000 / rate + TEXT_LEAD_MS)
            if self.sim.fault_after("drop", item.ms):
                self._drop(1011)
                return
            item.ms += len(chunk) * 1000 / rate
            if self.speaker is not None:
                self.speaker.play(running.id, Pcm(chunk, rate))
            else:
                data = to_mulaw(chunk) if kind == "audio/pcmu" else chunk.astype("<i2").tobytes()
                self.tell("response.output_audio.delta", **ids, delta=base64.b64encode(data).decode())
            if self.sim.speed:
                await self._wait(running, self.sim.chunk_ms / self.sim.speed)
            else:
                await asyncio.sleep(0)
        whole = not running.cancelled()
        if whole:
            self._tell_text(ids, said.words, text, told, float("inf"))
        if self.speaker is not None:
            self.speaker.end(running.id)
        self._end_item(running, item, ids, text if whole else text[:told], whole=whole)

    def _tell_text(self, ids: Json, words: tuple[Word, ...], text: str, told: int, until_ms: float) -> int:
        """The text of the words that begin before a moment; how far that is."""
        following = next((word.begin for word in words if word.start_ms >= until_ms), len(text))
        if following > told:
            self.tell("response.output_audio_transcript.delta", **ids, delta=text[told:following])
        return max(told, following)

    def _begin_item(self, running: Running, item: ServerItem) -> Json:
        index, last = len(running.output), next(reversed(self.items), None)
        running.output.append(item.wire)
        self.tell(
            "response.output_item.added", response_id=running.id, output_index=index, item=copy.deepcopy(item.wire)
        )
        if running.default:
            self.items[item.id] = item
            self.tell("conversation.item.added", item=copy.deepcopy(item.wire), previous_item_id=last)
        ids: Json = {"response_id": running.id, "item_id": item.id, "output_index": index}
        return ids if item.wire["type"] == "function_call" else {**ids, "content_index": 0}

    def _end_item(self, running: Running, item: ServerItem, ids: Json, text: str, *, whole: bool) -> None:
        self.tell("response.output_audio.done", **ids)
        self.tell("response.output_audio_transcript.done", **ids, transcript=text)
        self.tell("response.content_part.done", **ids, part={"type": "audio", "transcript": text})
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
            self.tell("conversation.item.done", item=wire, previous_item_id=None)
        index = next(k for k, made in enumerate(running.output) if made["id"] == item.id)
        running.output[index] = wire  # what was made, whatever is shortened later
        self.tell("response.output_item.done", response_id=running.id, output_index=index, item=wire)

    async def _call(self, running: Running, call: Call) -> None:
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
                self.tell("response.function_call_arguments.delta", **more, delta=piece)
            await self._wait(running, self.sim.token_ms)
            if running.cancelled():
                wire["status"] = "incomplete"
                self._item_done(running, item)
                return
        wire |= {"status": "completed", "arguments": call.arguments}
        self.tell("response.function_call_arguments.done", **more, name=call.tool, arguments=call.arguments)
        self._item_done(running, item)

    def _response(self, running: Running, status: str, detail: Json | None = None) -> Json:
        usage = {"total_tokens": 1, "input_tokens": 1, "output_tokens": 0}
        return {
            "id": running.id,
            "object": "realtime.response",
            "status": status,
            "status_details": detail,
            "output": [] if status == "in_progress" else copy.deepcopy(running.output),
            "conversation_id": self.conversation if running.default else None,
            "output_modalities": ["audio"],
            "max_output_tokens": "inf",
            "audio": {"output": copy.deepcopy(self.config["audio"]["output"])},
            "usage": None if status == "in_progress" else usage,
            "metadata": running.params.get("metadata"),
        }

    # --------------------------------------------------------------------------------------------------- plumbing

    def expire(self) -> None:
        """The session has lasted as long as one may."""
        self._out(error_event("session_expired", "Your session hit the maximum duration of 60 minutes.", None))
        self._drop(1001)

    def _drop(self, code: int) -> None:
        self._peers.clear()  # nothing more reaches anyone
        if self.close is not None:
            self.close(code)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("The simulated session failed", exc_info=error)


def _typed(wire: Json) -> ServerItem:
    """An item that came in writing."""
    text = " ".join(part.get("text") or "" for part in wire.get("content") or [])
    item = ServerItem(wire, text=text, spoken=text)
    item.read.set()
    return item


def _defaults(model: str) -> Json:
    pcm = {"type": "audio/pcm", "rate": PCM}
    return {
        "type": "realtime",
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "You are a helpful assistant.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": None,
        "include": None,
        "audio": {
            "input": {
                "format": pcm,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(TURN_DETECTION["server_vad"]),
            },
            "output": {"format": dict(pcm), "voice": "alloy", "speed": 1.0},
        },
    }


def _merged(known: Json, given: Json) -> Json:
    """Only what is given changes; turn detection and the like are replaced whole."""
    out = dict(known)
    for name, value in given.items():
        whole = name in ("turn_detection", "transcription", "format", "noise_reduction")
        merge = isinstance(value, dict) and isinstance(known.get(name), dict) and not whole
        out[name] = _merged(known[name], value) if merge else copy.deepcopy(value)
    return out
