"""The figures of the frameworks' benchmark, and their table: a column for each bot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from bargein_bench.machine import machine
from bargein_bench.measures import ADDRESSED, NOISES, VOCAL
from bargein_bench.results import CallResult, Event

QUIET_SOUNDS = tuple(dict.fromkeys((*VOCAL, *NOISES, "traffic", "music")))
SOUNDS = ("backchannel", *QUIET_SOUNDS)


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of n values."""

    n: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        return f"{self.p50:.0f} / {self.p95:.0f} / {self.p99:.0f} of {self.n}" if self.p50 is not None else "none"


def spread(values: Iterable[float | None]) -> Spread:
    given = [value for value in values if value is not None]
    if not given:
        return Spread(0)
    p50, p95, p99 = (float(x) for x in np.percentile(given, [50, 95, 99]))
    return Spread(len(given), p50, p95, p99, float(max(given)))


@dataclass(frozen=True, slots=True)
class ShareOf:
    """How many of how many."""

    passed: int
    of: int

    def __str__(self) -> str:
        return f"{100 * self.passed / self.of:.1f} % of {self.of}" if self.of else "none"


@dataclass(frozen=True, slots=True)
class CallCost:
    """What a call costs the bot's process while the agent speaks and its caller is silent."""

    cpu_ms: float
    """Processor time for each second, ms."""
    one_mb: float
    """Memory of the process with one call."""
    further_mb: float
    """Memory of each further call."""


