"""What to do now. Every action carries `why`: one line, with the evidence it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """What an onset or a barge-in was known by."""

    SPEECH = "speech"  # voice activity lasted long enough
    ONSET = "onset"  # the policy cuts on the first evidence
    TURN = "turn"  # the transcriber's own start of turn
    WORDS = "words"  # a word that is no backchannel
    STOP_PHRASE = "stop_phrase"
    KEY = "key"
    TYPED = "typed"
    BUTTON = "button"
    OPERATOR = "operator"
    JUDGE = "judge"  # an outside detector
    PAGE = "page"  # the client's own level watch: good enough to hold, never to cut
    HANG_UP = "hang_up"


@dataclass(frozen=True, slots=True)
class BargeIn:
    """The user took the floor from the agent. The one signal that says so.

    onset_ms: the first sample of what interrupted; at_ms: when it was decided; confidence: 0..1.
    """

    reply: int
    onset_ms: float
    at_ms: float
    source: Source
    confidence: float
    why: str


@dataclass(frozen=True, slots=True)
class Listen:
    """The user's audio from from_ms on (pre-roll included) belongs to `turn`, also if the turn was open before."""

    turn: int
    from_ms: float
    why: str


@dataclass(frozen=True, slots=True)
class ReadWords:
    """Read the words in the user's audio from from_ms until now, and answer with Words(look=look)."""

    look: int
    from_ms: float
    why: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Fall silent within one frame; keep all that is queued. onset_ms: of what made us."""

    reply: int
    onset_ms: float
    source: Source
    why: str


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on from the sample where the hold stopped. Also undoes a client's own hold that we do not share."""

    reply: int
    why: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The reply is over: cancel its generation, empty every queue, flush the client, keep what was heard."""

    reply: int
    barge_in: BargeIn

    @property
    def why(self) -> str:
        return self.barge_in.why


@dataclass(frozen=True, slots=True)
class DiscardReply:
    """The reply is over before any of it sounded; `turn` (0: none) is open again and goes on."""

    reply: int
    turn: int
    barge_in: BargeIn

    @property
    def why(self) -> str:
        return self.barge_in.why


@dataclass(frozen=True, slots=True)
class DiscardLateReply:
    """Nobody interrupted, but this reply does not come: cancel it."""

    reply: int
    why: str


@dataclass(frozen=True, slots=True)
class Prepare:
    """The user's turn is probably over: make its reply, but let none of it sound. `Answer` of the same turn releases
    it (if the turn's words are still the same), `Forget` takes it back."""

    turn: int
    why: str


@dataclass(frozen=True, slots=True)
class DiscardPrepared:
    """What was prepared for `turn` is not wanted: cancel it."""

    turn: int
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The user's turn is over: make reply `reply`."""

    reply: int
    turn: int
    why: str


@dataclass(frozen=True, slots=True)
class Say:
    """The floor is free for the oldest thing that was asked to be said: say it as `reply`."""

    reply: int
    why: str


@dataclass(frozen=True, slots=True)
class Reprompt:
    """Say something so that nobody waits in silence. cause: silence, failed or late."""

    reply: int
    cause: str
    why: str


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Speech from onset_ms to until_ms was no turn: text is a backchannel, or "" for a noise. Never an answer."""

    onset_ms: float
    until_ms: float
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class CloseTurn:
    """`turn` ends without a reply of its own; why is the recorded reason."""

    turn: int
    why: str


@dataclass(frozen=True, slots=True)
class EndCall:
    """Nobody is there any more: end the call."""

    why: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """A decision not to act. what: the evidence that was passed over."""

    what: str
    why: str


Action = (
    Listen
    | ReadWords
    | Hold
    | Resume
    | Cut
    | DiscardReply
    | DiscardLateReply
    | Prepare
    | DiscardPrepared
    | Answer
    | Say
    | Reprompt
    | Dismiss
    | CloseTurn
    | EndCall
    | Ignore
)
