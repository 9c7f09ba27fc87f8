"""What a realtime service remembers of a reply that was cut: the audio that was played, also after holds.

Pipecat's services for OpenAI, Azure and xAI tell their server after an interruption how much was heard, by the clock:
the time since the first audio came. A hold goes on in that time. So the server is told once more, by the audio that
was played, which is never more.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

from loguru import logger
from pipecat.processors.frame_processor import FrameProcessor

MARGIN_MS = 5  # for the rounding of both clocks
ITEM = "on_conversation_item_created"
SERVICES = {  # the modules whose services truncate, and their events
    "pipecat.services.openai.realtime.llm": "pipecat.services.openai.realtime.events",
    "pipecat.services.azure.voice_live.llm": "pipecat.services.azure.voice_live.events",
    "pipecat.services.xai.realtime.llm": "pipecat.services.xai.realtime.events",
}


def realtime_service(processor: FrameProcessor) -> tuple[FrameProcessor, Any] | None:
    """The nearest service before this processor that can be told what was heard, and its events."""
    before = processor.previous
    while before is not None:
        for kind in type(before).__mro__:
            if kind.__name__.endswith("LLMService") and kind.__module__ in SERVICES:
                return before, sys.modules[SERVICES[kind.__module__]]
        before = before.previous
    return None


class RealtimeMemory:
    """service: sends client events, and tells of each item. events: their module. One for each call."""

    def __init__(self, service: Any, events: Any) -> None:
        self._service, self._events = service, events
        self._items: deque[str] = deque(maxlen=8)  # of the agent, whose audio is not over
        service.add_event_handler(ITEM, self._created)

    async def _created(self, _: Any, item_id: str, item: Any) -> None:
        if getattr(item, "role", None) == "assistant":
            self._items.append(item_id)

    def finished(self) -> None:
        """All audio of a response has been played."""
        if self._items:
            self._items.popleft()

    def silent(self) -> None:
        """The agent has nothing to play."""
        self._items.clear()

    async def cut(self, played_ms: float, since_ms: float) -> None:
        """The reply is over, played_ms of it were heard. since_ms: from its first audio to now."""
        items = [*self._items]
        self._items.clear()
        if len(items) != 1:
            return  # Pipecat's own word stands: where one item ends in the audio is not known
        if played_ms + MARGIN_MS > since_ms:
            return  # nothing was held, and a word beyond Pipecat's is refused, which ends Pipecat's session
        event = self._events.ConversationItemTruncateEvent(
            item_id=items[0], content_index=0, audio_end_ms=int(played_ms)
        )
        try:
            await self._service.send_client_event(event)
        except Exception as error:
            logger.opt(exception=error).warning("Bargein: the realtime service could not be told what was heard.")
