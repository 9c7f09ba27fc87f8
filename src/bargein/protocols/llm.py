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
    """A tool, as it is described to the LLM."""

    name: str
    description: str
    parameters: Mapping[str, object]
    """A JSON schema of type object."""


class Tool(Protocol):
    """A function that the agent can call while it speaks. `bargein.tool` makes a Tool of a plain function."""

    spec: ToolSpec
    effect: Effect
    """read: a cut cancels the call. commit: the call begins once the words before it were heard; no cut cancels it.
    terminal: the call begins once the whole reply was heard; a cut reply never makes it.

    A Tool may also have `timeout_s`, the longest time that it takes (30 without): the call waits so long for it."""

    async def run(self, arguments: str) -> str | HangUp | Transfer | DigitRequest | RecordingRequest:
        """Run the tool. arguments: JSON, as the LLM wrote it.

        Returns the result for the LLM, how the call is to end, what the caller is to key in, or
        whether the call is recorded. Raises BargeinError,
        and no other error; the LLM reads its message.
        """
        ...


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the LLM is asked to answer."""

    instructions: str
    items: Sequence[ConversationItem]
    """The conversation in order. The last item is the one to answer; an empty conversation asks the agent to begin."""
    language: str = "en"
    tools: Sequence[ToolSpec] = ()
    audio: Pcm | None = field(default=None, compare=False)
    """The user's turn as audio, for an AudioLLM."""
    left_out: bool = False
    """The conversation is long: turns before the first item are left out."""
    summary: str = ""
    """What happened in those turns, where the agent has a `summarize`."""
    call: str = field(default="", compare=False)
    """The call's id: a name for what an LLM keeps of this call and of no other. "": a prompt outside of a call."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next part of a reply's text. Parts are joined without a space between them."""

    text: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """Ends the call once the whole reply was heard. A cut of the reply cancels the request."""

    reason: str = "the agent hung up"
    """For the record."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hands the caller on to another number once the whole reply was heard. A cut of the reply cancels the request."""

    to: str
    """A telephone number, E.164."""


EndRequest = HangUp | Transfer


@dataclass(frozen=True, slots=True)
class DigitRequest:
    """The agent expects the caller to press keys. They come as one turn of the user."""

    count: int | None = None
    """So many keys are whole at once. None: any number."""
    end_key: str = "#"
    """This key ends the input at once."""
    timeout_s: float | None = None
    """The next key may take this long. None: as the policy says (`key_gap_ms`)."""


@dataclass(frozen=True, slots=True)
class RecordingRequest:
    """The caller has agreed to a recording of the call's audio, or has refused it (on=False)."""

    on: bool = True


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The LLM calls a tool, and is asked again with the tool's result."""

    id: str
    tool: str
    arguments: str
    """JSON."""


class LLM(Protocol):
    """Conversation in, text out. Any object of this shape is an LLM:

    class Echo:
        name = "echo"

        async def reply(self, prompt):
            yield TextDelta(f"You said: {prompt.items[-1].text}")
    """

    name: str
    # An LLM may also have `context_tokens`, how much it takes in one prompt: the call gives it no more. `prepares` =
    # False: its own tools act, so it is asked only for replies that are said. `takes_tools` = False: it calls its own
    # tools, and none of the agent's.

    def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest | ToolCall]:
        """Text first; after the text tool calls, or the request to end the call.

        Closing the iterator, or cancelling its task, stops the generation and frees the connection at once. Raises
        VendorRefused or VendorLost; PromptTooLong has the call ask again with a shorter prompt.
        """
        ...


@runtime_checkable
class AudioLLM(LLM, Protocol):
    """An LLM that takes the user's audio (`Prompt.audio`), so that an answer need not wait for an STT."""

    hears_audio: Literal[True]
