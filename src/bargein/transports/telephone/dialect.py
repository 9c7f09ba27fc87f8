"""What a telephone vendor's messages say, and what is asked of the file that knows them: one file for each vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import msgspec

from bargein.audio.pcm import Samples
from bargein.protocols import WireSamples

KEYS = frozenset("0123456789*#ABCD")  # of a telephone, and A-D of old exchanges


@dataclass(frozen=True, slots=True)
class Started:
    """The stream begins."""

    stream: str
    """The vendor's id of the stream."""
    call: str
    """The vendor's id of the call."""
    account: str = ""
    """The vendor's id of the account."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Parameters from the request that started the stream."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Other facts for the call's record."""


class Media(msgspec.Struct, frozen=True, gc=False):
    """A frame of the caller's audio."""

    samples: Samples
    number: int | None
    """The vendor's count of the frames. None: the vendor gives no usable number."""
    at_ms: float | None = None
    """The vendor's time of the frame, in ms from any beginning. None: the vendor gives no usable time."""


@dataclass(frozen=True, slots=True)
class MarkBack:
    """A mark came back."""

    name: str


@dataclass(frozen=True, slots=True)
class ClearDone:
    """The vendor confirms that a clear has taken effect."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """The caller pressed a key."""

    key: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The stream has ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The answer to a `status`."""

    frames: int
    """Frames that wait in the network's queue. The frame that sounds is no longer among them."""


@dataclass(frozen=True, slots=True)
class QueueDrained:
    """The network's queue was found empty, as `report_drained` asked."""


@dataclass(frozen=True, slots=True)
class QueueFlow:
    """The network takes no more audio, or takes it again."""

    full: bool


DialectEvent = Started | Media | MarkBack | ClearDone | Pressed | Stopped | QueueStatus | QueueDrained | QueueFlow


class TelephoneDialect(Protocol):
    """One vendor's messages, for one stream. Text goes out as ASCII bytes."""

    name: str
    binary: bool
    """Outgoing audio is in binary messages."""
    returning: bool
    """A clear returns the marks that were not played."""
    acknowledges: bool
    """The vendor answers a clear. Else a mark follows each clear."""
    batch: int
    """Frames of 20 ms in a message of audio, at most. 1 where the vendor wants one length."""
    says_stop: bool
    """The vendor says when the call is over. Else closing the socket says so."""

    @property
    def started(self) -> bool:
        """The stream's start has come, so that messages can go out."""
        ...

    @property
    def rate(self) -> int:
        """Hz, both ways. A stream's start may change it."""
        ...

    @property
    def mulaw(self) -> bool:
        """Outgoing audio is mu-law codes, else int16. A stream's start may change it."""
        ...

    def read(self, message: str | bytes) -> DialectEvent | None:
        """The event of a message. None: an event without meaning for the call. Raises ProtocolError."""
        ...

    def media(self, samples: WireSamples) -> bytes:
        """A message of audio."""
        ...

    def mark(self, name: str) -> bytes:
        """A message that asks for this mark after all audio before it was played."""
        ...

    def clear(self) -> bytes:
        """A message that discards all audio that was not played."""
        ...


@runtime_checkable
class PausingDialect(TelephoneDialect, Protocol):
    """The messages of a network that queues our audio frame by frame, pauses in place, and tells the queue's length."""

    frame_samples: int
    """Length of the network's frames, in samples. A stream's start may change it."""
    marks: bool
    """The network knows marks. A stream's start may change it."""

    def opening(self) -> tuple[bytes, ...]:
        """Messages that follow the start."""
        ...

    def pause(self) -> bytes:
        """A message that stops playing before the next frame. What waits is kept."""
        ...

    def go_on(self) -> bytes:
        """A message that ends a pause."""
        ...

    def status(self) -> bytes:
        """A message that asks for a QueueStatus, at once."""
        ...

    def report_drained(self) -> bytes:
        """A message that asks for one QueueDrained."""
        ...
