"""How much of this process's capacity is taken: by its calls, and by how late its ticks and VAD windows come.

Processor time says little: other processes share the machine, and a process that is late at 70 % of a core is full. The
promise is the time from a caller's first sound to silence, and lateness is the part of that time that load adds.
"""

from __future__ import annotations

from bargein.audio.vad import SileroVAD
from bargein.call.ticker import Ticker
from bargein.clock import Clock
from bargein.fleet.records import Load
from bargein.server.calls import Calls

SPAN_MS = 4_000.0  # the quantile is that of the newest 4 to 8 s
TOP_MS = 255  # later ones count as this
QUANTILE = 0.99
LATE_LIMIT_MS = 37.0  # of 120 ms from onset to silence (p99), a call alone takes 83


class Lateness:
    """How late something recurrent came, lately: a histogram of whole ms. `note` allocates nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._new = [0] * (TOP_MS + 1)
        self._old = [0] * (TOP_MS + 1)
        self._until_ms = clock.now_ms() + SPAN_MS

    def note(self, late_ms: float) -> None:
        """It came so late. A negative number is early, and counts as in time."""
        if self._clock.now_ms() >= self._until_ms:
            self._turn()
        self._new[TOP_MS if late_ms >= TOP_MS else int(late_ms) if late_ms > 0 else 0] += 1

    def high(self) -> float:
        """The 99th percentile, in ms. 0: nothing came lately."""
        if self._clock.now_ms() >= self._until_ms:
            self._turn()
        total = sum(self._new) + sum(self._old)
        left = total - int(total * QUANTILE)  # so many came this late, or later
        for ms in range(TOP_MS, 0, -1):
            left -= self._new[ms] + self._old[ms]
            if left <= 0:
                return float(ms) if total else 0.0
        return 0.0

    def _turn(self) -> None:
        now = self._clock.now_ms()
        stale = now >= self._until_ms + SPAN_MS  # the newer half is old, too
        self._old, self._new = self._new, self._old
        self._new[:] = [0] * (TOP_MS + 1)
        if stale:
            self._old[:] = self._new
        self._until_ms = now + SPAN_MS


class LoadMeter:
    """Measures from now on. One for a ticker and a VAD."""

    def __init__(self, ticker: Ticker, vad: SileroVAD, calls: Calls) -> None:
        self._calls = calls
        self._ticks, self._windows = Lateness(ticker.clock), Lateness(ticker.clock)
        ticker.on_round, vad.on_late = self._ticks.note, self._windows.note

    def read(self) -> Load:
        """The load now."""
        calls, most, late_ms = self._calls.taken, self._calls.most, self.late_ms
        return Load(calls, most, late_ms, max(calls / most if most else 1.0, late_ms / LATE_LIMIT_MS))

    @property
    def late_ms(self) -> float:
        """How late the ticker and the VAD ran, in 1 of 100 rounds of the last seconds."""
        return max(self._ticks.high(), self._windows.high())
