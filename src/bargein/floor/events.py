"""What happened, and when. All times are milliseconds on the call's clock: the moment in the world, not the moment
at which it was noticed. `reply` rides on everything about a reply, so a late item is known by what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bargein.floor.completeness import Expects
from bargein.floor.policy import Policy


@dataclass(frozen=True, slots=True)
class SpeechWindow:
    """One window of the user's audio was judged."""

    at_ms: float
    """Where the window begins."""
    until_ms: float
    """Where the window ends."""
    speech: float
    """How surely it holds speech, 0..1."""
    echo: float = 0.0
    """Share of its sound that is the agent's own come back, 0..1. 0 also where the echo cannot be told."""
    rise_db: float = 0.0
    """How far it stands above the quiet of the line, dB. 0 also where the rise was not measured."""
    level_db: float | None = None
    """How loud it is, dB of full scale. None: the level was not measured."""
    came_ms: float | None = None
    """When the window was judged. None: at its end."""

    @property
    def noticed_ms(self) -> float:
        """When the floor learns of the window: later than `until_ms` where the network or the server stood still."""
        return self.until_ms if self.came_ms is None else max(self.until_ms, self.came_ms)


@dataclass(frozen=True, slots=True)
class LevelOnset:
    """The client's own level watch has paused playback of a reply."""

    at_ms: float
    """The first loud sample."""
    reply: int


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """The STT says that the user took a turn."""

    at_ms: float
    """Where its first word begins."""
    text: str = ""
    """Words so far."""


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The STT says that the user's turn is over."""

    at_ms: float
    """Where its last word ends."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class TurnEnding:
    """The STT guesses that the user's turn is over."""

    at_ms: float
    """Where its last word ends."""
    text: str = ""
    """All of its words."""


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """The STT guessed wrong: the turn goes on."""

    at_ms: float
    """How far the STT has listened."""


@dataclass(frozen=True, slots=True)
class Words:
    """Words were read in the user's speech."""

    at_ms: float
    """Where the first of them begins, not when they were read."""
    text: str | None
    """Empty: the speech holds no words. None: it could not be read, and this reading brings no more words."""
    reading: int | None = None
    """The reading that this answers. None: the STT streams words unasked."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An outside judge (a classifier, an echo test, a vendor's "utterance discarded") spoke of the running onset."""

    at_ms: float
    """The onset that the judge speaks of."""
    interrupts: bool
    """True cuts, False resumes."""
    confidence: float
    """0..1"""
    why: str


Other = Literal["voice", "before"]
"""A sign that a sound is not the caller's. voice: it is another voice than the one learnt in the caller's turns.
before: it is what sounded before the caller spoke, such as a television."""


@dataclass(frozen=True, slots=True)
class SoundJudged:
    """A look at the sound of the running onset."""

    at_ms: float
    """The onset of that sound."""
    until_ms: float
    """How far the look reached."""
    look: int
    """The look that this answers."""
    words: float | None
    """Probability that the sound holds words, 0..1. None: it could not be told."""
    other: tuple[Other, ...] = ()
    """Signs that the sound is not the caller's."""
    why: str = ""
    """The evidence for these signs, in one line."""


@dataclass(frozen=True, slots=True)
class LineKnown:
    """The kind of line is known, and with it how loud callers are on it."""

    at_ms: float
    usual_db: float
    """Level of the loudest window in most callers' speech, dB of full scale."""


@dataclass(frozen=True, slots=True)
class SoundChanged:
    """Whether the call can look at sounds from now on."""

    at_ms: float
    judged: bool
    """It can: `JudgeSound` is answered by `SoundJudged`."""


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key of the telephone or the page. It interrupts, and is input: it is answered like words."""

    at_ms: float
    key: str
    ends: bool = False
    """No key follows: `#`, or the last of as many as were asked for."""
    gap_ms: float | None = None
    """The next key may take this long. None: `key_gap_ms` of the policy."""


@dataclass(frozen=True, slots=True)
class UserTyped:
    """The user's turn came as text, whole."""

    at_ms: float


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A person stops the agent by hand: with the page's button, or as an operator. Or what picked up is no person."""

    at_ms: float
    by: Literal["button", "operator", "machine"]


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
    """The reply's protection begins or ends here."""

    at_ms: float
    reply: int
    protected: bool
    """True: speech may not interrupt the reply from here on."""