@dataclass(frozen=True, slots=True)
class LongCalls:
    """What calls have shown that last, and whose callers interrupt each reply."""

    bot: str
    calls: int
    """At once."""
    failed: int
    """Calls that failed."""
    silence: Spread
    """Onset to the last audible sample of the reply, ms."""
    yielded: ShareOf
    late: ShareOf
    """Frames that came after the line had run dry in the middle of speech."""
    stale_ms: float
    """Audio of a reply after its own flush."""
    cost: CallCost

    def facts(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class BotFigures:
    """What a run of calls has shown of one bot."""

    bot: str
    calls: int
    """At once."""
    made: int
    """Calls in all."""
    failed: int
    """Calls without a result."""
    silence: Spread
    """Onset of an interruption to the first silence at the ear, ms."""
    stop: Spread
    """Onset to the last audible sample of a reply that was given up, ms."""
    yielded: ShareOf
    """Interruptions that ended the reply within 2 s."""
    commands: ShareOf
    """"Stop", "wait" and other single words that did."""
    false_backchannel: ShareOf
    """Backchannels that ended the reply."""
    false_noise: ShareOf
    """Coughs, sneezes, doors, keys, traffic, music, echo and silence that ended the reply."""
    false_both: ShareOf
    """Both."""
    false_television: ShareOf
    """Other people's talk that ended the reply."""
    held: ShareOf
    """Of the sounds to be ignored: the agent fell silent, and its reply went on."""
    gap: Spread
    """How long it was silent then, ms."""
    resumed: int
    """Replies whose samples on both sides of the silence were found."""
    lost: Spread
    """Of those replies, in each, ms."""
    again: Spread
    """Said again in each, ms."""
    answer: Spread
    """The end of an interruption to the next reply, ms."""
    recovered: ShareOf
    """Plain questions afterwards that were answered."""
    late: ShareOf
    """Frames that came after the line had run dry in the middle of speech."""
    stale_ms: float
    """Audio of a reply after its own flush."""
    cpu_ms: float
    """Processor time of the bot's process for each second of these calls, their begins included, ms."""

    def facts(self) -> dict[str, object]:
        return asdict(self)


def figures(bot: str, calls: int, results: Sequence[CallResult], cpu_ms: float) -> BotFigures:
    """The figures of a run. calls: at once."""
    events = [e for result in results for e in result.events if e.outcome != "unheard"]
    asked = [e for e in events if e.want == "yield" and e.scene in ADDRESSED]
    ignored = [e for e in events if e.want == "ignore"]
    held = [e for e in ignored if e.outcome == "held"]
    moved = [e for e in held if e.lost_ms is not None]
    return BotFigures(
        bot,
        calls,
        len(results),
        sum(result.failed is not None for result in results),
        spread(e.hold_ms for e in asked),
        spread(e.stop_ms for e in asked if e.outcome == "stopped"),
        _stopped(asked),
        _stopped(_of(events, ("command",))),
        _stopped(_of(events, ("backchannel",))),
        _stopped(_of(events, QUIET_SOUNDS)),
        _stopped(_of(events, SOUNDS)),
        _stopped(_of(events, ("television",))),
        ShareOf(len(held), len(ignored)),
        spread(e.gap_ms for e in held),
        len(moved),
        spread(e.lost_ms for e in moved),
        spread(e.repeated_ms for e in moved),
        spread(e.answer_ms for e in asked if e.outcome == "stopped"),
        ShareOf(sum(e.recovered is True for e in events), sum(e.recovered is not None for e in events)),
        ShareOf(sum(r.late for r in results), sum(r.frames for r in results)),
        sum(r.stale_ms for r in results),
        cpu_ms,
    )


def _of(events: Iterable[Event], scenes: Sequence[str]) -> list[Event]:
    return [event for event in events if event.scene in scenes]


def _stopped(events: Sequence[Event]) -> ShareOf:
    return ShareOf(sum(event.outcome == "stopped" for event in events), len(events))


def _moved(f: BotFigures) -> str:
    if f.lost.p50 is None or f.again.p50 is None:
        return "0"
    return f"{f.resumed}; {f.lost.p50:.0f}, {f.lost.most:.0f}; {f.again.p50:.0f}, {f.again.most:.0f}"


ROWS: tuple[tuple[str, Callable[[BotFigures], object]], ...] = (
    ("calls; without a result", lambda f: f"{f.made}; {f.failed}"),
    ("onset to silence at the ear, p50 / p95 / p99 ms", lambda f: f.silence),
    ("  to the last sample of a reply given up", lambda f: f.stop),
    ("interruptions yielded to", lambda f: f.yielded),
    ('"stop", "wait", single words yielded to', lambda f: f.commands),
    ("false cuts: backchannels", lambda f: f.false_backchannel),
    ("  coughs, sneezes, noises, echo, silence", lambda f: f.false_noise),
    ("  both together", lambda f: f.false_both),
    ("  other people's talk", lambda f: f.false_television),
    ("held by these, and went on", lambda f: f.held),
    ("  silent for, ms", lambda f: f.gap),
    ("replies resumed; ms lost, p50, most; said again", _moved),
    ("end of an interruption to the answer, ms", lambda f: f.answer),
    ("questions afterwards answered", lambda f: f.recovered),
    ("frames late; stale audio, ms", lambda f: f"{f.late}; {f.stale_ms:.0f}"),
    ("processor for each second of these calls, ms", lambda f: f"{f.cpu_ms:.1f}"),
)
LONG_ROWS: tuple[tuple[str, Callable[[LongCalls], object]], ...] = (
    ("calls that failed", lambda f: f.failed),
    ("onset to silence at the ear, p50 / p95 / p99 ms", lambda f: f.silence),
    ("interruptions yielded to", lambda f: f.yielded),
    ("frames late; stale audio, ms", lambda f: f"{f.late}; {f.stale_ms:.0f}"),
    ("processor for each second of a call, ms", lambda f: f"{f.cost.cpu_ms:.1f}"),
    ("memory with one call; each further, MB", lambda f: f"{f.cost.one_mb:.0f}; {f.cost.further_mb:.2f}"),
)


def show_bots(console: Console, found: Sequence[BotFigures], long: Sequence[LongCalls]) -> None:
    """A table of the bench, and one for each number of long calls."""
    if found:
        _show(console, f"the bench's scenes, {found[0].calls} calls at once", found, ROWS)
    for calls in sorted({f.calls for f in long}):
        columns = [f for f in long if f.calls == calls]
        _show(console, f"{calls} long calls at once", columns, LONG_ROWS)
        for name, alone, floor in _pairs(columns):
            cpu = floor.cost.cpu_ms - alone.cost.cpu_ms
            memory = floor.cost.further_mb - alone.cost.further_mb
            console.print(f"The floor adds to each call of {name}: {cpu:+.1f} ms a second, {memory:+.2f} MB")


Figures = TypeVar("Figures", BotFigures, LongCalls)


def _show(
    console: Console,
    title: str,
    columns: Sequence[Figures],
    rows: Sequence[tuple[str, Callable[[Figures], object]]],
) -> None:
    table = Table(title=title, caption=machine(), title_justify="left", caption_justify="left")
    table.add_column("")
    for f in columns:
        table.add_column(f.bot, justify="right")
    for name, of in rows:
        table.add_row(name, *(str(of(f)) for f in columns))
    console.print(table)


def _pairs(columns: Sequence[LongCalls]) -> list[tuple[str, LongCalls, LongCalls]]:
    by_name = {f.bot: f for f in columns}
    found = []
    for name, alone in by_name.items():
        framework, apart, _ = name.partition(" alone")
        floor = by_name.get(f"{framework} with the floor")
        if apart and floor is not None:
            found.append((framework, alone, floor))
    return found
