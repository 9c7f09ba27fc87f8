"""Pipecat's own services on our simulators, whose addresses the scene gives: Deepgram Flux and OpenAI Realtime."""

from __future__ import annotations

from typing import Any

from pipecat.processors.frame_processor import FrameProcessor
from pipecat.services.deepgram.flux.stt import DeepgramFluxSTTService
from pipecat.services.openai.realtime.events import AudioConfiguration, AudioInput, SessionProperties, TurnDetection
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.turns.user_stop import (
    BaseUserTurnStopStrategy,
    ExternalUserTurnStopStrategy,
    SpeechTimeoutUserTurnStopStrategy,
)
from scripted import ScriptedSTT


def hearing(scene: dict[str, Any]) -> list[FrameProcessor]:
    """The STT."""
    if scene.get("service") != "flux":
        return [ScriptedSTT(scene.get("stt", ()))]
    eager = 0.4 if scene.get("eager") else None
    return [
        DeepgramFluxSTTService(
            api_key="k",
            url=scene["url"].replace("http", "ws") + "/v2/listen",
            settings=DeepgramFluxSTTService.Settings(eager_eot_threshold=eager),
        )
    ]


def stops(scene: dict[str, Any]) -> list[BaseUserTurnStopStrategy]:
    """What ends the user's turns."""
    heard = scene.get("service") == "flux" or scene.get("detects")
    return [ExternalUserTurnStopStrategy() if heard else SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.4)]


def realtime(scene: dict[str, Any]) -> FrameProcessor:
    """A model that hears and speaks. "detects": its server hears turns."""
    detection: TurnDetection | bool = TurnDetection() if scene.get("detects") else False
    return OpenAIRealtimeLLMService(
        api_key="k",
        base_url=scene["url"].replace("http", "ws") + "/v1/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            model="gpt-realtime-2.1",
            session_properties=SessionProperties(audio=AudioConfiguration(input=AudioInput(turn_detection=detection))),
        ),
    )
