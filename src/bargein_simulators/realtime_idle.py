"""`idle_timeout_ms` of a simulated session: after a response and a silence the model speaks again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bargein_simulators.realtime_port import SessionPort


class IdleTimeout:
    """Counts from the end of a response's playback, which the vendor takes to be response.done plus the audio's length.

    now_ms: length of the user's audio so far. timed_out: called with the user's silence, from and until which position.
    """

    def __init__(
        self, session: SessionPort, now_ms: Callable[[], float], timed_out: Callable[[float, float], None]
    ) -> None:
        self._session, self._now_ms, self._timed_out = session, now_ms, timed_out
        self._waiting: asyncio.Task[None] | None = None

    def start(self, audio_ms: float) -> None:
        """A response is over. audio_ms: length of its audio."""
        self.stop()
        turns = self._session.config["audio"]["input"].get("turn_detection") or {}
        if (idle_ms := turns.get("idle_timeout_ms")) is not None:
            self._waiting = self._session.spawn(self._wait(audio_ms, idle_ms))

    def stop(self) -> None:
        """The user speaks, or a response begins."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    async def _wait(self, audio_ms: float, idle_ms: float) -> None:
        await asyncio.sleep(audio_ms / 1000)
        from_ms = self._now_ms()
        await asyncio.sleep(idle_ms / 1000)
        self._waiting = None
        self._timed_out(from_ms, self._now_ms())
