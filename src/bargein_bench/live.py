"""The terminal: progress during a run, and tables at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live as RichLive
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bargein_bench.capacity import Capacity, Level
from bargein_bench.measures import Measure, share
from bargein_bench.results import Event, Results
from bargein_bench.run import BenchPlan
from bargein_bench.run import Progress as RunProgress


class Live:
    """A bar with the time that is left, and a row for each scene. Without a terminal only the end is printed."""

    def __init__(self, console: Console, plan: BenchPlan) -> None:
        self._events: dict[str, list[Event]] = {scene.name: [] for scene in plan.scenes}
        self._want = {scene.name: scene.want for scene in plan.scenes}
        self._failed: Counter[str] = Counter()
        self._bar = Progress(
            TextColumn("calls"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        self._task = self._bar.add_task("calls", total=len(plan.scenes) * plan.repeats, left="")
        self._live = RichLive(console=console, refresh_per_second=2, get_renderable=self._shown)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def update(self, progress: RunProgress) -> None:
        """A call has ended."""
        s = None if progress.left_s is None else max(0, round(progress.left_s))
        left = "" if s is None else f"{s // 60}:{s % 60:02} left"
        self._bar.update(self._task, completed=progress.done, total=progress.of, left=left)
        if (call := progress.latest) is None:
            return
        if call.failed is not None:
            self._failed[call.scene] += 1
        self._events[call.scene] += call.events

    def _shown(self) -> Table:
        table = Table.grid(padding=(1, 0))
        table.add_row(self._bar)
        table.add_row(scenes_table(self._events, self._want, self._failed))
        return table


def scenes_table(events: Mapping[str, list[Event]], want: Mapping[str, str], failed: Counter[str]) -> Table:
    """A row for each scene that was played."""
    table = Table("scene", "should", box=None, header_style="bold", pad_edge=False)
    for name in (
        "n",
        "stopped",
        "held",
        "through",
        "unheard",
        "right",
        "95 %",
        "hold ms",
        "stop ms",
        "gap ms",
        "failed",
    ):
        table.add_column(name, justify="right")
    for name, found in events.items():
        if not found and not failed[name]:
            continue
        outcomes = Counter(event.outcome for event in found)
        judged = [event.right for event in found if event.right is not None]
        right = sum(judged) / len(judged) if judged else None
        style = "" if right is None or right >= 0.9 else "yellow" if right >= 0.5 else "red"
        table.add_row(
            name,
            want[name],
            str(len(found)),
            *(str(outcomes[kind] or "") for kind in ("stopped", "held", "through", "unheard")),
            "" if right is None else f"{right:.0%}",
            _between(sum(judged), len(judged)),
            _middle([event.hold_ms for event in found]),
            _middle([event.stop_ms for event in found if event.outcome == "stopped"]),
            _middle([event.gap_ms for event in found if event.outcome == "held"]),
            str(failed[name] or ""),
            style=style,
        )
    return table


def _between(passed: int, of: int) -> str:
    found = share("", passed, of, "")
    return "" if found.low is None or found.high is None else f"{100 * found.low:.0f}-{100 * found.high:.0f}"


def _middle(values: Sequence[float | None]) -> str:
    known = sorted(value for value in values if value is not None)
    return f"{known[len(known) // 2]:.0f}" if known else ""


def show_measures(console: Console, results: Results, measures: Sequence[Measure]) -> None:
    """The measures of the run, the scenes that were left out, and the calls that failed."""
    table = Table("measure", "", title=f"{results.target}, {len(results.calls)} calls", title_justify="left")
    for name in ("value", "95 %", "n"):
        table.add_column(name, justify="right")
    for m in measures:
        value = "" if m.value is None else _figure(m, m.value)
        between = "" if m.low is None or m.high is None else f"{_figure(m, m.low)} to {_figure(m, m.high)}"
        table.add_row(m.name, m.what, value, between, str(m.n))
    console.print(table)
    for scene, why in results.left_out.items():
        console.print(f"Left out: {scene}: {why}", markup=False, highlight=False)
    failed = Counter(call.failed for call in results.calls if call.failed is not None)
    for why, times in failed.most_common(5):
        console.print(f"{times} calls failed: {why}", markup=False, highlight=False)
    faults: Counter[str] = Counter()
    for call in results.calls:
        faults.update(call.faults)
    for what, times in faults.most_common(5):
        console.print(f"Fault of the protocol, {times} times: {what}", markup=False, highlight=False)


def _figure(measure: Measure, value: float) -> str:
    match measure.unit:
        case "share":
            return f"{value:.1%}"
        case "s":
            return f"{value:.3f} s"
        case "ms":
            return f"{value:.0f} ms"
        case _:
            return f"{value:g}"


def level_line(level: Level) -> str:
    """The result of one number of calls, in a line."""
    parts = [f"{level.calls} calls: {level.stops} yields"]
    if level.p50_ms is not None:
        parts.append(f"p50 {level.p50_ms:.0f}, p99 {level.p99_ms:.0f} ms")
    parts.append(f"{level.misses} missed, {level.late_share:.2%} of frames late")
    if level.server_cores is not None:
        parts.append(f"{level.server_cores:.2f} cores, {level.memory_mb:.0f} MB")
    parts.append("kept" if not level.broke else "BROKE: " + "; ".join(level.broke))
    return ", ".join(parts)


def show_capacity(console: Console, found: Capacity) -> None:
    """The most calls that kept the promise, and what broke first."""
    if found.most is None:
        console.print("Not even the first number of calls kept the promise.")
    else:
        console.print(f"Room for {found.most.calls} calls at once.", highlight=False)
    if found.first_broke:
        console.print(f"Beyond that: {'; '.join(found.first_broke)}.", highlight=False)
    if found.ours:
        console.print("The callers' own processor was full by then: the server may carry more.")
    if found.calls_per_core is not None:
        console.print(f"{found.calls_per_core:.0f} calls a core of the server, by what it used.", highlight=False)
    if found.memory_per_call_mb is not None:
        console.print(f"{found.memory_per_call_mb:.2f} MB for each further call.", highlight=False)
