"""The result as one HTML file: the trade-off, its policies and their changes, lines to paste."""

from __future__ import annotations

import json
from pathlib import Path

import bargein_bench.report as bench
from bargein.floor import Policy
from bargein_bench.report import Point
from bargein_bench.report.figures import ms, share
from bargein_bench.report.html import Html, el, raw, short
from bargein_bench.report.tables import heads, table
from bargein_bench.report.tradeoff import Kind, tradeoff
from bargein_bench.results import Results
from bargein_bench.tuning.score import percentile
from bargein_bench.tuning.search import TriedPolicy
from bargein_bench.tuning.show import TuningReport, paste, verdict
from bargein_bench.tuning.space import policy_of

METHOD = (
    "Recorded calls decided again under each policy. Latency is from the onset of an interruption to the decision to "
    "cut, the median; one that is not cut within 2 s is missed, and counts as 2000 ms. False stops are the share of "
    "what was to be ignored that ended a reply. The broken line joins the policies that no other beats in both."
)


def page(report: TuningReport) -> str:
    """A page that needs no other file, and runs nothing.

    It shows the recorded policy, the presets, the proposal and the frontier, not the policies that are beaten.
    """
    found = report.found
    title = f"{len(report.gathered.calls)} calls, {len(found.tried)} policies"
    shown: list[tuple[str, TriedPolicy, Kind]] = [(t.candidate.label, t, "frontier") for t in report.line]
    shown += [(t.candidate.label, t, "earlier") for t in found.references]
    shown.append(("proposal", found.proposal, "this"))
    # The drawing has one run among others. Here there is no run, and all points are others.
    drawn = tradeoff(Results(title, "", 0, "", "", ()), [p for s in shown if (p := _point(*s)) is not None])
    toml = paste(found.base, policy_of(found.base, found.proposal.candidate.changes))
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"bargein tune: {title}"),
        el("style", raw((Path(bench.__file__).parent / "style.css").read_text("utf-8"))),
    )
    top = el(
        "header",
        el("p", el("b", "bargein tune"), " · what other policies would have done", class_="kind"),
        el("h1", title),
        [el("p", said, class_="verdict" if k == 0 else None) for k, said in enumerate(verdict(report))],
        el("pre", toml),
    )
    names = heads("policy", "false stops", "false holds", "missed", "hold, ms", "cut, ms", "cut p95, ms", "changes")
    rows = [_row(*s, found.base) for s in reversed(shown)]
    main = el(
        "main",
        el("section", drawn, el("p", METHOD, class_="note")),
        el(
            "section",
            el("h2", "Policies"),
            table("All calls; medians, from the onset", [names], rows, class_="measures"),
        ),
    )
    return f"<!doctype html>\n{el('html', head, el('body', top, main), lang='en')}\n"


def _point(label: str, t: TriedPolicy, kind: Kind) -> Point | None:
    """None: it yielded to nothing, or nothing was to be ignored."""
    latency_ms, false_share = percentile(t.everywhere.cut_ms, 50), t.everywhere.false_stops.value
    return None if latency_ms is None or false_share is None else Point(label, latency_ms, false_share, kind)


def _row(label: str, t: TriedPolicy, kind: Kind, base: Policy) -> Html:
    """base: presets name all their numbers; those that are as recorded change nothing."""
    recorded = base.numbers()
    changes = {n: v for n, v in t.candidate.changes.items() if v != recorded[n]}
    tally = t.everywhere
    shares = [tally.false_stops, tally.false_holds, tally.misses]
    latencies = [percentile(tally.silent_ms, 50), percentile(tally.cut_ms, 50), percentile(tally.cut_ms, 95)]
    numbers = [*(share(m.value) for m in shares), *(ms(value) for value in latencies)]
    return el(
        "tr",
        el("th", short(label), scope="row"),
        [el("td", number, class_="n") for number in numbers],
        el("td", ", ".join(f"{name} {json.dumps(v)}" for name, v in changes.items()), class_="what"),
        class_="this" if kind == "this" else None,
    )
