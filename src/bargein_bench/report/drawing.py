"""Axes for the plots: a plane, its grid, and labels that keep out of each other's way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from bargein_bench.report.figures import minus
from bargein_bench.report.html import Child, Html, el

LEFT, RIGHT, TOP, BOTTOM = 52.0, 18.0, 14.0, 44.0
LETTER, LINE = 7.0, 14.0  # width and height of a bold letter of 12 px, on the average of a label


def ticks(most: float, about: int = 5, *, least: float = 0.0) -> list[float]:
    """Round numbers from the last at or below least, 0 at most, to the first at or above most."""
    rough = max(most - min(least, 0.0), 1e-9) / about
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * k for k in (1, 2, 2.5, 5, 10) if size * k >= rough * 0.999)
    first = math.floor(min(least, 0.0) / step + 1e-9)
    return [step * k for k in range(first, max(math.ceil(most / step - 1e-9), first + 1) + 1)]


@dataclass
class Plane:
    """x from xs[0] to xs[-1], y from 0 to ys[-1]. as_share: y is written in percent."""

    x_name: str
    y_name: str
    xs: Sequence[float]
    ys: Sequence[float] = (0, 0.25, 0.5, 0.75, 1.0)
    width: float = 520
    height: float = 300
    as_share: bool = True
    _taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        wide, high = self.width - LEFT - RIGHT, self.height - TOP - BOTTOM
        return LEFT + wide * (x - self.xs[0]) / (self.xs[-1] - self.xs[0]), TOP + high * (1 - y / self.ys[-1])

    def grid(self) -> list[Html]:
        right, base = self.at(self.xs[-1], 0)
        parts = []
        for y in self.ys:
            _, py = self.at(self.xs[0], y)
            text = f"{100 * y:.3g} %" if self.as_share else f"{y:.3g}"
            parts.append(el("line", class_="base" if y == 0 else "grid", x1=LEFT, y1=py, x2=right, y2=py))
            parts.append(el("text", text, class_="tick", x=LEFT - 8, y=py + 4, text_anchor="end"))
        for x in self.xs:
            px, _ = self.at(x, 0)
            parts.append(el("text", minus(f"{x:.4g}"), class_="tick", x=px, y=base + 18, text_anchor="middle"))
        middle = (LEFT + right) / 2
        parts.append(el("text", self.x_name, class_="axis", x=middle, y=self.height - 6, text_anchor="middle"))
        return parts

    def taken(self, x: float, y: float, around: float = 6) -> None:
        """Keep labels off this place: it has a mark."""
        px, py = self.at(x, y)
        self._taken.append((px - around, py - around, px + around, py + around))

    def label(self, x: float, y: float, text: str, class_: str = "name") -> Html:
        """A text beside a point, where there is room: right, left, above, below, and then farther up or down.

        Where there is no room, the text covers as little as possible.
        """
        px, py = self.at(x, y)
        wide = LETTER * len(text)
        sides = (("start", px + 10), ("end", px - 10))
        tries = [(px, py - 11.0, "middle"), (px, py + 20.0, "middle")]
        tries[:0] = [(at, py + 4, side) for side, at in sides]
        tries += [(at, py + 4 + up, side) for up in (-14.0, 14.0, -28.0, 28.0) for side, at in sides]
        found: list[tuple[int, tuple[float, float, str], tuple[float, float, float, float]]] = []
        for tx, ty, anchor in tries:
            left = tx - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            box = (left, ty - LINE + 3, left + wide, ty + 2)
            inside = box[0] >= LEFT and box[2] <= self.width and box[1] >= 0 and box[3] <= self.height - BOTTOM + 2
            # Over a curve the text can be read; outside the plot it is cut off.
            found.append((sum(_meet(box, other) for other in self._taken) + 1000 * (not inside), (tx, ty, anchor), box))
        _, (tx, ty, anchor), box = min(found, key=lambda place: place[0])
        self._taken.append(box)
        return el("text", text, class_=class_, x=tx, y=ty, text_anchor=anchor)

    def svg(self, ident: str, title: str, description: str, *parts: Child) -> Html:
        """The plot. description: the plot in words, for those who do not see it."""
        return el(
            "svg",
            el("title", title, id=f"{ident}-title"),
            el("desc", description, id=f"{ident}-desc"),
            el("text", self.y_name, class_="axis", x=LEFT, y=TOP - 3) if self.y_name else None,
            *parts,
            class_="plot",
            viewBox=f"0 0 {self.width:g} {self.height:g}",
            role="img",
            aria_labelledby=f"{ident}-title {ident}-desc",
        )


def line(points: Sequence[tuple[float, float]]) -> str:
    """A path through these places."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def figure(drawn: Html, title: str, *caption: Child, class_: str = "") -> Html:
    head = el("figcaption", el("b", title), " ", *caption)
    return el("figure", head, el("div", drawn, class_="wide"), class_=class_ or None)


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
