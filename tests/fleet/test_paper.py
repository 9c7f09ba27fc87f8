"""The fleet on paper: its arithmetic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.fleet_paper import FULL, Cost, PaperLoad, capacity, lines

NAMES = ("idle node, a second", "begin", "memory of a turn", "touch", "find", "place", "command", "event", "end")
ONE_US = dict.fromkeys(NAMES, Cost(1, 100, 10, 1)) | {
    "pulse, 1 call": Cost(1, 100, 5, 10),
    "pulse, 64 calls": Cost(1, 3_250, 5, 73),
}


def test_a_pulse_grows_with_the_calls_that_sound_at_its_node() -> None:
    pulse = lines(ONE_US, PaperLoad(nodes=10, calls=1_000, speaking=0.5))[0]
    assert pulse.a_second == 200
    assert pulse.each.bytes_in == pytest.approx(100 + 49 * 50)
    assert pulse.cores == pytest.approx(200 * (10 + 49) / 1e6)


def test_each_turn_writes_its_memory_and_each_call_lives_on() -> None:
    by_name = {
        line.what: line for line in lines(ONE_US, PaperLoad(nodes=10, calls=1_200, turn_s=12, writes=3, call_s=60))
    }
    assert by_name["memories"].a_second == 300
    assert by_name["begins of calls"].a_second == by_name["ends of calls"].a_second == 20
    assert by_name["calls kept alive (each 15 s)"].a_second == 80


def test_the_capacity_is_where_one_core_is_full() -> None:
    load = PaperLoad()
    most = capacity(ONE_US, load)
    at = replace(load, nodes=most, calls=most * load.calls // load.nodes, commands_s=0, watchers=0)
    assert sum(line.cores for line in lines(ONE_US, at)) == pytest.approx(FULL, rel=0.02)
