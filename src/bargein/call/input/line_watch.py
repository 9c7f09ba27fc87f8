"""Is the telephone line alive? A telephone network sends sound all the time, silence too."""

from __future__ import annotations

from collections.abc import Callable

from bargein.protocols import ClientFault

MUTE_MS = 10_000  # without a frame from a network that sends all the time: something is wrong
GONE_MS = 60_000  # and then nobody is there


class LineWatch:
    """fault: told once that no sound comes; hang_up: ends the call."""

    def __init__(self, fault: Callable[[ClientFault], None], hang_up: Callable[[str], None]) -> None:
        self._fault = fault
        self._hang_up = hang_up
        self._told = False

    def tick(self, mute_ms: float) -> None:
        """No sound came for so long."""
        if mute_ms < MUTE_MS:
            self._told = False
        elif mute_ms >= GONE_MS:
            self._hang_up(f"no sound came for {GONE_MS / 1000:g} s")
        elif not self._told:
            self._told = True
            advice = "Nobody can be heard: look at the telephone vendor's stream"
            self._fault(ClientFault("no_audio", f"No sound for {MUTE_MS / 1000:g} s", advice))
