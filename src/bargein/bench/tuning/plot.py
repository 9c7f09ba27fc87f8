"""The trade-off as a picture: every policy that was tried, the line of the best, and the ones with names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape

from bargein.bench.plot import XMLNS

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 60, 30, 40, 48
INK, LINE, DOT = "#111827", "#2563eb", "#cbd5e1"


@dataclass(frozen=True, slots=True)
class Point:
    """A policy in the plane. latency_ms: of the cut, from onset; false_share: false stops, 0..1."""

    label: str
    latency_ms: float
    false_share: float

    def facts(self) -> dict[str, object]:
        return asdict(self)


def svg(title: str, x_name: str, cloud: Sequence[Point], line: Sequence[Point], named: Sequence[Point]) -> str:
    """cloud: unnamed dots; line: the frontier; named: drawn with their labels."""
    points = [*cloud, *line, *named] or [Point("", 1, 1)]
    most_x = max(p.latency_ms for p in points) * 1.08 or 1.0
    most_y = max(max(p.false_share for p in points) * 1.1, 0.01)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(p: Point) -> tuple[float, float]:
        return LEFT + wide * p.latency_ms / most_x, TOP + high * (1 - p.false_share / most_y)

    middle = TOP + high / 2
    parts = [
        f'<svg xmlns="{XMLNS}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="14">{escape(title)}</text>',
        f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 10}" text-anchor="middle">{escape(x_name)}</text>',
        f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">false stops, %</text>',
    ]
    for k in range(6):
        x, y = LEFT + wide * k / 5, TOP + high * (1 - k / 5)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + wide}" y2="{y:.1f}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{most_y * k * 20:.3g}</text>')
        parts.append(f'<text x="{x:.1f}" y="{TOP + high + 18}" text-anchor="middle">{most_x * k / 5:.0f}</text>')
    for x, y in sorted({(round(x, 1), round(y, 1)) for x, y in map(at, cloud)}):
        parts.append(f'<circle cx="{x}" cy="{y}" r="2.5" fill="{DOT}"/>')
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, line))
    parts.append(f'<polyline points="{corners}" fill="none" stroke="{LINE}" stroke-width="2"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{LINE}"/>' for x, y in map(at, line)]
    for p in named:
        x, y = at(p)
        right = x > WIDTH - 120
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="none" stroke="{INK}" stroke-width="1.5"/>')
        parts.append(
            f'<text x="{x + (-8 if right else 8):.1f}" y="{y - 6:.1f}" '
            f'text-anchor="{"end" if right else "start"}">{escape(p.label)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])
