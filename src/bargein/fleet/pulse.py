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
Positions = Callable[[], Mapping[str, tuple[int, int]]]


class Beat(msgspec.Struct, frozen=True, array_like=True):
    """A position in the store. at_ms: the store's time."""

    reply: int
    samples: int
    at_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Beat).decode


class Pulse:
    """One command of the store each 50 ms while anything sounds, and none else."""

    def __init__(self, reach: Reach, owner: str, keep_ms: int) -> None:
        self._reach, self._key, self._keep_ms = reach, pulse_key(owner), keep_ms
        self.positions: Positions = dict
        self._told: dict[str, tuple[int, int]] = {}
        self._returns = reach.returns

    def of(self, call_id: str) -> bytes | None:
        """A call's position now, as it would be stored. None: nothing of the call sounds, nor did lately."""
        found = self.positions().get(call_id) or self._told.get(call_id)
        return None if found is None else _encode(Beat(*found, self._reach.now_ms))

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
        if self._returns != self._reach.returns:
            self._returns = self._reach.returns
            self._told = {}
        now = dict(self.positions())
        changed = {call: at for call, at in now.items() if self._told.get(call) != at}
        if changed:
            at_ms = self._reach.now_ms
            fields: dict[str, bytes | None] = {call: _encode(Beat(*at, at_ms)) for call, at in changed.items()}
            await self._reach.one(Put(self._key, fields, self._keep_ms))
            self._told |= changed

    def forget(self, call_id: str) -> None:
        """The call is over."""
        self._told.pop(call_id, None)


def read_beat(stored: bytes | None) -> Beat | None:
    """A stored position. None: there is none that can be read."""
    if stored is None:
        return None
    try:
        return _decode(stored)
    except msgspec.MsgspecError:
        return None
