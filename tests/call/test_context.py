"""What every part of a call shares."""

from __future__ import annotations

from bargein.notices import Decision
from tests.call.parts import Parts


def test_a_decision_reaches_the_client_with_its_time_and_reason() -> None:
    parts = Parts()
    parts.clock.advance(120)
    parts.context.decided("hold", "speech", 3, 80.0)
    parts.context.decided("listen", "the floor is free")
    assert parts.notices == [
        Decision("hold", 120, "speech", 3, 80.0),
        Decision("listen", 120, "the floor is free", None, None),
    ]
