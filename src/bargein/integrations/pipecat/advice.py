"""What is said in the log, once, where a pipeline lacks a part or a service interrupts by itself."""

from __future__ import annotations

from typing import Protocol

from loguru import logger
from pipecat.frames.frames import LLMServiceMetadataFrame, ServiceMetadataFrame, STTMetadataFrame
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_output import BaseOutputTransport

from bargein.integrations.pipecat.hold import BargeinHold

AVATARS = ("HeyGen", "LemonSlice", "Simli", "Tavus")
"""In the names of transports and services that make a picture of the agent's audio, and keep audio of their own."""


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
    if not isinstance(frame, LLMServiceMetadataFrame):
        return
    if frame.user_turn_strategies is not None:
        logger.warning(
            f"Bargein: the server of {frame.service_name} hears turns itself and stops its response on each sound, so "
            "nothing is left to resume. Set turn_detection=False in its session properties."
        )
    elif frame.is_realtime_service:
        logger.info(
            f"Bargein: {frame.service_name} is a realtime service. Where its server interrupts by itself, the "
            "interruption goes through, also in a hold: Nova Sonic and Ultravox always do, Gemini Live does without "
            "GeminiVADParams(disabled=True)."
        )


def on_output(processor: FrameProcessor, hold: BargeinHold) -> None:
    """What stands before a processor: can the output be held, and how late is silence?"""
    output: BaseOutputTransport | None = None
    before = processor.previous
    while before is not None:
        name = type(before).__name__
        if output is None and isinstance(before, BaseOutputTransport):
            output = before
        if name.startswith(AVATARS) and "Input" not in name:
            logger.warning(
                f"Bargein: {before} makes an avatar of the agent's audio, and keeps audio that no hold reaches. "
                "A hold is late by as much, and the picture goes on in it."
            )
        before = before.previous
    if output is not None and hold.started:
        _on_serializer(output)


def _on_serializer(output: BaseOutputTransport) -> None:
    """A serializer that resamples forgets some milliseconds after each pause, unless it is told otherwise."""
    serializer = getattr(getattr(output, "_params", None), "serializer", None)
    params = getattr(serializer, "_params", None)
    if getattr(params, "resampler_clear_after_secs", None) is None:
        return
    rates = [
        value for name, value in vars(serializer).items() if name.endswith("_sample_rate") and name != "_sample_rate"
    ]
    if rates and output.sample_rate not in rates:
        logger.warning(
            f"Bargein: {type(serializer).__name__} resamples {output.sample_rate} Hz to {rates[0]} Hz, and loses some "
            f"milliseconds at each hold. Set audio_out_sample_rate={rates[0]} in PipelineParams, or "
            "resampler_clear_after_secs=None in the serializer's params."
        )
