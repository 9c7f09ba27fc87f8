"""One moment of a call: both sides as waveforms, marks, and a player whose playhead moves over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bargein.audio.pcm import Samples
from bargein_bench.record import RATE, Record, ServerNote
from bargein_bench.report.audio import part, uri
from bargein_bench.report.figures import minus, seconds
from bargein_bench.report.html import Html, el, short
from bargein_bench.report.moments import Moment, PlotMark

WIDTH, HIGH = 1000, 72  # of a lane, in the drawing's units
ROW, AXIS = 15, 20  # heights: of a row of labels above the lanes, and of the axis
COLUMNS = 500
QUIETEST = 0.06  # of full scale: softer audio is drawn to this scale, so that a room's noise stays flat
LETTER = 6.6
MAX_NOTES = 40  # of a moment


def timeline(moment: Moment, ident: str) -> Html:
    """The drawing and the player of a moment. Its call must have a record."""
    record = moment.call.record
    assert record is not None
    begin, end = (int(ms * RATE / 1000) for ms in (moment.begins_ms, moment.ends_ms))
    lasts = (end - begin) / RATE
    notes = [t for t in record.notes if begin <= t.place < end]
    name = f" ({short(moment.call.call_id, 60)})" if moment.call.call_id else ""
    head = el(
        "figcaption", el("b", moment.title), " ", moment.description, el("small", f"call {moment.call.number}{name}")
    )
    player = el("audio", controls=True, preload="metadata", src=uri(record, begin, end), aria_label=moment.title)
    drawn = el("div", _drawing(moment, record, begin, end, notes[:MAX_NOTES], ident), class_="wide")
    text = _notes_list(moment, notes)
    class_ = "moment good" if moment.good else "moment"
    return el("figure", head, drawn, player, text, class_=class_, data_lasts=f"{lasts:.3f}", id=ident)


def _drawing(moment: Moment, record: Record, begin: int, end: int, notes: list[ServerNote], ident: str) -> Html:
    span = moment.ends_ms - moment.begins_ms

    def x(ms: float) -> float:
        return min(max(WIDTH * (ms - moment.begins_ms) / span, 0.0), float(WIDTH))

    labels = _labels(moment, x)
    rows = 1 + max((label.row for label in labels), default=0)
    top = rows * ROW + 6.0
    base = top + 2 * HIGH + 8
    lanes = [("caller", record.caller, top), ("agent", record.agent, top + HIGH + 8)]
    parts: list[Html] = []
    for who, samples, y in lanes:
        parts.append(el("rect", class_="lane", x=0, y=y, width=WIDTH, height=HIGH, rx=4))
        if who == "caller" and moment.speech is not None:
            left, right = (x(ms) for ms in moment.speech)
            parts.append(el("rect", class_="speech", x=left, y=y, width=max(right - left, 1.0), height=HIGH))
        parts.append(el("path", class_=f"wave {who}", d=wave(part(samples, begin, end), y)))
        parts.append(el("text", who, class_="who", x=8, y=y + 15))
    for label in labels:
        foot = (rows - label.row) * ROW
        parts.append(el("line", class_="mark", x1=label.px, y1=foot - 2, x2=label.px, y2=base))
        parts.append(el("text", label.text, class_="label", x=label.left, y=foot - 4))
    for t in notes:
        px = x(t.place * 1000 / RATE)
        hover = el("title", f"{_relative(t.place * 1000 / RATE - moment.zero_ms)} {short(t.what, 300)}")
        parts.append(el("path", hover, class_="told", d=f"M{px:.1f} {base - 9:.1f}l4.5 9h-9z"))
    first = int(-(-(moment.begins_ms - moment.zero_ms) // 1000))
    for second in range(first, int((moment.ends_ms - moment.zero_ms) // 1000) + 1):
        px = x(moment.zero_ms + 1000 * second)
        if 12 < px < WIDTH - 12:
            parts.append(
                el(
                    "text",
                    minus(f"{second:+d} s") if second else "0",
                    class_="tick",
                    x=px,
                    y=base + 15,
                    text_anchor="middle",
                )
            )
    head = el("line", class_="playhead", x1=0, y1=top - 4, x2=0, y2=base)
    marks = ", ".join(f"{m.name} at {_relative(m.at_ms - moment.zero_ms)}" for m in moment.marks)
    return el(
        "svg",
        el("title", moment.title, id=f"{ident}-title"),
        el("desc", f"The caller's lane above, the agent's below; {marks}.", id=f"{ident}-desc"),
        parts,
        head,
        class_="lanes",
        viewBox=f"0 0 {WIDTH} {base + AXIS:g}",
        role="img",
        aria_labelledby=f"{ident}-title {ident}-desc",
    )


def wave(samples: Samples, top: float) -> str:
    """A path around the waveform: highest and lowest of each column, in a lane whose top is given."""
    columns = min(COLUMNS, len(samples))
    edges = np.linspace(0, len(samples), columns, endpoint=False).astype(int)
    full = np.concatenate((samples.astype(np.float64) / 32768, [0.0] * (not len(samples))))
    half = HIGH / 2 - 4
    gain = half / max(QUIETEST, float(np.abs(full).max(initial=0.0)))
    high, low = np.maximum.reduceat(full, edges) * gain, np.minimum.reduceat(full, edges) * gain
    middle, step = top + HIGH / 2, WIDTH / columns
    upper = [(k * step, middle - max(y, 0.4)) for k, y in enumerate(high)]
    lower = [(k * step, middle - min(y, -0.4)) for k, y in enumerate(low)]
    return "M" + "L".join(f"{px:.0f} {py:.1f}" for px, py in (*upper, *reversed(lower))) + "z"


def _inside(moment: Moment) -> list[PlotMark]:
    inside = [m for m in moment.marks if moment.begins_ms <= m.at_ms <= moment.ends_ms]
    return sorted(inside, key=lambda m: m.at_ms)


@dataclass(frozen=True, slots=True)
class _Label:
    text: str
    px: float
    """Where its mark stands."""
    left: float
    """Where its text begins."""
    row: int
    """Counted up from the lanes."""


def _labels(moment: Moment, x: Callable[[float], float]) -> list[_Label]:
    """Each label in the lowest row where it meets no other.

    They are placed from the right, so a mark's line, which goes up to its text, crosses no other text.
    """
    free: list[float] = []  # where each row is free up to
    labels = []
    for mark in reversed(_inside(moment)):
        text = mark.name if mark.at_ms == moment.zero_ms else f"{mark.name} {_relative(mark.at_ms - moment.zero_ms)}"
        wide, px = LETTER * len(text), x(mark.at_ms)
        left = min(px, WIDTH - wide)
        row = next((r for r, most in enumerate(free) if left + wide <= most), len(free))
        if row == len(free):
            free.append(0.0)
        free[row] = left - 8
        free[:row] = [min(most, px - 4) for most in free[:row]]
        labels.append(_Label(text, px, left, row))
    return labels


def _notes_list(moment: Moment, notes: list[ServerNote]) -> Html | None:
    """The notes of the server as a list, for those who cannot point at a tick."""
    if not notes:
        return None
    items = [
        el("li", el("span", _relative(t.place * 1000 / RATE - moment.zero_ms), class_="soft"), " ", short(t.what, 300))
        for t in notes[:MAX_NOTES]
    ]
    if len(notes) > MAX_NOTES:
        items.append(el("li", f"and {len(notes) - MAX_NOTES} more"))
    return el("details", el("summary", "What the server said"), el("ul", items, class_="said"))


def _relative(ms: float) -> str:
    return ("+" if ms >= 0 else "−") + seconds(abs(ms))
