"""Latency against false stops: the place of this run, and those of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bargein_bench.measures import Measure
from bargein_bench.report.drawing import TOP, Plane, figure, line, ticks
from bargein_bench.report.figures import at, known, share
from bargein_bench.report.html import Html, el, short
from bargein_bench.report.kinds import interruptions
from bargein_bench.report.peers import CORNER_L_Y, CORNER_S_BC, PeerResult
from bargein_bench.results import Results

Kind = Literal["this", "earlier", "frontier"]


@dataclass(frozen=True, slots=True)
class Point:
    """The place of a run."""

    label: str
    x: float
    """ms: median from the onset to the last audio of a reply that was yielded."""
    y: float
    """Share (0..1) of the sounds to be ignored that ended a reply."""
    kind: Kind = "earlier"
    """"frontier": of policies, in their order; a line joins them."""


def point(results: Results, label: str, kind: Kind = "earlier") -> Point | None:
    """The place of a run. None: it never stopped, or had nothing to ignore."""
    judged = [e for e in results.events if e.right is not None]
    x = at(50, known(e.stop_ms for e in interruptions(judged) if e.outcome == "stopped"))
    ignored = [e for e in judged if e.want == "ignore"]
    if x is None or not ignored:
        return None
    return Point(label, x, sum(e.outcome == "stopped" for e in ignored) / len(ignored), kind)


def tradeoff(results: Results, others: Sequence[Point]) -> Html | None:
    """The plot. None: it has no point."""
    this = point(results, "this run", "this")
    points = [*others, *([this] if this else [])]
    if not points:
        return None
    plane = Plane(
        "ms to stop (median)", "", ticks(1.15 * max(p.x for p in points)), _scale(max(p.y for p in points)), height=320
    )
    frontier = [p for p in points if p.kind == "frontier"]
    parts = [el("path", class_="curve quiet", d=line([plane.at(p.x, p.y) for p in frontier]))] if frontier else []
    for p in points:
        plane.taken(p.x, p.y)
    parts += [_dot(plane, p.x, p.y, p.label, strong=p.kind == "this", small=p.kind == "frontier") for p in points]
    for p in reversed(points):
        parts.append(plane.label(p.x, p.y, short(p.label, 40), "name strong" if p.kind == "this" else "name"))
    description = "; ".join(f"{short(p.label, 80)}: {p.x:.0f} ms, {share(p.y)}" for p in points)
    title = "Latency against false stops"
    drawn = plane.svg("tradeoff", title, f"{description}.", plane.grid(), parts)
    what = "share of the sounds a person ignores that ended a reply; lower left is better"
    return figure(drawn, title, what if others else f"{what}; --compare sets other runs beside it")


def scatter(target: str, measures: Sequence[Measure], peers: Sequence[PeerResult]) -> Html:
    """Seconds to yield against backchannels let pass, with the corner in which no agent stands."""
    by_name = {m.name: m.value for m in measures}
    l_y, s_bc = by_name.get("L_Y"), by_name.get("S_BC")
    here = [(l_y, s_bc)] if l_y is not None and s_bc is not None else []
    plane = Plane(
        "L_Y, seconds to yield",
        "",
        ticks(max([p.l_y for p in peers] + [x for x, _ in here] + [1.0])),
        width=900,  # alone in its row, and with long names
        height=340,
    )
    px, py = plane.at(CORNER_L_Y, CORNER_S_BC)
    left, _ = plane.at(0, 0)
    parts = [el("rect", class_="corner", x=left, y=TOP, width=px - left, height=py - TOP)]
    for x, y in [*here, *((p.l_y, p.s_bc) for p in peers)]:
        plane.taken(x, y)
    parts += [_dot(plane, p.l_y, p.s_bc, p.name) for p in peers]
    parts += [_dot(plane, x, y, short(target), strong=True) for x, y in here]
    parts += [plane.label(x, y, "this agent", "name strong") for x, y in here]
    parts += [plane.label(p.l_y, p.s_bc, p.name) for p in peers]
    title = "Seconds to yield against backchannels let pass"
    description = "; ".join(f"{p.name}: {p.l_y:.2f} s, {share(p.s_bc)}" for p in peers)
    mine = f"This agent: {l_y:.2f} s, {share(s_bc)}. " if here else "This agent has no place here. "
    drawn = plane.svg("scatter", title, f"{mine}{description}.", plane.grid(), parts)
    aim = f"the shaded corner, at most {CORNER_L_Y} s and at least {share(CORNER_S_BC)}, is the aim"
    return figure(drawn, title, aim, class_="broad")


def _dot(plane: Plane, x: float, y: float, name: str, *, strong: bool = False, small: bool = False) -> Html:
    px, py = plane.at(x, y)
    hover = el("title", f"{short(name)}: {x:.4g}, {share(y)}")
    return el(
        "circle", hover, class_="dot" if strong else "dot quiet", cx=px, cy=py, r=7 if strong else 3 if small else 4.5
    )


def _scale(most: float) -> list[float]:
    """Shares on the y axis: few false stops must be visible, too."""
    return [min(y, 1.0) for y in ticks(min(1.0, max(0.05, 1.1 * most)), 4)]
