"""What waits to be said unasked: the greeting, an operator's words, the results of tools."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from bargein.call.context import CallContext
from bargein.call.output.reply import ReplyKind, ReplySource
from bargein.errors import UsageError
from bargein.floor import Floor, SayRequested

SAY_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something to be said as soon as the floor is free."""

    kind: ReplyKind
    source: ReplySource
    """Gives its text when its time has come, or None when there is nothing to say after all."""
    protected: int | None = 0
    """How many of its first characters nothing interrupts. None: all of them."""
    text: str = ""
    """Its text, where that is given. "": the model makes it when its time has come."""


class UtteranceQueue:
    """Bounded by the policy's `max_waiting`. The floor says when the oldest may be said.

    source_of: how a given text is said.
    """

    def __init__(self, context: CallContext, floor: Floor, source_of: Callable[[str], ReplySource]) -> None:
        self._context = context
        self._floor = floor
        self._source_of = source_of
        self._waiting: deque[Utterance] = deque()

    @property
    def texts(self) -> list[Utterance]:
        """Those whose text is given, the oldest first."""
        return [utterance for utterance in self._waiting if utterance.text]

    @property
    def owes_results(self) -> bool:
        """The model is to say what tools have found."""
        return any(not utterance.text for utterance in self._waiting)

    def add(self, utterance: Utterance) -> bool:
        """Put it last, and tell the floor. False: the queue is full, and it will not be said."""
        if len(self._waiting) >= self._floor.policy.idle.max_waiting:
            return False
        self._waiting.append(utterance)
        self._context.feed(SayRequested(self._context.now_ms()))
        return True

    def add_text(self, text: str, kind: ReplyKind, protected: int | None = 0) -> bool:
        """`add` for a given text."""
        return self.add(Utterance(kind, self._source_of(text), protected, text))

    def say(self, text: str, *, interruptible: bool) -> None:
        """An operator or a program wants the text said. Raises UsageError for no text, too much of it, or a full
        queue."""
        text = text.strip()
        if not text or len(text) > SAY_CHARS:
            raise UsageError(
                f"A text of {len(text)} characters cannot be said", advice=f"Give 1 to {SAY_CHARS} characters"
            )
        if not self.add_text(text, "say", 0 if interruptible else None):
            raise UsageError("Too many texts wait to be said already", advice="Try again when the agent has said some")

    def next(self) -> Utterance:
        """Take the oldest."""
        return self._waiting.popleft()
