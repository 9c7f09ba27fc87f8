"""The user's words where nobody waits for them: a model that hears answers at once, and the words that are read of a
turn come into the conversation when they come."""

from __future__ import annotations

from collections import deque

from bargein.call.input.turns import Turn, Turns
from bargein.call.record.conversation import Conversation
from bargein.call.responders.responder import ResponderHooks
from bargein.notices import Transcript

ASKED = 4  # turns whose words may still come


class LateWords:
    """Keeps the conversation's user turns as well as their words are known."""

    def __init__(self, conversation: Conversation, turns: Turns, hands: ResponderHooks) -> None:
        self._conversation, self._turns, self._hands = conversation, turns, hands
        self._asked: deque[tuple[Turn, float]] = deque(maxlen=ASKED)  # with the moment at which it was over
        self._told: dict[int, str] = {}  # turn -> its words, as they stand in the conversation

    def over(self, turn: Turn) -> None:
        """The turn is over, and is answered now."""
        if self._asked and self._asked[-1][0].id == turn.id:
            self._asked.pop()  # it went on, and is over only now
        self._asked.append((turn, self._hands.now_ms()))
        self.put(turn, self._turns.known(turn, self._hands.now_ms()))

    def came(self) -> None:
        """More words were read: of a turn that was answered already, it may be."""
        for turn, until_ms in self._asked:
            if text := self._turns.known(turn, until_ms):
                self.put(turn, text)

    def read(self, turn: Turn, text: str) -> None:
        """A reader has read all of it: what streaming ears have of it is no better."""
        self._asked = deque((t for t in self._asked if t[0].id != turn.id), maxlen=ASKED)
        self.put(turn, text)

    def put(self, turn: Turn, text: str) -> None:
        """So much is known of its words now."""
        if self._told.get(turn.id) == text:
            return
        self._told[turn.id] = text
        said = self._conversation.user(turn.id, text or None, turn.over)
        over = said.over.text if said.over else None
        self._hands.notify(Transcript("user", said.text, final=bool(text), turn=turn.id, over=over))
        self._hands.journal.note(self._hands.now_ms(), "user", turn=turn.id, text=said.text, over=over)
