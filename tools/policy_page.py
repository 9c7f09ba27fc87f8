"""Makes docs/policy.md of the policy's declarations: `python tools/policy_page.py`. A test keeps the page true."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from bargein.floor import Policy
from bargein.floor.numbers import Number
from bargein.floor.policy import PRESETS
from bargein.floor.policy_groups import GROUPS, NUMBERS

PAGE = Path(__file__).parents[1] / "docs" / "policy.md"
HEAD = """\
<!-- Made by tools/policy_page.py from src/bargein/floor/*_policy.py and policy_groups.py. Change these, and run the
script. -->

# The policy: every number that decides who may speak

A policy says how readily the agent yields. It begins as one of three presets, and every number can be set alone, by its
one name:

| where | how |
| --- | --- |
| Python | `Policy.balanced().with_({"confirm_ms": 250})` |
| an agent's TOML | `preset = "balanced"`, and `confirm_ms = 250` under `[policy]` |
| a call, from its client | `settings` in the `hello`, or later, in protocol bargein.v1 ([protocol.md](protocol.md)) |
| a recorded call | `bargein replay CALL --set confirm_ms=250` |
| many recorded calls | `bargein tune DIR` proposes the numbers ([tuning.md](tuning.md)) |

`GET /policy` gives this page as JSON; the page's sliders are made from it. How the numbers are used is told in
[floor.md](floor.md).

The last two columns name the nearest setting of Pipecat 1.14 and of LiveKit Agents 1.8, with its default; both count in
seconds. Pipecat has no hold. LiveKit pauses a reply where Bargein would cut it, and resumes it after a false
interruption. So most numbers of a hold have no counterpart.
"""


def page() -> str:
    """The page, whole."""
    parts = [HEAD, "## Presets\n\nThe numbers in which they differ.\n", _presets()]
    for kind in GROUPS:
        about = (kind.__doc__ or "").strip()
        numbers = [number for number in NUMBERS.values() if number.group == kind.group]
        parts += [f"\n## `{kind.group}`\n\n{about}\n", _table(_HEADS, map(_row, numbers))]
    return "\n".join(parts)


def _presets() -> str:
    presets = {name: Policy.named(name).numbers() for name in PRESETS}
    differing = [name for name in NUMBERS if len({str(numbers[name]) for numbers in presets.values()}) > 1]
    rows = [[f"`{name}`", *(_value(numbers[name]) for numbers in presets.values())] for name in differing]
    return _table(["number", *(f"`{name}`" for name in presets)], rows)


_HEADS = ["number", "unit", "default", "range", "what it decides", "Pipecat", "LiveKit"]


def _row(number: Number) -> list[str]:
    return [
        f"`{number.name}`",
        number.unit or "-",
        _value(number.default),
        number.range,
        number.about,
        number.pipecat,
        number.livekit,
    ]


def _value(value: object) -> str:
    if value is None or value == ():
        return "none"
    return f"{value:,g}" if isinstance(value, float | int) and not isinstance(value, bool) else json.dumps(value)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
