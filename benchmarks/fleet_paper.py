"""What one Redis sees of a large fleet, on paper: 700 nodes, 100,000 calls.

Each operation of a node's `Fleet` is done many times on a real redis-server, and Redis itself says what it took:
commands, bytes in and out, processor time, memory. The rest is arithmetic with the assumptions of `PaperLoad`, shown
beside the result. No fleet of this size has been run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from bargein.errors import Unavailable
from bargein.fleet.fleet import Fleet
from bargein.fleet.records import CallRecord
from bargein.fleet.redis_store import RedisStore
from bargein.fleet.sealing import Seal
from benchmarks.fleet_processes import free_port, redis_server

IDLE_S = 4.0
PULSE_S, TOUCH_S, BEAT_S = 0.05, 15.0, 1.0
FULL = 0.7  # of one core: above that an answer waits for others too often
TURN = {"i00012": b"u" * 180, "i00013": b"a" * 420, "state": b"s" * 120, "reply": b"r" * 900}
"""Fields of a turn, in the sizes of a call of `bargein serve` whose reply has 60 words."""
CALL = {"about": b"p" * 1_400, **{f"i{n:05}": b"x" * 300 for n in range(24)}, "state": b"s" * 120, "reply": b"r" * 900}
"""A call of twelve turns."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one operation, at Redis."""

    commands: float
    bytes_in: float
    bytes_out: float
    cpu_us: float


@dataclass(frozen=True, slots=True)
class PaperLoad:
    """What a fleet does."""

    nodes: int = 700
    calls: int = 100_000
    call_s: float = 180.0
    """Mean length of a call."""
    turn_s: float = 12.0
    """Between two turns of a call: each writes the call's memory three times (turn, reply, end of reply)."""
    writes: float = 3.0
    speaking: float = 0.45
    """Share of the calls whose reply sounds."""
    commands_s: float = 50.0
    """Of operators, to calls on other nodes."""
    watchers: int = 100
    """Of calls on other nodes."""
    events_s: float = 4.0
    """Of each watched call."""


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of traffic: how often, and what all of it costs."""

    what: str
    a_second: float
    each: Cost

    @property
    def commands(self) -> float:
        return self.a_second * self.each.commands

    @property
    def mb_in(self) -> float:
        return self.a_second * self.each.bytes_in / 1e6

    @property
    def mb_out(self) -> float:
        return self.a_second * self.each.bytes_out / 1e6

    @property
    def cores(self) -> float:
        return self.a_second * self.each.cpu_us / 1e6


def lines(costs: Mapping[str, Cost], load: PaperLoad) -> list[Line]:
    """What Redis sees in a second. Pulses: their cost grows with the calls that sound at a node."""
    begins = load.calls / load.call_s
    sounding = load.calls / load.nodes * load.speaking
    one, many = costs["pulse, 1 call"], costs["pulse, 64 calls"]
    share = (sounding - 1) / 63

    def between(a: float, b: float) -> float:
        return a + share * (b - a)

    pulse = Cost(
        between(one.commands, many.commands),
        between(one.bytes_in, many.bytes_in),
        between(one.bytes_out, many.bytes_out),
        between(one.cpu_us, many.cpu_us),
    )
    return [
        Line(f"pulses (each 50 ms, {sounding:.0f} calls in each)", load.nodes / PULSE_S, pulse),
        Line("memories", load.calls / load.turn_s * load.writes, costs["memory of a turn"]),
        Line("an idle node (heartbeat, its queue)", load.nodes, costs["idle node, a second"]),
        Line("calls kept alive (each 15 s)", load.calls / TOUCH_S, costs["touch"]),
        Line("begins of calls", begins, costs["begin"]),
        Line("ends of calls", begins, costs["end"]),
        Line("placements", begins, costs["place"]),
        Line("calls looked for", begins, costs["find"]),
        Line("commands to other nodes", load.commands_s, costs["command"]),
        Line("events of watched calls", load.watchers * load.events_s, costs["event"]),
    ]


class CommandMeter:
    """What Redis says of itself."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def read(self) -> tuple[float, float, float, float]:
        info: dict[str, Any] = await self._client.info("everything")
        cpu = info["used_cpu_sys"] + info["used_cpu_user"]
        return info["total_commands_processed"], info["total_net_input_bytes"], info["total_net_output_bytes"], cpu

    async def cost(self, times: int, work: Callable[[], Awaitable[object]]) -> Cost:
        """Of work that does something `times` times; what the meter itself costs is taken off."""
        idle_before = await self.read()
        before = await self.read()
        await work()
        after = await self.read()
        took = [a - b - (b - i) for a, b, i in zip(after, before, idle_before, strict=True)]
        commands, came, went, cpu_s = (max(0.0, x) / times for x in took)
        return Cost(commands, came, went, cpu_s * 1e6)


