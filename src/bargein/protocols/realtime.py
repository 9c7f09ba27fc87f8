"""Realtime models: speech in, speech out, in place of STT, LLM and TTS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bargein.protocols.conversation import AgentSaid, ConversationItem, ToolResult, UserBackchannel, Word
from bargein.protocols.llm import ToolCall, ToolSpec
from bargein.protocols.stt import STTConnection
from bargein.protocols.tts import SpeechChunk


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What a speech model is told when a call begins. instructions, language, tools: the agent's; rate: Hz of the sound
    that it will be fed, 8000 or 16000; mulaw: the far end takes mu-law, so that it need not be transcoded."""

    instructions: str
    language: str = "en"
    tools: Sequence[ToolSpec] = ()
    rate: int = 16_000
    mulaw: bool = False


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """All that the model calls after what it said; it waits for what is told of them."""

    calls: tuple[ToolCall, ...]


class Response(Protocol):
    """One reply of a speech model, from its asking to its end. begun: the model has begun to make it."""

    begun: bool

    def audio(self) -> AsyncIterator[SpeechChunk | ToolCalls]:
        """What it says, as fast as it comes. After ToolCalls it ends, unless `go_on` was called before the next piece
        is asked for. Raises VendorLost or VendorRefused. Closing it is a cut."""
        ...

    def continue_response(self) -> None:
        """Have the model go on, with what `SpeechLine.used` has told meanwhile."""
        ...

    def cancel(self) -> None:
        """Stop making it, now. Never waits; for one that is over it does nothing."""
        ...

    def words(self) -> tuple[Word, ...]:
        """When those of its words sound that have been given, but not their times: as well as can be told now."""
        ...

    def truncate(self, ms: float, said: AgentSaid | None) -> None:
        """It was cut, and so many ms of its sound were heard; said: as the record has it (None: nothing was said).
        The model must believe no more than that. After `cut`, once."""
        ...


class RealtimeConnection(STTConnection, Protocol):
    """One call's line to a speech model. It hears all of the user's sound by `feed`; `listen` keeps it connected, and
    tells the words of the user that the model's side has read. Times "ago" are counted in that sound, from the newest
    sample back.

    rate: Hz of what it says; up: it is there, or about to be. Nothing but `listen` and `Take.sound` ever waits."""

    rate: int
    connected: bool

    def turn_started(self, ago_ms: float) -> None:
        """The user took a turn, so long ago (pre-roll included)."""
        ...

    def dismiss(self, from_ago_ms: float, until_ago_ms: float, backchannel: UserBackchannel | None) -> None:
        """What sounded there was no turn: the model must not take it for one."""
        ...

    def answer(self, typed: Sequence[str], *, spoken: bool) -> Response:
        """The user's turn is over: answer it. typed: words of it that came as text; spoken: it has sound, too."""
        ...

    def say(self, text: str) -> Response:
        """Say this, word for word."""
        ...

    def say_tool_results(self) -> Response:
        """Say what the tools have come to."""
        ...

    def push_tool_result(self, used: ToolResult) -> None:
        """What a tool has come to; again, when more is known."""
        ...


class RealtimeModel(Protocol):
    """Hears and speaks by itself: the seat of transcriber, chat model and voice together.

    turns: it announces ends of turns. reads: it tells the user's words, sooner or later."""

    name: str
    turns: bool
    reads: bool

    def open(self, brief: SessionConfig, items: Callable[[], Sequence[ConversationItem]]) -> RealtimeConnection:
        """items: the conversation so far, for a connection that has to be made anew in the middle of a call."""
        ...
