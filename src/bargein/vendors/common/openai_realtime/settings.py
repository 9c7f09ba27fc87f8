"""Settings of an OpenAI Realtime model, and the session that asks OpenAI for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from bargein.errors import UsageError
from bargein.protocols import SessionConfig
from bargein.vendors.common.openai_realtime.audio_formats import SessionFormats
from bargein.vendors.common.openai_realtime.items import Json, tool
from bargein.vendors.common.openai_realtime.prompts import instructions

MODEL = "gpt-realtime-2.1"
VOICE = "marin"
TRANSCRIPTION_MODEL = "gpt-realtime-whisper"
RETAINED = 0.8  # of a conversation that is too long: the oldest items go, some at once, so that the cache serves

TurnDetection = Literal["server_vad", "semantic_vad", "ours", "vendor"]
Eagerness = Literal["low", "medium", "high", "auto"]
NoiseReduction = Literal["near_field", "far_field"]
Effort = Literal["minimal", "low", "medium", "high", "xhigh"]


@dataclass(frozen=True, slots=True)
class RealtimeSettings:
    """One model's settings. Raises UsageError for a value out of range."""

    model: str = MODEL
    voice: str = VOICE
    turn_detection: TurnDetection = "server_vad"
    """Who finds the user's turns:

    server_vad    OpenAI, by silence. OpenAI transcribes the turns; our floor decides when one is over.
    semantic_vad  OpenAI, by the words. OpenAI's end of a turn ends the turn.
    ours          Our floor. Audio goes up only during a turn, and we announce its end. Always so over WebRTC.
    vendor        OpenAI, which also interrupts and answers by itself. Our floor follows.
    """
    threshold: float = 0.5
    """Of server_vad and vendor, 0 to 1."""
    prefix_padding_ms: int = 300
    """Audio before the speech that belongs to a turn, of server_vad and vendor."""
    silence_duration_ms: int = 500
    """Silence that ends a turn, of server_vad and vendor."""
    eagerness: Eagerness = "auto"
    """Of semantic_vad."""
    transcription_model: str | None = TRANSCRIPTION_MODEL
    """Transcribes the user's words for the record. None: the words stay unknown."""
    noise_reduction: NoiseReduction | None = None
    effort: Effort | None = None
    """How much a model of the second generation thinks."""
    speed: float = 1.0
    """0.25 to 1.5. Only 1.0 keeps the record of what the user heard exact."""
    max_output_tokens: int | None = None
    """1 to 4096. None: no limit."""

    def __post_init__(self) -> None:
        if self.turn_detection not in get_args(TurnDetection):
            advice = f"Choose one of {get_args(TurnDetection)}"
            raise UsageError(f"turn_detection is {self.turn_detection!r}", advice=advice)
        if not 0 <= self.threshold <= 1:
            raise UsageError(f"threshold is {self.threshold}", advice="Give a number from 0 to 1")
        if not 0.25 <= self.speed <= 1.5:
            raise UsageError(f"speed is {self.speed}", advice="Give a number from 0.25 to 1.5")
        if self.prefix_padding_ms < 0 or self.silence_duration_ms < 0:
            raise UsageError("Padding and silence are lengths", advice="Give milliseconds from 0 on")
        if self.max_output_tokens is not None and not 1 <= self.max_output_tokens <= 4096:
            raise UsageError(f"max_output_tokens is {self.max_output_tokens}", advice="Give 1 to 4096, or None")

    def session(self, brief: SessionConfig, *, webrtc: bool = False) -> Json:
        """The body of a session.update for a call. webrtc: the browser and OpenAI agree on the audio formats."""
        took: Json = {"turn_detection": None if webrtc else self._turn_detection()}
        formats = SessionFormats.asked(brief.rate, mulaw=brief.mulaw)
        if not webrtc:
            took["format"] = formats.input.as_json()
        if self.transcription_model is not None:
            primary = brief.language.partition("-")[0].lower()
            took["transcription"] = {"model": self.transcription_model, "language": primary}
        if self.noise_reduction is not None:
            took["noise_reduction"] = {"type": self.noise_reduction}
        gave: Json = {"voice": self.voice, "speed": self.speed}
        if not webrtc:
            gave["format"] = formats.output.as_json()
        made: Json = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": instructions(brief.instructions, brief.language),
            "audio": {"input": took, "output": gave},
            "tools": [tool(spec) for spec in brief.tools],
            "tool_choice": "auto",
            "max_output_tokens": self.max_output_tokens or "inf",
        }
        keeps: Json = {"type": "retention_ratio", "retention_ratio": RETAINED}
        if brief.max_tokens is not None:
            keeps["token_limits"] = {"post_instructions": brief.max_tokens}
        made["truncation"] = keeps
        if self.effort is not None:
            made["reasoning"] = {"effort": self.effort}
        return made

    def _turn_detection(self) -> Json | None:
        ours = {"create_response": False, "interrupt_response": False}
        vad = {
            "type": "server_vad",
            "threshold": self.threshold,
            "prefix_padding_ms": self.prefix_padding_ms,
            "silence_duration_ms": self.silence_duration_ms,
        }
        match self.turn_detection:
            case "ours":
                return None
            case "server_vad":
                return vad | ours
            case "semantic_vad":
                return {"type": "semantic_vad", "eagerness": self.eagerness} | ours
            case "vendor":
                return vad | {"create_response": True, "interrupt_response": True}
