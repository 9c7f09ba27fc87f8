"""What was said in a call: by the user, and by the agent as far as the caller heard it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word of a reply: when it sounds, and where it stands in the reply's text."""

    start_ms: float
    """From the first sample of the reply's audio."""
    end_ms: float
    begin: int
    """Index of its first character in the reply's text, in code points."""
    end: int
    """Index after its last character. Punctuation that follows belongs to the word."""


@dataclass(frozen=True, slots=True)
class SaidOver:
    """What the agent was saying when the user began to speak."""

    reply: int
    text: str
    """The agent's last few words, up to and including the word that sounded at the user's onset."""


@dataclass(frozen=True, slots=True)
class UserSaid:
    """One turn of the user."""

    turn: int
    text: str | None
    """None: the user spoke, and no STT could read the words."""
    over: SaidOver | None = None


@dataclass(frozen=True, slots=True)
class UserBackchannel:
    """A "mm-hmm" or the like over a reply that then went on. A backchannel answers nothing."""

    text: str
    over: SaidOver | None = None


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """One reply, as the caller heard it."""

    reply: int
    text: str
    """The words that left the loudspeaker, and no others."""
    unheard: str = ""
    """The rest of the generated text."""
    ended: Literal["sounding", "completed", "cut", "failed"] = "completed"
    exact: bool = True
    """The TTS gave the word times, and the client gave the position. Otherwise `text` is an estimate."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool call of the agent, and its result."""

    id: str
    """The LLM's own name for the call."""
    tool: str
    arguments: str
    """JSON, as the LLM wrote it."""
    result: str | None
    """None: the tool still runs."""
    error: bool = False
    """`result` says why the tool failed."""


ConversationItem = UserSaid | UserBackchannel | AgentSaid | ToolResult
