"""What fills the pauses between replies: silence, for far ends that give a stream up when no media comes (some networks
do after seconds), or the agent's background sound.

The frames are neither marked nor counted: no position moves, and nothing of them was heard. None is sent while other
messages leave or wait, so that speech stands behind at most the rest of one frame.
"""

from __future__ import annotations

import logging

import numpy as np

from bargein.audio.ambience import Ambience
from bargein.audio.mulaw import SILENCE
from bargein.audio.pcm import FRAME_MS
from bargein.call.ticker import Ticker
from bargein.protocols import WireSamples
from bargein.server.hub import Hub
from bargein.transports.telephone.dialect import PausingDialect, TelephoneDialect
from bargein.transports.telephone.wire import Wire

log = logging.getLogger(__name__)

BEHIND_MS = 100.0  # later than this, missed frames of the background are skipped


class KeepaliveWire:
    """A telephone.Wire by shape. Silence begins and ends with the stream: an agent may wait for the caller to speak.

    every_ms: between two frames of silence; None: none is sent, until a background is played. lead_ms: so far the
    replies' frames are ahead of what sounds.
    """

    def __init__(
        self, wire: Wire, dialect: TelephoneDialect, ticker: Ticker, every_ms: float | None, lead_ms: float = 0.0
    ) -> None:
        self._wire = wire
        self._dialect = dialect
        self._ticker = ticker
        self._every_ms = every_ms
        self._lead_ms = lead_ms
        self._background: Ambience | None = None
        self._sent_ms: float | None = None  # when the newest message left, or the stream began
        self._due_ms = 0.0  # the background's next frame
        self._ticks = every_ms is not None
        if self._ticks:
            ticker.add(self._tick, lambda _: None)

    def play_background(self, background: Ambience) -> None:
        """Fill the pauses with this from now on."""
        self._background = background
        if not self._ticks:
            self._ticks = True
            self._ticker.add(self._tick, lambda _: None)

    @property
    def unsent(self) -> int:
        return self._wire.unsent

    def text(self, data: bytes) -> None:
        if self._ticks:
            self._leaves()
        self._wire.text(data)

    def binary(self, data: bytes) -> None:
        if self._ticks:
            self._leaves()
        self._wire.binary(data)

    def close(self, code: int, reason: str) -> None:
        if self._ticks:
            self._ticks = False
            self._ticker.remove(self._tick)
        self._wire.close(code, reason)

    def _leaves(self) -> None:
        self._sent_ms = self._ticker.clock.now_ms()
        self._due_ms = self._sent_ms + self._lead_ms + FRAME_MS  # when what was sent has sounded

    def _tick(self, now_ms: float) -> None:
        if self._sent_ms is None:
            self._sent_ms = now_ms if self._dialect.started else None
            self._due_ms = now_ms
            return
        if self._background is not None:
            self._play(now_ms, self._background)
            return
        if self._every_ms is None or now_ms - self._sent_ms < self._every_ms or self._wire.unsent:
            return
        self._sent_ms = now_ms
        self._send(self._silence())

    def _play(self, now_ms: float, background: Ambience) -> None:
        if now_ms - self._due_ms > BEHIND_MS:
            self._due_ms = now_ms
        while self._due_ms <= now_ms and not self._wire.unsent:
            self._due_ms += FRAME_MS
            size = self._dialect.rate * FRAME_MS // 1000
            self._send(background.quiet_mulaw(size) if self._dialect.mulaw else background.next(size))

    def _send(self, samples: WireSamples) -> None:
        media = self._dialect.media(samples)
        (self._wire.binary if self._dialect.binary else self._wire.text)(media)

    def _silence(self) -> WireSamples:
        """A frame in the format that the stream's start has told."""
        size = self._dialect.rate * FRAME_MS // 1000
        return np.full(size, SILENCE, np.uint8) if self._dialect.mulaw else np.zeros(size, np.int16)


def kept_alive(hub: Hub, wire: Wire, dialect: TelephoneDialect) -> Wire:
    """The wire, with silence in its pauses where the server's `keepalive_ms` asks for it, and the agent's background
    where it has one. A network that tells its queue's length gets neither: each frame counts there."""
    if isinstance(dialect, PausingDialect):
        return wire
    return KeepaliveWire(wire, dialect, hub.host.ticker, hub.settings.keepalive_ms, hub.settings.lead_ms)
