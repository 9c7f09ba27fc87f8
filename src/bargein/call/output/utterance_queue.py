"""What waits to be said unasked: the greeting, an operator's words, what a tool has come to."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bargein.call.output.speaker import Kind, Reply, SpeechSource
from bargein.call.output.text_streams import one
from bargein.errors import UsageError

SAY_CHARS = 2_000
UtteranceText = Callable[[Reply], Coroutine[Any, Any, AsyncIterator[str] | SpeechSource | None]]


@dataclass(frozen=True, slots=True)
class Utterance:
    """text: gives it when its time has come, or None when there is nothing to say after all; protected: so many of
    its first characters may not be interrupted (None: all)."""

    kind: Kind
    text: UtteranceText
    protected: int | None = 0


class UtteranceQueue:
    """Bounded, and in the floor's order: it says when the oldest may be said. ask: tells the floor that one came;
    known: how words that are known are said."""

    def __init__(self, ask: Callable[[], None], most: Callable[[], int], known: Callable[[str], UtteranceText]) -> None:
        self._ask = ask
        self._most = most
        self._known = known
        self._line: deque[Utterance] = deque()

    def add(self, saying: Utterance) -> bool:
        """False: too many wait already, and it will not be said."""
        if len(self._line) >= self._most():
            return False
        self._line.append(saying)
        self._ask()
        return True

    def words(self, text: str, kind: Kind, protected: int | None = 0) -> bool:
        """The same, for words that are known."""
        return self.add(Utterance(kind, self._known(text), protected))

    def asked(self, text: str, *, interruptible: bool) -> None:
        """Somebody outside wants this said. Raises Misuse for no text, or too much of it."""
        text = text.strip()
        if not text or len(text) > SAY_CHARS:
            raise UsageError(
                f"A text of {len(text)} characters cannot be said", advice=f"Give 1 to {SAY_CHARS} characters"
            )
        if not self.words(text, "say", 0 if interruptible else None):
            raise UsageError("Too many texts wait to be said already", advice="Try again when the agent has said some")

    def next(self) -> Utterance:
        return self._line.popleft()


def known(text: str) -> UtteranceText:
    """Words that are known already."""

    async def give(reply: Reply) -> AsyncIterator[str] | None:
        reply.text += text
        return one(text) if text else None

    return give
