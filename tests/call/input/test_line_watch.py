"""A telephone line that carries no audio is noted once, and left in the end."""

from __future__ import annotations

from bargein.call.input.line_watch import GONE_MS, MUTE_MS, LineWatch
from bargein.protocols import ClientFault


class World:
    def __init__(self) -> None:
        self.faults: list[ClientFault] = []
        self.reasons: list[str] = []
        self.watch = LineWatch(self.faults.append, self.reasons.append)


def test_a_short_gap_is_nothing() -> None:
    world = World()
    world.watch.tick(MUTE_MS - 1)
    assert (world.faults, world.reasons) == ([], [])


def test_a_dead_stream_is_noted_once() -> None:
    world = World()
    for mute_ms in range(MUTE_MS, GONE_MS, 1000):
        world.watch.tick(mute_ms)
    assert [fault.code for fault in world.faults] == ["no_audio"]
    assert world.reasons == []


def test_a_stream_that_came_back_and_died_again_is_noted_again() -> None:
    world = World()
    for mute_ms in (MUTE_MS, 0, MUTE_MS):
        world.watch.tick(mute_ms)
    assert len(world.faults) == 2


def test_a_stream_that_stays_dead_ends_the_call() -> None:
    world = World()
    world.watch.tick(GONE_MS)
    assert world.reasons == ["no sound came for 600 s"]
