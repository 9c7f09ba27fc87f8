"""The user's sound on its way to a vendor: what has not been answered for is kept, so that a connection that
breaks costs no word."""

from __future__ import annotations

import asyncio
from collections import deque

import numpy as np

from bargein.audio.pcm import Samples


class Backlog:
    """Sound with its positions, counted in samples from the first that was fed.

    rate: Hz; keep_ms: at most so much is kept; then the oldest goes, and is counted in `dropped`. Belongs to one
    event loop; nothing here waits but `more`.
    """

    def __init__(self, rate: int, keep_ms: float = 30_000) -> None:
        self.rate = rate
        self.dropped = 0  # samples
        self.end = 0  # position after the newest sample
        self.sent = 0  # position of the next to be taken
        self._first = 0  # position of the oldest that is kept
        self._most = int(keep_ms * rate / 1000)
        self._kept: deque[Samples] = deque()
        self._more = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Samples that were not taken yet."""
        return self.end - self.sent

    def push_audio(self, samples: Samples) -> None:
        """The next stretch. Never waits."""
        if not len(samples):
            return
        self._kept.append(samples)
        self.end += len(samples)
        while self.end - self._first > self._most:
            self._forget(self._first + len(self._kept[0]))
        self._more.set()

    def take(self, samples: int) -> Samples | None:
        """The next so many samples; None when fewer wait."""
        if self.waiting < samples:
            return None
        parts: list[Samples] = []
        at, until = self._first, self.sent + samples
        for part in self._kept:
            if at + len(part) > self.sent:
                parts.append(part[max(0, self.sent - at) : until - at])
            at += len(part)
            if at >= until:
                break
        self.sent = until
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    async def more(self, samples: int) -> None:
        """Wait until so many samples can be taken."""
        while self.waiting < samples:
            self._more.clear()
            await self._more.wait()

    def acknowledge(self, position: int) -> None:
        """The vendor has answered for all before this position: it need not be kept."""
        while self._kept and self._first + len(self._kept[0]) <= min(position, self.sent):
            self._first += len(self._kept.popleft())

    def skip(self, position: int) -> None:
        """What lies before this position need not be taken; it is kept until it is acknowledged."""
        self.sent = max(self.sent, min(position, self.end))

    def rewind(self) -> int:
        """Everything that is kept is to be taken once more; the position at which that begins."""
        self.sent = self._first
        return self._first

    def _forget(self, until: int) -> None:
        self._kept.popleft()
        if until > self.sent:
            self.dropped += until - self.sent
            self.sent = until
        self._first = until
