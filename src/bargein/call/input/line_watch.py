"""Is the telephone line alive? Most networks send audio all the time, also of silence. Some send nothing in silence
(DTX) or while the caller's telephone is mute, so a line without audio is noted soon, and given up late."""

from __future__ import annotations

from collections.abc import Callable

from bargein.protocols import ClientFault

MUTE_MS = 10_000  # without a frame: the caller is mute, or something is wrong with the stream
GONE_MS = 600_000  # without a frame: the call is ended. A lost connection ends it sooner, and so may the agent
# How loud callers are, dB of full scale. Of 164 phrases over real telephones one is softer by 8 dB and more, in the
# loudest window of its first 300 ms.
TELEPHONE_DB = -28.0


class LineWatch:
    """fault: gets a dead stream, once. hang_up: ends the call, with a reason."""

    def __init__(self, fault: Callable[[ClientFault], None], hang_up: Callable[[str], None]) -> None:
        self._fault = fault
        self._hang_up = hang_up
        self._reported = False

    def tick(self, mute_ms: float) -> None:
        """No audio has come for mute_ms."""
        if mute_ms < MUTE_MS:
            self._reported = False
        elif mute_ms >= GONE_MS:
            self._hang_up(f"no sound came for {GONE_MS / 1000:g} s")
        elif not self._reported:
            self._reported = True
            advice = "The caller's telephone is mute or silent, or the vendor's stream is broken"
            self._fault(ClientFault("no_audio", f"No sound for {MUTE_MS / 1000:g} s", advice))
