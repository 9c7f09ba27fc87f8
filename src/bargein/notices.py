"""What a call tells its client and its watchers: the server's half of `bargein.v1` (docs/protocol.md).

Each notice is a struct with its own tag, so that a transport encodes it as JSON in one pass. A transport whose protocol
has no place for notices (a telephone) discards them. Times are milliseconds on the call's clock, unless a field says
otherwise.
"""

from __future__ import annotations

from typing import Literal

import msgspec

WordTimes = tuple[float, float, int, int]
"""start_ms, end_ms: from the first sample of the reply's audio. begin, end: in the reply's text, end exclusive."""


class _Notice(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=False):
    pass


class StateChanged(_Notice, frozen=True, tag="state"):
    """The floor's state changed."""

    state: str
    """idle, listening, thinking, speaking or barge_in."""
    at_ms: float


class ReplyBegins(_Notice, frozen=True, tag="reply"):
    """A reply begins, and its audio follows. Sent once more when a protected beginning is over."""

    reply_id: int
    kind: Literal["greeting", "reply", "say", "reprompt"]
    interruptible: bool
    """The client may hold the reply by itself."""


class WordsAdded(_Notice, frozen=True, tag="words"):
    """Text was added to a reply."""

    reply_id: int
    text: str
    """The added text."""
    words: tuple[WordTimes, ...]
    """The words that have times by now. Their indexes count from the beginning of the reply's whole text."""
    exact: bool
    """The times are the TTS's own. False: estimates."""


class HoldNow(_Notice, frozen=True, tag="hold"):
    """Pause playback in place."""

    reply_id: int
    onset_ms: float
    """When the user began to speak."""
    why: str
    """One line, with the evidence."""


class ResumeNow(_Notice, frozen=True, tag="resume"):
    """Go on from the sample where playback paused."""

    reply_id: int
    why: str


class AudioInterrupted(_Notice, frozen=True, tag="audio_interrupted"):
    """A cut: discard the audio of this reply, now and when more of it comes."""

    conversation_id: str
    reply_id: int
    cleared_chunks: int
    """Frames that were generated or sent, and not heard."""
    cleared_ms: float
    """Length of those frames."""
    heard_ms: float
    """How much of the reply's audio was heard, from its first sample."""
    heard_text: str
    timestamp: float
    """Seconds since the Unix epoch."""


class BargeInHappened(_Notice, frozen=True, tag="barge_in"):
    """The cause of a cut."""

    reply_id: int
    onset_ms: float
    source: str
    confidence: float
    """0..1."""
    why: str


class TtsInterrupted(_Notice, frozen=True, tag="tts_interrupted"):
    """The TTS was stopped."""

    reply_id: int
    reason: str
    """The `source` of the barge-in."""


class Transcript(_Notice, frozen=True, tag="transcript"):
    """The words of a user's turn, of a backchannel, or of a reply as far as it was heard."""

    role: Literal["user", "agent", "backchannel"]
    text: str | None
    """Of the agent: the words that the caller heard. None: speech whose words are not known."""
    final: bool
    turn: int | None = None
    """For the user's words."""
    reply_id: int | None = None
    """For the agent's words."""
    unheard: str | None = None
    """For the agent's words: the rest of the generated text."""
    over: str | None = None
    """The agent's last words before the user began to speak over them."""


class Decision(_Notice, frozen=True, tag="decision"):
    """A decision of the floor, decisions not to act included. For display."""

    kind: str
    """hold, resume, cut, drop, ignore, answer or another action's name."""
    at_ms: float
    why: str
    reply_id: int | None = None
    onset_ms: float | None = None


class SpeechNoticed(_Notice, frozen=True, tag="speech"):
    """The user began or stopped to speak. For display."""

    kind: Literal["started", "ended"]
    at_ms: float


class PolicyNow(_Notice, frozen=True, tag="policy"):
    """The policy now in force."""

    numbers: dict[str, object]
    """Every number by its name, and the name of the preset."""


class Problem(_Notice, frozen=True, tag="error"):
    """An error that the client should know."""

    code: str
    """Stable, for machines."""
    message: str
    advice: str
    """What the client should do now."""
    fatal: bool = False
    """The call ends."""


class Bye(_Notice, frozen=True, tag="bye"):
    """The call is over. No notice follows."""

    reason: str


Notice = (
    StateChanged
    | ReplyBegins
    | WordsAdded
    | HoldNow
    | ResumeNow
    | AudioInterrupted
    | BargeInHappened
    | TtsInterrupted
    | Transcript
    | Decision
    | SpeechNoticed
    | PolicyNow
    | Problem
    | Bye
)
