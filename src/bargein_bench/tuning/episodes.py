"""An episode: evidence over one reply, with the floor as it stood before.

Each episode is decided alone. After the first decision that comes out otherwise, the rest of a record is about a call
that did not take place.
"""

from __future__ import annotations

from dataclasses import dataclass

from bargein.floor import Event, Floor, Other
from bargein_bench.results import Want
from bargein_bench.tuning.endings import Ending
from bargein_bench.tuning.outcome import Outcome
from bargein_bench.tuning.truth import Why


@dataclass(frozen=True, slots=True)
class EpisodeReading:
    """The answer to a reading that was asked for."""

    asked_ms: float
    """When the words were asked for."""
    after_ms: float
    """How long the answer took."""
    at_ms: float
    """As in Words."""
    text: str | None
    """As in Words."""


@dataclass(frozen=True, slots=True)
class EpisodeLook:
    """The answer to a look at the sound that was asked for."""

    asked_ms: float
    """When the look was asked for."""
    after_ms: float
    """How long the answer took."""
    words: float | None
    """As in SoundJudged."""
    other: tuple[Other, ...]
    """As in SoundJudged."""
    why: str
    """As in SoundJudged."""


@dataclass(frozen=True, slots=True)
class Episode:
    """What the world said over one reply, and what the floor made of it."""

    call: str
    floor: Floor
    """As it stood before, under the recorded policy. It must handle no event itself: see `twin`."""
    begin_ms: float
    end_ms: float
    onset_ms: float
    """Latencies count from here."""
    seen: tuple[tuple[float, Event], ...]
    """Evidence, and when it was there."""
    readings: tuple[EpisodeReading, ...]
    looks: tuple[EpisodeLook, ...]
    want: Want | None
    """What a person would have done. None: unknown."""
    why: Why
    """Where that is known from."""
    scene: str
    was: Outcome
    """What the recorded policy did."""


@dataclass(frozen=True, slots=True)
class CallEpisodes:
    """A call, split into episodes."""

    names: tuple[str, ...]
    """Names that its labels may have for it, its id first."""
    episodes: tuple[Episode, ...]
    same: bool
    """Whether today's floor decides as was recorded."""
    lag_ms: tuple[float, ...]
    """Of every decision, from the evidence to the order."""
    unmatched: int
    """Labels at whose onset no reply was live."""
    endings: tuple[Ending, ...] = ()
    """Pauses in the user's turns, and their ends."""

    @property
    def call(self) -> str:
        return self.names[0]
