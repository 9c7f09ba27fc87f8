"""One line of what `bargein doctor` reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["works", "off", "look", "fails"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    what: str
    state: State
    """off: not configured, so not tried. look: may be meant so. fails: configured, and does not work."""
    detail: str
    advice: str = ""
    """What to do. "": nothing."""
