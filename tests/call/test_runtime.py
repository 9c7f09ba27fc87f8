"""What every call of a process shares."""

from __future__ import annotations

import dataclasses

import pytest

from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.clock import ManualClock
from tests.call.kit import Notes, scene
from tests.call.scripted_vad import ScriptedVAD


def test_it_cannot_be_changed_under_a_running_call() -> None:
    clock = ManualClock()
    runtime = Runtime(clock, Ticker(clock), ScriptedVAD(), Notes())
    with pytest.raises(dataclasses.FrozenInstanceError):
        runtime.lead_ms = 5  # type: ignore[misc]


async def test_the_client_never_has_more_than_the_lead_in_hand() -> None:
    async with scene(greeting="once there was a fox who lived by a river") as s:
        await s.until(lambda: s.state == "idle")
        assert 100 <= s.client.most_ms <= 140
