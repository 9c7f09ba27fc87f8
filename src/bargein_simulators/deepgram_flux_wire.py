"""Flux's wire: the query of a connection, its Configure message, and TurnInfo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bargein_simulators.simulated_stt import NEVER, STTScriptEvent

EVENTS = {
    "update": "Update",
    "started": "StartOfTurn",
    "eager_end": "EagerEndOfTurn",
    "resumed": "TurnResumed",
    "ended": "EndOfTurn",
}
MOST_KEYTERMS = 100


class FluxThresholds(BaseModel):
    """The thresholds of a connection. Raises ValidationError for what Deepgram refuses."""

    model_config = ConfigDict(extra="ignore")
    eot_threshold: float = Field(default=0.7, ge=0.5, le=1)
    eager_eot_threshold: float | None = Field(default=None, ge=0.3, le=0.9)
    eot_timeout_ms: int = Field(default=5_000, ge=500, le=60_000)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.eager_eot_threshold is not None and self.eager_eot_threshold > self.eot_threshold:
            raise ValueError("eager_eot_threshold is above eot_threshold")
        return self

    @property
    def end(self) -> float:
        """Confidence that ends a turn. At 1.0 the model never does; quiet for eot_timeout_ms still does."""
        return NEVER if self.eot_threshold == 1.0 else self.eot_threshold


class FluxQuery(FluxThresholds):
    """The part of the query that is read. Raises ValidationError where Deepgram refuses with 400."""

    model: Literal["flux-general-en", "flux-general-multi"]
    encoding: Literal["linear16", "linear32", "mulaw", "alaw"] | None = None  # None: a container, whose header is read
    sample_rate: Literal["8000", "16000", "24000", "44100", "48000"] | None = None

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.encoding is None) != (self.sample_rate is None):
            raise ValueError("encoding and sample_rate go together")
        return self


class FluxConfigure(BaseModel):
    """A Configure message. Raises ValidationError where Deepgram answers with ConfigureFailure."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["Configure"]
    thresholds: dict[Literal["eot_threshold", "eager_eot_threshold", "eot_timeout_ms"], float | None] | None = None
    keyterms: Annotated[list[str], Field(max_length=MOST_KEYTERMS)] | None = None
    language_hints: list[str] | None = None
    numerals: bool | None = None


def configured(thresholds: FluxThresholds, message: Mapping[str, Any]) -> tuple[FluxConfigure, FluxThresholds]:
    """A Configure message, and the thresholds after it. Raises ValidationError, and nothing is changed."""
    configure = FluxConfigure.model_validate(message)
    given = {name: value for name, value in (configure.thresholds or {}).items() if value is not None}
    kept = thresholds.model_dump(include=set(FluxThresholds.model_fields))
    return configure, FluxThresholds.model_validate(kept | given)


def turn_info(event: STTScriptEvent) -> dict[str, object]:
    """The fields of a TurnInfo about an event."""
    info: dict[str, object] = {
        "event": EVENTS[event.kind],
        "turn_index": event.turn,
        "audio_window_start": round(event.window_start_ms / 1000, 3),
        "audio_window_end": round(event.window_end_ms / 1000, 3),
        "transcript": event.text,
        "words": [
            {
                "word": word.word,
                "confidence": 0.98,
                "start": round(word.start_ms / 1000, 3),
                "end": round(word.end_ms / 1000, 3),
            }
            for word in event.words
        ],
        "end_of_turn_confidence": event.confidence,
    }
    if event.trigger is not None:
        info["trigger"] = event.trigger
    return info
