"""The result as tables, as lines to paste, and as JSON; page.py draws it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from bargein.floor import Policy
from bargein_bench.measures import Measure
from bargein_bench.tuning.ending_score import EndingProposal
from bargein_bench.tuning.episodes import Episode
from bargein_bench.tuning.play import play
from bargein_bench.tuning.records import Gathered
from bargein_bench.tuning.score import ScoreLimits, Tally, percentile
from bargein_bench.tuning.search import Found, TriedPolicy, frontier
from bargein_bench.tuning.space import policy_of

SAME_MS = 40.0  # a window and a tick: decisions so near are the same
# Values of the agent or its calls: no part of a proposal.
KEPT = ("preset", "user_silence_ms", "max_reprompts", "hang_up_on_silence")


@dataclass(frozen=True)
class Speed:
    """How fast the search was."""

    replays: int
    """Calls times policies."""
    episodes: int
    """Episodes times policies."""
    seconds: float
    jobs: int

    def __str__(self) -> str:
        seconds = max(self.seconds, 1e-9)
        return (
            f"{self.replays / seconds:,.0f} calls/s, {self.episodes / seconds:,.0f} episodes/s "
            f"({self.replays:,} replays in {self.seconds:.1f} s, {self.jobs} processes)"
        )


@dataclass(frozen=True)
class TuningReport:
    """A run, whole: the calls, the result, and the limits."""

    gathered: Gathered
    found: Found
    limits: ScoreLimits
    speed: Speed
    bad_labels: int = 0
    endings: EndingProposal | None = None
    """None: no pause of a user was read."""

    @property
    def episodes(self) -> list[Episode]:
        return [e for call in self.gathered.calls for e in call.episodes]

    @property
    def line(self) -> list[TriedPolicy]:
        """Where no policy keeps the limit of misses, it is drawn with as many as the proposal has."""
        missed = max(self.limits.missed, self.found.proposal.everywhere.misses.value or 0.0)
        return frontier([*self.found.tried, *self.found.references], replace(self.limits, missed=missed))

    def faithful(self) -> tuple[int, int]:
        """Scored episodes that decide alone as they did in their call, and the number of scored episodes."""
        scored = [e for e in self.episodes if e.want is not None]
        return sum(play(e, e.floor.policy).like(e.was, SAME_MS) for e in scored), len(scored)

    def lag_ms(self) -> float | None:
        """From evidence to order, the median of these records: a stop takes so much longer."""
        return percentile([lag for call in self.gathered.calls for lag in call.lag_ms], 50)


def paste(base: Policy, proposed: Policy) -> str:
    """The proposed policy as an agent's TOML."""
    begin = Policy.named(base.preset).numbers()
    lines = [f'preset = "{base.preset}"', "", "[policy]"]
    for name, value in proposed.numbers().items():
        if name not in KEPT and value != begin[name]:
            lines.append(f"{name} = {json.dumps(list(value) if isinstance(value, tuple) else value)}")
    return "\n".join(lines) + "\n"


def words(tried: TriedPolicy) -> str:
    """The options of `bargein replay`, which shows the changes in one call."""
    return " ".join(f"--set {name}={json.dumps(value)}" for name, value in tried.candidate.changes.items())


def show(console: Console, report: TuningReport) -> None:
    found, episodes = report.found, report.episodes
    scored = [e for e in episodes if e.want is not None]
    faithful, of = report.faithful()
    kinds = Counter(f"{e.want}: {e.why}" if e.want else f"not scored: {e.why or 'unknown'}" for e in episodes)
    _print(console, f"{len(report.gathered.calls)} calls, {len(episodes)} episodes, {len(scored)} of them scored")
    _print(console, "  " + ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items())))
    for reason, number in report.gathered.skipped.items():
        _print(console, f"  skipped: {number} {reason}")
    if report.gathered.lost_labels or report.bad_labels:
        lost = f"{report.gathered.lost_labels} of no call here, or over no live reply"
        _print(console, f"  labels: {lost}, {report.bad_labels} unreadable")
    _print(console, f"  decided alone, {faithful} of {of} come out as they did in their call")
    table = Table(title=f"{len(found.tried)} policies; ms from onset to the decision", title_justify="left")
    for name in ("policy", "false stops", "false holds", "gap", "missed", "hold p50/p95", "cut p50/p95", "no answer"):
        table.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    for t in found.references:
        _row(table, t.candidate.label, t.everywhere)
    table.add_section()
    if found.kept_back:
        _row(
            table,
            f"proposal, where chosen ({len(report.gathered.calls) - found.kept_back} calls)",
            found.proposal.chosen_by,
        )
        _row(table, f"proposal, kept back ({found.kept_back} calls)", found.proposal.kept_back)
    _row(table, "proposal", found.proposal.everywhere, style="bold")
    table.add_section()
    for t in report.line:
        _row(table, f"frontier {t.candidate.label}", t.everywhere)
    console.print(table)
    _verdict(console, report)
    if report.endings is not None:
        show_endings(console, report.endings)
    if found.proposal.everywhere.unanswered:
        _print(
            console,
            "no answer: there a look asked for words that were never read; without them time and sound decided.",
        )
    lag = report.lag_ms()
    if lag is not None:
        _print(console, f"From evidence to order these calls took {lag:.0f} ms more (median), then the line's own way.")
    _print(console, str(report.speed))


