"""Which reply the model's output belongs to.

Gemini names neither its generations nor its items. Its output comes in the order of what was asked, and a new turn of
the user interrupts the generation before it. So all output after a cut is the cut reply's, until the server says that
this one is over (`interrupted`, or `turnComplete`; either may be late, and either may never come). Output that comes
between a new request and such a word is kept: the word makes it the old reply's, and `SETTLE_S` makes it the new one's.
"""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Callable
from typing import Any, Literal

from bargein.vendors.google.live.response import GeminiResponse

log = logging.getLogger(__name__)

SETTLE_S = 1.0  # after the message that interrupted: what is still on its way has come
MOST_KEPT = 2_000  # messages

Content = dict[str, Any]
Generated = Literal["running", "generated", "interrupted", "complete"]


class Generations:
    """now_s: the loop's clock. Knows one reply that is generated, and whether one before it is still running."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.reply: GeminiResponse | None = None
        """The newest that was asked for."""
        self._state: Generated = "complete"  # how far the newest reply's generation is
        self._old: Generated = "complete"  # the same of the one before it
        self._interrupted_s = 0.0
        self._kept: list[Content] = []

    @property
    def running(self) -> bool:
        """The reply is wanted, and is not at its end."""
        return self.reply is not None and not (self.reply.over or self.reply.dead)

    def asked(self, reply: GeminiResponse) -> None:
        """A reply was asked for."""
        if self.reply is not None:  # else a turn's begin has interrupted it, and that counts
            self.interrupts()
        self.reply, self._state = reply, "running"

    def interrupts(self) -> None:
        """A message goes up that interrupts the generation."""
        self._interrupted_s = self._now_s()
        if self._state != "complete":
            self._old = self._state
        self.reply, self._state = None, "complete"
        self._kept.clear()

    def waits_for_tools(self, *, waits: bool) -> None:
        """The model has called tools, and generates nothing until it has their results."""
        if self._state in ("running", "generated"):
            self._state = "generated" if waits else "running"

    def take(self, content: Content) -> Literal["", "phantom"]:
        """A serverContent. "phantom": the server interrupted the reply, and nothing of ours made it do so."""
        ends = bool(content.get("interrupted") or content.get("turnComplete"))
        if self._old == "running":
            if ends:
                self._old = "complete" if content.get("turnComplete") else "interrupted"
                self._kept.clear()
                return ""
            if self.reply is None:
                return ""
            if self._now_s() - self._interrupted_s < SETTLE_S:
                if len(self._kept) < MOST_KEPT:
                    self._kept.append(content)
                return ""
            self.settle()
        elif self._old != "complete":  # all that it still has to send is that it is over
            if ends and not _output(content) and not (self.reply is not None and self.reply.started):
                self._old = "complete" if content.get("turnComplete") else "interrupted"
                return ""
            if _output(content) and self.reply is not None:
                self._old = "complete"
        return self._take(content)

    @property
    def settles_in_s(self) -> float | None:
        """Seconds until the kept output belongs to the new reply; None: nothing is kept."""
        return max(0.0, self._interrupted_s + SETTLE_S - self._now_s()) if self._kept else None

    def settle(self) -> None:
        """The server does not say that the old generation is over: what was kept is the new reply's."""
        log.info("Gemini never said that the reply before was over")
        kept, self._kept, self._old = self._kept, [], "complete"
        for content in kept:
            self._take(content)

    def _take(self, content: Content) -> Literal["", "phantom"]:
        reply = self.reply
        if content.get("turnComplete"):
            self._state = "complete"
        elif content.get("interrupted"):
            self._state = "interrupted"
        elif content.get("generationComplete") and self._state == "running":
            self._state = "generated"
        if reply is None or reply.dead or reply.over:
            return ""
        for part in (content.get("modelTurn") or {}).get("parts") or ():
            data = part.get("inlineData") or {}
            if str(data.get("mimeType", "")).startswith("audio/pcm"):
                reply.sound(b64decode(data.get("data") or ""))
        reply.said((content.get("outputTranscription") or {}).get("text") or "")
        if content.get("interrupted"):
            ours = self._now_s() - self._interrupted_s < SETTLE_S and not reply.started
            return "" if ours else "phantom"
        if content.get("turnComplete"):
            reply.turn_complete()
        elif content.get("generationComplete"):
            reply.generated()
        return ""


def _output(content: Content) -> bool:
    return bool(content.get("modelTurn") or content.get("outputTranscription"))
