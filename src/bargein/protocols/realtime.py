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
    """The session of one call, as it is set up when the call begins."""

    instructions: str
    language: str = "en"
    tools: Sequence[ToolSpec] = ()
    rate: int = 16_000
    """Hz of the user's audio, 8000 or 16000."""
    mulaw: bool = False
    """The client takes mu-law, so the model's mu-law can pass through untouched."""
    max_tokens: int | None = None
    """How much of the conversation the model is to keep, besides the instructions. None: the vendor's own limit."""


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """All tools that the model calls after its words. The model waits for the results."""

    calls: tuple[ToolCall, ...]


class Response(Protocol):
    """One reply of a realtime model, from the request to its end."""

    started: bool
    """The model has begun to generate the reply."""

    def audio(self) -> AsyncIterator[SpeechChunk | ToolCalls]:
        """The reply's audio, as fast as the vendor gives it.

        After ToolCalls the iterator ends, unless `continue_response` was called before the next chunk is asked for.
        Closing the iterator is a cut. Raises VendorLost or VendorRefused.
        """
        ...

    def continue_response(self) -> None:
        """Have the model go on, with the results given to `RealtimeConnection.push_tool_result`."""
        ...

    def cancel(self) -> None:
        """Stop the generation, now. Never waits. A response that is over ignores the call."""
        ...

    def words(self) -> tuple[Word, ...]:
        """Times of the words that came without times, as well as they can be estimated now."""
        ...

    def truncate(self, ms: float, said: AgentSaid | None, *, by_fallback: bool = False) -> None:
        """Have the model believe that `ms` of the reply's audio were heard, and no more. Once, after `cancel`.

        said: the reply as the record has it; None: the caller heard nothing of it.
        by_fallback: the fallback TTS spoke in the model's place, to the end or to a cut. The caller heard none of the
        model's own audio. `ms` counts the fallback's audio, and the model must believe that it said `said`.
        """
        ...


class RealtimeConnection(STTConnection, Protocol):
    """One call's connection to a realtime model.

    `push_audio` takes all of the user's audio. `events` keeps the connection, and gives the user's words as the vendor
    transcribes them. Ages ("ago") are counted in that audio, back from its newest sample. Only `events` and
    `Response.audio` wait.
    """

    rate: int
    """Hz of the model's audio."""
    connected: bool
    """The vendor is there, or about to be."""

    def turn_started(self, ago_ms: float) -> None:
        """The user's turn began `ago_ms` ago, pre-roll included."""
        ...

    def dismiss(self, from_ago_ms: float, until_ago_ms: float, backchannel: UserBackchannel | None) -> None:
        """The audio in between was no turn. The model must forget it, or keep it as a backchannel."""
        ...

    def answer(self, typed: Sequence[str], *, spoken: bool) -> Response:
        """The user's turn is over: answer it. typed: words that came as text; spoken: the turn has audio."""
        ...

    def say(self, text: str) -> Response:
        """Say this text, word for word."""
        ...

    def say_tool_results(self) -> Response:
        """Tell the user the results of tools whose reply was cut."""
        ...

    def push_tool_result(self, result: ToolResult) -> None:
        """The result of a tool; once more, when more is known."""
        ...


class RealtimeModel(Protocol):
    """A speech-to-speech model, in place of STT, LLM and TTS. Any object of this shape is a RealtimeModel:

    class Parrot:
        name = "parrot"
        turns = False
        transcribes_user = False

        def open(self, config, items):
            return ParrotConnection(config)  # has the methods of RealtimeConnection

    One turn of the user, as the call asks for it: `turn_started`, `answer`, then `Response.audio` to its end. A reply
    that the user interrupts ends with `Response.cancel` and `Response.truncate`; a sound that was no turn ends with
    `dismiss`.
    """

    name: str
    turns: bool
    """The model announces ends of turns. False: the call's VAD ends the turns."""
    transcribes_user: bool
    """The model gives the user's words, sooner or later."""

    def open(self, config: SessionConfig, items: Callable[[], Sequence[ConversationItem]]) -> RealtimeConnection:
        """One call's connection. items: gives the conversation so far, for a session that is made anew in mid-call."""
        ...
