"""STT: speech in, words out; as the user speaks (streaming), or for whole recordings (batch)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from bargein.audio.pcm import Pcm, Samples


@dataclass(frozen=True, slots=True)
class BatchTranscript:
    """The words of one recording."""

    text: str
    """Empty where the recording has no words."""


@runtime_checkable
class BatchSTT(Protocol):
    """Transcribes whole recordings: a short one for a verdict, or a whole turn. A hold never waits for a BatchSTT.

    Any object of this shape is a BatchSTT:

    class Length:
        name = "length"
        rate = 16_000

        async def read(self, pcm, *, deadline_ms):
            return BatchTranscript(f"{pcm.ms:.0f} milliseconds")

        async def aclose(self):
            pass
    """

    name: str
    rate: int
    """Hz of the audio that `read` takes."""
    # small: bool, if it is there and true: the model makes words of laughs and coughs, so a lone "you" is doubted.

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> BatchTranscript:
        """Transcribe. deadline_ms: from now.

        Raises VendorLost when the deadline passes, or when the STT is gone or busy beyond its bound: the call then goes
        on without these words.
        """
        ...

    async def aclose(self) -> None: ...


TurnUpdateKind = Literal["started", "words", "eager_end", "resumed", "ended", "progress"]


@dataclass(frozen=True, slots=True)
class TurnUpdate:
    """What a streaming STT has recognised of a turn so far."""

    kind: TurnUpdateKind
    """started: a turn began, with its first words. words: more words, or other ones. eager_end: the turn is probably
    over. resumed: it was not. ended: it is over. progress: no news, but the STT has listened as far as `until_ms`."""
    turn: int
    """The STT's own count of turns. It never falls."""
    text: str
    """All words of the turn so far, as now believed."""
    from_ms: float
    """Where the turn's first word begins, in ms of the audio that was pushed, skipped silence included."""
    until_ms: float
    """How far the STT has listened, on the same clock."""


@dataclass(frozen=True, slots=True)
class STTLost:
    """The vendor is away. Words come late, or not at all, until STTRestored."""

    why: str
    advice: str
    """What the owner of the agent can do."""


@dataclass(frozen=True, slots=True)
class STTRestored:
    """The vendor listens again, from the first audio that it had not answered for."""


STTEvent = TurnUpdate | STTLost | STTRestored


class STTConnection(Protocol):
    """One call's connection to a streaming STT."""

    def push_audio(self, samples: Samples) -> None:
        """The next of the user's audio, without gaps (a gap is pushed as silence).

        Never waits. Audio that cannot be sent now is kept, up to a bound, and sent when the vendor is back.
        """
        ...

    def events(self) -> AsyncIterator[STTEvent]:
        """Connect, and give what is recognised, for as long as the call lasts.

        A vendor that goes away is called again. Raises VendorRefused where another try is useless (key, quota, model).
        Closing the iterator ends the connection.
        """
        ...


@runtime_checkable
class StreamingSTT(Protocol):
    """Audio in, as the user speaks; words, and the beginnings and ends of turns, out.

    Any object of this shape is a StreamingSTT:

    class Listening:
        name = "listening"
        turns = False

        def open(self, rate):
            return ListeningConnection(rate)

    class ListeningConnection:
        def __init__(self, rate):
            self.rate, self.queue = rate, asyncio.Queue()

        def push_audio(self, samples):
            self.queue.put_nowait(len(samples) * 1000 / self.rate)

        async def events(self):
            until_ms = 0.0
            while True:
                until_ms += await self.queue.get()
                yield TurnUpdate("progress", 0, "", 0.0, until_ms)
    """

    name: str
    turns: bool
    """The STT announces ends of turns. False: the STT gives words, and the call's VAD ends the turns."""

    def open(self, rate: int) -> STTConnection:
        """One call's connection. rate: Hz of the audio that will be pushed, 8000 or 16000."""
        ...
