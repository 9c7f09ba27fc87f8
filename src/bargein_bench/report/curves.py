"""The spread of latencies: a curve for each, with its median and its 95th percentile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bargein_bench.measures import spread
from bargein_bench.report.drawing import Plane, figure, line, ticks
from bargein_bench.report.figures import at, known, many, ms, within
from bargein_bench.report.html import Html, el
from bargein_bench.report.kinds import interruptions
from bargein_bench.results import Results

STEPS = 160  # of a curve: more are not visible


class Curve(NamedTuple):
    """A latency of several events. values: ms. of: number of events. class_: how the curve is drawn."""

    name: str
    values: list[float]
    of: int
    class_: str = "curve"


def latencies(results: Results) -> list[Html]:
    """Figures of hold, stop and answer, without those that have no values."""
    judged = [e for e in results.events if e.right is not None]
    asked = interruptions(judged)
    other = [e for e in judged if e.want == "ignore"]
    held = [
        Curve("interruptions", known(e.hold_ms for e in asked), len(asked)),
        Curve("other sounds", known(e.hold_ms for e in other), len(other), "curve quiet"),
    ]
    stopped = [Curve("interruptions", known(e.stop_ms for e in asked if e.outcome == "stopped"), len(asked))]
    # As the measures count: after a hold the old reply goes on, which is no answer.
    answered = [Curve("interruptions", known(e.answer_ms for e in asked if e.outcome == "stopped"), len(asked))]
    drawn = (
        _cdf("hold", "Hold latency", "onset to the first silence", held),
        _cdf("stop", "Stop latency", "onset to the last sound of the reply", stopped),
        _cdf("answer", "Answer", "the caller's end to the next reply", answered),
    )
    return [each for each in drawn if each is not None]


def _cdf(ident: str, title: str, of_what: str, curves: Sequence[Curve]) -> Html | None:
    curves = [curve for curve in curves if curve.values]
    if not curves:
        return None
    # An answer that begins before the caller's end is below 0.
    least, most = min(min(curve.values) for curve in curves), max(max(curve.values) for curve in curves)
    plane = Plane("ms", "", ticks(most, least=least), height=260)
    parts: list[Html] = []
    legend_texts: list[str] = []
    for curve in reversed(curves):
        places = _rise(curve.values)
        parts.append(el("path", class_=curve.class_, d=line([plane.at(x, y) for x, y in places])))
        for x, y in places:
            plane.taken(x, y, around=2)
    for k, curve in enumerate(curves):
        marks = [(percent, at(percent, curve.values) or 0.0) for percent in (50, 95)]
        figures = ", ".join(f"p{percent} {ms(x)} ms ({_sure(percent, curve.values)})" for percent, x in marks)
        legend_texts.append(f"{curve.name}: {figures}, n {len(curve.values)} of {curve.of}")
        if k:
            continue  # the legend has the marks of the other curves
        parts += [el("circle", class_="dot", cx=px, cy=py, r=4) for px, py in (plane.at(x, p / 100) for p, x in marks)]
        for percent, x in marks:
            plane.taken(x, percent / 100)
        parts += [plane.label(x, percent / 100, f"p{percent} {ms(x)} ms", "name strong") for percent, x in marks]
    drawn = plane.svg(
        ident, f"{title}: {of_what}", f"Share of events by ms. {'; '.join(legend_texts)}.", plane.grid(), parts
    )
    legend = [el("li", text, class_="quiet" if k else None) for k, text in enumerate(legend_texts)]
    return el("div", figure(drawn, title, of_what), el("ul", legend, class_="legend"))


def _sure(percent: float, values: Sequence[float]) -> str:
    return within(spread("", values, "", percent))


def _rise(values: Sequence[float]) -> list[tuple[float, float]]:
    """Places of the curve, from share 0 at the first value to 1 at the last.

    The curve is straight between values, as percentiles are read: in a staircase of three values the mark of the 95th
    percentile would lie beside the curve.
    """
    return [(float(np.percentile(values, 100 * s / STEPS)), s / STEPS) for s in range(STEPS + 1)]


def spread_note(results: Results) -> str:
    """The events that the curves leave out."""
    unheard = sum(e.right is None for e in results.events)
    return f"{many(unheard, 'event')} found the agent silent and are left out." if unheard else ""
