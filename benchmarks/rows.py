"""One row of the verdicts' tables: a share with its n and its 95 % interval. Each part of the section gives a list of
them: `def rows(folder: Path | None) -> list[Row]`, where folder holds recordings with a manifest.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from bargein_bench.measures import share


@dataclass(frozen=True, slots=True)
class Row:
    """A share of n sounds, looks or calls. n = 0: there was none to measure, and share, low and high are None."""

    name: str
    n: int
    hits: int
    share: float | None
    low: float | None
    """Begin of Wilson's 95 % interval."""
    high: float | None
    """End of Wilson's 95 % interval."""
    note: str = ""
    """The goal, or what the sounds were."""

    def facts(self) -> dict[str, object]:
        return asdict(self)


def row(name: str, hits: int, n: int, note: str = "") -> Row:
    """A share of n."""
    found = share(name, hits, n, note)
    return Row(name, n, hits, found.value, found.low, found.high, note)


def show_rows(console: Console, title: str, rows: Sequence[Row]) -> None:
    """A table with one line for each row."""
    table = Table(title=title, title_justify="left")
    for name in ("what", "hits", "share", "95 %", "note"):
        table.add_column(name, justify="left" if name in ("what", "note") else "right")
    for each in rows:
        if each.share is None or each.low is None or each.high is None:
            table.add_row(each.name, "none", "", "", each.note)
            continue
        within = f"{100 * each.low:.0f} to {100 * each.high:.0f}"
        table.add_row(each.name, f"{each.hits} of {each.n}", f"{100 * each.share:.1f} %", within, each.note)
    console.print(table)
