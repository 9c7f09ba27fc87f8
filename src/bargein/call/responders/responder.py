"""What makes the replies of a call: an LLM with a TTS (chat.py), or a realtime model (realtime.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bargein.call.input.turns import Turn
from bargein.call.output.reply import Reply, ReplyContent, ReplySource
from bargein.call.responders.tool_runner import ToolRunner
from bargein.protocols import UserBackchannel


@dataclass(slots=True)
class PreparedStats:
    """What preparing replies has come to, as in GET /calls/{id}."""

    used: int = 0
    forgotten: int = 0
    """Prepared replies that were discarded."""
    wasted_chars: int = 0
    """Text of discarded replies."""
    wasted_ms: float = 0.0
    """Audio of discarded replies."""


def nothing_waits() -> None:
    """For a call that is over: no result of a tool waits to be said."""


class Responder(Protocol):
    """Only `answer` and `say_tool_results` wait."""

    tool_runner: ToolRunner
    """Runs the tools that the model calls."""
    prepared_stats: PreparedStats

    def prepare(self, turn: Turn) -> None:
        """The turn is probably over: begin to make its reply, if the model can do so unheard."""
        ...

    def discard_prepared(self, cause: str) -> None:
        """The prepared reply is not wanted. cause: for the measurements."""
        ...

    def new_reply(self, reply: int, turn: int) -> Reply:
        """The reply to a turn that is over: the prepared one, or a new one."""
        ...

    async def answer(self, reply: Reply, turn: Turn, *, spoken: bool) -> ReplyContent:
        """What the reply says. spoken: there was speech in the turn. None: there is nothing to say."""
        ...

    async def say_tool_results(self, reply: Reply) -> ReplyContent:
        """Say the results that came after their own reply was cut. None: they were said meanwhile."""
        ...

    async def answer_again(self, reply: Reply) -> ReplyContent:
        """Answer the user's newest words: the server that was to answer them was lost."""
        ...

    def source_of(self, text: str) -> ReplySource:
        """How these very words are said."""
        ...

    def filler_of(self, text: str) -> ReplySource:
        """How these words are said, while the reply behind them waits for a tool. They enter no context."""
        ...

    def turn_started(self, from_ms: float) -> None:
        """The user took a turn, whose audio begins at from_ms."""
        ...

    def dismiss(self, onset_ms: float, until_ms: float, backchannel: UserBackchannel | None) -> None:
        """A sound was no turn."""
        ...

    def words_came(self) -> None:
        """The STT has more of the user's words."""
        ...

    def completed(self, reply: Reply) -> None:
        """The reply was heard whole."""
        ...

    def stopped(self, reply: Reply, *, sounded: bool) -> None:
        """The reply was stopped. sounded: the ledger knows how much of it was heard."""
        ...

    def release(self) -> None:
        """The call is over: hold none of the parts that hold this one."""
        ...
