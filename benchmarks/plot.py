"""A small line plot as SVG, for the documents: two curves need no library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

XMLNS = "http://www.w3.org/2000/svg"
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 640, 300, 56, 44, 34, 150
COLOURS = ("#2563eb", "#dc2626", "#059669", "#9333ea")

Points = Sequence[tuple[float, float]]


def svg(title: str, x_name: str, y_name: str, curves: Mapping[str, Points], *, ticks: Sequence[float] = ()) -> str:
    """curves: by name, points (x, y) with x growing. Both axes begin at 0. ticks: of the x axis; without them it has
    those of the points."""
    xs = [x for points in curves.values() for x, _ in points] or [1.0]
    ys = [y for points in curves.values() for _, y in points] or [1.0]
    most_x, most_y = max([*xs, *ticks]), (max(ys) or 1.0) * 1.1
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + wide * x / most_x, TOP + high * (1 - y / most_y)

    middle = TOP + high / 2
    parts = [
        f'<svg xmlns="{XMLNS}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
        f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_name)}</text>',
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{escape(y_name)}</text>',
    ]
    for k in range(5):
        y = most_y * k / 4
        _, py = at(0, y)
        parts.append(f'<line x1="{LEFT}" y1="{py:.1f}" x2="{LEFT + wide}" y2="{py:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{py + 4:.1f}" text-anchor="end">{y:.3g}</text>')
    for x in ticks or sorted(set(xs)):
        px, _ = at(x, 0)
        parts.append(f'<text x="{px:.1f}" y="{TOP + high + 16}" text-anchor="middle">{x:g}</text>')
    for colour, (name, points) in zip(COLOURS, curves.items(), strict=False):
        if not points:
            continue
        placed = [at(x, y) for x, y in points]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in placed)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in placed]
        px, py = placed[-1]
        parts.append(f'<text x="{px + 8:.1f}" y="{py + 4:.1f}" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>\n"])
