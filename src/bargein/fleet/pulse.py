"""The node's pulse: how far each reply that sounds was heard, 20 times a second, in one small message for the node."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

import msgspec

from bargein.errors import FleetAway
from bargein.fleet.keys import pulse_key
from bargein.fleet.reach import Reach
from bargein.fleet.store import Put

log = logging.getLogger(__name__)

PULSE_S = 0.05
STAY_MS = 5_000  # a position is told on after its reply fell silent: until the memory has the reply's end
ALL = "all"  # the field of all positions
Positions = Callable[[], Mapping[str, tuple[int, int]]]


class Beat(msgspec.Struct, frozen=True, array_like=True):
    """A position in the store. at_ms: the store's time."""

    reply: int
    samples: int
    at_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Beat).decode
_decode_all = msgspec.msgpack.Decoder(dict[str, Beat]).decode


class Pulse:
    """One command of the store each 50 ms while anything sounds, and none else."""

    def __init__(self, reach: Reach, owner: str, keep_ms: int) -> None:
        self._reach, self._key, self._keep_ms = reach, pulse_key(owner), keep_ms
        self.positions: Positions = dict
        self._beats: dict[str, Beat] = {}  # of the calls that sound, or did in the last STAY_MS
        self._kept_ms: float | None = None  # when the key's life was extended last, by our clock

    def of(self, call_id: str) -> bytes | None:
        """A call's position now, as it would be stored. None: nothing of the call sounds, nor did lately."""
        found = self.positions().get(call_id)
        if found is not None:
            return _encode(Beat(*found, self._reach.now_ms))
        beat = self._beats.get(call_id)
        return None if beat is None else _encode(beat)

    async def run(self) -> None:
        """Until cancelled. While the store is away, nothing is told: a position is old in a moment."""
        while True:
            await asyncio.sleep(PULSE_S)
            try:
                await self.beat()
            except FleetAway:
                await self._reach.back()
            except Exception:
                log.exception("The pulse failed")
                await asyncio.sleep(1)

    async def beat(self) -> None:
        """Tell what changed. Raises FleetAway."""
        now_ms, beats, changed = self._reach.now_ms, self._beats, False
        for call_id, (reply, samples) in self.positions().items():
            known = beats.get(call_id)
            if known is None or known.samples != samples or known.reply != reply:
                beats[call_id] = Beat(reply, samples, now_ms)
                changed = True
        if not changed:
            return
        for call_id in [each for each, beat in beats.items() if now_ms - beat.at_ms > STAY_MS]:
            del beats[call_id]
        clock_ms = self._reach.clock.now_ms()
        extend = self._kept_ms is None or clock_ms - self._kept_ms > self._keep_ms / 4
        await self._reach.one(Put(self._key, {ALL: _encode(beats)}, 2 * self._keep_ms if extend else None))
        if extend:
            self._kept_ms = clock_ms

    def forget(self, call_id: str) -> None:
        """The call is over."""
        self._beats.pop(call_id, None)


def read_pulse(fields: dict[str, bytes], call_id: str) -> Beat | None:
    """A call's position in the pulse of its former node. None: there is none that can be read."""
    try:
        return _decode_all(fields[ALL]).get(call_id) if ALL in fields else None
    except msgspec.MsgspecError:
        return None


def read_beat(stored: bytes | None) -> Beat | None:
    """A position that was stored alone. None: there is none that can be read."""
    if stored is None:
        return None
    try:
        return _decode(stored)
    except msgspec.MsgspecError:
        return None