def show_endings(console: Console, found: EndingProposal) -> None:
    """The ends of turns: what was recorded, and the numbers that cost least with no more cut-ins."""
    table = Table(title="Ends of turns; ms of quiet before the answer", title_justify="left")
    for name in ("policy", "cut-ins in pauses", "quiet p50/p95", "ends", "cost"):
        table.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    for label, t in (("recorded", found.recorded), ("proposal", found.proposed)):
        waits = f"{_ms(t.waits_ms, 50)}/{_ms(t.waits_ms, 95)}"
        table.add_row(label, _share(t.cut_in_share), waits, str(len(t.waits_ms)), f"{t.cost_ms:.0f}")
    console.print(table)
    for name, value in found.changes.items():
        _print(console, f"{name} = {value:g}")


def verdict(report: TuningReport) -> list[str]:
    """What the proposal is worth, in sentences, the chief one first."""
    found, limits = report.found, report.limits
    tally = found.proposal.chosen_by
    bounds = f"false stops <= {limits.false_stops:.1%}, missed <= {limits.missed:.1%}"
    sentences = [f"The quickest within {bounds}:" if found.within else f"None keeps {bounds}. The nearest:"]
    if not tally.ignored or not tally.yields:
        lack = "nothing to be ignored" if not tally.ignored else "nothing to yield to"
        sentences.append(f"These calls hold {lack}: a proposal from them means little. Label some, or record others.")
    high = tally.false_stops.high
    if found.within and high is not None and high > limits.false_stops:
        sentences.append(
            f"(So few were to be ignored, {tally.ignored}, that as much as {high:.1%} cannot be ruled out.)"
        )
    return sentences


def _verdict(console: Console, report: TuningReport) -> None:
    found = report.found
    for line in verdict(report):
        _print(console, line)
    console.print()
    console.print(
        paste(found.base, policy_of(found.base, found.proposal.candidate.changes)), markup=False, highlight=False
    )
    if found.proposal.candidate.changes:
        _print(console, f"bargein replay CALL {words(found.proposal)}")
    else:
        _print(console, "That is the recorded policy.")


def facts(report: TuningReport) -> dict[str, object]:
    """For JSON: shares 0..1 with 95 % intervals, times in ms, speed in calls a second."""
    found, limits = report.found, report.limits
    faithful, of = report.faithful()
    proposed = policy_of(found.base, found.proposal.candidate.changes)
    return {
        "calls": len(report.gathered.calls),
        "kept_back": found.kept_back,
        "skipped": dict(report.gathered.skipped),
        "labels": {"lost": report.gathered.lost_labels, "unreadable": report.bad_labels},
        "episodes": dict(Counter(f"{e.want or 'unscored'} {e.why or 'unknown'}" for e in report.episodes)),
        "faithful": {"same": faithful, "of": of},
        "lag_ms": report.lag_ms(),
        "limits": {"false_stops": limits.false_stops, "missed": limits.missed, "percent": limits.percent},
        "references": [_facts(t) for t in found.references],
        "proposal": {
            "within": found.within,
            "toml": paste(found.base, proposed),
            "policy": proposed.numbers(),
            "kept_back": found.proposal.kept_back.facts(),
            "chosen_by": found.proposal.chosen_by.facts(),
            **_facts(found.proposal),
        },
        "frontier": [_facts(t) for t in report.line],
        "endings": _ending_facts(report.endings),
        "tried": len(found.tried),
        "calls_per_s": report.speed.replays / max(report.speed.seconds, 1e-9),
    }


def _ending_facts(found: EndingProposal | None) -> dict[str, object] | None:
    if found is None:
        return None
    return {"changes": found.changes, "recorded": found.recorded.facts(), "proposal": found.proposed.facts()}


def _facts(t: TriedPolicy) -> dict[str, object]:
    return {"label": t.candidate.label, "changes": dict(t.candidate.changes), **t.everywhere.facts()}


def _row(table: Table, label: str, t: Tally, style: str = "") -> None:
    table.add_row(
        label,
        _share(t.false_stops),
        _share(t.false_holds),
        _ms(t.gaps_ms, 50),
        _share(t.misses),
        f"{_ms(t.silent_ms, 50)}/{_ms(t.silent_ms, 95)}",
        f"{_ms(t.cut_ms, 50)}/{_ms(t.cut_ms, 95)}",
        str(t.unanswered or ""),
        style=style,
    )


def _share(m: Measure) -> str:
    if m.value is None or m.low is None or m.high is None:
        return "-"
    return f"{m.value * 100:.1f}% ({m.low * 100:.0f}-{m.high * 100:.0f}, n={m.n})"


def _ms(values: Sequence[float], percent: float) -> str:
    value = percentile(values, percent)
    return "-" if value is None else f"{value:.0f}"


def _print(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
