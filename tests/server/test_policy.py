"""GET /policy: the numbers as they are declared. The page makes its sliders of them."""

from __future__ import annotations

from bargein.floor import Policy
from bargein.floor.policy import PRESETS
from bargein.floor.policy_groups import NUMBERS
from tests.server.kit import world


async def test_every_number_is_told_with_its_range_and_the_peers_names() -> None:
    async with world() as here:
        told = (await here.http.get("/policy")).json()
    assert list(told["presets"]) == list(PRESETS)
    assert told["presets"]["patient"]["confirm_ms"] == Policy.patient().verdict.confirm_ms
    assert [number["name"] for number in told["numbers"]] == list(NUMBERS)
    confirm = next(number for number in told["numbers"] if number["name"] == "confirm_ms")
    assert (confirm["group"], confirm["unit"], confirm["range"]) == ("verdict", "ms", "0 to 3,600,000")
    assert confirm["slider"] == {"label": "Speech that cuts", "lowest": 0, "highest": 1200, "step": 20}
    assert "min_duration" in confirm["livekit"]
    assert sum(number["slider"] is not None for number in told["numbers"]) == 13
