"""Numbers as people read them, with a space before the unit that does not break."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from bargein_bench.measures import Measure, spread
from bargein_bench.measures import share as measured_share

NOTHING = "–"
NBSP = "\u00a0"


def share(value: float | None) -> str:
    """A share in percent. It is never rounded to all or none: 399 of 400 is 99.8 %."""
    if value is None:
        return NOTHING
    percent = 100 * value
    fine = 0 < percent < 1 or 99 < percent < 100
    return f"{min(max(percent, 0.1), 99.9):.1f}{NBSP}%" if fine else f"{percent:.0f}{NBSP}%"


def seconds(ms: float | None) -> str:
    """A time in ms, as seconds."""
    if ms is None:
        return NOTHING
    return minus(f"{ms / 1000:.2f}{NBSP}s" if ms < 9_995 else f"{ms / 1000:.0f}{NBSP}s")


def ms(value: float | None) -> str:
    """A number alone, for columns that name the unit."""
    return NOTHING if value is None else minus(f"{value:,.0f}".replace(",", "\u202f"))


def minus(number: str) -> str:
    """A number with the sign that is as wide as a plus: a hyphen is lost in a column. A rounded 0 has no sign."""
    return number.replace("-", "\u2212") if any(digit in number for digit in "123456789") else number.lstrip("-")


def count(n: int, of: int) -> str:
    return f"{n} of {of}"


def counted(n: int, of: int) -> str:
    """A count with its 95 % interval."""
    return f"{count(n, of)} ({within(measured_share('', n, of, ''))})" if of else count(n, of)


def within(measure: Measure) -> str:
    """The 95 % interval of a measure. A dash: it has none."""
    if measure.low is None or measure.high is None:
        return NOTHING
    low, high = value(measure, measure.low), value(measure, measure.high)
    unit = low.rpartition(NBSP)[2]
    return (
        f"{low.removesuffix(NBSP + unit)} to {high}"
        if NBSP in low and high.endswith(NBSP + unit)
        else f"{low} to {high}"
    )


def middle(values: Sequence[float]) -> str:
    """The median of times in ms, as seconds, with its 95 % interval and n."""
    found = spread("", [ms / 1000 for ms in values], "", 50, unit="s")
    return f"{value(found, found.value)} ({within(found)}, n{NBSP}{found.n})"


def many(n: int, one: str, more: str = "") -> str:
    return f"{n} {one if n == 1 else more or one + 's'}"


def value(measure: Measure, number: float | None) -> str:
    """A number in the unit of the measure."""
    if number is None:
        return NOTHING
    match measure.unit:
        case "share":
            return share(number)
        case "s":
            return f"{number:.2f}{NBSP}s"
        case "ms":
            return f"{ms(number)}{NBSP}ms"
        case "":
            return f"{number:.3g}"
        case unit:
            return f"{number:.3g} {unit}"


def known(values: Iterable[float | None]) -> list[float]:
    return [v for v in values if v is not None]


def at(percent: float, values: Sequence[float]) -> float | None:
    """A percentile. None: there are no values."""
    return float(np.percentile(values, percent)) if values else None


def mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
