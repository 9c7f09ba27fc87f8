"""The log's word on what went away in a call, once for each outage, and when it came back."""

from __future__ import annotations

import logging

from bargein.call.context import CallContext

log = logging.getLogger(__name__)

PARTS = {"model_lost": "the model", "voice_lost": "the voice", "ears_lost": "the STT"}


class Outages:
    """What is away now, by the code of the problem that the client is told of."""

    def __init__(self, context: CallContext) -> None:
        self._context = context
        self._since_ms: dict[str, float] = {}

    def lost(self, code: str, why: str) -> None:
        """It went away, or is still away. Only the first word of an outage is logged."""
        if code not in self._since_ms:
            self._since_ms[code] = self._context.now_ms()
            log.warning("Call %s: %s: %s", self._context.call_id, code, why)
            self._context.journal.note(self._context.now_ms(), "outage", code=code, why=why)

    def restored(self, code: str) -> None:
        """It works. Nothing is logged where it was not away."""
        if (since_ms := self._since_ms.pop(code, None)) is not None:
            s = (self._context.now_ms() - since_ms) / 1000
            part = PARTS.get(code, code)
            log.warning("Call %s: %s is back after %.1f s", self._context.call_id, part, s)
            self._context.journal.note(self._context.now_ms(), "outage", code=code, over=True)
