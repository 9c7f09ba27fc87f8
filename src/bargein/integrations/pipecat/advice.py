"""What is said in the log, once, where a pipeline lacks a part or a service interrupts by itself."""

from __future__ import annotations

from typing import Protocol

from loguru import logger
from pipecat.frames.frames import LLMServiceMetadataFrame, ServiceMetadataFrame, STTMetadataFrame

from bargein.integrations.pipecat.hold import BargeinHold


class Placed(Protocol):
    """A processor that knows whether a pipeline has it."""

    placed: bool


def at_start(hold: BargeinHold, heard: Placed | None) -> None:
    """The pipeline starts: has it all our parts?"""
    if not hold.started:
        logger.warning(
            "Bargein: no transport has our hold, so the agent speaks on until a verdict. "
            "Give its params **bargein.output()."
        )
    if heard is None or not heard.placed:
        logger.warning(
            "Bargein: the pipeline has no HeardWords, so the context may hold words that the user has not heard. "
            "Put bargein.heard_words right after transport.output()."
        )


def misplaced() -> None:
    """HeardWords stands before the output."""
    logger.warning(
        "Bargein: HeardWords stands before the output, and does nothing there. Put it right after transport.output()."
    )


def no_audio() -> None:
    """The agent speaks, and no audio of the user has come."""
    logger.warning(
        "Bargein: no audio of the user reaches the user aggregator, so no sound of the user can hold the agent. "
        "Keep audio_passthrough=True in the STT service, and audio_in_enabled=True in the transport's params."
    )


def rival() -> None:
    """Another start strategy has opened a turn."""
    logger.warning(
        "Bargein: another start strategy opens turns without asking the floor, and interrupts the agent. "
        "Leave BargeinTurnStart alone in UserTurnStrategies(start=[...])."
    )


def on_service(frame: ServiceMetadataFrame, *, ends_turns: bool) -> None:
    """A service says how it works. ends_turns: a stop strategy believes the turns that a service hears."""
    if isinstance(frame, STTMetadataFrame) and frame.user_turn_strategies is not None and not ends_turns:
        logger.warning(
            f"Bargein: {frame.service_name} hears the ends of turns itself, and no stop strategy believes it. "
            "Call bargein.strategies(stop=[ExternalUserTurnStopStrategy()])."
        )
    if not isinstance(frame, LLMServiceMetadataFrame) or not frame.is_realtime_service:
        return
    if frame.user_turn_strategies is not None:
        logger.warning(
            f"Bargein: the server of {frame.service_name} hears turns itself and stops its response on each sound, so "
            "nothing is left to resume. Set turn_detection=False in its session properties."
        )
    else:
        logger.info(
            f"Bargein: {frame.service_name} is a realtime service. Where its server interrupts by itself (Gemini Live, "
            "Nova Sonic, Ultravox), the interruption goes through, also in a hold."
        )
