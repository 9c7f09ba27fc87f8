"""What every store does, whatever it is made of."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bargein.clock import ManualClock
from bargein.fleet.memory import MemoryStore
from bargein.fleet.redis_store import RedisStore
from bargein.fleet.remote import RemoteStore, StoreServer
from bargein.fleet.store import (
    QUEUE_ITEMS,
    Delete,
    Lowest,
    Match,
    Now,
    Operation,
    Publish,
    Push,
    Put,
    QueueTail,
    Rank,
    Read,
    Store,
    StoreAway,
    Touch,
    Unrank,
    one,
)


@dataclass
class Place:
    """Where nodes meet, and how each of them gets there."""

    open: Callable[[], Store]
    pass_ms: Callable[[int], Awaitable[None]]


@pytest.fixture(params=["memory", "remote", "redis"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    clock = ManualClock()
    memory = MemoryStore(clock, shared=True)
    opened: list[Store] = []

    async def moved(ms: int) -> None:
        clock.advance(ms)

    async def waited(ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    async with AsyncExitStack() as stack:
        make: Callable[[], Store] = lambda: memory  # noqa: E731
        passes = moved
        if request.param == "remote":
            path = tmp_path / "store.sock"
            await stack.enter_async_context(StoreServer(memory, path))
            make = lambda: RemoteStore(path)  # noqa: E731
        elif request.param == "redis":
            url = request.getfixturevalue("redis_here").url
            make, passes = lambda: RedisStore(url), waited

        def open_one() -> Store:
            opened.append(make())
            return opened[-1]

        yield Place(open_one, passes)
        for store in opened:
            await store.aclose()


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


async def do(store: Store, *steps: Operation[Any]) -> list[Any]:
    return await store.run(steps)


async def test_fields_are_set_read_and_removed(store: Store) -> None:
    assert await one(store, Read("k")) == {}
    assert await one(store, Put("k", {"a": b"\x00\xff", "b": b""}))
    assert await one(store, Put("k", {"b": None, "c": b"3"}))
    assert await one(store, Read("k")) == {"a": b"\x00\xff", "c": b"3"}
    assert await one(store, Read("k", ("c", "b"))) == {"c": b"3"}
    assert await one(store, Put("k", {"a": None, "c": None}))
    assert await one(store, Touch("k", 1000)) is False


async def test_a_condition_holds_or_nothing_is_done(store: Store) -> None:
    equal, absent, either = Match("e", b"1"), Match("e", None), Match("e", b"1", or_absent=True)
    assert not await one(store, Put("k", {"x": b"no"}, None, equal))
    assert await one(store, Read("k")) == {}
    assert await one(store, Put("k", {"e": b"1"}, None, absent))
    assert not await one(store, Put("k", {"x": b"no", "e": None}, None, absent))
    assert await one(store, Put("k", {"x": b"yes"}, None, either))
    assert await one(store, Put("k", {"e": b"2"}, None, equal))
    assert not await one(store, Put("k", {"x": None}, None, either))
    assert not await one(store, Delete("k", equal))
    assert await one(store, Read("k")) == {"e": b"2", "x": b"yes"}
    assert await one(store, Delete("k", Match("e", b"2")))
    assert not await one(store, Delete("k"))
    assert await one(store, Put("k", {"x": b"new"}, None, either))


async def test_of_many_who_set_the_same_one_wins(place: Place) -> None:
    stores = [place.open() for _ in range(8)]
    step = [Put("k", {"e": b"%d" % number}, None, Match("e", None)) for number in range(8)]
    won = await asyncio.gather(*(one(store, each) for store, each in zip(stores, step, strict=True)))
    assert sorted(won) == [False] * 7 + [True]
    assert await one(stores[0], Read("k")) == {"e": b"%d" % won.index(True)}


async def test_a_key_lives_as_long_as_it_was_told(place: Place, store: Store) -> None:
    await do(store, Put("k", {"a": b"1"}, 80), Put("kept", {"a": b"1"}), Put("both", {"a": b"1", "b": None}, 80))
    await do(store, Put("k", {"b": b"2"}))
    assert await one(store, Touch("both", 10_000))
    await place.pass_ms(100)
    assert await do(store, Read("k"), Read("kept"), Read("both"), Touch("k", 1000)) == [
        {},
        {"a": b"1"},
        {"a": b"1"},
        False,
    ]
    assert await one(store, Put("k", {"e": b"1"}, None, Match("e", None)))


async def test_an_index_is_read_in_the_order_of_its_scores(store: Store) -> None:
    await do(store, Rank("i", "b", 2.0), Rank("i", "a", 3.5), Rank("i", "c", 1e9), Rank("i", "a", 0.5))
    assert await one(store, Lowest("i", 2)) == ["a", "b"]
    await do(store, Unrank("i", "b"), Unrank("i", "never"), Unrank("none", "b"))
    assert await one(store, Lowest("i", 10)) == ["a", "c"]
    assert await one(store, Lowest("none", 10)) == []


async def test_a_queue_is_read_in_order_from_any_position(place: Place, store: Store) -> None:
    start = await one(store, QueueTail("q"))
    await do(store, Push("q", b"1", 10_000), Push("q", b"2", 10_000), Push("other", b"x", 10_000))
    first, second = await store.pull("q", start, 1)
    assert (first.body, second.body) == (b"1", b"2")
    assert [item.body for item in await store.pull("q", first.position, 1)] == [b"2"]
    assert await store.pull("q", await one(store, QueueTail("q")), 1) == []
    assert [item.body for item in await place.open().pull("q", "0", 1)] == [b"1", b"2"]


async def test_a_reader_wakes_for_what_comes(place: Place, store: Store) -> None:
    start = await one(store, QueueTail("q"))
    reading = asyncio.create_task(store.pull("q", start, 5_000))
    await asyncio.sleep(0.05)
    await one(place.open(), Push("q", b"1", 10_000))
    (item,) = await reading
    assert item.body == b"1"
    assert abs(item.pushed_ms - await one(store, Now())) < 1_000


async def test_a_queue_that_is_not_written_goes_and_its_reader_misses_nothing_later(place: Place, store: Store) -> None:
    await one(store, Push("q", b"1", 60))
    (item,) = await store.pull("q", "0", 1)
    await place.pass_ms(90)
    assert await store.pull("q", "0", 1) == []
    await one(store, Push("q", b"2", 10_000))
    assert [each.body for each in await store.pull("q", item.position, 1)] == [b"2"]


async def test_a_queue_has_a_bound(store: Store) -> None:
    many = QUEUE_ITEMS * 2
    for start in range(0, many, 512):
        await store.run([Push("q", b"%d" % number, 10_000) for number in range(start, start + 512)])
    count, position = 0, "0"
    while items := await store.pull("q", position, 1):
        count, position = count + len(items), items[-1].position
    assert QUEUE_ITEMS <= count < QUEUE_ITEMS * 1.2
    assert items == []


async def test_messages_reach_those_that_listen_now(place: Place, store: Store) -> None:
    other = place.open()
    await one(other, Publish("c", b"before"))
    async with store.listen("c") as messages, place.open().listen("c") as more:
        await do(other, Publish("c", b"1"), Publish("d", b"elsewhere"), Publish("c", b"2"))
        async with asyncio.timeout(5):
            assert [await anext(messages), await anext(messages)] == [b"1", b"2"]
            assert await anext(more) == b"1"
    await one(other, Publish("c", b"after"))


async def test_a_listener_that_takes_nothing_loses_the_oldest(store: Store) -> None:
    async with store.listen("c") as messages:
        for start in range(0, 2_000, 500):
            await store.run([Publish("c", b"%d" % number) for number in range(start, start + 500)])
        await store.run([Publish("c", b"last")])
        async with asyncio.timeout(5):
            first = int(await anext(messages))
            while await anext(messages) != b"last":
                pass
        assert 0 < first <= 2_000


async def test_an_answer_that_is_not_waited_for_disturbs_no_other(store: Store) -> None:
    await do(store, Put("k", {"a": b"1"}), Put("l", {"a": b"2"}))
    for _ in range(20):
        asking = asyncio.create_task(one(store, Read("k")))
        pulling = asyncio.create_task(store.pull("q", "0", 1_000))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asking.cancel()
        pulling.cancel()
        assert await one(store, Read("l")) == {"a": b"2"}
        await asyncio.gather(asking, pulling, return_exceptions=True)


async def test_only_the_user_of_the_server_may_open_the_supervisors_socket(tmp_path: Path) -> None:
    async with StoreServer(MemoryStore(shared=True), tmp_path / "s"):
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600


async def test_a_worker_finds_the_store_again(tmp_path: Path) -> None:
    path, memory = tmp_path / "s", MemoryStore(shared=True)
    store = RemoteStore(path)
    with pytest.raises(StoreAway, match="supervisor"):
        await one(store, Read("k"))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(StoreServer(memory, path))
        await one(store, Put("k", {"a": b"1"}))
        async with store.listen("c") as messages:
            pulling = asyncio.create_task(store.pull("q", "0", 60_000))
            await asyncio.sleep(0.01)
            await server.__aexit__(None, None, None)
            with pytest.raises(StoreAway, match="supervisor"):
                await pulling
            await stack.enter_async_context(StoreServer(memory, path))
            assert await one(store, Read("k")) == {"a": b"1"}
            async with asyncio.timeout(5):
                coming = asyncio.ensure_future(anext(messages))
                while not coming.done():
                    await one(store, Publish("c", b"again"))
                    await asyncio.wait([coming], timeout=0.05)
            assert coming.result() == b"again"
    await store.aclose()
