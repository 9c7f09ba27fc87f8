"""Whether a server keeps what calls leave behind: `python -m benchmarks.soak --calls 2000`.

One server process takes short calls over real wires, every second one by page and the others by telephone, in which the
agent speaks and is interrupted. The resident memory is read after a warm-up and after the last call. The command fails
when the difference is larger than the bound, or when a call was refused or heard nothing of the agent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from bargein.errors import VendorLost
from bargein_bench.callers.caller import Caller
from bargein_bench.callers.caller_audio import EndCallStep, PressKey, Step
from benchmarks.process import pid_of, server

BOUND_MB = 20.0
WARM_UP = 100  # calls, until the allocator's pools, caches and the list of finished calls are full
TALK_S = 1.2
LONGEST_S = 20.0
ADVICE = "Run `bargein serve` with this agent, and make a call"
HEADER = struct.Struct("<BBHIII")
MICROPHONE_MS = 20


def resident_mb(pid: int) -> float:
    """The memory that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


async def by_page(address: str) -> None:
    """The agent greets, is stopped by the button, and the page hangs up. Raises VendorLost for a call without a
    sound."""
    frames, closed = 0, "the server closed the call"
    url = f"ws://{address}/calls/browser"
    async with asyncio.timeout(LONGEST_S), connect(url, subprotocols=[Subprotocol("bargein.v1")]) as socket:
        talking = asyncio.create_task(_talk(socket.send), name="microphone")
        try:
            async for raw in socket:
                if isinstance(raw, bytes):
                    frames += 1
                    _, _, _, reply, _, sample = HEADER.unpack_from(raw)
                    played = sample + (len(raw) - HEADER.size) // 2
                    report = {"type": "played", "reply_id": reply, "played": played, "playing": True}
                    if sample % 2_400 == 0:
                        await socket.send(json.dumps(report))
        except ConnectionClosed as error:
            closed = str(error)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
    if not frames:
        raise VendorLost(f"A call by page heard nothing of the agent ({closed})", advice=ADVICE)


async def _talk(send: Callable[[str | bytes], Awaitable[None]]) -> None:
    """The hello and a quiet microphone; then the button, and the end of the call."""
    frame = bytes(16 * MICROPHONE_MS * 2)
    await send(json.dumps({"type": "hello", "protocol": "bargein.v1"}))
    for n in range(int(TALK_S * 1000 / MICROPHONE_MS)):
        await send(HEADER.pack(1, 0, 0, 0, n, n * 16 * MICROPHONE_MS) + frame)
        await asyncio.sleep(MICROPHONE_MS / 1000)
    await send(json.dumps({"type": "interrupt"}))
    await send(json.dumps({"type": "hangup"}))


async def by_telephone(address: str) -> None:
    """The agent greets, is stopped by a key, and the caller hangs up. Raises VendorLost for a call without a sound, and
    for one that the server ends."""
    steps: list[Step] = [PressKey(TALK_S * 600, "5"), EndCallStep(TALK_S * 1000)]
    result = await Caller(f"ws://{address}/twilio/media", steps, LONGEST_S * 1000).run()
    if not result.telephone.frames or result.closed_by != "us" or result.faults:
        what = f"{result.telephone.frames} frames, ended by {result.closed_by}, faults: {dict(result.faults)}"
        raise VendorLost(f"A call by telephone went wrong ({what})", advice=ADVICE)


async def calls(address: str, count: int, at_once: int) -> None:
    """So many calls, so many of them at a time."""
    left = iter(range(count))

    async def some() -> None:
        for n in left:
            await (by_page(address) if n % 2 else by_telephone(address))

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(some())


async def soak(count: int, at_once: int, agent: str) -> float:
    """The growth of the server's memory, in MB; printed with what it stands on."""
    async with server(name=agent) as address:
        await calls(address, WARM_UP, at_once)
        pid = pid_of(address)
        before, began = resident_mb(pid), time.monotonic()
        await calls(address, count, at_once)
        after = resident_mb(pid)
    took = time.monotonic() - began
    print(f"{count} calls, {at_once} at a time, agent {agent}, {took:.0f} s")
    print(f"resident before {before:.1f} MB, after {after:.1f} MB: {after - before:+.1f} MB")
    return after - before


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=12)
    parser.add_argument("--agent", default="guide")
    chosen = parser.parse_args()
    grown = asyncio.run(soak(chosen.calls, chosen.at_once, chosen.agent))
    if grown > BOUND_MB:
        raise SystemExit(f"The server keeps what calls leave behind: more than {BOUND_MB:g} MB")


if __name__ == "__main__":
    main()
