"""The record of one call: what agent and caller sounded like, sample by sample, and the server's own notes.

All places count samples of 8000 Hz from the begin of the call, whatever rate the protocol has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller_audio import Echo, SpokenLine, Step

RATE = 8000


@dataclass(frozen=True, slots=True)
class AudioSpan:
    """Audio of the agent without a break, all of one reply."""

    begin: int
    """Place of the first sample."""
    end: int
    """Place after the last sample."""
    reply: str | None = None
    """Id of the reply. None: the protocol does not say."""
    first: int | None = None
    """Which sample of the reply (at 8000 Hz) came first. None: the protocol does not say."""


@dataclass(frozen=True, slots=True)
class ClearSent:
    """The server discarded audio that it had sent and that had not sounded."""

    at: int
    """Place from which on the audio did not sound."""
    samples: Samples
    """The discarded audio, at 8000 Hz."""


@dataclass(frozen=True, slots=True)
class ServerNote:
    """What the server said of a decision of its own. For the report alone."""

    place: int
    """When the note came."""
    what: str


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known of one call."""

    agent: Samples
    """What the caller heard, shape (lasted,)."""
    caller: Samples
    """The caller's side: room, speech, noise and echo, shape (lasted,)."""
    spoken: Sequence[SpokenLine]
    """Steps of the script that were spoken, in their order; places at 8000 Hz."""
    spans: Sequence[AudioSpan]
    """Where the agent's audio sounded."""
    cleared: Sequence[ClearSent] = ()
    notes: Sequence[ServerNote] = ()
    call_id: str = ""
    """The server's id of the call, where it has one."""
    frames: int = 0
    """Frames of the agent's audio."""
    late: int = 0
    """Frames that came after the audio had run dry in the middle of speech."""
    gap_ms: float = 0.0
    """How long the audio was dry then, in all."""
    stale_ms: float = 0.0
    """Audio of a reply that came after that reply had been cleared."""
    most_queued_ms: float = 0.0
    """The most audio that waited to be played."""
    faults: dict[str, int] = field(default_factory=dict)
    """Breaches of the protocol, by kind."""
    closed_by: str = "us"
    """Who ended the call."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """What the caller heard of each reply, in words, by the reply's id, where the wire tells it."""

    @property
    def lasted_ms(self) -> float:
        return len(self.agent) * 1000 / RATE


class Target(Protocol):
    """An agent that can be called."""

    protocol: str
    """As `--protocol` names it."""
    rate: int
    """Of the steps' samples, Hz."""

    async def call(self, steps: Sequence[Step], lasts_ms: float, *, echo: Echo | None = None, seed: int = 1) -> Record:
        """Make one call, to its end.

        Raises VendorRefused when the call is refused, VendorLost when no server answers.
        """
        ...
