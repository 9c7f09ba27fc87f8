"""What one call to somebody's agent left behind: both lanes, sample by sample, and what the wire told beside them.

All places count samples of 8000 Hz since the call began, whatever the line's own rate is: a thousandth of a second is
eight of them, and a telephone has no more to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller_audio import Echo, SpokenLine, Step

RATE = 8000


@dataclass(frozen=True, slots=True)
class AudioSpan:
    """The agent's line carried sound without a break. begin, end: places. reply: whose it was, and first: which of that
    reply's samples (at 8000 Hz) came first, on wires that tell; a stretch holds sound of one reply only."""

    begin: int
    end: int
    reply: str | None = None
    first: int | None = None


@dataclass(frozen=True, slots=True)
class ClearSent:
    """At this place the server threw away what it had sent and nobody had heard. samples: that sound, at 8000 Hz."""

    at: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class ServerNote:
    """Something that the server said of a decision of its own, for the report alone. place: when it came."""

    place: int
    what: str


@dataclass(frozen=True, slots=True)
class Record:
    """agent: what sounded at the far end, shape (lasted,); caller: what the caller's side made: room, speech, noise and
    echo, shape (lasted,); spoken: the script's sounds, in their order, places at 8000 Hz; call_id: the server's name
    for the call, where it tells one; frames, late: of the agent's sound, and how many came after the line had run dry
    in the middle of speech; gap_ms: how long it was dry then; stale_ms: sound that came after its own flush;
    faults: breaches of the protocol, by kind; closed_by: who ended the call."""

    agent: Samples
    caller: Samples
    spoken: Sequence[SpokenLine]
    spans: Sequence[AudioSpan]
    cleared: Sequence[ClearSent] = ()
    notes: Sequence[ServerNote] = ()
    call_id: str = ""
    frames: int = 0
    late: int = 0
    gap_ms: float = 0.0
    stale_ms: float = 0.0
    most_queued_ms: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    closed_by: str = "us"

    @property
    def lasted_ms(self) -> float:
        return len(self.agent) * 1000 / RATE


class Target(Protocol):
    """An agent that can be called. protocol: as `--protocol` names it; rate: Hz of the steps' samples."""

    protocol: str
    rate: int

    async def call(self, steps: Sequence[Step], lasts_ms: float, *, echo: Echo | None = None, seed: int = 1) -> Record:
        """One call, to its end. Raises VendorRefused when it is not taken, VendorLost when nobody is there."""
        ...
