"""What was said, by whom, in the order in which the caller heard it: exactly what the model may know."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

from bargein.protocols import AgentSaid, ConversationItem, SaidOver, ToolResult, UserBackchannel, UserSaid


def _unwatched() -> None:
    """For a conversation whose changes concern no other part."""


class Conversation:
    """A reply takes its place when it begins to sound: an interrupted reply stands before the words that interrupted
    it."""

    def __init__(self) -> None:
        self.items: list[ConversationItem] = []
        """In order."""
        self.on_user: Callable[[UserSaid], None] = lambda _: None
        """Gets the words of each turn, and again when better ones replace them."""
        self.on_change: Callable[[], None] = _unwatched
        """Called when an item was added or replaced."""

    def release(self) -> None:
        """The call is over: its words concern no other part any more."""
        self.on_user = lambda _: None
        self.on_change = _unwatched

    def agent_begins(self, reply: int) -> None:
        """A reply begins to sound. Once per reply."""
        if self.agent(reply) is None:
            self.items.append(AgentSaid(reply, "", ended="sounding"))
            self.on_change()

    def agent_heard(
        self,
        reply: int,
        text: str,
        unheard: str,
        ended: Literal["sounding", "completed", "cut", "failed"],
        *,
        exact: bool,
    ) -> AgentSaid | None:
        """Write down what was heard of a reply. None: it never began to sound, so it was never said."""
        for i, item in enumerate(self.items):
            if isinstance(item, AgentSaid) and item.reply == reply:
                known = dataclasses.replace(item, text=text, unheard=unheard, ended=ended, exact=exact)
                self.items[i] = known
                self.on_change()
                return known
        return None

    def agent(self, reply: int) -> AgentSaid | None:
        """What is known of a reply. None: it never began to sound."""
        for item in reversed(self.items):
            if isinstance(item, AgentSaid) and item.reply == reply:
                return item
        return None

    def with_user(self, turn: int, text: str | None, over: SaidOver | None) -> tuple[ConversationItem, ...]:
        """All items as they would be with these words."""
        said = UserSaid(turn, text, over)
        items = list(self.items)
        for i, item in enumerate(items):
            if isinstance(item, UserSaid) and item.turn == turn:
                items[i] = said
                return tuple(items)
        return (*items, said)

    def user(self, turn: int, text: str | None, over: SaidOver | None) -> UserSaid:
        """Write down the words of a turn. A turn that went on after its answer is replaced whole."""
        self.items = list(self.with_user(turn, text, over))
        said = next(item for item in self.items if isinstance(item, UserSaid) and item.turn == turn)
        self.on_user(said)
        self.on_change()
        return said

    def tool(self, result: ToolResult) -> None:
        """Write down a call of a tool. A later result of the same call replaces it."""
        for i, item in enumerate(self.items):
            if isinstance(item, ToolResult) and item.id == result.id:
                self.items[i] = result
                self.on_change()
                return
        self.items.append(result)
        self.on_change()

    def tool_result(self, call: str) -> ToolResult | None:
        """What is known of a tool's call. None: nothing yet."""
        return next((item for item in self.items if isinstance(item, ToolResult) and item.id == call), None)

    def has_turn(self, turn: int) -> bool:
        """Whether the turn's words are written down."""
        return any(isinstance(item, UserSaid) and item.turn == turn for item in self.items)

    def as_dicts(self) -> list[dict[str, object]]:
        """Every item with its kind, as JSON takes it."""
        return [{"kind": type(item).__name__, **dataclasses.asdict(item)} for item in self.items]

    def backchannel(self, text: str, over: SaidOver | None) -> UserBackchannel:
        """Write down a backchannel."""
        said = UserBackchannel(text, over)
        self.items.append(said)
        self.on_change()
        return said
