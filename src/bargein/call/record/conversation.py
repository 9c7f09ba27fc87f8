"""What was said, by whom, in the order in which it was heard: exactly what the model may know."""

from __future__ import annotations

import dataclasses
from typing import Literal

from bargein.protocols import AgentSaid, ConversationItem, SaidOver, ToolResult, UserBackchannel, UserSaid


class Conversation:
    """items: in order. A reply takes its place when it begins to sound, so a line that was interrupted stands before
    the words that interrupted it."""

    def __init__(self) -> None:
        self.items: list[ConversationItem] = []

    def agent_begins(self, reply: int) -> None:
        if self.agent(reply) is None:
            self.items.append(AgentSaid(reply, "", ended="sounding"))

    def agent_heard(
        self,
        reply: int,
        text: str,
        unheard: str,
        ended: Literal["sounding", "completed", "cut", "failed"],
        *,
        exact: bool,
    ) -> AgentSaid | None:
        """What is now known of a reply that began. None: it never began, so it was never said."""
        for i, item in enumerate(self.items):
            if isinstance(item, AgentSaid) and item.reply == reply:
                known = dataclasses.replace(item, text=text, unheard=unheard, ended=ended, exact=exact)
                self.items[i] = known
                return known
        return None

    def agent(self, reply: int) -> AgentSaid | None:
        for item in reversed(self.items):
            if isinstance(item, AgentSaid) and item.reply == reply:
                return item
        return None

    def with_user(self, turn: int, text: str | None, over: SaidOver | None) -> tuple[ConversationItem, ...]:
        """All items as they would be after these words."""
        said = UserSaid(turn, text, over)
        items = list(self.items)
        for i, item in enumerate(items):
            if isinstance(item, UserSaid) and item.turn == turn:
                items[i] = said
                return tuple(items)
        return (*items, said)

    def user(self, turn: int, text: str | None, over: SaidOver | None) -> UserSaid:
        """The words of a turn; a turn that went on after it had been answered is said again, whole."""
        self.items = list(self.with_user(turn, text, over))
        return next(item for item in self.items if isinstance(item, UserSaid) and item.turn == turn)

    def tool(self, used: ToolResult) -> None:
        """A tool that was called, or what came of it."""
        for i, item in enumerate(self.items):
            if isinstance(item, ToolResult) and item.id == used.id:
                self.items[i] = used
                return
        self.items.append(used)

    def used(self, call: str) -> ToolResult | None:
        """What is known of a tool's call."""
        return next((item for item in self.items if isinstance(item, ToolResult) and item.id == call), None)

    def has_turn(self, turn: int) -> bool:
        return any(isinstance(item, UserSaid) and item.turn == turn for item in self.items)

    def told(self) -> list[dict[str, object]]:
        """For machines."""
        return [{"kind": type(item).__name__, **dataclasses.asdict(item)} for item in self.items]

    def backchannel(self, text: str, over: SaidOver | None) -> UserBackchannel:
        said = UserBackchannel(text, over)
        self.items.append(said)
        return said
