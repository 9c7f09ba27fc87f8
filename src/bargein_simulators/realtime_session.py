"""One session of a simulated OpenAI Realtime: what the server keeps, and how it answers each event.

The session knows no sockets. `handle` takes an event of any client; `send` goes to all clients. A response is made
faster than real time, except over WebRTC: there its audio goes to a loudspeaker (`speaker`).
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from bargein_simulators.realtime_behavior import RealtimeBehavior
from bargein_simulators.realtime_config import configured, defaults, transcription_defaults
from bargein_simulators.realtime_events import Json, client_event, error_event, new_id, server_event
from bargein_simulators.realtime_input import UserAudioBuffer
from bargein_simulators.realtime_items import ServerItem, text_item
from bargein_simulators.realtime_parameters import RealtimeRefused, invalid, missing, out_of_range
from bargein_simulators.realtime_port import SimulatedSpeaker
from bargein_simulators.realtime_responses import Responses

__all__ = ["RealtimeSession", "ServerItem", "SimulatedSpeaker"]

log = logging.getLogger(__name__)

KEPT = 2_000
NEEDED = {  # what each kind of content must bring; the model's own audio cannot be created
    "input_text": "text",
    "output_text": "text",
    "output_audio": "text",
    "input_audio": "audio",
    "input_image": "image_url",
}
LONGEST_IDLE_MS = 30_000
TRANSCRIPTION_EVENTS = (  # all that a transcription session takes
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
)


class RealtimeSession:
    """sim: how the session behaves. speaker: over WebRTC.

    received: events that came, without audio, each with its time by the monotonic clock. deleted: ids of deleted items.
    user: the input audio buffer. responses: the model's responses.
    """

    def __init__(self, sim: RealtimeBehavior, model: str, config: Json | None = None) -> None:
        self.id = new_id("sess")
        self.conversation = new_id("conv")
        transcribes = (config or {}).get("type") == "transcription"
        self.config = transcription_defaults() if transcribes else defaults(model)
        self.items: dict[str, ServerItem] = {}
        self.received: deque[tuple[float, Json]] = deque(maxlen=KEPT)
        self.sent: deque[tuple[float, Json]] = deque(maxlen=KEPT)
        self.deleted: list[str] = []
        self.speaker: SimulatedSpeaker | None = None
        self.over = asyncio.Event()
        self.close: Callable[[int], None] | None = None  # closes the clients' connections
        self._peers: list[Callable[[Json], None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._sim = sim
        self.responses = Responses(sim, self)
        self.user = UserAudioBuffer(sim, self, self.responses)
        if config is not None:
            self._merge(config)

    # ---------------------------------------------------------------------------------------------------- peers

    def join(self, peer: Callable[[Json], None], *, greet: bool = True) -> None:
        """Add a client. greet: send it session.created."""
        self._peers.append(peer)
        if greet:
            event = server_event("session.created", session=self.wire())
            self.sent.append((time.monotonic(), event))
            peer(event)

    def leave(self, peer: Callable[[Json], None]) -> None:
        if peer in self._peers:
            self._peers.remove(peer)

    def send(self, kind: str, **fields: Any) -> None:
        self.send_event(server_event(kind, **fields))

    def send_event(self, event: Json) -> None:
        self.sent.append((time.monotonic(), event))
        audio = event["type"] == "response.output_audio.delta"
        for peer in list(self._peers):
            if not (audio and self.speaker is not None):
                peer(event)

    async def end(self) -> None:
        """End the session and all of its tasks."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.over.set()

    def wire(self) -> Json:
        kind = "realtime.session" if self.config["type"] == "realtime" else "realtime.transcription_session"
        return {**copy.deepcopy(self.config), "id": self.id, "object": kind, "expires_at": self.expires}

    @property
    def expires(self) -> int:
        return int(time.time()) + 3600

    # -------------------------------------------------------------------------------------------- clients' events

    def handle(self, raw: object) -> None:
        """Handle an event of a client. A wrong one is answered with an `error`, and changes nothing."""
        given = raw.get("event_id") if isinstance(raw, dict) else None
        event_id = given if isinstance(given, str) else None
        try:
            event = client_event(raw)
            if event["type"] == "input_audio_buffer.append":
                self.user.append(event["audio"])
                return
            self.received.append((time.monotonic(), event))
            self._event(event)
        except RealtimeRefused as refused:
            self.send_event(error_event(refused.code, refused.message, event_id, refused.param))

    def _event(self, event: Json) -> None:
        if self.config["type"] == "transcription" and event["type"] not in TRANSCRIPTION_EVENTS:
            raise invalid("type", event["type"], TRANSCRIPTION_EVENTS)
        match event["type"]:
            case "session.update":
                self._merge(event["session"])
                self.send("session.updated", session=self.wire())
            case "input_audio_buffer.commit":
                self.user.commit()
            case "input_audio_buffer.clear":
                self.user.vad.clear()
                self.send("input_audio_buffer.cleared")
            case "output_audio_buffer.clear":
                self.responses.clear_output()
            case "conversation.item.create":
                self._create_item(event)
            case "conversation.item.retrieve":
                kept = self._item(event, "item_retrieve_invalid_item_id").wire
                self.send("conversation.item.retrieved", item=copy.deepcopy(kept))
            case "conversation.item.delete":
                item = self._item(event, "item_delete_invalid_item_id")
                del self.items[item.id]
                self.deleted.append(item.id)
                self.send("conversation.item.deleted", item_id=item.id)
            case "conversation.item.truncate":
                self._truncate(event)
            case "response.create":
                self.responses.create(event.get("response") or {})
            case "response.cancel":
                self.responses.cancel(event.get("response_id"))
            case _:
                pass

    def _merge(self, session: Json) -> None:
        config = configured(self.config, session, begun=bool(self.sent), spoken=self.responses.spoken)
        idle_ms = (config["audio"]["input"].get("turn_detection") or {}).get("idle_timeout_ms")
        limits = (self._sim.least_idle_timeout_ms, LONGEST_IDLE_MS)
        path = "session.audio.input.turn_detection.idle_timeout_ms"
        if idle_ms is not None and (refusal := out_of_range(path, idle_ms, limits, whole=True)) is not None:
            raise refusal
        for side, granted in self._sim.grants.items():
            config["audio"][side]["format"] = dict(granted)
        self.config = config
        self.user.configure(self.config["audio"]["input"])

    def _item(self, event: Json, code: str) -> ServerItem:
        item = self.items.get(event["item_id"])
        if item is None:
            raise RealtimeRefused(code, f"Item with item_id '{event['item_id'][:60]}' does not exist.", "item_id")
        return item

    # -------------------------------------------------------------------------------------------------- items

    def add(self, item: ServerItem, after: str | None = None) -> ServerItem:
        """Put an item into the conversation. after: the id of the item before it, or "root"."""
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
        wire = copy.deepcopy(item.wire)  # a copy: the kept item may change later
        self.send("conversation.item.added", item=wire, previous_item_id=after)
        self.send("conversation.item.done", item=wire, previous_item_id=after)
        return item

    def _create_item(self, event: Json) -> None:
        wire: Json = dict(event["item"])
        wire["id"] = wire.get("id") or new_id("item")
        wire.setdefault("status", "completed")
        after = event.get("previous_item_id")
        if wire["id"] in self.items:
            raise RealtimeRefused(
                "item_create_duplicate_item_id", f"Item with id '{wire['id'][:60]}' already exists.", "item.id"
            )
        if after not in (None, "root") and after not in self.items:
            raise RealtimeRefused(
                "item_create_invalid_previous_item_id", "The previous item does not exist.", "previous_item_id"
            )
        content = wire.get("content") or []
        for index, part in enumerate(content):
            wanted = NEEDED.get(part.get("type") or "")
            if wanted is not None and part.get(wanted) is None:
                raise missing(f"item.content[{index}].{wanted}")
        if wire["type"] == "function_call_output" and wire["call_id"] not in self._calls():
            message = f"Tool call ID '{wire['call_id'][:60]}' not found in conversation."
            raise RealtimeRefused("invalid_tool_call_id", message)
        item = text_item(wire)
        if audio := [part for part in content if part.get("audio")]:
            self.user.read_item(item, audio)
            item.wire = {**wire, "content": [{k: v for k, v in part.items() if k != "audio"} for part in content]}
        self.add(item, after)

    def _calls(self) -> set[str]:
        """Ids of the tool calls in the conversation."""
        wires = [item.wire for item in self.items.values()]
        return {wire.get("call_id") or "" for wire in wires if wire["type"] == "function_call"}

    def _truncate(self, event: Json) -> None:
        item = self._item(event, "item_truncate_invalid_item_id")
        if item.wire.get("role") != "assistant" or item.ms == 0:
            raise RealtimeRefused("unsupported_content_type", "Only model output audio messages can be truncated")
        if (index := event["content_index"]) != 0:
            message = f"Invalid 'content_index': the item has no content part at index {index}."
            raise RealtimeRefused("invalid_value", message, "content_index")
        self.shorten(item, event["audio_end_ms"])

    def shorten(self, item: ServerItem, at_ms: int) -> None:
        """Truncate an item to the audio that was heard. Raises RealtimeRefused."""
        has = item.ms if item.truncated_ms is None else item.truncated_ms
        if at_ms > has:
            message = f"Audio content of {int(has)}ms is already shorter than {at_ms}ms"
            raise RealtimeRefused("invalid_value", message, "audio_end_ms")
        item.truncated_ms = float(at_ms)
        item.text = ""
        for part in item.wire["content"]:
            part.pop("transcript", None)
        self.send("conversation.item.truncated", item_id=item.id, content_index=0, audio_end_ms=at_ms)

    # --------------------------------------------------------------------------------------------------- plumbing

    def expire(self) -> None:
        """End a session that has reached the vendor's longest duration."""
        self.send_event(error_event("session_expired", "Your session hit the maximum duration of 60 minutes.", None))
        self.disconnect(1001)

    def disconnect(self, code: int) -> None:
        """Break the clients' connections. code: of the sockets' close."""
        self._peers.clear()  # no client gets anything more
        if self.close is not None:
            self.close(code)

    def spawn(self, work: Any) -> asyncio.Task[None]:
        """Start a task that ends with the session."""
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("The simulated session failed", exc_info=error)
