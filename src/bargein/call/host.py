"""What every call of a process shares."""

from __future__ import annotations

from dataclasses import dataclass

from bargein.call.ticker import Ticker
from bargein.clock import Clock
from bargein.protocols import VAD, Meter


@dataclass(frozen=True, slots=True)
class Runtime:
    """clock and ticker: one of each per process; vad: all calls in one batch; meter: where measurements go;
    lead_ms: how far audio may run ahead of the loudspeaker."""

    clock: Clock
    ticker: Ticker
    vad: VAD
    meter: Meter
    lead_ms: float = 100