def record(number: int, node: str) -> CallRecord:
    network_id = f"CA{number:032x}"
    return CallRecord(f"c{number:015x}", node, "front-desk", "twilio AC" + "0" * 32, network_id, 1.7e9, 0)


@asynccontextmanager
async def two_fleets(url: str) -> AsyncIterator[tuple[Fleet, Fleet]]:
    """Two nodes of one fleet, in this process."""
    stores = [RedisStore(url), RedisStore(url)]
    one, two = (
        Fleet(store, name, version="0", seal=Seal("a-key-of-sixteen-or-more"))
        for store, name in zip(stores, "ab", strict=True)
    )
    async with one, two:
        yield one, two


async def costs(times: int) -> tuple[dict[str, Cost], float]:
    """Of each operation; and the memory (bytes) that a call takes in Redis."""
    port = free_port()
    async with redis_server(port), Redis(port=port) as client:
        meter = CommandMeter(client)
        found: dict[str, Cost] = {}
        alone = (await meter.cost(1, lambda: asyncio.sleep(IDLE_S))).cpu_us / IDLE_S
        async with two_fleets(f"redis://127.0.0.1:{port}/0") as (one, two):
            both = await meter.cost(1, lambda: asyncio.sleep(IDLE_S))
            half = 2 * IDLE_S
            idle_us = (both.cpu_us - alone * IDLE_S) / half
            found["idle node, a second"] = Cost(
                both.commands / half, both.bytes_in / half, both.bytes_out / half, max(0.0, idle_us)
            )
            empty = (await client.info("memory"))["used_memory"]
            ids = [record(n, "a").id for n in range(times)]

            async def each(do: Callable[[int], Awaitable[object]], wide: int = 8) -> None:
                """As many nodes' work comes: some at once."""
                for first in range(0, times, wide):
                    await asyncio.gather(*(do(n) for n in range(first, min(first + wide, times))))

            async def remember(n: int) -> None:
                one.remember(ids[n], dict(TURN))
                await one.remembered(ids[n], within_ms=5_000)

            async def whole(n: int) -> None:
                one.remember(ids[n], dict(CALL))
                await one.remembered(ids[n], within_ms=5_000)

            async def pulse(calls: int) -> None:
                for beat in range(times):
                    at = dict.fromkeys(ids[:calls], (3, 160 * beat + 1))
                    one.positions = lambda at=at: at  # type: ignore[misc]
                    await one._pulse.beat()  # noqa: SLF001  # what its task does each 50 ms
                one.positions = dict

            found["begin"] = await meter.cost(times, lambda: each(lambda n: one.add_call(record(n, "a"))))
            await each(whole)
            memory = ((await client.info("memory"))["used_memory"] - empty) / times
            found["memory of a turn"] = await meter.cost(times, lambda: each(remember))
            found["pulse, 1 call"] = await meter.cost(times, lambda: pulse(1))
            found["pulse, 64 calls"] = await meter.cost(times, lambda: pulse(64))
            found["touch"] = await meter.cost(times, one._calls.touch)  # noqa: SLF001
            found["find"] = await meter.cost(
                times, lambda: each(lambda n: two.find_by_network(record(n, "a").network, record(n, "a").network_id))
            )
            found["place"] = await meter.cost(times, lambda: each(lambda _: two.place()))
            one.answer("bench", _answer)
            found["command"] = await meter.cost(times, lambda: each(lambda _: two.ask("a", "bench", {}), 1))

            async def events(_: int) -> None:
                one.publish(ids[0], '{"type":"transcript","text":"' + "x" * 150 + '"}')

            async with two.watch(ids[0]):
                found["event"] = await meter.cost(times, lambda: each(events))
            found["end"] = await meter.cost(times, lambda: each(lambda n: one.remove_call(ids[n])))
            if one.away or two.away:
                raise Unavailable("Redis did not answer in time", advice="Measure on a machine that does nothing else")
        return found, memory


