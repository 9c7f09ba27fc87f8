"""Percentiles, and the table they are shown in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from bargein_bench.machine import machine


@dataclass(frozen=True, slots=True)
class SpreadRow:
    """One measured quantity, in ms. goal: as the issue states it, in words."""

    what: str
    values: tuple[float, ...]
    goal: str = ""

    def at(self, percent: float) -> float:
        return float(np.percentile(self.values, percent)) if self.values else float("nan")

    def facts(self) -> dict[str, object]:
        return {
            "what": self.what,
            "n": len(self.values),
            "p50": self.at(50),
            "p95": self.at(95),
            "p99": self.at(99),
            "max": max(self.values, default=float("nan")),
            "goal": self.goal,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is so, or is not."""

    what: str
    passed: int
    of: int

    def facts(self) -> dict[str, object]:
        return {"what": self.what, "passed": self.passed, "of": self.of}


def show(console: Console, rows: Sequence[SpreadRow | Check]) -> None:
    table = Table(title="ms", caption=machine(), title_justify="left", caption_justify="left")
    for name in ("what", "n", "p50", "p95", "p99", "max", "goal"):
        table.add_column(name, justify="left" if name in ("what", "goal") else "right")
    for row in rows:
        if isinstance(row, Check):
            table.add_row(row.what, f"{row.passed} of {row.of}", "", "", "", "", "all")
            continue
        numbers = [f"{x:.1f}" for x in (row.at(50), row.at(95), row.at(99), max(row.values, default=float("nan")))]
        table.add_row(row.what, str(len(row.values)), *numbers, row.goal)
    console.print(table)
