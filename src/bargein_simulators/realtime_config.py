"""The configuration of a session of OpenAI Realtime: the vendor's defaults, and a client's changes to them."""

from __future__ import annotations

import copy

from bargein_simulators.realtime_events import Json, RealtimeRefused

PCM = 24_000
AUDIO_FORMATS = {"audio/pcm": PCM, "audio/pcmu": 8_000, "audio/pcma": 8_000}
ASKED = ("audio/pcm", "audio/pcmu")  # what a client may ask for; `grants` may give the third
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
VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")


def configured(config: Json, session: Json, *, begun: bool) -> Json:
    """The configuration after a client's session.update.

    begun: whether the session has sent its first event; its model is fixed from then on. Raises RealtimeRefused.
    """
    if "model" in session and session["model"] != config["model"] and begun:
        raise RealtimeRefused("invalid_value", "The model cannot be changed.", "session.model")
    output = ((session.get("audio") or {}).get("output")) or {}
    if isinstance(output.get("voice"), str) and output["voice"] not in VOICES:
        raise RealtimeRefused("invalid_value", "Invalid value: unknown voice.", "session.audio.output.voice")
    config = _merged(config, session)
    for side in ("input", "output"):
        if (kind := (config["audio"][side]["format"] or {}).get("type")) not in ASKED:
            raise RealtimeRefused(
                "invalid_value", f"This simulator has no '{kind}'.", f"session.audio.{side}.format.type"
            )
    input_config = config["audio"]["input"]
    if (turns := input_config.get("turn_detection")) is not None:
        given = {name: value for name, value in turns.items() if value is not None}
        input_config["turn_detection"] = {
            **TURN_DETECTION[turns["type"]],
            **given,
        }  # the vendor's answer names every field
    return config


def defaults(model: str) -> Json:
    """The configuration of a new session."""
    pcm = {"type": "audio/pcm", "rate": PCM}
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
                "format": pcm,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(TURN_DETECTION["server_vad"]),
            },
            "output": {"format": dict(pcm), "voice": "alloy", "speed": 1.0},
        },
    }


def _merged(known: Json, given: Json) -> Json:
    """The configuration with the given values.

    Turn detection, transcription, format and noise reduction are replaced whole; other objects are merged.
    """
    send_event = dict(known)
    for name, value in given.items():
        whole = name in ("turn_detection", "transcription", "format", "noise_reduction")
        merge = isinstance(value, dict) and isinstance(known.get(name), dict) and not whole
        send_event[name] = _merged(known[name], value) if merge else copy.deepcopy(value)
    return send_event
