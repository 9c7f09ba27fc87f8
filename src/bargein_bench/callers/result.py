"""What became of one call, as its caller and its telephone network saw it.

Times are in ms from the begin of the call, unless the field says otherwise. `Result.began_ms` places the call on the
process's clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller_audio import SpokenLine
from bargein_bench.callers.telephone import SimulatedTelephone


@dataclass
class StreamLeg:
    """One media stream of a call."""

    stream: str
    """Id of the stream."""
    url: str
    began_ms: float
    """When the WebSocket was open."""
    first_audio_ms: float | None = None
    """When the first audio of this stream came. None: none came."""
    ended_ms: float | None = None
    """None: the stream is open."""
    closed_by: str = ""
    error: int | None = None
    """Twilio's number of the error with which the stream ended or failed to begin. None: the caller's side ended it."""


@dataclass
class Webhook:
    """One request of the network to an address of the application."""

    why: str
    """`voice`, `fallback`, or the verb whose address was requested: `connect`, `redirect`, `dial`, `update`."""
    url: str
    at_ms: float
    """When the request began. The first one of a call may be before the call's begin."""
    took_ms: float
    """Until the answer was there, with all tries."""
    status: int | None
    """HTTP status. None: no answer came."""
    tries: int = 1
    error: int | None = None
    """Twilio's number of the error. None: the answer was good."""


@dataclass
class Announcement:
    """What the network itself said or played."""

    text: str
    """The text of `<Say>`, or the address of `<Play>`."""
    language: str | None
    began_ms: float
    ended_ms: float


@dataclass
class NetworkError:
    """An error, as Twilio's debugger would show it."""

    code: int
    text: str
    at_ms: float


@dataclass
class Result:
    """What became of one call."""

    telephone: SimulatedTelephone
    """Keeps what the caller heard, over all streams."""
    stream: str = ""
    """Id of the newest stream."""
    began_ms: float = 0.0
    """When the call began, by the clock."""
    spoken: list[SpokenLine] = field(default_factory=list)
    """Steps that were spoken."""
    connected_ms: float = 0.0
    """How long the first handshake took."""
    lasted: int = 0
    """Samples."""
    closed_by: str = "us"
    """Who ended the stream of a caller without a network, or else the call."""
    faults: Counter[str] = field(default_factory=Counter)
    """Breaches of the protocol, by kind."""
    sent_bytes: int = 0
    got_bytes: int = 0
    clears: list[int] = field(default_factory=list)
    """Places at which a clear came."""
    caller_frames: list[Samples] = field(default_factory=list)
    """The caller's audio, frame by frame, if it is kept."""
    legs: list[StreamLeg] = field(default_factory=list)
    """The streams, in order."""
    webhooks: list[Webhook] = field(default_factory=list)
    announcements: list[Announcement] = field(default_factory=list)
    errors: list[NetworkError] = field(default_factory=list)
    call_sid: str = ""
    """The network's id of the call."""

    def silences(self) -> list[tuple[float, float]]:
        """For each stream that followed another and brought audio: when the stream before it ended, and for how long
        the caller then waited for the first audio."""
        return [
            (before.ended_ms, leg.first_audio_ms - before.ended_ms)
            for before, leg in zip(self.legs, self.legs[1:], strict=False)
            if before.ended_ms is not None and leg.first_audio_ms is not None
        ]
