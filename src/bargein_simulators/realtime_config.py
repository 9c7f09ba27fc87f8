"""The configuration of a session of OpenAI Realtime: the vendor's defaults, and a client's changes to them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

from bargein_simulators.realtime_events import Json
from bargein_simulators.realtime_parameters import RealtimeRefused

PCM = 24_000
AUDIO_FORMATS = {"audio/pcm": PCM, "audio/pcmu": 8_000, "audio/pcma": 8_000}
PADDING_MS = 300
BOTH_ON: Json = {"create_response": True, "interrupt_response": True}
TURN_DETECTION: dict[str, Json] = {
    "server_vad": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": PADDING_MS,
        "silence_duration_ms": 200,
        "idle_timeout_ms": None,
        **BOTH_ON,
    },
    "semantic_vad": {"type": "semantic_vad", "eagerness": "auto", **BOTH_ON},
}
SEMANTIC_MS = {"low": 1_200.0, "medium": 600.0, "auto": 600.0, "high": 300.0}
STREAMING = "gpt-realtime-whisper"  # sends words while the user speaks, and has no turn detection in a transcription
WHOLE = (
    "turn_detection",
    "transcription",
    "format",
    "noise_reduction",
    "voice",
    "tool_choice",
    "truncation",
    "tracing",
)
# What a client clears with null. Null leaves every other parameter as it was.
CLEARED = ("turn_detection", "transcription", "noise_reduction", "tracing", "include", "prompt")
# In a transcription session nothing is answered, so its turn detection has neither of these.
ANSWERS = ("create_response", "interrupt_response", "idle_timeout_ms")


def configured(config: Json, session: Json, *, begun: bool, spoken: bool) -> Json:
    """The configuration after a client's session.update, which was checked by the SDK's types.

    begun: whether the session has sent its first event; its model is fixed from then on. spoken: whether the model has
    responded with audio; its voice is fixed from then on. Raises RealtimeRefused, and changes nothing.
    """
    kind = config["type"]
    if (given := session.get("type", kind)) != kind:
        raise RealtimeRefused(
            "invalid_parameter", f"Passing a {given} session update event to a {kind} session is not allowed."
        )
    if session.get("model", config.get("model")) != config.get("model") and begun:
        raise RealtimeRefused("invalid_value", "The model cannot be changed.", "session.model")
    audio = session.get("audio") or {}
    if spoken:
        check_voice(config, (audio.get("output") or {}).get("voice"))
    config = _merged(config, session)
    input_config = config["audio"]["input"]
    if (turns := input_config.get("turn_detection")) is not None:
        if kind == "transcription" and (input_config.get("transcription") or {}).get("model") == STREAMING:
            if (audio.get("input") or {}).get("turn_detection") is not None:
                message = f"Turn detection is not supported for {STREAMING} in transcription sessions."
                raise RealtimeRefused("invalid_value", message, "session.audio.input.turn_detection")
            input_config["turn_detection"] = None
        else:
            input_config["turn_detection"] = _turn_detection(turns, kind)
    return config


def check_voice(config: Json, voice: object) -> None:
    """Check a voice that is asked for after audio was given. Raises RealtimeRefused for another one."""
    if voice is not None and voice != config["audio"]["output"]["voice"]:
        message = "Cannot update a conversation's voice if assistant audio is present."
        raise RealtimeRefused("cannot_update_voice", message)


def defaults(model: str) -> Json:
    """The configuration of a new session."""
    return {
        "type": "realtime",
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "You are a helpful assistant.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "truncation": "auto",
        "tracing": None,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": PCM},
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(TURN_DETECTION["server_vad"]),
            },
            "output": {"format": {"type": "audio/pcm", "rate": PCM}, "voice": "alloy", "speed": 1.0},
        },
    }


def transcription_defaults() -> Json:
    """The configuration of a new session that only transcribes."""
    input_config = copy.deepcopy(defaults("")["audio"]["input"])
    input_config["turn_detection"] = _turn_detection(input_config["turn_detection"], "transcription")
    return {"type": "transcription", "include": None, "audio": {"input": input_config}}


@dataclass(frozen=True, slots=True)
class ResponseConfig:
    """What holds for one response: the session's configuration, and the changes of its response.create."""

    modality: Literal["audio", "text"]
    audio_format: Json
    voice: str | Json
    speed: float
    max_tokens: int | None
    """None: no limit."""
    instructions: str
    calls: bool
    """Whether the model may call tools."""
    forced: str | None = None
    """Name of a tool that the model must call."""

    def described(self) -> Json:
        """The fields of the response that clients get."""
        voice = self.voice if isinstance(self.voice, str) else self.voice["id"]
        output = {"format": dict(self.audio_format), "voice": voice}
        return {
            "output_modalities": [self.modality],
            "max_output_tokens": "inf" if self.max_tokens is None else self.max_tokens,
            "audio": {"output": output},
        }


def response_config(config: Json, params: Json, *, spoken: bool) -> ResponseConfig:
    """What holds for a response. params: of its response.create. spoken: whether the model has responded with audio.

    Raises RealtimeRefused for another voice after that.
    """
    output = config["audio"]["output"]
    asked = (params.get("audio") or {}).get("output") or {}
    if spoken and params.get("conversation") != "none":
        check_voice(config, asked.get("voice"))
    most = params.get("max_output_tokens") or config["max_output_tokens"]
    tools = config["tools"] if params.get("tools") is None else params["tools"]
    choice = params.get("tool_choice") or config["tool_choice"]
    names = [str(tool["name"]) for tool in tools if tool.get("name")]
    forced = names[0] if choice == "required" and names else None
    if isinstance(choice, dict) and choice["type"] == "function":
        forced = choice["name"]
        if forced not in names:
            message = f"Tool choice '{forced}' not found in 'tools' parameter."
            raise RealtimeRefused("invalid_value", message, "response.tool_choice")
    return ResponseConfig(
        modality=(params.get("output_modalities") or config["output_modalities"])[0],
        audio_format=asked.get("format") or output["format"],
        voice=asked.get("voice") or output["voice"],
        speed=output["speed"],
        max_tokens=None if most == "inf" else most,
        instructions=params.get("instructions") or config["instructions"],
        calls=choice != "none",
        forced=forced,
    )


def _turn_detection(turns: Json, kind: str) -> Json:
    """Turn detection as the vendor's answer names it: every field has a value."""
    given = {name: value for name, value in turns.items() if value is not None}
    whole: Json = {**TURN_DETECTION[turns["type"]], **given}
    return {name: value for name, value in whole.items() if kind == "realtime" or name not in ANSWERS}


def _merged(known: Json, given: Json) -> Json:
    """The configuration with the given values. The objects in WHOLE are replaced; other objects are merged."""
    merged = dict(known)
    for name, value in given.items():
        if value is None and name not in CLEARED:
            continue
        merge = isinstance(value, dict) and isinstance(known.get(name), dict) and name not in WHOLE
        merged[name] = _merged(known[name], value) if merge else copy.deepcopy(value)
    return merged
