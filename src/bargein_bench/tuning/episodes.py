"""A stretch of evidence while a reply was live: the floor as it stood just before, and what the world said meanwhile.

An episode is decided alone, because after the first decision that comes out otherwise the rest of a record is about a
call that did not take place.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

from bargein.floor import Event, Floor
from bargein_bench.results import Want
from bargein_bench.tuning.outcome import Outcome
from bargein_bench.tuning.truth import Why


@dataclass(frozen=True, slots=True)
class EpisodeReading:
    """The answer to a look. asked_ms: when it was asked; after_ms: how long it took; at_ms, text: as in Words."""

    asked_ms: float
    after_ms: float
    at_ms: float
    text: str | None


@dataclass(frozen=True, slots=True)
class Episode:
    """floor: as it stood before, under the recorded policy: never to be handed an event itself, see `twin`;
    seen: the world's evidence and when it was there; onset_ms: where latencies count from; want, why: the truth;
    was: what the recorded policy did."""

    call: str
    floor: Floor
    begin_ms: float
    end_ms: float
    onset_ms: float
    seen: tuple[tuple[float, Event], ...]
    readings: tuple[EpisodeReading, ...]
    want: Want | None
    why: Why
    scene: str
    was: Outcome


@dataclass(frozen=True, slots=True)
class CallEpisodes:
    """A call taken apart. names: what its labels may call it, its id first; same: today's floor decides as was
    recorded; lag_ms: for every decision, from the evidence to the order; unheard: labels at whose onset no reply was
    live."""

    names: tuple[str, ...]
    episodes: tuple[Episode, ...]
    same: bool
    lag_ms: tuple[float, ...]
    unmatched: int

    @property
    def call(self) -> str:
        return self.names[0]


def twin(floor: Floor) -> Floor:
    """Another floor in the same state, eight times cheaper than deepcopy: all but `speech` is immutable."""
    other = copy.copy(floor)
    other.speech = copy.copy(floor.speech)
    return other
