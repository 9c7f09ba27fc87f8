"""What a call's record tells. The page, `bargein show` and the exports read this, and no journal.

Times are milliseconds on the call's clock, as in the journal; 0 is the first sample of its recording. None is a fact
that the record does not hold: it is older than the fact, or torn there.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Ended = Literal["completed", "cut", "failed", "discarded"]
"""discarded: none of the reply sounded."""
Verdict = Literal["resume", "cut", "ended"]
"""ended: neither a resume nor a cut ended the hold; the reply, or the call, was over."""


class StoryWord(msgspec.Struct, frozen=True, gc=False):
    """One word, with the space and the signs after it."""

    text: str
    start_ms: float
    """When the word sounds, or would have sounded had it been heard."""
    end_ms: float
    heard: bool = True
    """Of the agent's words: the caller has heard it whole."""


class StoryOver(msgspec.Struct, frozen=True):
    """What the agent was saying when the user began."""

    reply: int
    text: str


class StoryTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of the user."""

    turn: int
    from_ms: float
    """Where its first speech begins."""
    until_ms: float
    """Where its last speech ends."""
    decided_ms: float | None
    """When the floor took the turn as over."""
    text: str | None
    """None: its words are not known."""
    words: tuple[StoryWord, ...]
    """Their times are estimated: the words are spread over the turn's speech."""
    over: StoryOver | None
    """None: the agent was silent."""
    typed: bool
    keys: str
    """Keys of the telephone or the page in this turn."""
    reply: int | None
    """The reply that answers the turn."""
    closed: str | None
    """Why the turn has no reply of its own. None: it has one, or the call ended first."""
    why: str
    """Why the floor took the turn as over."""
    stt: str | None
    """The STT that read the turn after its end. None: the words came as they were spoken."""
    stt_ms: float | None
    """From the end of the turn to its words."""


class StoryVendorCall(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of an LLM, one reply's speech of a TTS, or one reading of an STT."""

    part: Literal["llm", "tts", "realtime", "stt"]
    name: str
    """As the part calls itself."""
    reply: int
    """0: none, or a prepared reply that was not used."""
    asked_ms: float
    first_ms: float | None
    """When the first text, or the first audio, came. None: none came, or the part answers whole."""
    ended_ms: float | None
    chars: int
    """Of text written, or spoken."""
    fault: str | None
    """Why it failed."""


class StoryHold(msgspec.Struct, frozen=True, kw_only=True):
    """The agent fell silent, and its audio waited for a verdict."""

    reply: int
    onset_ms: float
    """The first sample of the sound that held."""
    at_ms: float
    """When the agent was held."""
    until_ms: float
    """When the verdict came."""
    source: str
    """The evidence that held: see floor.Source."""
    why: str
    verdict: Verdict
    verdict_why: str
    text: str
    """What was said in the hold, where the verdict was no turn: "mhm"."""


class StoryReply(msgspec.Struct, frozen=True, kw_only=True):
    """One reply of the agent."""

    reply: int
    kind: str | None
    """greeting, reply, say, reprompt or filler."""
    turn: int | None
    """The turn that it answers. None: it was said unasked."""
    why: str
    """Why the floor asked for the reply."""
    asked_ms: float
    started_ms: float | None
    """When its first sample sounded. None: none has."""
    ended_ms: float | None
    ended: Ended | None
    """None: it still sounds, or the record ends before it does."""
    ended_why: str
    text: str
    """What the caller heard of it."""
    unheard: str
    """The rest, that was written and not heard."""
    exact: bool
    """What was heard is known to the word, by the client's report and the TTS's own times."""
    words: tuple[StoryWord, ...]
    timed: bool
    """The words' times come from the TTS. False: they are estimated."""
    response_ms: float | None
    """From the end of the user's speech to the first sound."""
    holds: tuple[StoryHold, ...]


class StoryDecision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of the floor."""

    at_ms: float
    kind: str
    """The action's class, in snake_case: hold, resume, cut, answer, ..."""
    reply: int | None
    turn: int | None
    onset_ms: float | None
    source: str | None
    why: str
    major: bool
    """It changes what is heard. False: it listens, reads or passes over."""


class StoryTool(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a tool."""

    id: str
    tool: str
    reply: int | None
    arguments: str | None
    """JSON, redacted as the record is."""
    began_ms: float | None
    """None: the tool never began, or the record does not say when."""
    ended_ms: float | None
    result: str | None
    """None: none came."""
    error: bool


class StoryFault(msgspec.Struct, frozen=True, kw_only=True):
    """Something failed in the call."""

    at_ms: float
    until_ms: float | None
    """When it worked again. None: the record does not say that it did."""
    code: str
    """model_lost, voice_lost, ears_lost, a code of the client's protocol, ..."""
    why: str


class StoryEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Anything else that is worth a line: a transfer, an operator's hand, the connection lost and back."""

    at_ms: float
    kind: str
    text: str


class StoryBackchannel(msgspec.Struct, frozen=True, kw_only=True):
    """Speech, or a noise, that was no turn."""

    from_ms: float
    until_ms: float
    text: str
    """"" for a noise."""
    why: str


class StoryMeasures(msgspec.Struct, frozen=True, kw_only=True):
    """The call in numbers."""

    turns: int
    replies: int
    holds: int
    resumes: int
    cuts: int
    tools: int
    faults: int
    user_spoke_ms: float
    agent_spoke_ms: float
    response_ms: tuple[float, ...]
    """Of each reply to a turn, from the end of the user's speech to the first sound."""
    onset_to_hold_ms: tuple[float, ...]
    hold_ms: tuple[float, ...]
    """Of each hold, until its verdict."""
    words_made: int
    words_heard: int


class StoryRecording(msgspec.Struct, frozen=True, kw_only=True):
    """The sound that is kept of the call."""

    rate: int
    """Hz."""
    lasted_ms: float
    """Its first sample is time 0 of the call."""
    fault: str | None
    """Why the sound cannot be heard, or only a part of it."""


class CallStory(msgspec.Struct, frozen=True, kw_only=True):
    """All that a call's record tells. Lists are in the order of time."""

    call: str
    agent: str
    language: str
    preset: str
    """The policy's name."""
    policy: dict[str, object]
    """The numbers that the call began with."""
    started_s: float | None
    """Seconds since the epoch. None: there is no journal."""
    lasted_ms: float
    """Until the end, or as far as the record goes."""
    ended_why: str | None
    """None: the call goes on, or the record ends before the call did."""
    live: bool
    """The record is being written now."""
    facts: dict[str, str]
    """About the connection: its door, the network, numbers as the record has them."""
    missing: tuple[str, ...]
    """What the record lacks, each in one sentence."""
    recording: StoryRecording | None
    """None: no sound was kept."""
    turns: tuple[StoryTurn, ...]
    replies: tuple[StoryReply, ...]
    backchannels: tuple[StoryBackchannel, ...]
    decisions: tuple[StoryDecision, ...]
    tools: tuple[StoryTool, ...]
    vendor_calls: tuple[StoryVendorCall, ...]
    faults: tuple[StoryFault, ...]
    events: tuple[StoryEvent, ...]
    speech: tuple[tuple[float, float], ...]
    """Stretches in which the VAD found speech of the user."""
    measures: StoryMeasures
    parts: tuple[str, ...] = ()
    """The other records of the call on this machine: it changed its server on the way."""