async def _answer(_: dict[str, Any]) -> dict[str, Any]:
    return {"interrupted": True}


def capacity(found: Mapping[str, Cost], load: PaperLoad) -> int:
    """Nodes, with the load's calls for each, at which one Redis is FULL."""
    a_node = replace(load, nodes=100, calls=load.calls * 100 // load.nodes)
    return int(FULL / (sum(line.cores for line in lines(found, a_node)) / 100))


def show_paper(console: Console, found: Mapping[str, Cost], memory: float, load: PaperLoad) -> dict[str, object]:
    """The tables. Returns the numbers."""
    costs_table = Table(title="One operation, at Redis (measured)", title_justify="left")
    for name in ("operation", "commands", "bytes in", "bytes out", "processor, µs"):
        costs_table.add_column(name, justify="left" if name == "operation" else "right")
    for name, cost in found.items():
        costs_table.add_row(
            name, f"{cost.commands:.1f}", f"{cost.bytes_in:.0f}", f"{cost.bytes_out:.0f}", f"{cost.cpu_us:.0f}"
        )
    console.print(costs_table)
    title = f"{load.calls:,} calls on {load.nodes} nodes, on paper: what Redis sees in a second"
    table = Table(title=title, title_justify="left")
    for name in ("what", "a second", "commands", "MB in", "MB out", "cores of Redis"):
        table.add_column(name, justify="left" if name == "what" else "right")
    all_lines = lines(found, load)
    for line in all_lines:
        table.add_row(
            line.what,
            f"{line.a_second:,.0f}",
            f"{line.commands:,.0f}",
            f"{line.mb_in:.1f}",
            f"{line.mb_out:.1f}",
            f"{line.cores:.2f}",
        )
    total = [sum(getattr(line, name) for line in all_lines) for name in ("commands", "mb_in", "mb_out", "cores")]
    table.add_row("all", "", f"{total[0]:,.0f}", f"{total[1]:.1f}", f"{total[2]:.1f}", f"{total[3]:.2f}")
    console.print(table)
    most = capacity(found, load)
    gigabytes = memory * load.calls / 1e9
    first = max(all_lines, key=lambda line: line.cores)
    console.print(
        f"Memory: {memory / 1000:.1f} kB a call of twelve turns, {gigabytes:.1f} GB for all. One Redis (one core, "
        f"{FULL:.0%} used) carries {most} nodes with {load.calls // load.nodes} calls each; the largest part is "
        f"{first.what}: {first.cores / total[3]:.0%} of the processor. {-(-load.nodes // most)} would do for "
        "all.",
        soft_wrap=True,
    )
    return {
        "costs": {name: [c.commands, c.bytes_in, c.bytes_out, c.cpu_us] for name, c in found.items()},
        "a_second": {
            line.what: [line.a_second, line.commands, line.mb_in, line.mb_out, line.cores] for line in all_lines
        },
        "memory_of_a_call": memory,
        "nodes_of_one_redis": most,
    }


def measure(console: Console, *, quick: bool = False) -> dict[str, object]:
    """Measure the costs, and print what they come to."""
    found, memory = asyncio.run(costs(300 if quick else 3_000))
    return show_paper(console, found, memory, PaperLoad())
