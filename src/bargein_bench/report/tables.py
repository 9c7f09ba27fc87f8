"""The tables: measures, peers, verdicts, scenes, and what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from bargein_bench.measures import Measure
from bargein_bench.report.figures import NOTHING, at, counted, known, mean, ms, share, value, within
from bargein_bench.report.html import Child, Html, el, short
from bargein_bench.report.peers import AIM, NOTE, PeerResult
from bargein_bench.results import Event, Outcome, Want

COLUMNS: tuple[tuple[Outcome, str], ...] = (
    ("stopped", "stopped"),
    ("held", "held, and went on"),
    ("through", "went through"),
    ("unheard", "unheard"),
)
GROUPS: tuple[tuple[Want, str], ...] = (("yield", "A person would yield"), ("ignore", "A person would go on"))
NAMES = ("L_Y", "R_Y", "S_BC", "S_VT", "S_ND")


def table(caption: str, head: Sequence[Html], rows: Iterable[Html], *, class_: str = "") -> Html:
    """A table of `tr` or `tbody` rows, which scrolls by itself where the page is narrow."""
    body = list(rows)
    inner = body if body and body[0].startswith("<tbody") else [el("tbody", body)]
    made = el("table", el("caption", caption), el("thead", head), inner, class_=class_ or None)
    return el("div", made, class_="wide", tabindex="0", role="region", aria_label=caption)


def heads(*names: str) -> Html:
    return el("tr", [el("th", name, scope="col") for name in names])


def measures_table(measures: Sequence[Measure]) -> Html:
    rows = []
    for m in measures:
        low, high = value(m, m.low), value(m, m.high)
        interval = NOTHING if m.low is None or m.high is None else f"{low} to {high}"
        name = el("th", m.name, scope="row")
        rows.append(
            el("tr", name, _td(value(m, m.value), "big"), _td(interval), _td(ms(m.n)), el("td", m.what, class_="what"))
        )
    return table(
        "Each with its interval", [heads("", "value", "95 % interval", "n", "what it is")], rows, class_="measures"
    )


def peers_table(measures: Sequence[Measure], peers: Sequence[PeerResult]) -> Html:
    by_name = {m.name: m for m in measures}
    own = [by_name.get(name) for name in NAMES]
    cells = [_sure_cell(m) for m in own]
    this = el("tr", el("th", "this agent", scope="row"), cells, _td(ms(own[0].n) if own[0] else NOTHING), class_="this")
    aims = [_td(("≤ " + f"{aim:.2f} s") if name == "L_Y" else "≥ " + share(aim)) for name, aim in AIM.items()]
    rows = [this, el("tr", el("th", "the aim", scope="row"), aims, _td(""), class_="aim")]
    for p in peers:
        cells = [_td(f"{p.l_y:.2f} s"), *(_td(share(s)) for s in p.shares), _td(ms(p.yields))]
        rows.append(el("tr", el("th", p.name, scope="row"), cells))
    made = table("Beside the published tau-voice rows", [heads("", *NAMES, "yields")], rows)
    return el("div", made, el("p", NOTE, class_="note"))


def _sure_cell(measure: Measure | None) -> Html:
    if measure is None or measure.value is None:
        return _td(NOTHING)
    return el("td", value(measure, measure.value), el("small", f"{within(measure)}, n {measure.n}"), class_="n")


def verdicts_table(events: Sequence[Event]) -> Html:
    """The outcomes of each scene. Wrong ones are named in words, not by colour alone."""
    bodies = []
    for want, name in GROUPS:
        wanted = [e for e in events if e.want == want]
        if not wanted:
            continue
        rows = [el("tr", el("th", name, scope="rowgroup", colspan=len(COLUMNS) + 2), class_="group")]
        rows += [_verdicts(scene, want, of) for scene, of in _scenes(wanted)]
        rows.append(_verdicts("together", want, wanted, "sum"))
        bodies.append(el("tbody", rows))
    head = heads("scene", *(name for _, name in COLUMNS), "n")
    return table("What became of every event", [head], bodies, class_="verdicts")


def scenes_table(events: Sequence[Event]) -> Html:
    top = (
        ("", 1),
        ("", 1),
        ("", 1),
        ("hold", 2),
        ("stop", 2),
        ("gap", 1),
        ("lost", 1),
        ("again", 1),
        ("both", 1),
        ("answer", 1),
    )
    names = ("scene", "n", "right", "p50", "p95", "p50", "p95", "p50", "mean", "mean", "mean", "p50")
    groups = el("tr", [el("th", name, scope="colgroup", colspan=n) if name else el("td", colspan=n) for name, n in top])
    rows = [_scene(scene, of) for _, of in _wanted(events) for scene, of in _scenes(of)]
    return table("Each scene, times in ms", [groups, heads(*names)], rows, class_="scenes")


def pairs_table(caption: str, left: str, right: str, pairs: Iterable[tuple[str, str]]) -> Html:
    rows = [el("tr", el("th", short(a), scope="row"), el("td", short(b, 300), class_="what")) for a, b in pairs]
    return table(caption, [heads(left, right)], rows, class_="pairs")


def _verdicts(name: str, want: Want, of: Sequence[Event], class_: str | None = None) -> Html:
    cells = [_verdict(outcome, want, [e for e in of if e.outcome == outcome], len(of)) for outcome, _ in COLUMNS]
    return el("tr", el("th", short(name, 60), scope="row"), cells, _td(str(len(of))), class_=class_)


def _verdict(outcome: Outcome, want: Want, which: Sequence[Event], of: int) -> Html:
    if not which:
        return el("td", el("span", "0", class_="none"))
    right = which[0].right
    parts: list[Child] = [el("b", str(len(which))), " ", el("span", share(len(which) / of), class_="soft of")]
    if outcome == "held" and (gap := at(50, [e.gap_ms for e in which])) is not None:
        parts.append(el("small", f"gap {ms(gap)} ms"))
    if right is False:
        parts.append(el("small", "wrong"))
    name = {True: "right", False: "wrong", None: "unsaid"}[right]
    strength = 10 + round(30 * len(which) / of)
    return el("td", parts, class_=name, style=f"--strength:{strength}%")


def _scene(name: str, of: Sequence[Event]) -> Html:
    judged = [e for e in of if e.right is not None]
    right = sum(e.right is True for e in judged)
    holds, stops = known(e.hold_ms for e in judged), known(e.stop_ms for e in judged)
    gaps = [e.gap_ms for e in judged if e.outcome == "held"]
    numbers = (
        *(at(p, holds) for p in (50, 95)),
        *(at(p, stops) for p in (50, 95)),
        at(50, gaps),
        mean(known(e.lost_ms for e in judged)),
        mean(known(e.repeated_ms for e in judged)),
        mean([e.overlap_ms for e in judged]),
        at(50, known(e.answer_ms for e in judged)),
    )
    text = f"{share(right / len(judged))} · {counted(right, len(judged))}" if judged else NOTHING
    bad = "wrong" if judged and right < len(judged) else None
    cells = [_td(str(len(of))), _td(text, bad), *(_td(ms(x)) for x in numbers)]
    return el("tr", el("th", short(name, 60), scope="row"), cells)


def _wanted(events: Sequence[Event]) -> list[tuple[Want, list[Event]]]:
    return [(want, [e for e in events if e.want == want]) for want, _ in GROUPS]


def _scenes(events: Sequence[Event]) -> list[tuple[str, list[Event]]]:
    """The events of each scene, in the order in which the scenes first came."""
    order = list(dict.fromkeys(e.scene for e in events))
    placed = sorted(events, key=lambda e: order.index(e.scene))
    return [(scene, list(of)) for scene, of in groupby(placed, key=lambda e: e.scene)]


def _td(text: str, class_: str | None = None) -> Html:
    return el("td", text, class_=f"n {class_}" if class_ else "n")
