"""A short piece of the fuzzer on both servers, with a neighbour's call. CONTRIBUTING.md has the long form."""

from __future__ import annotations

import pytest

from tests.attack.fuzz import GAP_S, HEALTH_S, attacked, fuzz


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
async def test_whatever_strangers_send_a_neighbours_call_goes_on(fast: bool) -> None:
    async with attacked(fast=fast) as here:
        fuzzed = await fuzz(here, seed=1, rounds=4)
        assert fuzzed.faults == []
        assert fuzzed.sent > 200
        assert fuzzed.frames > 0
        assert fuzzed.gap_s < GAP_S
        assert fuzzed.health_s < HEALTH_S
        assert await here.nobody_left()
        assert len(here.hub.phone_strangers) == len(here.hub.page_strangers) == here.hub.calls.taken == 0
