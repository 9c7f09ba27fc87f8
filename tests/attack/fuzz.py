"""Strangers who send anything on every wire, and a call beside them that must not notice.

    python -m tests.attack.fuzz --seconds 600 --seed 7

runs as long as wanted; test_fuzz.py runs a short piece of it. The same seed sends the same bytes.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from bargein.server import serve
from tests.attack.mutations import WIRES, Chance
from tests.attack.raw_socket import raw_socket
from tests.server.kit import HEADER, Client, World, settings, tone_agent, world

GAP_S = 3.0  # between two frames of the neighbour's agent, which come every 20 ms: faults stopped all for 5 to 17 s
HEALTH_S = 3.0
SILENT_S = 20.0  # without a frame: the agent has stopped
PAUSE_S = 0.02  # of an attacker between two messages
ATTACKERS = 2  # on each wire


@dataclass
class Fuzzed:
    """What a run has measured."""

    sent: int = 0
    """Messages and requests of the attackers."""
    connections: int = 0
    frames: int = 0
    """Of the neighbour's agent."""
    gap_s: float = 0.0
    """The longest between two of those."""
    health_s: float = 0.0
    """The longest answer of /healthz."""
    faults: list[str] = field(default_factory=list)
    """What must not be, in words."""


class Errors(logging.Handler):
    """Tracebacks in the log: no client may cause one."""

    def __init__(self, fuzzed: Fuzzed) -> None:
        super().__init__()
        self._fuzzed = fuzzed

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._fuzzed.faults.append(f"{record.getMessage()}: {record.exc_info[1]!r}"[:500])


async def fuzz(here: World, seed: int, rounds: int) -> Fuzzed:
    """rounds: connections of each attacker."""
    fuzzed = Fuzzed()
    over = asyncio.Event()
    log = logging.getLogger()
    log.addHandler(errors := Errors(fuzzed))
    try:
        async with asyncio.TaskGroup() as watching:
            watching.create_task(_neighbour(here, fuzzed, over))
            watching.create_task(_health(here, fuzzed, over))
            async with asyncio.TaskGroup() as attacking:
                for number, wire in itertools.product(range(ATTACKERS), WIRES):
                    chance = Chance(hash((seed, number, len(wire))) & 0xFFFF)
                    attacking.create_task(_attack(here, wire, chance, rounds, fuzzed))
                attacking.create_task(_requests(here, Chance(seed), rounds * 10, fuzzed))
            over.set()
    finally:
        log.removeHandler(errors)
    return fuzzed


async def _attack(here: World, wire: str, chance: Chance, rounds: int, fuzzed: Fuzzed) -> None:
    for _ in range(rounds):
        with suppress(OSError, asyncio.IncompleteReadError, AssertionError):
            async with raw_socket(here.url, wire) as socket:
                fuzzed.connections += 1
                await socket.send(chance.opening(wire))
                for _ in range(chance.random.randint(1, 12)):
                    fuzzed.sent += 1
                    if not await socket.send(chance.next(wire)):
                        break
                    await asyncio.sleep(PAUSE_S)


async def _requests(here: World, chance: Chance, count: int, fuzzed: Fuzzed) -> None:
    host, port = here.url.removeprefix("http://").split(":")
    for _ in range(count):
        reader, writer = await asyncio.open_connection(host, int(port))
        request = chance.request(f"{host}:{port}")
        writer.write(request)
        fuzzed.sent += 1
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(0.2):
                status = (await reader.readline()).split()[1:2]
                if status and int(status[0]) == 500:
                    fuzzed.faults.append(f"500 for {request[:200]!r}")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        await asyncio.sleep(PAUSE_S)


async def _neighbour(here: World, fuzzed: Fuzzed, over: asyncio.Event) -> None:
    """A call as it should be: its client plays and reports, its agent speaks all the time, and each frame comes once
    and in order."""
    async with here.client() as client:
        while not over.is_set():
            await client.say("go on")
            await _one_reply(client, fuzzed, over)


async def _one_reply(client: Client, fuzzed: Fuzzed, over: asyncio.Event) -> None:
    newest, expected = None, 0
    while not over.is_set():
        try:
            async with asyncio.timeout(SILENT_S):
                raw = await client.socket.recv()
        except TimeoutError:
            fuzzed.faults.append(f"the neighbour heard nothing for {SILENT_S:g} s")
            return
        if not isinstance(raw, bytes):
            if json.loads(raw)["type"] in ("error", "bye"):
                fuzzed.faults.append(f"the neighbour was told {raw[:200]}")
            continue
        now = time.monotonic()
        fuzzed.gap_s = max(fuzzed.gap_s, now - newest if newest is not None else 0.0)
        newest = now
        _, last, _, reply, sequence, first = HEADER.unpack_from(raw)
        if sequence != expected:
            fuzzed.faults.append(f"frame {sequence} of reply {reply} came in place of {expected}")
        expected = sequence + 1
        fuzzed.frames += 1
        played = {"reply_id": reply, "played": first + (len(raw) - HEADER.size) // 2}
        if last:
            await client.send({"type": "finished"} | played)
            return
        if sequence % 5 == 0:
            await client.send({"type": "played", "playing": True} | played)


async def _health(here: World, fuzzed: Fuzzed, over: asyncio.Event) -> None:
    while not over.is_set():
        began = time.monotonic()
        answer = await here.http.get("/healthz", timeout=60)
        fuzzed.health_s = max(fuzzed.health_s, time.monotonic() - began)
        if answer.status_code != 200:
            fuzzed.faults.append(f"/healthz answered {answer.status_code}")
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await over.wait()


@asynccontextmanager
async def attacked(*, fast: bool) -> AsyncIterator[World]:
    """A server for it. fast: telephones by picows."""
    before, serve.FAST = serve.FAST, fast
    try:
        async with world(settings(max_calls=32, keep_s=0.5), tone_agent(), alone=False) as here:
            yield here
    finally:
        serve.FAST = before


async def main(seconds: float, seed: int) -> int:
    began, failed = time.monotonic(), 0
    for run in itertools.count(seed):
        async with attacked(fast=run % 2 == 0) as here:
            fuzzed = await fuzz(here, run, 20)
        print(f"seed {run}: {fuzzed.sent} sent, gap {fuzzed.gap_s:.2f} s, health {fuzzed.health_s:.2f} s")
        for fault in fuzzed.faults:
            print(f"  {fault}")
        failed += bool(fuzzed.faults) or fuzzed.gap_s > GAP_S or fuzzed.health_s > HEALTH_S
        if time.monotonic() - began > seconds:
            break
    print(f"{failed} runs failed")
    return min(failed, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    logging.getLogger().addHandler(logging.NullHandler())  # the faults are printed below
    sys.exit(asyncio.run(main(chosen.seconds, chosen.seed)))
