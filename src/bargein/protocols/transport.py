"""Transports: the connection to a client, and what it carries both ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples
from bargein.notices import Notice


@dataclass(frozen=True, slots=True)
class AudioIn:
    """The user's sound. first_sample: its position in the stream since the call began; a gap is silence."""

    samples: Samples
    first_sample: int


@dataclass(frozen=True, slots=True)
class Played:
    """The far end had played `samples` of the reply `age_ms` ago (what left the loudspeaker). playing: and goes on.
    before: a later position that it has told us nothing of yet, so that it is not there (None: not known)."""

    reply: int
    samples: int
    playing: bool
    age_ms: float = 0.0
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """The hold has taken effect at the far end, and nothing sounds. bound_ms: how far, either way, the true position
    may be from `samples`; 0: it is the far end's own count."""

    reply: int
    samples: int
    bound_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Flushed:
    """Nothing of the reply will sound any more at the far end; the position is final. bound_ms: as in Held."""

    reply: int
    samples: int
    bound_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The last sample of the reply has been heard."""

    reply: int
    samples: int


@dataclass(frozen=True, slots=True)
class LocalHold:
    """The far end heard a clear onset by itself, `age_ms` ago, and has paused at `samples` already."""

    reply: int
    samples: int
    age_ms: float


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the telephone: "0" to "9", "*" or "#"."""

    key: str


@dataclass(frozen=True, slots=True)
class Typed:
    """The user's words, typed."""

    text: str


@dataclass(frozen=True, slots=True)
class StopPressed:
    """The page's button: be silent now."""


@dataclass(frozen=True, slots=True)
class SettingsRequested:
    """The far end asks for another policy. preset: None keeps the present one; numbers: as in Policy.with_."""

    preset: str | None
    numbers: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ClientFault:
    """The far end did something outside the protocol, and cannot be told so. code: stable, machine-readable."""

    code: str
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class ClientHangUp:
    """The far end is gone. reason: for the record."""

    reason: str


Inbound = (
    AudioIn
    | Played
    | Held
    | Flushed
    | Finished
    | LocalHold
    | Key
    | Typed
    | StopPressed
    | SettingsRequested
    | ClientFault
    | ClientHangUp
)

WireSamples = NDArray[np.integer[Any]]  # int16, or mu-law codes as uint8


@dataclass(frozen=True, slots=True)
class AudioOut:
    """One frame of a reply on its way out. first_sample: its position in the reply's audio; samples: shape (n,),
    int16, or mu-law codes as uint8 where the transport asks for those; last: none follows (samples may then be
    empty); word_ends: the end of a word lies in it."""

    reply: int
    sequence: int
    first_sample: int
    samples: WireSamples
    last: bool
    word_ends: bool = False


@dataclass(frozen=True, slots=True)
class TransportCapabilities:
    """pause: holds in place, and resumes from there (otherwise the playout clears and sends again).
    reports: says what has been played (otherwise the playout goes by its own pacing).
    at_once: plays whatever it gets as soon as it gets it, as a telephone network does (otherwise it says when it
    begins, too). mulaw: takes frames as mu-law codes. carries: takes the agent's sound from us (otherwise the far end
    gets it from the model itself, and only reports: `send` is never called)."""

    pause: bool
    reports: bool
    at_once: bool = False
    mulaw: bool = False
    carries: bool = True


class Transport(Protocol):
    """One connection to one far end. Nothing here but `receive` and `close` ever waits: what is to go out is put
    into a bounded line, control before audio, so that a hold never stands behind a slow send."""

    capabilities: TransportCapabilities
    rate_in: int  # Hz
    rate_out: int  # Hz

    def receive(self) -> AsyncIterator[Inbound]:
        """What the far end sends, in order; ends after FarHangUp. Raises nothing for what a peer does wrong."""
        ...

    def send(self, frame: AudioOut) -> bool:
        """Put a frame into the line. False: it is full, offer the same frame again at the next tick."""
        ...

    def hold(self, reply: int) -> AudioOut | None:
        """Take the reply's frames back out of the line; the first of them, which is the next to be offered again
        (None: there were none). The caller tells the far end to pause, by a notice. A far end that cannot pause is
        cleared, and `Held` follows with where it was."""
        ...

    def flush(self, reply: int) -> int:
        """Drop every frame of the reply that is still in the line; how many there were. A far end that takes no
        notices is cleared, and `Flushed` follows."""
        ...

    def notify(self, notice: Notice) -> None:
        """Tell the far end, if it can be told; otherwise nothing."""
        ...

    async def close(self, reason: str) -> None: ...


class CallControl(Protocol):
    """What the network behind a telephone call can do with it, besides carrying sound."""

    async def hang_up(self) -> None:
        """End the caller's call. Raises VendorRefused or VendorLost."""
        ...

    async def transfer(self, to: str) -> None:
        """Hand the caller on to another number (E.164); our part of the call is over then. Raises VendorRefused or
        VendorLost."""
        ...
