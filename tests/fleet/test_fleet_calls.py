"""A call in the fleet: found, remembered, claimed by one, released, lost; over one store, with time moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bargein.clock import ManualClock
from bargein.errors import MemoryRefused
from bargein.fleet.bounds import FIELD_BYTES, MEMORY_BYTES
from bargein.fleet.fleet import Fleet
from bargein.fleet.memory import MemoryStore
from bargein.fleet.records import CallRecord, Load
from bargein.fleet.sealing import Seal

CALL = CallRecord("c1", "", "guide", "twilio", "CA1", 100.0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> MemoryStore:
    return MemoryStore(clock, shared=True, wall_s=lambda: 1_000_000.0)


@asynccontextmanager
async def node(store: MemoryStore, clock: ManualClock, name: str, *, key: str | None = None) -> AsyncIterator[Fleet]:
    async with Fleet(store, name, clock=clock, seal=Seal(key), load=lambda: Load(0, 4, 0.0, 0.0)) as fleet:
        yield fleet


async def test_a_call_is_found_on_every_node_by_either_id(store: MemoryStore, clock: ManualClock) -> None:
    async with node(store, clock, "a") as a, node(store, clock, "b") as b:
        await a.add_call(CALL)
        found = await b.find_call("c1")
        assert found is not None
        assert (found.node, found.epoch, found.moved) == ("a", 0, False)
        assert await b.find_by_network("twilio", "CA1") == found
        assert await b.calls() == [found]
        await a.remove_call("c1")
        assert await b.find_call("c1") is None
        assert await b.find_by_network("twilio", "CA1") is None
        assert await b.calls() == []


async def test_one_of_two_nodes_gets_a_call_with_all_that_was_remembered(
    store: MemoryStore, clock: ManualClock
) -> None:
    async with node(store, clock, "a") as a, node(store, clock, "b") as b, node(store, clock, "c") as c:
        lost: list[str] = []
        a.lost = lost.append
        await a.add_call(CALL)
        a.remember("c1", {"policy": b"p", "turn.1": b"hello", "turn.2": b"gone"})
        a.remember("c1", {"turn.2": None, "policy": b"q"})
        assert await a.remembered("c1")
        record = await b.find_call("c1")
        assert record is not None
        claims = await asyncio.gather(b.claim(record), c.claim(record))
        (memory,) = [claim for claim in claims if claim is not None]
        assert memory.fields == {"policy": b"q", "turn.1": b"hello"}
        assert memory.record.epoch == 1
        assert memory.position is None
        a.remember("c1", {"turn.3": b"of a node that was thought dead"})
        await asyncio.sleep(0.05)
        assert lost == ["c1"]
        after = await c.find_call("c1")
        assert after is not None
        assert after.node == memory.record.node
        await a.remove_call("c1")
        assert await c.find_call("c1") == after


async def test_the_position_of_a_reply_that_sounded_comes_with_its_age(store: MemoryStore, clock: ManualClock) -> None:
    async with node(store, clock, "a") as a, node(store, clock, "b") as b:
        await a.add_call(CALL)
        a.positions = lambda: {"c1": (7, 24_000)}
        await asyncio.sleep(0.15)
        clock.advance(400)
        record = await b.find_call("c1")
        assert record is not None
        memory = await b.claim(record)
        assert memory is not None
        assert (memory.position, memory.position_age_ms) == ((7, 24_000), 400)


async def test_a_released_call_belongs_to_its_next_node(store: MemoryStore, clock: ManualClock) -> None:
    async with node(store, clock, "a") as a, node(store, clock, "b") as b:
        await a.add_call(CALL)
        a.remember("c1", {"turn.1": b"hello"})
        assert await a.release("c1")
        record = await b.find_call("c1")
        assert record is not None
        assert (record.node, record.moved) == ("", True)
        assert not await b.holds(record)
        memory = await b.claim(record)
        assert memory is not None
        assert (memory.fields, memory.record.moved) == ({"turn.1": b"hello"}, False)
        assert await a.holds(memory.record)


async def test_a_memory_of_another_key_is_refused_and_gone(store: MemoryStore, clock: ManualClock) -> None:
    async with node(store, clock, "a", key="k" * 16) as a, node(store, clock, "b", key="q" * 16) as b:
        await a.add_call(CALL)
        a.remember("c1", {"turn.1": b"hello"})
        assert await a.remembered("c1")
        record = await b.find_call("c1")
        assert record is not None
        with pytest.raises(MemoryRefused, match="another key"):
            await b.claim(record)
        assert await b.find_call("c1") is None


async def test_a_call_that_another_node_ended_is_not_listed_again_by_its_former_one(
    store: MemoryStore, clock: ManualClock
) -> None:
    async with node(store, clock, "a") as a, node(store, clock, "b") as b:
        lost: list[str] = []
        a.lost = lost.append
        await a.add_call(CALL)
        record = await b.find_call("c1")
        assert record is not None
        a._calls.lose = lambda *_: None  # type: ignore[method-assign]  # the news is late
        assert await b.claim(record) is not None
        await b.remove_call("c1")
        del a._calls.lose
        a._calls._rewrite(a._calls._calls["c1"])  # as after the store's return
        await asyncio.sleep(0.01)
        assert lost == ["c1"]
        assert await b.find_call("c1") is None
        assert await b.calls() == []


async def test_what_is_too_large_to_be_remembered_leaves_room_for_the_rest(
    store: MemoryStore, clock: ManualClock
) -> None:
    async with node(store, clock, "a") as a, node(store, clock, "b") as b:
        await a.add_call(CALL)
        a.remember("c1", {"policy": b"p" * 1_000, "turn.1": b"x" * (FIELD_BYTES + 1)})
        for number in range(2, 12):
            a.remember("c1", {f"turn.{number}": b"%d" % number * 8_000})
        assert await a.remembered("c1")
        record = await b.find_call("c1")
        assert record is not None
        memory = await b.claim(record)
        assert memory is not None
        assert sum(len(name) + len(value) for name, value in memory.fields.items()) <= MEMORY_BYTES
        assert "policy" in memory.fields
        assert "turn.1" not in memory.fields
        assert "turn.2" not in memory.fields
        assert {"turn.9", "turn.10", "turn.11"} <= memory.fields.keys()
        assert a.dropped >= 2


async def test_nothing_is_remembered_of_a_call_that_is_not_here(store: MemoryStore, clock: ManualClock) -> None:
    async with node(store, clock, "a") as a:
        a.remember("c1", {"turn.1": b"1"})
        assert await a.remembered("c1")
        assert not await a.release("c1")
        await a.remove_call("c1")
        assert await a.find_call("c1") is None