@dataclass(frozen=True, slots=True)
class ReplyEnded:
    """The last sample of the reply has been heard; without a ReplyStarted before, there was nothing to say."""

    at_ms: float
    reply: int
    confirmed: bool = True
    """The client itself has said so. False: the client reports nothing, and by our own pace the reply is over."""


@dataclass(frozen=True, slots=True)
class ReplyStalled:
    """The client has stopped playing: its reports stand still, or the report of the reply's end is overdue."""

    at_ms: float
    reply: int
    why: str


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """The reply's LLM or TTS is lost; the audio that was made before has been played."""

    at_ms: float
    reply: int
    why: str
    confirmed: bool = True
    """As in ReplyEnded."""


@dataclass(frozen=True, slots=True)
class ToolsStarted:
    """The reply waits for tools. Once more when the time that the tools may take has changed."""

    at_ms: float
    reply: int
    until_ms: float
    """When the last of the tools has used up its own timeout."""


@dataclass(frozen=True, slots=True)
class ToolsEnded:
    """The reply waits for no tool any more."""

    at_ms: float
    reply: int


@dataclass(frozen=True, slots=True)
class STTChanged:
    """What the call's STT can do from now on."""

    at_ms: float
    words: bool
    """It can read words."""
    turns: bool
    """It announces the ends of turns."""
    small: bool = False
    """Its model is small, and makes words of sounds: a lone "you" or "wow" is no word."""
    reads_turns: bool = False
    """`ReadTurn` is answered: words of an open turn can be read in its pauses, or its prosody can be judged."""


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """Other numbers from now on."""

    at_ms: float
    policy: Policy


@dataclass(frozen=True, slots=True)
class ClientAway:
    """The connection to the client is lost. The client may come back."""

    at_ms: float
    keep_ms: float
    """The call is kept for so long."""


@dataclass(frozen=True, slots=True)
class ClientBack:
    """The client has a connection again: the same call goes on."""

    at_ms: float
    cause: str = "back"
    """What the agent says of it, as in `Reprompt`: back, or not_transferred."""


@dataclass(frozen=True, slots=True)
class CallRestored:
    """The call goes on from what another server remembered of it. It changes a floor that nothing has happened to."""

    at_ms: float
    reply: int
    """The newest reply of the call so far. Ids go on from here."""
    turn: int
    """The newest turn of the user so far."""
    cause: str = "restored"
    """What the agent says of it, as in `Reprompt`: restored. moved: nothing is said."""


@dataclass(frozen=True, slots=True)
class EndingAsked:
    """The call has to end: the agent says goodbye."""

    at_ms: float
    why: str
    """The reason of the call's end."""
    within_ms: float = 8000.0
    """The call ends then, whether the goodbye was heard or not."""
    cause: str = "goodbye"
    """What the agent says, as in `Reprompt`: goodbye, or machine (what picked up is a machine)."""


@dataclass(frozen=True, slots=True)
class HungUp:
    """The call is over. No event after this changes anything."""

    at_ms: float
    reason: str = "the call is over"
    """Who or what ended it."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has come."""

    at_ms: float
    """The floor's own `deadline`, not the later moment at which the clock was looked at."""


@dataclass(frozen=True, slots=True)
class TurnRead:
    """What a reading of the open turn, in a pause, has found. It answers `ReadTurn`."""

    at_ms: float
    """When the reading was done."""
    reading: int
    """The reading that this answers."""
    turn: int
    text: str | None
    """All words of the turn so far. Empty: it holds no words. None: they could not be read in time."""
    expects: Expects = ""
    """What the agent had asked for."""
    digits: int = 0
    """So many digits were asked for. 0: none, or any number."""
    prosody: float | None = None
    """How surely the turn is over by its sound, 0..1. None: no part judges that."""


Event = (
    SpeechWindow
    | LevelOnset
    | TurnStarted
    | TurnEnded
    | TurnEnding
    | TurnResumed
    | Words
    | Judged
    | SoundJudged
    | SoundChanged
    | LineKnown
    | KeyPressed
    | UserTyped
    | Interrupted
    | SayRequested
    | ReplyStarted
    | ReplyProtected
    | ReplyEnded
    | ReplyStalled
    | ReplyFailed
    | ToolsStarted
    | ToolsEnded
    | STTChanged
    | PolicyChanged
    | ClientAway
    | ClientBack
    | CallRestored
    | EndingAsked
    | HungUp
    | Tick
    | TurnRead
)
