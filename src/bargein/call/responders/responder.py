"""Whoever makes the replies of a call: a chat model with a voice (call.answering), or a speech model (call.speech)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bargein.call.input.turns import Turn
from bargein.call.output.speaker import Reply, SpeechSource
from bargein.call.output.utterance_queue import UtteranceText
from bargein.call.record.conversation import Conversation
from bargein.call.responders.tool_runner import ToolRunner
from bargein.notices import Notice
from bargein.protocols import Journal, Meter, Tool, ToolResult, UserBackchannel


@dataclass(slots=True)
class PreparedStats:
    """What preparing replies has come to. wasted_*: of those that were forgotten."""

    used: int = 0
    forgotten: int = 0
    wasted_chars: int = 0
    wasted_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ResponderHooks:
    """What a seat needs of its call. spawn: makes a task that ends with the call; commit: one that is awaited, but not
    cancelled; again: asks the floor for a moment to tell what a tool has come to."""

    notify: Callable[[Notice], None]
    journal: Journal
    meter: Meter
    now_ms: Callable[[], float]
    spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
    commit: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
    again: Callable[[], None]

    def toolbox(
        self, tools: Sequence[Tool], conversation: Conversation, late: Callable[[ToolResult], None]
    ) -> ToolRunner:
        """One for these tools. late: as in Toolbox."""
        return ToolRunner(
            tuple(tools),
            conversation,
            spawn=self.commit,
            late=late,
            journal=self.journal,
            meter=self.meter,
            now_ms=self.now_ms,
        )


class Responder(Protocol):
    """toolbox: runs what its model calls; ahead: what preparing replies has come to. Only `answer` and `tell` wait."""

    toolbox: ToolRunner
    ahead: PreparedStats

    def prepare(self, turn: Turn) -> None:
        """The turn is probably over: begin to make its reply, if that can be done unheard."""
        ...

    def forget(self, cause: str) -> None:
        """What was prepared is not wanted."""
        ...

    def begin(self, reply: int, turn: int) -> Reply:
        """The reply to a turn that is over."""
        ...

    async def answer(self, reply: Reply, turn: Turn, *, spoken: bool) -> AsyncIterator[str] | SpeechSource | None:
        """What it says. spoken: there was speech in the turn. None: there is nothing to say."""
        ...

    async def tell(self, reply: Reply) -> AsyncIterator[str] | SpeechSource | None:
        """Say what a tool has come to, unless that was said meanwhile."""
        ...

    def known(self, text: str) -> UtteranceText:
        """Say these very words."""
        ...

    def turn(self, from_ms: float) -> None:
        """The user took a turn; its sound begins there."""
        ...

    def dismiss(self, onset_ms: float, until_ms: float, backchannel: UserBackchannel | None) -> None:
        """What sounded there was no turn."""
        ...

    def words(self) -> None:
        """More words of the user's have come."""
        ...

    def over(self, reply: Reply, *, sounded: bool) -> None:
        """The reply was stopped. sounded: some of it may have been heard, and the ledger knows how much."""
        ...
