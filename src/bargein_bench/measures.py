"""From events to measures, by the definitions of docs/benchmarks.md, each with a confidence interval. Pure.

Shares have Wilson's interval. Means and percentiles have one by bootstrap, with a seed: the same events give the same
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from bargein_bench.penalty import average_penalty
from bargein_bench.results import Event, Results

Floats = NDArray[np.float64]
Z = 1.96  # 95 %
DRAWS = 2_000
ADDRESSED = (
    "interruption",
    "greeting",
    "early",
    "twice",
    "hesitation",
    "noise 20 dB",
    "noise 10 dB",
    "echo and speech",
    "wait",
    "over television",
    "muted speech",
)
VOCAL = ("cough", "sneeze")
SIDE = ("television", "television before")
NOISES = ("cough", "door", "keyboard", "loud echo", "soft echo", "silence", "line noise", "noise", "muted")
TURNS = ("whole", "pause")
SAID_AGAIN_MS = 500.0  # of what was heard: an answer that says so much again repeats it
HELD_WITHIN_MS = 120.0
CUT_WITHIN_MS = 500.0


@dataclass(frozen=True, slots=True)
class Measure:
    """One number."""

    name: str
    value: float | None
    """None: there was nothing to measure."""
    low: float | None
    """Begin of the 95 % interval."""
    high: float | None
    """End of the 95 % interval."""
    n: int
    """Of how many events or calls."""
    unit: str
    """"ms", "s", "share" (0..1) or ""."""
    more_is_better: bool | None
    """None: neither more nor less is better."""
    what: str
    """The measure in words."""

    def facts(self) -> dict[str, object]:
        return asdict(self)


def share(name: str, passed: int, of: int, what: str, *, good: bool = True) -> Measure:
    """A share with Wilson's interval. good: more is better."""
    if of == 0:
        return Measure(name, None, None, None, 0, "share", good, what)
    p, z2 = passed / of, Z * Z / of
    middle, half = p + z2 / 2, Z * math.sqrt(p * (1 - p) / of + z2 / (4 * of))
    low, high = (middle - half) / (1 + z2), (middle + half) / (1 + z2)
    low, high = 0.0 if passed == 0 else low, 1.0 if passed == of else high  # not by a hair's breadth
    return Measure(name, p, low, high, of, "share", good, what)


def spread(
    name: str, values: Sequence[float], what: str, percent: float | None = None, *, unit: str = "ms", seed: int = 1
) -> Measure:
    """A percentile, or the mean where percent is None, with an interval by bootstrap."""
    if not values:
        return Measure(name, None, None, None, 0, unit, False, what)
    of = _mean if percent is None else _percentile(percent)
    data = np.asarray(values, float)
    drawn = of(np.random.default_rng(seed).choice(data, (DRAWS, len(data))))
    low, high = (float(x) for x in np.percentile(drawn, [2.5, 97.5]))
    return Measure(name, float(of(data)), low, high, len(data), unit, False, what)


def _percentile(percent: float) -> Callable[[Floats], Floats]:
    return lambda draws: np.asarray(np.percentile(draws, percent, axis=-1))


def _mean(draws: Floats) -> Floats:
    return np.asarray(draws.mean(axis=-1))


def count(name: str, value: float, n: int, what: str, unit: str = "") -> Measure:
    """A number without an interval."""
    return Measure(name, value, None, None, n, unit, False, what)


