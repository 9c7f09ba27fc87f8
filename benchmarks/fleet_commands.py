"""A command to a call on another node: from the operator's request to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from bargein.clock import MonotonicClock
from benchmarks.fleet_agent import WORD_COUNT
from benchmarks.fleet_crowd import crowd
from benchmarks.fleet_nodes import NodeFleet, node_fleet
from benchmarks.fleet_paper import two_fleets
from benchmarks.fleet_processes import free_port, redis_server
from benchmarks.table import Check, SpreadRow

WARM = 20


async def between_nodes(times: int) -> list[float]:
    """How many ms `Fleet.ask` takes to another node and back, by Redis."""
    clock, port = MonotonicClock(), free_port()
    took: list[float] = []

    async def done(_: dict[str, Any]) -> dict[str, Any]:
        return {"interrupted": True}

    async with redis_server(port), two_fleets(f"redis://127.0.0.1:{port}/0") as (one, two):
        one.answer("bench", done)
        for _ in range(times + WARM):
            began = clock.now_ms()
            await two.ask("a", "bench", {})
            took.append(clock.now_ms() - began)
    return took[WARM:]


async def by_http(times: int) -> tuple[list[float], list[float]]:
    """How many ms `POST /calls/{id}/interrupt` takes at another node than the call's, and at the call's own."""
    with TemporaryDirectory(prefix="bargein-fleet-") as folder:
        async with (
            node_fleet(Path(folder), env={WORD_COUNT: "400"}) as fleet,
            crowd(fleet, 1, 60 + times * 0.05, lambda _n, _d: ()) as callers,
        ):
            (call,) = await fleet.calls()
            home = callers.callers[0].home
            other = next(name for name in fleet.nodes if name != home)
            return await _asked(fleet, other, call["id"], times), await _asked(fleet, home, call["id"], times)


async def _asked(fleet: NodeFleet, node: str, call: str, times: int) -> list[float]:
    clock = MonotonicClock()
    took: list[float] = []
    headers = {"authorization": f"Bearer {fleet.token}"}
    async with httpx.AsyncClient(
        base_url=f"http://{fleet.nodes[node].address}", headers=headers, trust_env=False
    ) as http:
        for _ in range(times + WARM):
            began = clock.now_ms()
            (await http.post(f"/calls/{call}/interrupt")).raise_for_status()
            took.append(clock.now_ms() - began)
    return took[WARM:]


def rows(times: int) -> list[SpreadRow | Check]:
    """All of them, one after the other: a queue of commands is no command's time."""
    run: Callable[[Any], Any] = asyncio.run
    other, own = run(by_http(times))
    return [
        SpreadRow("a command between nodes, by Redis", tuple(run(between_nodes(times))), "p99 <= 10"),
        SpreadRow("  as an operator's request, to another node", tuple(other), "p99 <= 10"),
        SpreadRow("  the same to the call's own node", tuple(own)),
    ]
