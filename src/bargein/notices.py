"""What a call tells the far end, and whoever watches: the server's half of `bargein.v1` (docs/protocol.md).

Structs with their own tag, so that a transport that speaks JSON encodes them in one pass. Transports without a
place for them (a telephone) say what they can and drop the rest. Times in ms on the call's clock unless named.
"""

from __future__ import annotations

from typing import Literal

import msgspec

WordTimes = tuple[float, float, int, int]  # start_ms, end_ms, begin, end


class _Notice(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=False):
    pass


class StateChanged(_Notice, frozen=True, tag="state"):
    state: str
    at_ms: float


class ReplyBegins(_Notice, frozen=True, tag="reply"):
    reply_id: int
    kind: Literal["greeting", "reply", "say", "reprompt"]
    interruptible: bool


class WordsAdded(_Notice, frozen=True, tag="words"):
    """text: what was added to the reply's text; begin and end of each word index the whole text so far."""

    reply_id: int
    text: str
    words: tuple[WordTimes, ...]
    exact: bool


class HoldNow(_Notice, frozen=True, tag="hold"):
    reply_id: int
    onset_ms: float
    why: str


class ResumeNow(_Notice, frozen=True, tag="resume"):
    reply_id: int
    why: str


class AudioInterrupted(_Notice, frozen=True, tag="audio_interrupted"):
    """cleared_*: what had been made and was not heard; heard_ms: of the reply's own audio; timestamp: s, epoch."""

    conversation_id: str
    reply_id: int
    cleared_chunks: int
    cleared_ms: float
    heard_ms: float
    heard_text: str
    timestamp: float


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
    """role agent: text is what was heard, unheard what was not. text None: speech whose words are not known."""

    role: Literal["user", "agent", "backchannel"]
    text: str | None
    final: bool
    turn: int | None = None
    reply_id: int | None = None
    unheard: str | None = None
    over: str | None = None


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
    """numbers: every number of the policy, the preset's name among them."""

    numbers: dict[str, object]


class Problem(_Notice, frozen=True, tag="error"):
    code: str
    message: str
    advice: str
    fatal: bool = False


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
    | Problem
    | Bye
)
