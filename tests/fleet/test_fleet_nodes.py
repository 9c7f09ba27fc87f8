"""Nodes of one fleet: heartbeats, ids, placement, commands, tokens; over one store, with time moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bargein.clock import ManualClock
from bargein.errors import CommandRefused, NodeSilent, UsageError
from bargein.fleet.commands import told
from bargein.fleet.fleet import Fleet
from bargein.fleet.keys import audio_of, control_queue
from bargein.fleet.memory import MemoryStore
from bargein.fleet.records import CallRecord, Load
from bargein.fleet.store import Push, one

CALL = CallRecord("c1", "", "guide", "twilio", "CA1", 100.0)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> MemoryStore:
    return MemoryStore(clock, shared=True, wall_s=lambda: 1_000_000.0)


@asynccontextmanager
async def node(
    store: MemoryStore, clock: ManualClock, name: str, load: Load | None = None, *, ready: bool = True
) -> AsyncIterator[Fleet]:
    given = load or Load(0, 4, 0.0, 0.0)
    async with Fleet(store, name, clock=clock, load=lambda: given, ready=lambda: ready) as fleet:
        yield fleet


async def beaten(*fleets: Fleet) -> None:
    for fleet in fleets:
        fleet.tell()
    await asyncio.sleep(0.01)


# ------------------------------------------------------------------------------------------------------ heartbeats


async def test_a_node_whose_heartbeat_is_old_is_gone_and_so_is_one_that_left(
    store: MemoryStore, clock: ManualClock
) -> None:
    async with node(store, clock, "a") as a:
        async with node(store, clock, "b"):
            assert [each.id for each in await a.nodes()] == ["a", "b"]
        assert [each.id for each in await a.nodes()] == ["a"]
        dying = Fleet(store, "c", clock=clock)
        await dying._nodes.beat()  # and never again
        assert [each.id for each in await a.nodes()] == ["a", "c"]
        clock.advance(4_900)
        await beaten(a)
        assert [each.id for each in await a.nodes()] == ["a", "c"]
        clock.advance(200)
        assert [each.id for each in await a.nodes()] == ["a"]
        assert not await a.alive("c")
        assert await a.alive("a")


async def test_a_node_that_beats_and_does_not_answer_is_dead(store: MemoryStore, clock: ManualClock) -> None:
    async with node(store, clock, "a") as a, node(store, clock, "b"):
        frozen = Fleet(store, "c", clock=clock)
        await frozen._nodes.beat()
        assert not await a.alive("c")
        assert await a.alive("b")


async def test_a_node_that_was_started_again_answers_and_has_none_of_its_calls(
    store: MemoryStore, clock: ManualClock
) -> None:
    async with node(store, clock, "a") as a:
        former = Fleet(store, "b", clock=clock)
        await former._nodes.beat()
        former._calls.own(CallRecord("c1", "b", "guide", "twilio", "CA1", 100.0))
        await former._calls._write_all()
        record = await a.find_call("c1")
        assert record is not None
        async with node(store, clock, "b") as b:
            assert await a.alive("b")
            assert not await a.holds(record)
            assert await b.find_call("c1") == record
            assert await b.claim(record) is not None
            record = await a.find_call("c1")
            assert record is not None
            assert await a.holds(record)


async def test_the_id_of_a_node_that_does_not_answer_can_be_taken(store: MemoryStore, clock: ManualClock) -> None:
    dead = Fleet(store, "a", clock=clock)
    await dead._nodes.beat()
    async with node(store, clock, "a") as a:
        (record,) = await a.nodes()
        assert record.instance == a.instance != dead.instance
        await dead._nodes.beat()  # it was frozen only, and wakes
        assert "another process runs as node a" in str(dead.away)
        assert [each.instance for each in await a.nodes()] == [a.instance]
        assert a.away is None


async def test_two_processes_of_one_id_are_told_apart(store: MemoryStore, clock: ManualClock) -> None:
    async with node(store, clock, "a") as a:
        with pytest.raises(UsageError, match="BARGEIN_NODE"):
            async with node(store, clock, "a"):
                pass
        assert [each.instance for each in await a.nodes()] == [a.instance]


async def test_a_nodes_wall_clock_is_never_asked(
    store: MemoryStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = ManualClock(-600_000.0)  # its monotonic clock began at another time, too
    monkeypatch.setattr("time.time", lambda: 5.0)
    async with node(store, clock, "a") as a, Fleet(store, "b", clock=wrong) as b:
        assert a.record().started_s == b.record().started_s == 1_000_000.0
        await b.add_call(CALL)
        b.positions = lambda: {"c1": (1, 100)}
        await b._pulse.beat()
        record = await a.find_call("c1")
        assert record is not None
        memory = await a.claim(record)
        assert memory is not None
        assert memory.position_age_ms == 0
        assert await b.ask("a", "fleet.ping", {}, within_ms=100) == {"instance": a.instance}


# ------------------------------------------------------------------------------------------------------- placement


async def test_a_call_goes_to_the_least_loaded_node_that_takes_calls(store: MemoryStore, clock: ManualClock) -> None:
    full, half, low = Load(4, 4, 0.0, 1.0), Load(2, 4, 0.0, 0.5), Load(1, 4, 0.0, 0.25)
    async with (
        node(store, clock, "a", full) as a,
        node(store, clock, "b", half),
        node(store, clock, "c", low) as c,
        node(store, clock, "d", ready=False),
    ):
        found = [await a.place(but={"c"}), await a.place(but={"b"}), await a.place(but={"b", "c"})]
        assert [each and each.id for each in found] == ["b", "c", None]
        c.drain()
        await beaten(c)
        placed = await a.place()
        assert placed is not None
        assert placed.id == "b"
        c.undrain()
        await beaten(c)
        assert (placed := await c.place()) is not None
        assert placed.id == "c"


async def test_calls_that_were_just_placed_count_until_the_next_heartbeat(
    store: MemoryStore, clock: ManualClock
) -> None:
    async with (
        node(store, clock, "a", Load(4, 4, 0.0, 1.0)) as a,
        node(store, clock, "b", Load(0, 2, 0.0, 0.0)) as b,
        node(store, clock, "c", Load(0, 2, 0.0, 0.0)) as c,
    ):
        placed = [await a.place() for _ in range(5)]
        assert sorted(each.id for each in placed if each) == ["b", "b", "c", "c"]
        await beaten(b, c)
        assert await a.place() is not None


async def test_a_node_that_runs_late_is_full_only_with_calls(store: MemoryStore, clock: ManualClock) -> None:
    async with (
        node(store, clock, "a", Load(8, 64, 110.0, 3.0)) as a,
        node(store, clock, "b", Load(7, 64, 110.0, 3.0)),
    ):
        placed = await a.place()
        assert placed is not None
        assert placed.id == "b"
        assert await a.place(but={"b"}) is None


async def test_a_node_that_runs_a_little_late_is_better_than_none(store: MemoryStore, clock: ManualClock) -> None:
    async with (
        node(store, clock, "a", Load(20, 64, 60.0, 1.6)) as a,
        node(store, clock, "b", Load(50, 64, 5.0, 0.8)),
    ):
        placed = [await a.place(), await a.place(but={"b"})]
        assert [each.id for each in placed if each] == ["b", "a"]


# -------------------------------------------------------------------------------------------------------- commands


async def test_a_command_is_answered_refused_or_unknown(store: MemoryStore, clock: ManualClock) -> None:
    async with node(store, clock, "a") as a, node(store, clock, "b") as b:

        async def double(given: dict[str, Any]) -> dict[str, Any]:
            if given["n"] < 0:
                raise CommandRefused(409, "negative", "It is negative", advice="Give another")
            return {"twice": given["n"] * 2 if given["n"] else 1 // given["n"]}

        b.answer("double", double)
        assert await a.ask("b", "double", {"n": 4}) == {"twice": 8}
        for n, status, code in ((-1, 409, "negative"), (0, 500, "failed")):
            with pytest.raises(CommandRefused) as refused:
                await a.ask("b", "double", {"n": n})
            assert (refused.value.status, refused.value.code) == (status, code)
        with pytest.raises(CommandRefused, match="knows no command"):
            await a.ask("b", "treble", {})
        with pytest.raises(NodeSilent, match="'c' is gone"):
            await a.ask("c", "double", {"n": 1})
        b.answer("never", lambda _: asyncio.get_running_loop().create_future())
        with pytest.raises(NodeSilent, match="'b' did not answer 'never' within 30 ms"):
            await a.ask("b", "never", {}, within_ms=30)


async def test_a_command_that_comes_twice_is_done_once_and_one_that_comes_too_late_is_not(
    store: MemoryStore, clock: ManualClock
) -> None:
    done: list[int] = []

    async def do(given: dict[str, Any]) -> dict[str, Any]:
        done.append(given["n"])
        return {}

    async with node(store, clock, "a") as a, node(store, clock, "b") as b:
        b.answer("do", do)
        once = told("do", {"n": 1}, within_ms=1_000)
        for item in (once, once, told("do", {"n": 2}, within_ms=1_000), b"\xc1 no message", once):
            await one(store, Push(control_queue("b"), item, 60_000))
        await a.ask("b", "do", {"n": 3})
        assert done == [1, 2, 3]
        await one(store, Push(control_queue("b"), told("do", {"n": 4}, within_ms=1_000), 60_000))
        clock.advance(1_500)  # before it is read
        await a.ask("b", "do", {"n": 5})
        assert done == [1, 2, 3, 5]


async def test_a_token_is_spent_once_on_whichever_node(store: MemoryStore, clock: ManualClock) -> None:
    async with node(store, clock, "a") as a, node(store, clock, "b") as b:
        assert await a.spend("t", 10)
        assert [await a.spend("t", 10), await b.spend("t", 10)] == [False, False]
        assert await b.spend("u", 10)
        clock.advance(10_001)
        assert await b.spend("t", 10)


@pytest.mark.parametrize("topic", ["c1", audio_of("c1")])
async def test_what_is_watched_of_a_call_follows_it_to_its_next_node(
    store: MemoryStore, clock: ManualClock, topic: str
) -> None:
    async with node(store, clock, "a") as a, node(store, clock, "b") as b, node(store, clock, "c") as c:
        await a.add_call(CALL)
        a.publish(topic, "unwatched")
        async with c.watch(topic) as texts, asyncio.timeout(5):
            assert a.watched(topic)
            a.publish(topic, "one")
            assert await anext(texts) == "one"
            assert await a.release("c1")
            record = await b.find_call("c1")
            assert record is not None
            assert await b.claim(record) is not None
            coming = asyncio.ensure_future(anext(texts))
            while not b.watched(topic):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            b.publish(topic, "two")
            assert await coming == "two"
            await b.remove_call("c1")
            assert [text async for text in texts] == []
        assert not a.watched(topic)
        assert await c.find_ended("c1") == "b"
