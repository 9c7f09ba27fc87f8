"""What is shown of a call of ours that its callee has not answered yet, whichever line it goes out by."""

from __future__ import annotations

from collections.abc import Mapping

from bargein.agent import Agent
from bargein.floor import Policy


def unanswered_status(
    call_id: str,
    agent: Agent,
    policy: Policy,
    *,
    state: str,
    started_s: float,
    lasted_ms: float,
    over: str | None,
    facts: Mapping[str, str],
) -> dict[str, object]:
    """As CallStatus. over: why it ended. None: it goes on. facts: as they may be shown."""
    return {
        "id": call_id,
        "agent": agent.name,
        "state": state,
        "agent_speaking": False,
        "kind": None,
        "turn": 0,
        "reply": 0,
        "started_s": started_s,
        "lasted_ms": lasted_ms,
        "over": over,
        "conversation": [],
        "policy": policy.numbers(),
        "facts": facts,
        "recording": False,
        "ahead": {},
    }
