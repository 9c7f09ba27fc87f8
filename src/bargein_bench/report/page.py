"""The whole report: the first screen, and the evidence below it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from bargein_bench.measures import Measure
from bargein_bench.report.curves import latencies, spread_note
from bargein_bench.report.faults import faults, verdict
from bargein_bench.report.figures import many, value, within
from bargein_bench.report.html import Child, Html, el, raw, short
from bargein_bench.report.misheard import misheard_section
from bargein_bench.report.moments import ShownCase, choose
from bargein_bench.report.peers import PEERS, PeerResult
from bargein_bench.report.tables import measures_table, pairs_table, peers_table, scenes_table, verdicts_table
from bargein_bench.report.timeline import timeline
from bargein_bench.report.tradeoff import Point, scatter, tradeoff
from bargein_bench.results import Results

MOST_BYTES = 8_000_000  # of the file: mailboxes accept it
ROOM_BYTES = 1_000_000  # of those, for all but the timelines
MOST_ROWS = 40  # of tables that a target can make long

METHOD = (
    "Each scene was played on a call of its own: the caller's side speaks, coughs, or is silent at a moment that "
    "follows from the seed, and what sounds at the caller's ear is kept sample by sample, as a player would have "
    "played it. Everything is judged there. Onset is the first sample of the caller's sound. Hold latency is from "
    "there to the agent's first silence, whatever comes of it; stop latency is from there to the last sound of a "
    "reply that never went on. A reply that falls silent and goes on was held, and the gap is how long it was "
    "silent. An interruption is missed when no stop came within 2.0 s. L_Y and R_Y are the seconds to yield and "
    "the share of interruptions yielded to; S_BC, S_VT and S_ND are the shares of backchannels, vocal noises and "
    "speech to others that were rightly ignored. A cut-in is a begin of the agent's speech inside a turn of the "
    "user's. APT is the average penalty time: what late stops, misses, cut-ins, false stops and false holds cost for "
    "a sound, where the sounds to yield to and those to ignore weigh alike. Stale sound is sound of a reply after its "
    "own flush. Shares have Wilson's 95 % interval, the other figures one by bootstrap."
)


def write(
    path: Path,
    results: Results,
    measures: Sequence[Measure],
    *,
    peers: Sequence[PeerResult] = PEERS,
    points: Sequence[Point] = (),
) -> int:
    """Write the report. Returns its size in bytes, at most MOST_BYTES.

    points: of earlier runs (see `point`), and of `bargein tune`. Raises OSError.
    """
    data = page(results, measures, peers=peers, points=points).encode()
    path.write_bytes(data)
    return len(data)


def page(
    results: Results, measures: Sequence[Measure], *, peers: Sequence[PeerResult] = PEERS, points: Sequence[Point] = ()
) -> str:
    """The report as text."""
    style, script = _file("style.css"), _file("player.js")
    # Markup that escapes the escaping still finds a page that runs no script but its own.
    digest = b64encode(sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; media-src data:"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{short(results.target)}: how it yields"),
        el("style", raw(style)),
    )
    chosen, wrong = choose(results), misheard_section(results)
    sections: list[tuple[str, str, Sequence[Child]]] = [
        ("measures", "Measures", _measures(results, measures, peers)),
        ("latency", "How soon", _latency(results, points)),
        ("verdicts", "What it did", [verdicts_table(results.events), scenes_table(results.events)]),
        ("failures", "Failures, to be heard", _failures(chosen, sum(map(len, wrong)))),
        ("misheard", "Recordings heard wrongly", wrong),
        ("examples", "As it should be", [timeline(m, f"good-{k}") for k, m in enumerate(chosen.good, 1)]),
        ("method", "Method, and what is missing", _method(results)),
    ]
    shown = [(ident, title, parts) for ident, title, parts in sections if parts]
    nav = el("nav", [el("a", title, href=f"#{ident}") for ident, title, _ in shown], aria_label="Contents")
    body = [el("section", el("h2", title), parts, id=ident) for ident, title, parts in shown]
    foot = el("footer", "Made by bargein bench. This file needs nothing else: it can be kept, mailed and printed.")
    main = el("main", body)
    whole = el(
        "html", head, el("body", _head(results, measures), nav, main, foot, el("script", raw(script))), lang="en"
    )
    return f"<!doctype html>\n{whole}\n"


def _head(results: Results, measures: Sequence[Measure]) -> Html:
    found = faults(results)
    named = [el("li", el("b", f"{fault.name}:"), " ", fault.figures) for fault in found]
    judged = sum(e.right is not None for e in results.events)
    penalty = next((m for m in measures if m.name == "APT" and m.value is not None), None)
    apt = (
        {}
        if penalty is None
        else {"average penalty": f"{value(penalty, penalty.value)} ({within(penalty)}, n {penalty.n})"}
    )
    facts = {
        **apt,
        "protocol": results.protocol,
        "calls": str(len(results.calls)),
        "events": str(len(results.events)),
        "seed": str(results.seed),
        "began": results.started[:19].replace("T", " ") + (" UTC" if results.started.endswith(("Z", "+00:00")) else ""),
        "machine": results.machine,
    }
    fine = f"No fault was found in {many(judged, 'event')}."
    return el(
        "header",
        el("p", el("b", "bargein bench"), " · how an agent yields", class_="kind"),
        el("h1", el("bdi", short(results.target, 300))),
        el("p", _quietly(verdict(results, measures)), class_="verdict"),
        el("ol", named, class_="faults", aria_label="Faults, worst first") if named else None,
        el("p", fine, class_="faultless") if judged and not named else None,
        el("dl", [el("div", el("dt", k), el("dd", short(v))) for k, v in facts.items()], class_="facts"),
    )


def _quietly(sentence: str) -> list[Child]:
    """A sentence, with what stands in brackets in small letters."""
    parts = re.split(r"(\([^)]*\))", sentence)
    return [el("small", part) if part.startswith("(") else part for part in parts]


def _measures(results: Results, measures: Sequence[Measure], peers: Sequence[PeerResult]) -> list[Html]:
    drawn = scatter(results.target, measures, peers)
    return [measures_table(measures), el("h3", "Among others"), peers_table(measures, peers), drawn]


def _latency(results: Results, points: Sequence[Point]) -> list[Html]:
    drawn = [*latencies(results), *([t] if (t := tradeoff(results, points)) is not None else [])]
    note = spread_note(results)
    return [el("div", drawn, class_="pair"), *([el("p", note, class_="note")] if note else [])] if drawn else []


def _failures(chosen: ShownCase, taken: int) -> list[Html]:
    """taken: characters of the file that others need."""
    if not chosen.shown and not chosen.rest:
        return []
    rest = Counter(chosen.rest)
    drawn: list[Html] = []
    room = MOST_BYTES - ROOM_BYTES - taken
    for k, moment in enumerate(chosen.shown, 1):
        made = timeline(moment, f"failure-{k}")
        room -= len(made)
        if room < 0:
            rest[moment.group] += 1
            continue
        drawn.append(made)
    intro = (
        "The caller is on the left and above, the agent on the right and below. A click in the lanes plays from there."
    )
    parts = [el("p", intro, class_="note"), *drawn]
    if rest:
        each = ", ".join(f"{short(group, 60)} {n}" for group, n in rest.most_common(MOST_ROWS))
        parts.append(el("p", f"{many(rest.total(), 'more failure')}, not drawn: {each}.", class_="note"))
    return parts


def _method(results: Results) -> list[Child]:
    broken: Counter[str] = Counter()
    for call in results.calls:
        broken.update(call.faults)
    failed = Counter(call.failed for call in results.calls if call.failed)
    left = list(results.left_out.items())[:MOST_ROWS]
    times = [(kind, str(n)) for kind, n in broken.most_common(MOST_ROWS)]
    lost = [(why, str(n)) for why, n in failed.most_common(MOST_ROWS)]
    return [
        el("p", METHOD),
        pairs_table("Scenes that were left out", "scene", "why", left) if left else el("p", "No scene was left out."),
        pairs_table("Breaches of the protocol", "what", "times", times) if times else el("p", "The protocol was kept."),
        pairs_table("Calls that failed", "why", "calls", lost) if lost else None,
    ]


def _file(name: str) -> str:
    return (Path(__file__).parent / name).read_text("utf-8")
