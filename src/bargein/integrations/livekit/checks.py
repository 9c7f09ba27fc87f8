"""What is refused at start, because the floor could not keep its promise there."""

from __future__ import annotations

import logging
import re
from typing import Any

from livekit import agents
from livekit.agents import AgentSession, llm
from livekit.agents.utils import is_given
from livekit.agents.voice import io

from bargein.errors import UsageError
from bargein.integrations.livekit.output import FloorOutput

log = logging.getLogger(__name__)

OLDEST = (1, 8)


def turn_handling(**more: Any) -> dict[str, Any]:
    """The settings of an AgentSession whose turns our floor decides: `AgentSession(turn_handling=turn_handling())`.

    more: other groups of LiveKit's TurnHandlingOptions, as they are. Raises UsageError for those that the floor needs.
    """
    for taken in ("turn_detection", "interruption"):
        if taken in more:
            raise UsageError(f"turn_handling({taken}=...) is set by the floor", advice=f"Leave out {taken}")
    own: dict[str, Any] = {
        "turn_detection": "manual",
        "interruption": {"resume_false_interruption": False, "false_interruption_timeout": None},
        "endpointing": {"min_delay": 0.0},  # the floor has waited for the end of the turn
        "preemptive_generation": {"enabled": False},
    }
    return own | more


def check_version(version: str = agents.__version__) -> None:
    """Raises UsageError for a LiveKit Agents that is too old."""
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if found < OLDEST:
        raise UsageError(f"LiveKit Agents {version} is too old for the floor", advice="Install livekit-agents>=1.8")


def check_session(session: AgentSession[Any]) -> None:
    """Raises UsageError where LiveKit would decide beside us, or where nothing can be held."""
    how = "Make the session with AgentSession(turn_handling=turn_handling())"
    if session.turn_detection != "manual":
        raise UsageError(f"The session's turn_detection is {session.turn_detection!r}: two would decide", advice=how)
    if session.options.interruption["resume_false_interruption"]:
        raise UsageError("The session's resume_false_interruption is on: two would resume", advice=how)
    if session.input.audio is None or session.output.audio is None:
        raise UsageError(
            "The session has no audio input or no audio output", advice="Attach the floor after session.start(...)"
        )
    output = session.output.audio
    while output is not None:
        if isinstance(output, FloorOutput):
            raise UsageError("The session has a floor already", advice="Attach one BargeinFloor to each session")
        output = output.next_in_chain
    check_model(session.llm)
    check_agent(session)
    if session.options.aec_warmup_duration:
        log.warning(
            "LiveKit gives its STT silence for the first %.1f s of the agent's speech: words are not read there. "
            "Pass aec_warmup_duration=None to AgentSession",
            session.options.aec_warmup_duration,
        )


def check_position(chain: list[io.AudioOutput]) -> None:
    """Raises UsageError for an output that cannot be emptied without losing or repeating audio."""
    if chain[-1].label == "RoomIO":
        raise UsageError(
            "LiveKit's room estimates how far it has played: emptied by a hold, it loses or repeats audio",
            advice="Leave out empties=True",
        )


def check_model(model: object) -> None:
    """Raises UsageError for a realtime model that interrupts itself, whatever LiveKit says."""
    if isinstance(model, llm.RealtimeModel):
        able = model.capabilities
        if able.turn_detection and not able.can_disable_turn_detection:
            raise UsageError(
                f"The realtime model {model.label} decides the turns itself, and LiveKit cannot turn that off",
                advice="Set the model's own turn_detection to None, or use another model",
            )
        half = getattr(getattr(model, "_opts", None), "turn_detection", None)  # LiveKit tells it nowhere else
        if (
            not able.turn_detection
            and half is not None
            and is_given(half)
            and getattr(half, "interrupt_response", None) is not False
        ):
            raise UsageError(
                f"The realtime model {model.label} does not answer by itself, but interrupts itself",
                advice="Set the model's own turn_detection to None",
            )


def check_agent(session: AgentSession[Any]) -> None:
    """Raises UsageError for an agent whose own turn detection wins over the session's."""
    if agent_decides(session):
        raise UsageError("The agent has a turn_detection of its own: two would decide", advice="Leave the agent's out")


def agent_decides(session: AgentSession[Any]) -> bool:
    """The agent has a turn detection of its own, which wins over the session's."""
    try:
        own = session.current_agent.turn_detection
    except RuntimeError:
        return False  # the session has not started
    return bool(is_given(own) and own != "manual")
