"""The user's words, when the reply does not wait for them.

A model that hears audio answers at once. The words of the turn enter the conversation when they come.
"""

from __future__ import annotations

from collections import deque

from bargein.call.context import CallContext
from bargein.call.input.turns import Turn, Turns
from bargein.call.record.conversation import Conversation
from bargein.notices import Transcript

KEPT = 4  # turns whose words may still come


class LateWords:
    """Keeps the user's turns in the conversation up to date with what the STT knows of them."""

    def __init__(self, context: CallContext, conversation: Conversation, turns: Turns) -> None:
        self._context = context
        self._conversation = conversation
        self._turns = turns
        self._answered: deque[tuple[Turn, float]] = deque(maxlen=KEPT)  # with the moment of its end
        self._written: dict[int, str] = {}  # turn -> its words, as they stand in the conversation

    def answered(self, turn: Turn) -> None:
        """The turn is over, and is answered now."""
        if self._answered and self._answered[-1][0].id == turn.id:
            self._answered.pop()  # it went on after an earlier answer
        now_ms = self._context.now_ms()
        self._answered.append((turn, now_ms))
        self._write(turn, self._turns.known(turn, now_ms))

    def update(self) -> None:
        """The STT has more words, perhaps of a turn that was answered already."""
        for turn, until_ms in self._answered:
            if text := self._turns.known(turn, until_ms):
                self._write(turn, text)

    def read(self, turn: Turn, text: str) -> None:
        """The batch STT has read the whole turn. Words of the streaming STT no longer replace its text."""
        self._answered = deque((t for t in self._answered if t[0].id != turn.id), maxlen=KEPT)
        self._write(turn, text)

    def _write(self, turn: Turn, text: str) -> None:
        if self._written.get(turn.id) == text:
            return
        self._written[turn.id] = text
        said = self._conversation.user(turn.id, text or None, turn.over)
        over = said.over.text if said.over else None
        self._context.notify(Transcript("user", said.text, final=bool(text), turn=turn.id, over=over))
        self._context.journal.note(self._context.now_ms(), "user", turn=turn.id, text=said.text, over=over)
