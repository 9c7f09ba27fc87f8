"""What was said in a call, by the user and by the agent, as far as it was heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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


@dataclass(frozen=True, slots=True)
class ToolResult:
    """A tool that the agent called, and what came of it. id: the model's own for the call; arguments: JSON as the
    model wrote it; result: what the tool told (None: it still runs); error: whether that is why it did not run."""

    id: str
    tool: str
    arguments: str
    result: str | None
    error: bool = False


ConversationItem = UserSaid | UserBackchannel | AgentSaid | ToolResult
