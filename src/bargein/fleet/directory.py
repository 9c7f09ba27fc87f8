"""The calls of all nodes, as the store lists them, and the step by which one of them changes its node."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from bargein.errors import MemoryRefused
from bargein.fleet.commands import told
from bargein.fleet.keys import (
    CALL,
    CALLS,
    EPOCH,
    MEMORY,
    OVER,
    OWNER,
    POSITION,
    QUEUE_TTL_MS,
    RECORD,
    audio_of,
    call_key,
    control_queue,
    events_channel,
    network_key,
    pulse_key,
)
from bargein.fleet.live_events import MOVED
from bargein.fleet.own_calls import OwnCalls, encode_record
from bargein.fleet.pulse import read_beat, read_pulse
from bargein.fleet.reach import Reach
from bargein.fleet.records import CallRecord, Memory
from bargein.fleet.sealing import Seal
from bargein.fleet.store import Delete, Lowest, Match, Now, Operation, Publish, Push, Put, Read, Unrank

log = logging.getLogger(__name__)

MOST_CALLS = 1_000_000
READ_CALLS = 500  # in one round trip
LOST = "fleet.lost"  # the command: another node has claimed a call

_decode = msgspec.msgpack.Decoder(CallRecord).decode


class CallDirectory:
    """Of one node."""

    def __init__(self, reach: Reach, own: OwnCalls, seal: Seal) -> None:
        self._reach, self._own, self._seal = reach, own, seal

    async def find_call(self, call_id: str) -> CallRecord | None:
        """A call on any node. Raises FleetAway, unless it is this node's."""
        own = self._own.record(call_id)
        if own is not None:
            return own
        return _record(await self._reach.one(Read(call_key(call_id), (RECORD,))))

    async def find_ended(self, call_id: str) -> str | None:
        """The node that had a call last which is over. None: none is known. Raises FleetAway."""
        found = await self._reach.one(Read(call_key(call_id), (EPOCH, OWNER)))
        return found[OWNER].decode().partition(":")[0] if found.get(EPOCH) == OVER and OWNER in found else None

    async def find_by_network(self, network: str, network_id: str) -> CallRecord | None:
        """A call on any node, by its network's id. Raises FleetAway."""
        found = await self._reach.one(Read(network_key(network, network_id), (CALL,))) if network_id else {}
        return await self.find_call(found[CALL].decode()) if found else None

    async def calls(self) -> list[CallRecord]:
        """The calls of all nodes, oldest first. Raises FleetAway."""
        ids: list[str] = await self._reach.one(Lowest(CALLS, MOST_CALLS))
        found: list[CallRecord] = []
        for start in range(0, len(ids), READ_CALLS):
            part = ids[start : start + READ_CALLS]
            fields = await self._reach.run([Read(call_key(id_), (RECORD,)) for id_ in part])
            records = [_record(each) for each in fields]
            gone = [id_ for id_, record in zip(part, records, strict=True) if record is None]
            if gone:
                await self._reach.run([Unrank(CALLS, id_) for id_ in gone])
            found += [record for record in records if record is not None]
        return found

    async def recall(self, record: CallRecord, field: str) -> bytes | None:
        """One field of a call's memory. None: there is none. Raises FleetAway, MemoryRefused."""
        name = MEMORY + field
        found = await self._reach.one(Read(call_key(record.id), (name,)))
        return self._seal.open(record.id, field, found[name]) if name in found else None

    async def claim(self, record: CallRecord, mine: CallRecord, owner: str, keep_ms: int) -> Memory | None:
        """Make a call a node's. mine: its record then. Raises FleetAway, MemoryRefused; see Fleet.claim."""
        key = call_key(record.id)
        fields: dict[str, bytes | None] = {
            RECORD: encode_record(mine),
            EPOCH: b"%d" % mine.epoch,
            OWNER: owner.encode(),
            POSITION: None,
        }
        at = Match(EPOCH, b"%d" % record.epoch)
        before, claimed = await self._reach.run([Read(key, (OWNER, POSITION)), Put(key, fields, keep_ms, at)])
        if not claimed:
            return None
        former = before[OWNER].decode() if OWNER in before else ""
        steps: list[Operation[Any]] = [Read(key), Read(pulse_key(former)), Now()]
        for topic in (record.id, audio_of(record.id)):
            steps.append(Publish(events_channel(topic), MOVED))  # those who watch it look for its new node
        if record.node and record.node != mine.node:
            lost = told(LOST, {"call": record.id, "epoch": mine.epoch}, within_ms=QUEUE_TTL_MS)
            steps.append(Push(control_queue(record.node), lost, QUEUE_TTL_MS))
        stored, pulses, now_ms, *_ = await self._reach.run(steps)
        try:
            memory = {
                name.removeprefix(MEMORY): self._seal.open(record.id, name.removeprefix(MEMORY), value)
                for name, value in stored.items()
                if name.startswith(MEMORY)
            }
        except MemoryRefused:
            await self._reach.run([Delete(key, Match(EPOCH, fields[EPOCH])), Unrank(CALLS, record.id)])
            raise
        beat = read_beat(before.get(POSITION)) or read_pulse(pulses, record.id)
        if beat is None:
            return Memory(mine, memory, None, 0.0)
        return Memory(mine, memory, (beat.reply, beat.samples), max(0.0, float(now_ms - beat.at_ms)))


def _record(fields: dict[str, bytes]) -> CallRecord | None:
    if RECORD not in fields:
        return None
    try:
        return _decode(fields[RECORD])
    except msgspec.MsgspecError:
        log.warning("The record of a call cannot be read: is another version of Bargein in the fleet?")
        return None
