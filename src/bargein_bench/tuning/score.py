"""What a policy comes to, over many episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bargein_bench.measures import Measure, share
from bargein_bench.tuning.episodes import Episode
from bargein_bench.tuning.outcome import Outcome

MISSED_MS = 2_000.0  # an interruption without a cut by then is missed


@dataclass
class Tally:
    """Counts of the scored episodes."""

    ignored: int = 0
    """Episodes to be ignored."""
    stopped: int = 0
    """Of those, cut."""
    held: int = 0
    """Of those, held and resumed."""
    gaps_ms: list[float] = field(default_factory=list)
    yields: int = 0
    """Episodes to yield to, without the ended ones."""
    missed: int = 0
    ended: int = 0
    """Episodes to yield to whose reply was over before."""
    silent_ms: list[float] = field(default_factory=list)
    """From the onset, for each of yields; a miss counts as MISSED_MS."""
    cut_ms: list[float] = field(default_factory=list)
    """From the onset, for each of yields; a miss counts as MISSED_MS."""
    unanswered: int = 0
    """Episodes in which a request for words had no answer."""

    def add(self, episode: Episode, outcome: Outcome) -> None:
        self.unanswered += outcome.unanswered > 0
        if episode.want == "ignore":
            self.ignored += 1
            if outcome.cut_ms is not None:
                self.stopped += 1
            elif outcome.held_ms is not None:
                self.held += 1
                self.gaps_ms.append(outcome.gap_ms)
        elif episode.want == "yield":
            late_ms = MISSED_MS if outcome.cut_ms is None else outcome.cut_ms - episode.onset_ms
            if outcome.cut_ms is None and outcome.ended:
                self.ended += 1
                return
            self.yields += 1
            self.missed += late_ms >= MISSED_MS
            silent_ms = MISSED_MS if outcome.silent_ms is None else outcome.silent_ms - episode.onset_ms
            self.silent_ms.append(min(max(silent_ms, 0.0), MISSED_MS))
            self.cut_ms.append(min(max(late_ms, 0.0), MISSED_MS))

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.ignored + other.ignored,
            self.stopped + other.stopped,
            self.held + other.held,
            self.gaps_ms + other.gaps_ms,
            self.yields + other.yields,
            self.missed + other.missed,
            self.ended + other.ended,
            self.silent_ms + other.silent_ms,
            self.cut_ms + other.cut_ms,
            self.unanswered + other.unanswered,
        )

    @property
    def false_stops(self) -> Measure:
        return share("false stops", self.stopped, self.ignored, "cut, of what was to be ignored", good=False)

    @property
    def false_holds(self) -> Measure:
        return share("false holds", self.held, self.ignored, "held and resumed, of the same", good=False)

    @property
    def misses(self) -> Measure:
        return share("missed", self.missed, self.yields, f"not cut within {MISSED_MS:g} ms of onset", good=False)

    def facts(self) -> dict[str, object]:
        """For JSON. Times in ms."""
        return {
            "false_stops": self.false_stops.facts(),
            "false_holds": self.false_holds.facts(),
            "missed": self.misses.facts(),
            "gap_ms": _spread(self.gaps_ms),
            "hold_ms": _spread(self.silent_ms),
            "cut_ms": _spread(self.cut_ms),
            "ended": self.ended,
            "unanswered": self.unanswered,
        }


def percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    return {"p50": percentile(values, 50), "p95": percentile(values, 95)}


@dataclass(frozen=True)
class ScoreLimits:
    """What a proposal must keep."""

    false_stops: float = 0.02
    """Share, 0..1."""
    missed: float = 0.01
    """Share, 0..1."""
    percent: float = 50
    """Percentile of the cut latency that is to be short."""

    def excess(self, tally: Tally) -> float:
        """How far beyond both limits. A share of no episodes is within."""
        false, missed = tally.false_stops.value or 0.0, tally.misses.value or 0.0
        return max(0.0, false - self.false_stops) + max(0.0, missed - self.missed)

    def latency(self, tally: Tally) -> float:
        """The latency that is to be short, in ms. inf: nothing was yielded to."""
        value = percentile(tally.cut_ms, self.percent)
        return float("inf") if value is None else value
