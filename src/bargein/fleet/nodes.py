"""The nodes of a fleet: this one's heartbeat, the view of the others, and the node for a new call."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Container

import msgspec

from bargein.errors import FleetAway
from bargein.fleet.keys import BEAT, INSTANCE, NODE_TTL_MS, NODES, RECORD, node_key
from bargein.fleet.reach import Reach, pause_s
from bargein.fleet.records import NodeRecord
from bargein.fleet.store import Delete, Lowest, Match, Operation, Put, Rank, Read, Unrank

log = logging.getLogger(__name__)

BEAT_S = 1.0
PLACES = 32  # of the least loaded nodes that are looked at for a new call
LAST = 1_000.0  # added to the rank of a node that takes no calls
MOST_NODES = 100_000
PLACE_MS = 250.0  # that a new call waits for the store; then it stays here

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(NodeRecord).decode


class Nodes:
    """Reads cost two round trips, whatever their number. A heartbeat is one round trip of three commands."""

    def __init__(self, reach: Reach, own: Callable[[], NodeRecord]) -> None:
        """own: this node as it is now."""
        self._reach, self._own = reach, own
        self._beats = 0
        self._placed: dict[str, tuple[bytes, int]] = {}  # since which heartbeat of a node, and how many calls
        self._wake = asyncio.Event()
        self.displaced: str | None = None
        """Another process that has this node's id, by its instance."""

    async def beat(self) -> None:
        """One heartbeat. Raises FleetAway."""
        own = self._own()
        self._beats += 1
        key, instance = node_key(own.id), own.instance.encode()
        fields: dict[str, bytes | None] = {
            RECORD: _encode(own),
            INSTANCE: instance,
            BEAT: f"{own.instance}.{self._beats}".encode(),
        }
        ours = Match(INSTANCE, instance, or_absent=True)
        rank = own.load.used + (0.0 if own.takes_calls else LAST)
        steps: list[Operation[object]] = [Put(key, fields, NODE_TTL_MS, ours), Rank(NODES, own.id, rank)]
        kept, _ = await self._reach.measure(steps)
        if kept:
            self.displaced = None
        elif self.displaced is None:
            self.displaced = "another process"
            log.error("Another process runs as node %s: give each its own id (BARGEIN_NODE)", own.id)

    def beat_now(self) -> None:
        """Something changed that the others must know at once."""
        self._wake.set()

    async def run(self) -> None:
        """Heartbeats, until cancelled. While the store is away: attempts to reach it."""
        failures = 0
        while True:
            self._wake.clear()
            try:
                await self.beat()
                failures, wait_s = 0, BEAT_S
            except FleetAway:
                failures += 1
                wait_s = pause_s(failures)
            except Exception:
                log.exception("A heartbeat failed")
                wait_s = BEAT_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    async def leave(self) -> None:
        """The node is gone for the others. Raises FleetAway."""
        own = self._own()
        (ours,) = await self._reach.run([Delete(node_key(own.id), Match(INSTANCE, own.instance.encode()))])
        if ours:
            await self._reach.one(Unrank(NODES, own.id))

    async def forget(self, node: str) -> None:
        """The process of another node is over. Never raises."""
        with contextlib.suppress(FleetAway):
            await self._reach.run([Delete(node_key(node)), Unrank(NODES, node)])

    async def all(self) -> list[NodeRecord]:
        """Those whose heartbeat is fresh, by id. Raises FleetAway."""
        found = [record for record, _ in await self._read(MOST_NODES)]
        return sorted(found, key=lambda record: record.id)

    async def holder(self, node: str) -> str | None:
        """Instance of the process that has a node's id now. Raises FleetAway."""
        found: dict[str, bytes] = await self._reach.one(Read(node_key(node), (INSTANCE,)))
        return found[INSTANCE].decode() if found else None

    async def place(self, but: Container[str]) -> NodeRecord | None:
        """The least loaded node that takes calls; this one among equals. Calls that were placed since a node's newest
        heartbeat count as taken there. Store away: this node. None: none takes calls."""
        own = self._own()
        try:
            async with asyncio.timeout(PLACE_MS / 1000):
                found = await self._read(PLACES)
        except (FleetAway, TimeoutError):
            found = []
        known = {record.id: (record, beat) for record, beat in found}
        known[own.id] = (own, known[own.id][1] if own.id in known else b"")
        best: tuple[float, bool, float] | None = None
        chosen: NodeRecord | None = None
        for record, beat in known.values():
            placed = self._since(record.id, beat)
            load = record.load
            if record.id in but or not record.takes_calls or load.calls + placed >= load.most:
                continue
            rank = (load.used + placed / load.most, record.id != own.id, random.random())  # noqa: S311
            if best is None or rank < best:
                best, chosen = rank, record
        if chosen is not None:
            beat = known[chosen.id][1]
            self._placed[chosen.id] = (beat, self._since(chosen.id, beat) + 1)
        return chosen

    def _since(self, node: str, beat: bytes) -> int:
        since, count = self._placed.get(node, (beat, 0))
        return count if since == beat else 0

    async def _read(self, most: int) -> list[tuple[NodeRecord, bytes]]:
        """Raises FleetAway."""
        ids = await self._reach.one(Lowest(NODES, most))
        fields = await self._reach.run([Read(node_key(id_)) for id_ in ids]) if ids else []
        found, gone = [], []
        for id_, each in zip(ids, fields, strict=True):
            if not each:
                gone.append(id_)
                continue
            try:
                found.append((_decode(each[RECORD]), each[BEAT]))
            except (msgspec.MsgspecError, KeyError):
                log.warning("The record of node %s cannot be read: is it of another version?", id_)
        if gone:
            await self._reach.run([Unrank(NODES, id_) for id_ in gone])
        return found
