"""A call as others may see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallStatus:
    """agent_speaking: from a reply's first sample to its last, holds included; a speech model's from when it
    begins to make it; kind: what it says; facts: about the connection; ahead: what preparing replies has come to."""

    id: str
    agent: str
    state: str
    agent_speaking: bool
    kind: str | None
    turn: int
    reply: int
    started_s: float
    lasted_ms: float
    over: str | None
    conversation: list[dict[str, object]]
    policy: dict[str, object]
    facts: Mapping[str, str]
    ahead: Mapping[str, float]
