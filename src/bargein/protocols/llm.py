"""LLMs and tools: a conversation in, text and tool calls out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from bargein.audio.pcm import Pcm
from bargein.protocols.conversation import ConversationItem

Effect = Literal["read", "commit", "terminal"]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """What a model is told of a tool. parameters: a JSON schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, object]


class Tool(Protocol):
    """Something that the agent can do besides speaking (bargein.tools makes one of a plain function).

    effect: read (a cut cancels it), commit (never cancelled, and begun only once the words before it were heard),
    terminal (run once the whole reply was heard, and never for one that was cut).
    """

    spec: ToolSpec
    effect: Effect

    async def run(self, arguments: str) -> str | HangUp | Transfer:
        """arguments: JSON as the model wrote it. What the model is told of it, or how the call is to end. Raises
        BargeinError with what the model may know of why it could not be done; nothing else."""
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked to answer. instructions: the agent's own; items: the conversation in order, its last
    item being what is to be answered (or nothing, when the agent is to speak first); tools: what it may call; sound:
    of the user's turn that is to be answered, for a model that hears it itself (None: there is none)."""

    instructions: str
    items: Sequence[ConversationItem]
    language: str = "en"
    tools: Sequence[ToolSpec] = ()
    audio: Pcm | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of a reply's text, as it is written. Pieces are joined without a space between them."""

    text: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """The agent's wish to end the call once this reply was heard to its end; a cut takes it back. reason: for the
    record."""

    reason: str = "the agent hung up"


@dataclass(frozen=True, slots=True)
class Transfer:
    """The agent's wish to hand the caller on to another number (E.164) once this reply was heard to its end; a cut
    takes it back."""

    to: str


EndRequest = HangUp | Transfer


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model wants this tool run, and to be asked again with what came of it. arguments: JSON."""

    id: str
    tool: str
    arguments: str


class LLM(Protocol):
    """Conversation in, text out; after the text, perhaps tools to call, or the wish to leave. Cancelled by cancelling
    the task or closing the iterator, which frees the connection at once. Raises VendorRefused or VendorLost."""

    name: str

    def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest | ToolCall]: ...


@runtime_checkable
class AudioLLM(LLM, Protocol):
    """One that hears the user's sound itself (`Prompt.sound`), so that nobody need wait for its words."""

    hears_audio: Literal[True]