def measures(results: Results) -> list[Measure]:
    """All measures, the most telling first."""
    events = [event for event in results.events if event.outcome != "unheard"]
    asked = [e for e in events if e.want == "yield" and e.scene in ADDRESSED]
    ignored = [e for e in events if e.want == "ignore"]
    clear = _of(events, ("interruption",))
    stops = [e.stop_ms for e in asked if e.outcome == "stopped" and e.stop_ms is not None]
    holds = [e.hold_ms for e in asked if e.hold_ms is not None]
    answers = [e.answer_ms for e in asked if e.outcome == "stopped" and e.answer_ms is not None]
    turns = [e for e in events if e.want == "yield"]
    responses = [e.answer_ms for e in _of(turns, TURNS) if e.answer_ms is not None and not e.cut_ins]
    again = [e.said_again_ms for e in turns if e.said_again_ms is not None]
    held = [e for e in ignored if e.outcome == "held"]
    moved = [e for e in held if e.lost_ms is not None]
    return [
        spread("L_Y", [ms / 1000 for ms in stops], "seconds to yield, of the interruptions yielded to", unit="s"),
        share("R_Y", _stopped(asked), len(asked), "interruptions yielded to within 2 s"),
        *(
            share(name, _went_on(found := _of(events, scenes)), len(found), what)
            for name, scenes, what in (
                ("S_BC", ("backchannel",), "backchannels that did not end the reply"),
                ("S_VT", VOCAL, "coughs and sneezes that did not end the reply"),
                ("S_ND", SIDE, "talk of others that did not end the reply"),
                ("laughs ignored", ("laugh",), "laughs that did not end the reply"),
            )
        ),
        _penalty(events),
        _cut_ins("cut-ins", turns, "turns of the user's into which the agent began to speak"),
        _cut_ins("cut-ins in a pause", _of(turns, ("pause",)), "the same, of sentences with a pause in them"),
        spread("response p50", responses, "the end of the user's turn to the agent's first sound", 50),
        spread("response p95", responses, "the same", 95),
        spread("stop p50", stops, "onset to the reply's last audible sample", 50),
        spread("stop p95", stops, "the same", 95),
        spread("hold p50", holds, "onset to the first silence, of interruptions", 50),
        spread("hold p95", holds, "the same", 95),
        share("held within 120 ms", _within(clear, HELD_WITHIN_MS, "hold_ms"), len(clear), "clear interruptions"),
        share("cut within 500 ms", _within(clear, CUT_WITHIN_MS, "stop_ms"), len(clear), "clear interruptions"),
        share("commands yielded to", _stopped(c := _of(events, ("command",))), len(c), '"stop", "wait", alone'),
        share("false cuts, noise", _stopped(n := _of(events, NOISES)), len(n), ", ".join(NOISES), good=False),
        share("false cuts, all", _stopped(ignored), len(ignored), "everything that is to be ignored", good=False),
        share("false holds", len(held), len(ignored), "of the same: the agent fell silent, and went on", good=False),
        spread("gap p50", [e.gap_ms for e in held], "how long the agent was silent for these", 50),
        spread("gap p95", [e.gap_ms for e in held], "the same", 95),
        spread("lost on resume", [e.lost_ms or 0.0 for e in moved], "of the reply, at each"),
        spread("said again on resume", [e.repeated_ms or 0.0 for e in moved], "of the reply, at each"),
        spread("answer p50", answers, "the caller's end to the next reply's first sound", 50),
        spread("answer p95", answers, "the same", 95),
        spread("overlap", [e.overlap_ms for e in asked], "both talk at an interruption, mean"),
        share(
            "answers that repeat",
            sum(ms >= SAID_AGAIN_MS for ms in again),
            len(again),
            "answers that said what the caller had heard before the cut; those that the audio can tell",
            good=False,
        ),
        share("recovered", sum(e.recovered is True for e in events), _known(events), "a plain question was answered"),
        count("stale audio", sum(c.stale_ms for c in results.calls), len(results.calls), "after a flush", "ms"),
        _late(results),
    ]


def _of(events: Iterable[Event], scenes: Sequence[str]) -> list[Event]:
    return [event for event in events if event.scene in scenes]


def _stopped(events: Iterable[Event]) -> int:
    return sum(event.outcome == "stopped" for event in events)


def _went_on(events: Iterable[Event]) -> int:
    return sum(event.outcome != "stopped" for event in events)


def _cut_ins(name: str, turns: Sequence[Event], what: str) -> Measure:
    return share(name, sum(event.cut_ins > 0 for event in turns), len(turns), what, good=False)


def _penalty(events: Sequence[Event]) -> Measure:
    what = "mean penalty of late stops, misses, cut-ins, false stops and false holds, for a sound"
    found = average_penalty(events)
    if found is None:
        return Measure("APT", None, None, None, 0, "ms", False, what)
    value, low, high, n = found
    return Measure("APT", value, low, high, n, "ms", False, what)


def _within(events: Iterable[Event], ms: float, name: str) -> int:
    """How many were in time. A stop counts only where the reply was over then."""
    found = [getattr(event, name) for event in events if name == "hold_ms" or event.outcome == "stopped"]
    return sum(value is not None and value <= ms for value in found)


def _known(events: Iterable[Event]) -> int:
    return sum(event.recovered is not None for event in events)


def _late(results: Results) -> Measure:
    frames, late = sum(c.frames for c in results.calls), sum(c.late for c in results.calls)
    return share("frames late", late, frames, "came after the audio had run dry in the middle of speech", good=False)
