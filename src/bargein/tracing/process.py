"""Which process tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ThisProcess:
    """What stands in the resource of all that is exported."""

    node: str
    """The server's id."""
    version: str
    """Bargein's."""
