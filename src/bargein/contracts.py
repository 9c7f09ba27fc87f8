"""The Protocols that a call and its adapters share, and the plain facts they exchange.

A call knows these and never an adapter; an adapter knows these and never the call. What a part can or cannot do
is data (`VoiceCan`, `TransportCan`, ...), read by shared code; nowhere does that code ask which vendor it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bargein.audio.pcm import Pcm

# --------------------------------------------------------------------------------------------- what was said


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word. start_ms, end_ms: from the first sample of the reply's audio. begin, end: where it stands
    in the reply's text, in characters, end exclusive (punctuation that follows belongs to the word)."""

    start_ms: float
    end_ms: float
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class SaidOver:
    """What the agent was saying while the user spoke. text: the agent's words up to and including the one that
    sounded at the user's onset (its last few words); reply: whose they were."""

    reply: int
    text: str


@dataclass(frozen=True, slots=True)
class UserSaid:
    """One turn of the user. text: None when no words are known (there was speech, nobody could read it)."""

    turn: int
    text: str | None
    over: SaidOver | None = None


@dataclass(frozen=True, slots=True)
class UserBackchannel:
    """A "mm-hmm" or the like, said over a reply that then went on: it answers nothing."""

    text: str
    over: SaidOver | None = None


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """One reply, as it was heard.

    text: the words that left the loudspeaker, nothing more. unheard: the rest of what had been generated.
    ended: how it ended. exact: word times came from the voice and the position from the far end's own count;
    otherwise text is an estimate.
    """

    reply: int
    text: str
    unheard: str = ""
    ended: Literal["sounding", "completed", "cut", "failed"] = "completed"
    exact: bool = True


Item = UserSaid | UserBackchannel | AgentSaid

# ------------------------------------------------------------------------------------------------ chat models


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked to answer. instructions: the agent's own; items: the conversation in order, its last
    item being what is to be answered (or nothing, when the agent is to speak first)."""

    instructions: str
    items: Sequence[Item]
    language: str = "en"


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of a reply's text, as it is written. Pieces are joined without a space between them."""

    text: str


class ChatModel(Protocol):
    """Conversation in, text out. Cancelled by cancelling the task or closing the iterator, which frees the
    connection at once. Raises VendorRefused or VendorLost."""

    name: str

    def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta]: ...


# ----------------------------------------------------------------------------------------------------- voices


@dataclass(frozen=True, slots=True)
class Spoken:
    """The next stretch of a reply's sound.

    pcm: at the voice's own rate, the same in every stretch of a reply.
    text: text that begins to sound with this stretch ("" while an earlier one goes on). All texts of a reply,
    joined, are exactly the text that went into the voice.
    words: times of words, from the voice itself; None when the voice gives no times for `text`
    (the call then estimates them from the characters, and says so).
    """

    pcm: Pcm
    text: str = ""
    words: tuple[Word, ...] | None = None


class Voice(Protocol):
    """Text in, speech out. Closing the iterator stops the vendor and frees its connection, once.
    Raises VendorRefused or VendorLost."""

    name: str
    rate: int  # Hz of what it gives

    def speak(self, text: AsyncIterator[str]) -> AsyncIterator[Spoken]:
        """text: pieces as a model writes them, cut anywhere. The voice chooses where to begin speaking."""
        ...


# -------------------------------------------------------------------------------------------------------- ears


@dataclass(frozen=True, slots=True)
class Reading:
    """Words read in a stretch of sound. text: "" when there were none."""

    text: str


class Reader(Protocol):
    """Reads whole stretches of sound: a short look for a verdict, or a whole turn. Never on the path of a hold.

    Raises VendorLost when it is busy beyond its bound, late (deadline_ms, from now) or gone: the caller then
    goes on without words.
    """

    name: str
    rate: int  # Hz it takes

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> Reading: ...

    async def aclose(self) -> None: ...
