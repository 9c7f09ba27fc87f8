"""What happened, and when. All times are milliseconds on the call's clock: the moment in the world, not the
moment we noticed. `reply` rides on everything about a reply, so a late item is known by what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bargein.floor.policy import Policy


@dataclass(frozen=True, slots=True)
class SpeechWindow:
    """One window of the user's audio was judged. at_ms, until_ms: where it begins and ends; speech: 0..1; echo: the
    share of its sound, 0..1, that is the agent's own come back (0 also where nobody can tell); rise_db: how far it
    stands above the quiet of the line (0 also where nobody looked); level_db: how loud it is, dB of full scale (None
    where nobody looked)."""

    at_ms: float
    until_ms: float
    speech: float
    echo: float = 0.0
    rise_db: float = 0.0
    level_db: float | None = None


@dataclass(frozen=True, slots=True)
class LevelOnset:
    """The client's own level watch has paused playback of `reply`. at_ms: first loud sample."""

    at_ms: float
    reply: int


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The transcriber says that the user took a turn. at_ms: where its first word begins; text: words so far."""

    at_ms: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The transcriber says that the user's turn is over. at_ms: where its last word ends."""

    at_ms: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class TurnEnding:
    """The transcriber guesses that the user's turn is over. at_ms: where its last word ends; text: all of it."""

    at_ms: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """It guessed wrong: the turn goes on. at_ms: how far it has listened."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class Words:
    """Words read in the user's speech. at_ms: where the first of them begins (not when they were read).

    look: the `Look` this answers; None when the transcriber streams words unasked. text "": no words in it;
    None: nobody could read it, and no more words will come of this look.
    """

    at_ms: float
    text: str | None
    look: int | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """An outside judge (a classifier, an echo test, a vendor's "utterance discarded") spoke of the running onset.

    at_ms: the onset it speaks of; interrupts: True cuts, False resumes; confidence: 0..1.
    """

    at_ms: float
    interrupts: bool
    confidence: float
    why: str


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key of the telephone or the page. It interrupts, and is input: it is answered like words."""

    at_ms: float
    key: str


@dataclass(frozen=True, slots=True)
class UserTyped:
    """The user's turn came as text, whole."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Somebody stops the agent by hand: the page's button, or an operator."""

    at_ms: float
    by: Literal["button", "operator"]


@dataclass(frozen=True, slots=True)
class SayRequested:
    """The agent is to say something unasked (its greeting, an operator's words), as soon as the floor is free."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class ReplyStarted:
    """The first sample of the reply sounds."""

    at_ms: float
    reply: int


@dataclass(frozen=True, slots=True)
class ReplyProtected:
    """From here on the reply may (False) or may not (True) be interrupted by speech."""

    at_ms: float
    reply: int
    protected: bool


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The last sample of the reply has been heard; without a ReplyStarted before, there was nothing to say."""

    at_ms: float
    reply: int


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The reply's model or voice is lost; what it had made before has been played."""

    at_ms: float
    reply: int
    why: str


@dataclass(frozen=True, slots=True)
class STTChanged:
    """What the call's ears can do from now on. words: they can read words; turns: they announce turns' ends."""

    at_ms: float
    words: bool
    turns: bool


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """Other numbers from now on."""

    at_ms: float
    policy: Policy


@dataclass(frozen=True, slots=True)
class HungUp:
    """The far end is gone. Nothing after this changes anything."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has come. at_ms: the floor's own `deadline`, not the later moment at which somebody looked."""

    at_ms: float


Event = (
    SpeechWindow
    | LevelOnset
    | TurnStarted
    | TurnEnded
    | TurnEnding
    | TurnResumed
    | Words
    | Judged
    | KeyPressed
    | UserTyped
    | Interrupted
    | SayRequested
    | ReplyStarted
    | ReplyProtected
    | ReplyEnded
    | ReplyFailed
    | STTChanged
    | PolicyChanged
    | HungUp
    | Tick
)
