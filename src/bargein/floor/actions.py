"""What to do now. Every action carries `why`: one line, with the evidence it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """The evidence that an onset or a barge-in was known by."""

    SPEECH = "speech"
    """Voice activity lasted long enough."""
    ONSET = "onset"
    """The policy cuts on the first evidence."""
    TURN = "turn"
    """The STT's own start of turn."""
    WORDS = "words"
    """A word that is no backchannel."""
    STOP_PHRASE = "stop_phrase"
    KEY = "key"
    TYPED = "typed"
    BUTTON = "button"
    OPERATOR = "operator"
    MACHINE = "machine"
    """A machine has picked up the call, and is not talked to."""
    JUDGE = "judge"
    """An outside detector."""
    PAGE = "page"
    """The client's own level watch: good enough to hold, never to cut."""
    HANG_UP = "hang_up"
    ENDING = "ending"
    """The call has to end."""
    LOST = "lost"
    """The connection to the client is lost."""


@dataclass(frozen=True, slots=True)
class BargeIn:
    """The user took the floor from the agent. The one signal that says so."""

    reply: int
    """The reply that was interrupted."""
    onset_ms: float
    """The first sample of the interruption, ms on the call's clock."""
    at_ms: float
    """When the cut was decided."""
    source: Source
    confidence: float
    """0..1"""
    why: str


@dataclass(frozen=True, slots=True)
class Listen:
    """The user's audio from a moment on belongs to a turn, also if the turn was open before."""

    turn: int
    from_ms: float
    """Onset less the pre-roll, ms on the call's clock."""
    why: str


@dataclass(frozen=True, slots=True)
class ReadWords:
    """Read the words in the user's audio, and answer with `Words` of the same reading."""

    reading: int
    """Id of the reading."""
    from_ms: float
    """Read from here until now; pre-roll included."""
    why: str


@dataclass(frozen=True, slots=True)
class JudgeSound:
    """Look at the sound of the running onset, and answer with `SoundJudged` of the same look, also when nothing can be
    told."""

    look: int
    """Id of the look."""
    onset_ms: float
    """Where the sound begins."""
    until_ms: float
    """Where it ends, as far as the floor knows."""
    why: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Fall silent within one frame; keep all that is queued."""

    reply: int
    onset_ms: float
    """The first sample of the sound that holds, ms on the call's clock."""
    source: Source
    why: str


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on from the sample where the hold stopped. Also undoes a client's own hold that the floor does not share."""

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
    """The reply is over before any of it sounded."""

    reply: int
    turn: int
    """The turn that is open again and goes on. 0: none."""
    barge_in: BargeIn

    @property
    def why(self) -> str:
        return self.barge_in.why


@dataclass(frozen=True, slots=True)
class DiscardLateReply:
    """The reply was not interrupted, but does not come: cancel it."""

    reply: int
    why: str


@dataclass(frozen=True, slots=True)
class CutStalledReply:
    """The reply was not interrupted, but its client has stopped playing it. As after a cut: cancel its generation,
    empty every queue, flush the client, keep what the client has reported as played."""

    reply: int
    why: str


@dataclass(frozen=True, slots=True)
class FlushClient:
    """No reply sounds as far as the floor knows, but the client may still hold audio of this one: empty the client."""

    reply: int
    why: str


@dataclass(frozen=True, slots=True)
class Prepare:
    """The user's turn is probably over: make its reply, but let none of it sound. `Answer` of the same turn releases
    the reply, if the turn's words are still the same; `DiscardPrepared` takes it back."""

    turn: int
    why: str


@dataclass(frozen=True, slots=True)
class DiscardPrepared:
    """The reply that was prepared for the turn is not wanted: cancel it."""

    turn: int
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The user's turn is over: make its reply."""

    reply: int
    turn: int
    why: str


@dataclass(frozen=True, slots=True)
class Say:
    """The floor is free for the oldest thing that was asked to be said: say it as this reply."""

    reply: int
    why: str


@dataclass(frozen=True, slots=True)
class Reprompt:
    """Say something, so that the user does not wait in silence."""

    reply: int
    cause: str
    """silence, failed, late, back, restored, not_transferred, goodbye, machine, or gave_up: the agent cannot go on, and
    says so before the call is given up"""
    why: str


@dataclass(frozen=True, slots=True)
class SayFiller:
    """Say a filler as this reply. The reply before it goes on being made, unheard, until `ContinueReply`. A filler may
    end sooner than its text: at a word's end, once the reply behind it is ready."""

    reply: int
    why: str


@dataclass(frozen=True, slots=True)
class ContinueReply:
    """The filler is over: the reply that was made behind it may sound, and has this id from now on."""

    reply: int
    why: str


@dataclass(frozen=True, slots=True)
class Dismiss:
    """A stretch of speech was no turn. It is never an answer."""

    onset_ms: float
    until_ms: float
    text: str
    """The backchannel, or "" for a noise."""
    why: str


@dataclass(frozen=True, slots=True)
class CloseTurn:
    """The turn ends without a reply of its own."""

    turn: int
    why: str
    """The recorded reason."""


@dataclass(frozen=True, slots=True)
class EndCall:
    """End the call: the user is gone, has been said goodbye to, or a bound of the call is reached."""

    why: str
    gone: bool = False
    """The client's connection was lost, and was waited for in vain."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Too many replies were lost in a row: hang up or hand the caller on, as the agent says."""

    why: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """A decision not to act."""

    what: str
    """The evidence that was passed over."""
    why: str


@dataclass(frozen=True, slots=True)
class ReadTurn:
    """The user pauses: read the words of the open turn so far, and answer with `TurnRead` of the same reading."""

    reading: int
    """Id of the reading."""
    turn: int
    why: str


Action = (
    Listen
    | ReadWords
    | JudgeSound
    | Hold
    | Resume
    | Cut
    | DiscardReply
    | DiscardLateReply
    | CutStalledReply
    | FlushClient
    | Prepare
    | DiscardPrepared
    | Answer
    | Say
    | Reprompt
    | SayFiller
    | ContinueReply
    | Dismiss
    | CloseTurn
    | EndCall
    | GiveUp
    | Ignore
    | ReadTurn
)
