"""The responses of a simulated session: created, spoken, cancelled, with their events in the vendor's order."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable

from bargein_simulators.chat_wire import ServedToolCall
from bargein_simulators.realtime_behavior import RealtimeBehavior
from bargein_simulators.realtime_config import response_config
from bargein_simulators.realtime_events import Json, error_event, new_id
from bargein_simulators.realtime_items import ServerItem, text_item
from bargein_simulators.realtime_output import make_part, wait
from bargein_simulators.realtime_parameters import RealtimeRefused
from bargein_simulators.realtime_port import SessionPort
from bargein_simulators.realtime_running import TEXT_TOKEN, RunningResponse


class Responses:
    """The responses of one session. At most one at a time writes to the conversation."""

    def __init__(self, sim: RealtimeBehavior, session: SessionPort) -> None:
        self._sim, self._session = sim, session
        self._running: dict[str, RunningResponse] = {}
        self._active: RunningResponse | None = None
        self.spoken = False  # whether a response in the conversation has given audio
        self.begun: Callable[[], None] = lambda: None  # called when a response begins to write to the conversation
        self.ended: Callable[[float], None] = lambda ms: None  # called with the length of its audio when it is over

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
        config = response_config(self._session.config, params, spoken=self.spoken)
        if self._sim.fault("mute"):
            return
        default = params.get("conversation") != "none"
        if default and self._active is not None:
            raise RealtimeRefused("conversation_already_has_active_response", self._busy())
        running = RunningResponse(new_id("resp"), params, config, default)
        self._running[running.id] = running
        if default:
            self._active = running
            self.begun()
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
            await wait(running, sim.first_audio_ms + (2_000 if sim.fault("slow") else 0))
            input_tokens = 0
            if failed is None and not running.over():
                items = await self._read(running)
                input_tokens = sum(len(TEXT_TOKEN.findall(item.text)) for item in items)
                for part in self._parts(running, items):
                    if running.over():
                        break
                    await make_part(sim, self._session, running, part)
        finally:
            self.spoken = self.spoken or (running.default and running.audio_ms > 0)
            del self._running[running.id]
            if self._active is running:
                self._active = None
        status, detail = _status(running, failed)
        if running.cancelled() and self._sim.fault("no_done"):
            return
        self._session.send("response.done", response=self._response(running, status, detail, input_tokens))
        limits = [{"name": "tokens", "limit": 40_000, "remaining": 39_000, "reset_seconds": 1.5}]
        self._session.send("rate_limits.updated", rate_limits=limits)
        if running.default:
            self.ended(running.audio_ms)

    async def _read(self, running: RunningResponse) -> list[ServerItem]:
        """The items that the model reads."""
        given = running.params.get("input")
        if given is None:
            items = list(self._session.items.values())
            for item in items:
                await item.read.wait()
            return items
        # These replace the conversation; one may be a reference to an item of the conversation.
        return [self._session.items.get(wire.get("id") or "") or text_item(wire) for wire in given]

    def _parts(self, running: RunningResponse, items: list[ServerItem]) -> list[str | ServedToolCall]:
        """What the model says and calls."""
        parts = self._sim.answer(items, running.config.instructions, calls=running.config.calls)
        forced = running.config.forced
        if forced is not None and not any(isinstance(part, ServedToolCall) for part in parts):
            return [ServedToolCall(forced)]
        return parts

    def _response(
        self, running: RunningResponse, status: str, detail: Json | None = None, input_tokens: int = 0
    ) -> Json:
        return {
            "id": running.id,
            "object": "realtime.response",
            "status": status,
            "status_details": detail,
            "output": [] if status == "in_progress" else copy.deepcopy(running.output),
            "conversation_id": self._session.conversation if running.default else None,
            **running.config.described(),
            "usage": None if status == "in_progress" else running.usage(input_tokens),
            "metadata": running.params.get("metadata"),
        }


def _status(running: RunningResponse, failed: str | None) -> tuple[str, Json | None]:
    """The status of a response that is over, and its details. failed: the code of its failure."""
    if failed is not None:
        return "failed", {"type": "failed", "error": {"type": "invalid_request_error", "code": failed}}
    if running.reason is not None:
        return "cancelled", {"type": "cancelled", "reason": running.reason}
    if running.exhausted:
        return "incomplete", {"type": "incomplete", "reason": "max_output_tokens"}
    return "completed", None
