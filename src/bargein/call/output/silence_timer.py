"""How long the client takes to fall silent."""

from __future__ import annotations

from typing import Literal

from bargein.protocols import Meter


class SilenceTimer:
    """Measures from the order to be silent to the client's word that nothing sounds."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._ordered_ms: float | None = None

    def ordered(self, now_ms: float) -> None:
        """The client is told to be silent."""
        self._ordered_ms = now_ms

    def confirmed(self, now_ms: float, cause: Literal["hold", "cut"]) -> None:
        """The client says that it is silent. A second word on one order is not measured."""
        if self._ordered_ms is not None:
            self._meter.observe("stop", now_ms - self._ordered_ms, cause)
            self._ordered_ms = None
