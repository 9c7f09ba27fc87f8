"""Redis is killed, full, a replica, slow, or refuses the password: calls go on, and the state is true again soon."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bargein.errors import FleetAway, UsageError
from bargein.fleet.commands import PULL_MS
from bargein.fleet.fleet import Fleet
from bargein.fleet.records import CallRecord, Load
from bargein.fleet.redis_store import ANSWER_S, RedisStore
from tests.fleet.redis_server import RedisServer, redis_server

PASSWORD = "a-secret-of-redis"


def call(number: int) -> CallRecord:
    return CallRecord(f"c{number}", "", "guide", "twilio", f"CA{number}", float(number))


@asynccontextmanager
async def node(url: str, name: str) -> AsyncIterator[Fleet]:
    async with Fleet(RedisStore(url), name, load=lambda: Load(0, 4, 0.0, 0.0)) as fleet:
        yield fleet


async def until(true: Callable[[], bool], within_s: float = 3.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_what_happened_while_redis_was_dead_is_true_after_it() -> None:
    with redis_server() as server:
        async with node(server.url, "a") as a, node(server.url, "b") as b:
            for number in (1, 2):
                await a.add_call(call(number))
            a.remember("c1", {"turn.1": b"before"})
            assert await a.remembered("c1")
            async with b.watch("c1") as texts:
                server.kill()
                await until(lambda: a.away is not None and b.away is not None)
                assert "cannot be reached" in str(a.away)
                with pytest.raises(FleetAway, match="cannot be reached"):
                    await b.find_call("c1")
                found = await a.place()
                assert found is not None
                assert found.id == "a"
                a.remember("c1", {"turn.2": b"meanwhile"})
                assert not await a.remembered("c1", within_ms=10)
                await a.add_call(call(3))
                await a.remove_call("c2")
                with pytest.raises(FleetAway):
                    await b.ask("a", "double", {"n": 1}, within_ms=100)
                done: list[int] = []

                async def double(arguments: dict[str, int]) -> dict[str, int]:
                    done.append(arguments["n"])
                    return {"twice": 2 * arguments["n"]}

                a.answer("double", double)
                asked = asyncio.create_task(b.ask("a", "double", {"n": 7}, within_ms=5_000))
                await asyncio.sleep(0.02)
                server.start()
                async with asyncio.timeout(2):
                    await until(lambda: not a.away and not b.away)
                    assert await a.remembered("c1", within_ms=2_000)
                    assert [record.id for record in await b.calls()] == ["c1", "c3"]
                assert await asked == {"twice": 14}
                assert done == [7]
                a.publish("c1", "hello again")
                async with asyncio.timeout(5):
                    coming = asyncio.ensure_future(anext(texts))
                    while not coming.done():
                        a.publish("c1", "and again")
                        await asyncio.wait([coming], timeout=0.05)
                assert coming.result() in ("hello again", "and again")
            record = await b.find_call("c1")
            assert record is not None
            memory = await b.claim(record)
            assert memory is not None
            assert memory.fields == {"turn.1": b"before", "turn.2": b"meanwhile"}


async def test_a_wrong_password_is_said_and_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with redis_server("--requirepass", "another") as server:
        async with node(f"unix://:{PASSWORD}@{server.path}", "a") as a:
            assert "refuses the user or the password" in str(a.away)
            with pytest.raises(FleetAway) as refused:
                await a.nodes()
            found = await a.place()
            assert found is not None
            assert PASSWORD not in f"{a.away} {refused.value} {caplog.text}"


@pytest.mark.parametrize("url", [f"redis://:{PASSWORD}@host:port/0", f"rdis://:{PASSWORD}@host"])
def test_an_address_that_is_none_is_refused_and_never_shown(url: str) -> None:
    with pytest.raises(UsageError, match="BARGEIN_REDIS_URL") as refused:
        RedisStore(url)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    ("broken", "whole", "why"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "no memory left"),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "replica"),
        (("CLIENT", "PAUSE", "1200", "ALL"), (), "no answer within"),
    ],
    ids=["full", "replica", "slow"],
)
async def test_a_redis_that_takes_no_writes_is_away_until_it_does(
    redis_here: RedisServer, broken: tuple[str, ...], whole: tuple[str, ...], why: str
) -> None:
    async with node(redis_here.url, "a") as a:
        await a.add_call(call(1))
        redis_here.do(*broken)
        try:
            a.remember("c1", {"turn.1": b"1"})
            a.undrain()  # a heartbeat at once
            await until(lambda: a.away is not None)
            assert why in str(a.away)
            await a.add_call(call(2))
        finally:
            if whole:
                redis_here.do(*whole)
        await until(lambda: a.away is None, 2.0)
        assert await a.remembered("c1", within_ms=2_000)
        assert [record.id for record in await a.calls()] == ["c1", "c2"]


async def test_what_redis_forgot_is_written_again(redis_here: RedisServer) -> None:
    async with node(redis_here.url, "a") as a:
        await a.add_call(call(1))
        a.remember("c1", {"turn.1": b"1"})
        assert await a.remembered("c1")
        redis_here.do("FLUSHALL")
        a.remember("c1", {"turn.2": b"2"})
        assert await a.remembered("c1")
        record = await a.find_by_network("twilio", "CA1")
        assert record is not None
        memory = await a.claim(record)
        assert memory is not None
        assert memory.fields == {"turn.1": b"1", "turn.2": b"2"}


async def test_scripts_that_redis_forgot_are_loaded_again(redis_here: RedisServer) -> None:
    async with node(redis_here.url, "a") as a:
        redis_here.do("SCRIPT", "FLUSH")
        await a.add_call(call(1))
        assert await a.spend("token", 10)
        assert not await a.spend("token", 10)


async def test_a_node_that_is_idle_never_thinks_that_redis_is_away(
    redis_here: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PULL_MS / 1000 < ANSWER_S / 2  # a look at an empty queue is no silence of Redis
    monkeypatch.setattr("bargein.fleet.commands.PULL_MS", 20)
    async with node(redis_here.url, "a") as a:
        await asyncio.sleep(0.1)
        assert a.away is None
        assert a._reach.returns == 0
