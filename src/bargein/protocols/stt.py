"""STT: speech in, words out, as the user speaks (streaming) or in whole pieces (batch)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from bargein.audio.pcm import Pcm, Samples


@dataclass(frozen=True, slots=True)
class BatchTranscript:
    """Words read in a stretch of sound. text: "" when there were none."""

    text: str


@runtime_checkable
class BatchSTT(Protocol):
    """Reads whole stretches of sound: a short look for a verdict, or a whole turn. Never on the path of a hold.

    Raises VendorLost when it is busy beyond its bound, late (deadline_ms, from now) or gone: the caller then
    goes on without words.
    """

    name: str
    rate: int  # Hz it takes

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> BatchTranscript: ...

    async def aclose(self) -> None: ...


TurnUpdateKind = Literal["started", "words", "eager_end", "resumed", "ended", "progress"]


@dataclass(frozen=True, slots=True)
class TurnUpdate:
    """What a transcriber makes of the sound so far.

    kind: started (a turn began: its first words), words (more, or other words of it), eager_end (it is probably over),
    resumed (it was not), ended; progress: nothing new, but so far has been listened.
    turn: the transcriber's own count, never falling. text: all words of this turn so far, as now believed.
    from_ms: where its first word begins; until_ms: how far the sound has been listened to. Both from the first sample
    that was fed, in ms of that sound, silence that was skipped included.
    """

    kind: TurnUpdateKind
    turn: int
    text: str
    from_ms: float
    until_ms: float


@dataclass(frozen=True, slots=True)
class STTLost:
    """The vendor is away: words will come late, or not at all, until EarsBack. advice: what the owner can do."""

    why: str
    advice: str


@dataclass(frozen=True, slots=True)
class STTRestored:
    """The vendor listens again, from the sound that it had not answered for."""


STTEvent = TurnUpdate | STTLost | STTRestored


class STTConnection(Protocol):
    """One call's line to a transcriber."""

    def push_audio(self, samples: Samples) -> None:
        """The next stretch of the user's sound, without a gap (silence fills those). Never waits: what cannot be sent
        now is kept, up to a bound, and sent when the vendor is back."""
        ...

    def events(self) -> AsyncIterator[STTEvent]:
        """Connects, and gives what is heard until it is closed. A vendor that goes away is called again, for as long
        as the call lasts. Raises VendorRefused when trying again will not help (key, quota, model). Closing the
        iterator ends the connection."""
        ...


@runtime_checkable
class StreamingSTT(Protocol):
    """Streaming ears: sound in; words, and the beginnings and ends of turns out.

    turns: it announces ends of turns (otherwise only words, and the call's own VAD ends the turns)."""

    name: str
    turns: bool

    def open(self, rate: int) -> STTConnection:
        """rate: Hz of what will be fed: 8000 or 16000."""
        ...
