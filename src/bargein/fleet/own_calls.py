"""The calls of this node in the store: their records, and what is remembered of them.

What is to be written waits here by call and by field, the newest value of each, and one task writes it. So the store
may be away for as long as it likes: when it is back, everything that it lacks is written, even if it lost all.

A write names the call's epoch. It changes nothing once another node has claimed the call; then the call is lost to us.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bargein.errors import FleetAway
from bargein.fleet.bounds import within_bounds
from bargein.fleet.keys import (
    CALL,
    CALLS,
    EPOCH,
    MEMORY,
    OVER,
    OVER_TTL_MS,
    OWNER,
    POSITION,
    RECORD,
    call_key,
    network_key,
)
from bargein.fleet.reach import Reach
from bargein.fleet.records import CallRecord
from bargein.fleet.sealing import Seal
from bargein.fleet.store import Delete, Match, Operation, Put, Rank, Read, Touch, Unrank

log = logging.getLogger(__name__)

CALLS_A_WRITE = 32  # in one round trip
GONE_CALLS = 10_000  # that ended while the store was away
TOUCH_S = 30.0  # between two extensions of the calls' lives

encode_record = msgspec.msgpack.Encoder().encode


class OwnCall:
    """A call of this node, as the store should have it."""

    def __init__(self, record: CallRecord, fields: Mapping[str, bytes]) -> None:
        self.record = record
        self.fields = dict(fields)
        self.dirty: set[str] = set(fields)
        self.whole = True  # the store may lack all of it
        self.stored = asyncio.Event()


class OwnCalls:
    """A turn's memory costs one command of the store; a call's begin four, its end four, and two each 30 s."""

    def __init__(self, reach: Reach, owner: str, seal: Seal, keep_ms: int) -> None:
        """owner: node and instance. keep_ms: how long a call stays in the store after its node's death."""
        self._reach, self._owner, self._seal = reach, owner, seal
        self._ttl_ms = keep_ms + int(TOUCH_S * 1000)
        self._calls: dict[str, OwnCall] = {}
        self._dirty: dict[str, OwnCall] = {}
        self._gone: dict[str, CallRecord] = {}
        self._wake = asyncio.Event()
        self._written = asyncio.Condition()
        self._returns = reach.returns
        self.lost: Callable[[str], None] = lambda _: None
        self.dropped = 0
        """Fields of memories that were too large."""

    def __contains__(self, call_id: str) -> bool:
        return call_id in self._calls

    def record(self, call_id: str) -> CallRecord | None:
        """Of a call of this node."""
        call = self._calls.get(call_id)
        return None if call is None else call.record

    def records(self) -> list[CallRecord]:
        """Of this node's calls."""
        return [call.record for call in self._calls.values()]

    def own(self, record: CallRecord, fields: Mapping[str, bytes] | None = None) -> None:
        """The call is this node's. fields: of its memory, where it was claimed."""
        known = self._calls.get(record.id)
        call = OwnCall(record, fields if fields is not None else known.fields if known else {})
        self._calls[record.id] = call
        self._gone.pop(record.id, None)
        self._mark(call)

    def end(self, call_id: str) -> CallRecord | None:
        """The call is over. None: it is not ours (any more)."""
        call = self._forget(call_id)
        if call is None:
            return None
        self._gone[call_id] = call.record
        if len(self._gone) > GONE_CALLS:
            del self._gone[next(iter(self._gone))]  # its keys expire
        self._wake.set()
        return call.record

    def lose(self, call_id: str, epoch: int | None = None) -> None:
        """Another node has the call. epoch: the other's; a call of ours that is newer stays."""
        call = self._calls.get(call_id)
        if call is None or (epoch is not None and call.record.epoch >= epoch):
            return
        self._forget(call_id)
        log.warning("Call %s: another node has taken it over, for this one was thought dead", call_id)
        self.lost(call_id)

    def remember(self, call_id: str, fields: Mapping[str, bytes | None]) -> None:
        """Have fields of a call's memory written. Never waits."""
        call = self._calls.get(call_id)
        if call is None:
            return
        for name, value in fields.items():
            call.fields.pop(name, None)  # a new value is the newest
            if value is not None:
                call.fields[name] = value
            call.dirty.add(name)
        dropped = within_bounds(call.fields)
        if dropped:
            self.dropped += len(dropped)
            log.warning("Call %s: its memory is too large; left out: %s", call_id, ", ".join(dropped)[:200])
            call.dirty.update(dropped)
        self._mark(call)

    async def stored(self, call_id: str) -> None:
        """Until all of a call that waits is written, or the call is not ours."""
        if (call := self._calls.get(call_id)) is not None:
            await call.stored.wait()

    async def ended(self, call_id: str) -> None:
        """Until the end of a call is written."""
        async with self._written:
            await self._written.wait_for(lambda: call_id not in self._gone)

    async def release(self, call_id: str, position: bytes | None) -> bool:
        """Let another node claim the call now. False: it is not ours. Raises FleetAway: it stays ours."""
        call = self._calls.get(call_id)
        if call is None:
            return False
        await self._write([call])
        if call_id not in self._calls:
            return False
        left = msgspec.structs.replace(call.record, node="", moved=True)
        fields: dict[str, bytes | None] = {RECORD: encode_record(left), POSITION: position}
        if not await self._reach.one(Put(call_key(call_id), fields, self._ttl_ms, _at(call.record))):
            self.lose(call_id)
            return False
        self._forget(call_id)
        return True

    async def run(self) -> None:
        """Write what waits, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._write_all()
            except FleetAway:
                await self._reach.back()
                self._wake.set()
            except Exception:
                log.exception("Calls of this node could not be written")

    async def touch(self) -> None:
        """Let the calls live on in the store; what it lost is written again. Raises FleetAway."""
        if self._reach.returns != self._returns:
            self._returns = self._reach.returns
            for call in self._calls.values():
                self._rewrite(call)
            return
        calls = list(self._calls.values())
        steps: list[Operation[Any]] = []
        for call in calls:
            record = call.record
            steps.append(Touch(call_key(record.id), self._ttl_ms))
            steps.append(Touch(network_key(record.network, record.network_id), self._ttl_ms))
        answers = await self._reach.run(steps) if steps else []
        for call, there in zip(calls, answers[::2], strict=True):
            if not there and self._calls.get(call.record.id) is call:
                self._rewrite(call)

    def _rewrite(self, call: OwnCall) -> None:
        call.whole = True
        call.dirty.update(call.fields)
        self._mark(call)

    def _mark(self, call: OwnCall) -> None:
        call.stored.clear()
        self._dirty[call.record.id] = call
        self._wake.set()

    def _forget(self, call_id: str) -> OwnCall | None:
        call = self._calls.pop(call_id, None)
        if call is not None:
            self._dirty.pop(call_id, None)
            call.stored.set()
        return call

    async def _write_all(self) -> None:
        """Raises FleetAway."""
        while self._dirty:
            await self._write(list(self._dirty.values())[:CALLS_A_WRITE])
        while self._gone:
            await self._remove(list(self._gone.values())[:CALLS_A_WRITE])

    async def _write(self, calls: list[OwnCall]) -> None:
        """Raises FleetAway; then everything waits as before."""
        steps: list[Operation[Any]] = []
        places, before = [], []
        for call in calls:
            before.append((call, call.whole, call.dirty))
            places.append(len(steps))
            steps += self._steps(call)
            call.whole, call.dirty = False, set()
            self._dirty.pop(call.record.id, None)
        try:
            answers = await self._reach.run(steps)
        except BaseException:
            for call, whole, dirty in before:
                call.whole = call.whole or whole
                call.dirty |= dirty
                if self._calls.get(call.record.id) is call:
                    self._mark(call)
            raise
        for (call, whole, _), place in zip(before, places, strict=True):
            if self._calls.get(call.record.id) is not call:
                continue
            if not answers[place]:
                await self._refused(call, whole)
            elif call.record.id not in self._dirty:
                call.stored.set()

    def _steps(self, call: OwnCall) -> list[Operation[Any]]:
        """Those that write what waits of a call; the first is the conditional one."""
        record = call.record
        fields: dict[str, bytes | None] = {}
        for name in call.dirty:
            value = call.fields.get(name)
            fields[MEMORY + name] = None if value is None else self._seal.close(record.id, name, value)
        if not call.whole:
            return [Put(call_key(record.id), fields, self._ttl_ms, _at(record))]
        fields |= {RECORD: encode_record(record), EPOCH: b"%d" % record.epoch, OWNER: self._owner.encode()}
        steps: list[Operation[Any]] = [
            Put(call_key(record.id), fields, self._ttl_ms, _at(record, or_absent=True)),
            Rank(CALLS, record.id, record.started_s),
        ]
        if record.network_id:
            known = network_key(record.network, record.network_id)
            steps.append(Put(known, {CALL: record.id.encode()}, self._ttl_ms))
        return steps

    async def _refused(self, call: OwnCall, whole: bool) -> None:
        """The stored epoch is another's, or the store lost the call."""
        found: dict[str, bytes] = await self._reach.one(Read(call_key(call.record.id), (EPOCH,)))
        if whole or found:
            self.lose(call.record.id)
        elif self._calls.get(call.record.id) is call:
            self._rewrite(call)

    async def _remove(self, records: list[CallRecord]) -> None:
        """Raises FleetAway."""
        removed = await self._reach.run([Delete(call_key(each.id), _at(each)) for each in records])
        steps: list[Operation[Any]] = []
        for record, ours in zip(records, removed, strict=True):
            if not ours:
                continue
            steps.append(Unrank(CALLS, record.id))
            if record.network_id:
                known = network_key(record.network, record.network_id)
                steps.append(Delete(known, Match(CALL, record.id.encode())))
            over: dict[str, bytes | None] = {EPOCH: OVER, OWNER: self._owner.encode()}
            steps.append(Put(call_key(record.id), over, OVER_TTL_MS, Match(EPOCH, None)))
        if steps:
            await self._reach.run(steps)
        async with self._written:
            for record in records:
                if self._gone.get(record.id) is record:
                    del self._gone[record.id]
            self._written.notify_all()


def _at(record: CallRecord, *, or_absent: bool = False) -> Match:
    """That the stored call is at the record's epoch."""
    return Match(EPOCH, b"%d" % record.epoch, or_absent=or_absent)
