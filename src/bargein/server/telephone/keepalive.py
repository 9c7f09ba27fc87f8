"""Silence for far ends that give a stream up when no media comes: some networks do after seconds.

The frames are neither marked nor counted: no position moves, and nothing of them was heard. None is sent while other
messages leave or wait, so that speech stands behind at most the rest of one frame.
"""

from __future__ import annotations

import logging

import numpy as np

from bargein.audio.mulaw import SILENCE
from bargein.audio.pcm import FRAME_MS
from bargein.call.ticker import Ticker
from bargein.protocols import WireSamples
from bargein.server.hub import Hub
from bargein.transports.telephone.dialect import PausingDialect, TelephoneDialect
from bargein.transports.telephone.wire import Wire

log = logging.getLogger(__name__)


class KeepaliveWire:
    """A telephone.Wire by shape. Silence begins and ends with the stream: an agent may wait for the caller to speak."""

    def __init__(self, wire: Wire, dialect: TelephoneDialect, ticker: Ticker, every_ms: float) -> None:
        self._wire = wire
        self._dialect = dialect
        self._ticker = ticker
        self._every_ms = every_ms
        self._sent_ms: float | None = None  # when the newest message left, or the stream began
        ticker.add(self._tick, lambda _: None)

    @property
    def unsent(self) -> int:
        return self._wire.unsent

    def text(self, data: bytes) -> None:
        self._leaves()
        self._wire.text(data)

    def binary(self, data: bytes) -> None:
        self._leaves()
        self._wire.binary(data)

    def close(self, code: int, reason: str) -> None:
        self._ticker.remove(self._tick)
        self._wire.close(code, reason)

    def _leaves(self) -> None:
        self._sent_ms = self._ticker.clock.now_ms()

    def _tick(self, now_ms: float) -> None:
        if self._sent_ms is None:
            self._sent_ms = now_ms if self._dialect.started else None
            return
        if now_ms - self._sent_ms < self._every_ms or self._wire.unsent:
            return
        self._sent_ms = now_ms
        media = self._dialect.media(self._silence())
        (self._wire.binary if self._dialect.binary else self._wire.text)(media)

    def _silence(self) -> WireSamples:
        """A frame in the format that the stream's start has told."""
        size = self._dialect.rate * FRAME_MS // 1000
        return np.full(size, SILENCE, np.uint8) if self._dialect.mulaw else np.zeros(size, np.int16)


def kept_alive(hub: Hub, wire: Wire, dialect: TelephoneDialect) -> Wire:
    """The wire, with silence in its pauses where the server's `keepalive_ms` asks for it. A network that tells its
    queue's length gets none: each frame counts there."""
    every_ms = hub.settings.keepalive_ms
    if isinstance(dialect, PausingDialect):
        return wire
    return wire if every_ms is None else KeepaliveWire(wire, dialect, hub.host.ticker, every_ms)
