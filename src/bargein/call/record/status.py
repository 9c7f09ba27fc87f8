"""A call as others may see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallStatus:
    """As in GET /calls/{id}."""

    id: str
    agent: str
    """The agent's name."""
    state: str
    """Who has the floor."""
    agent_speaking: bool
    """From a reply's first sample to its last, holds included. For a realtime model: from when it begins to answer."""
    kind: str | None
    """What the live reply is: greeting, reply, say, reprompt or filler. None: there is none."""
    turn: int
    reply: int
    started_s: float
    """Since the epoch."""
    lasted_ms: float
    over: str | None
    """Why the call is over. None: it goes on."""
    conversation: list[dict[str, object]]
    policy: dict[str, object]
    facts: Mapping[str, str]
    """About the connection."""
    recording: bool
    """The call's audio is being recorded."""
    ahead: Mapping[str, float]
    """How many prepared replies were used, and what the others cost."""
