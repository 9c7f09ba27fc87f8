"""The notices of a call to its client and its watchers: the server's half of `bargein.v1` (docs/protocol.md).

Each notice is a struct with its own tag, so a JSON transport encodes it in one pass. A transport without a screen (a
telephone) drops notices. Times are in ms on the call's clock, unless a field says otherwise.
"""

from __future__ import annotations

from typing import Literal

import msgspec

WordTimes = tuple[float, float, int, int]  # start_ms, end_ms: of the reply's audio; begin, end: in the reply's text

RecordAudio = Literal["off", "on", "consent"]
"""Whether calls are recorded. on: unless a call refuses. consent: where a call says so."""


class _Notice(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=False):
    pass


class StateChanged(_Notice, frozen=True, tag="state"):
    state: str
    at_ms: float


class ReplyBegins(_Notice, frozen=True, tag="reply"):
    reply_id: int
    kind: Literal["greeting", "reply", "say", "reprompt", "filler"]
    interruptible: bool


class WordsAdded(_Notice, frozen=True, tag="words"):
    reply_id: int
    text: str
    """The text that was added to the reply."""
    words: tuple[WordTimes, ...]
    """Positions index the reply's whole text so far."""
    exact: bool
    """The times come from the TTS, not from an estimate."""


class HoldNow(_Notice, frozen=True, tag="hold"):
    reply_id: int
    onset_ms: float
    why: str


class ResumeNow(_Notice, frozen=True, tag="resume"):
    reply_id: int
    why: str


class AudioInterrupted(_Notice, frozen=True, tag="audio_interrupted"):
    conversation_id: str
    reply_id: int
    cleared_chunks: int
    """Frames of audio that were made and not heard."""
    cleared_ms: float
    """Length of that audio."""
    heard_ms: float
    """Of the reply's own audio."""
    heard_text: str
    timestamp: float
    """Seconds since the epoch."""


class BargeInHappened(_Notice, frozen=True, tag="barge_in"):
    reply_id: int
    onset_ms: float
    source: str
    confidence: float
    why: str


class TtsInterrupted(_Notice, frozen=True, tag="tts_interrupted"):
    reply_id: int
    reason: str


class Transcript(_Notice, frozen=True, tag="transcript"):
    role: Literal["user", "agent", "backchannel"]
    text: str | None
    """Agent: the text that was heard. None: speech with unknown words."""
    final: bool
    turn: int | None = None
    reply_id: int | None = None
    unheard: str | None = None
    """Agent: the text that was not heard."""
    over: str | None = None
    """User: the agent's text that the user's words were said over."""


class Decision(_Notice, frozen=True, tag="decision"):
    kind: str
    at_ms: float
    why: str
    reply_id: int | None = None
    onset_ms: float | None = None


class SpeechNoticed(_Notice, frozen=True, tag="speech"):
    kind: Literal["started", "ended"]
    at_ms: float


class PolicyNow(_Notice, frozen=True, tag="policy"):
    numbers: dict[str, object]
    """Every number of the policy by name, and the name of the preset."""


class RecordingNow(_Notice, frozen=True, tag="recording"):
    on: bool
    """The call's audio is recorded from now on. False: it no longer is."""


class Problem(_Notice, frozen=True, tag="error"):
    code: str
    message: str
    advice: str
    fatal: bool = False
    retry_ms: float | msgspec.UnsetType = msgspec.UNSET
    """The same request may succeed after this time."""


class Bye(_Notice, frozen=True, tag="bye"):
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
    | RecordingNow
    | Problem
    | Bye
)
