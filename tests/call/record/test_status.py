"""A call as others may see it: the keys of GET /calls/{id} do not change by accident."""

from __future__ import annotations

import dataclasses
import json

from bargein.call.record.status import CallStatus
from tests.call.kit import scene


def test_its_keys_are_those_that_clients_read() -> None:
    assert [field.name for field in dataclasses.fields(CallStatus)] == [
        "id",
        "agent",
        "state",
        "agent_speaking",
        "kind",
        "turn",
        "reply",
        "started_s",
        "lasted_ms",
        "over",
        "conversation",
        "policy",
        "facts",
        "recording",
        "ahead",
    ]


async def test_it_is_json_and_tells_what_the_call_is_at() -> None:
    async with scene(greeting="good morning") as s:
        await s.until(lambda: s.state == "speaking")
        seen = json.loads(json.dumps(dataclasses.asdict(s.call.status())))
        assert (seen["agent"], seen["state"], seen["kind"], seen["reply"]) == ("test", "speaking", "greeting", 1)
        assert seen["agent_speaking"] is True
        assert seen["conversation"][0]["kind"] == "AgentSaid"
        assert seen["ahead"] == {"used": 0, "forgotten": 0, "wasted_chars": 0, "wasted_ms": 0.0}
        await s.until(lambda: s.state == "idle")
        seen = dataclasses.asdict(s.call.status())
        assert (seen["agent_speaking"], seen["kind"], seen["over"]) == (False, None, None)
