"""A framework with our floor in it, whose time is moved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.clock import ManualClock
from bargein.floor import BargeIn
from bargein.integrations.floor import BargeinFloor
from bargein.protocols import BatchTranscript
from bargein.standalone_call import NoMeter
from bargein.testing import ScriptedBatchSTT, ScriptedVAD

RATE = 16_000


class Framework:
    """A framework that plays while it may, frame by frame, and remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.cuts: list[BargeIn] = []
        self.turns = 0
        self.left_ms = 0  # of the agent's reply
        self.played_ms = 0
        self.broken = False

    def hold(self, why: str) -> None:
        self.told.append("hold")
        if self.broken:
            raise RuntimeError("a framework of another version")

    def resume(self, why: str) -> None:
        self.told.append("resume")

    def cut(self, barge_in: BargeIn, *, sounded: bool) -> None:
        self.told.append("cut" if sounded else "drop")
        self.cuts.append(barge_in)
        self.left_ms = 0

    def turn_began(self, why: str) -> None:
        self.turns += 1

    def turn_over(self, why: str) -> None:
        self.told.append("turn over")

    def backchannel(self, text: str, why: str) -> None:
        self.told.append(f"backchannel {text}".strip())


class Scene:
    """A call whose time is moved, 20 ms a step."""

    def __init__(self, floor: BargeinFloor, framework: Framework, clock: ManualClock, ticker: Ticker) -> None:
        self.floor, self.framework, self.clock, self.ticker = floor, framework, clock, ticker

    def says(self, ms: int) -> None:
        self.framework.left_ms += ms

    async def goes_on(self, ms: int, *, loud: bool = False) -> None:
        for _ in range(0, ms, 20):
            self.clock.advance(20)
            frame = np.full(RATE // 50, 1000 if loud else 0, np.int16)
            self.floor.push_audio(frame.tobytes(), RATE)
            self.ticker.tick(self.clock.now_ms())
            framework = self.framework
            if framework.left_ms and self.floor.wants_to_speak():
                framework.left_ms -= 20
                framework.played_ms += 20
                if not framework.left_ms:
                    self.floor.has_spoken()
            for _ in range(3):
                await asyncio.sleep(0)


@asynccontextmanager
async def scene(policy: str = "balanced", **options: object) -> AsyncIterator[Scene]:
    clock = ManualClock(5_000)
    ticker = Ticker(clock)
    runtime = Runtime(clock, ticker, ScriptedVAD(), NoMeter())
    floor = BargeinFloor(policy, runtime=runtime, **options)  # type: ignore[arg-type]  # options by name
    framework = Framework()
    await floor.start(framework)
    try:
        yield Scene(floor, framework, clock, ticker)
    finally:
        await floor.aclose()


def words(text: str) -> ScriptedBatchSTT:
    async def read_them(*_: object, **__: object) -> BatchTranscript:
        return BatchTranscript(text)

    stt = ScriptedBatchSTT()
    stt.read = read_them  # type: ignore[method-assign]
    return stt
