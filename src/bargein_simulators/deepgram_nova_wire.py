"""Nova's wire: the query of a connection, and the messages to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from bargein_simulators.deepgram_audio import HIGHEST_RATE, LOWEST_RATE
from bargein_simulators.simulated_stt import RecognizedWord

MOST_KEYTERM_TOKENS = 500


class NovaQuery(BaseModel):
    """The part of the query that is read. Raises ValidationError where Deepgram refuses with 400."""

    model: Annotated[str, Field(pattern="^(nova|enhanced|base)")]
    encoding: Literal["linear16", "linear32", "mulaw", "alaw"] | None = None  # None: a container, whose header is read
    sample_rate: Annotated[int, Field(ge=LOWEST_RATE, le=HIGHEST_RATE)] | None = None
    channels: Literal["1"] = "1"
    interim_results: Literal["true", "false"] = "false"
    vad_events: Literal["true", "false"] = "false"
    punctuate: Literal["true", "false"] = "false"
    smart_format: Literal["true", "false"] = "false"
    endpointing: Annotated[int, Field(ge=10)] | Literal["true", "false"] = 10
    utterance_end_ms: Annotated[int, Field(ge=1_000)] | None = None
    keyterm: str | None = None

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.encoding is not None and self.sample_rate is None:
            raise ValueError("encoding needs sample_rate")
        if self.utterance_end_ms is not None and self.interim_results == "false":
            raise ValueError("utterance_end_ms needs interim_results")
        if self.keyterm is not None and not self.model.startswith("nova-3"):
            raise ValueError("keyterm is for nova-3")
        return self

    def with_features(self, features: Mapping[str, bool]) -> NovaQuery:
        """The query after a Configure. The other features change no word of a script."""
        known = {name: str(on).lower() for name, on in features.items() if name in ("punctuate", "smart_format")}
        return self.model_copy(update=known)

    @property
    def pause_ms(self) -> int | None:
        """The pause that ends a turn. None: no pause ends one."""
        return {"true": 10, "false": None}[self.endpointing] if isinstance(self.endpointing, str) else self.endpointing


def configured(request: str, model: str, message: Mapping[str, Any]) -> dict[str, object]:
    """The answer to a Configure message."""
    failure = {"type": "ConfigureFailure", "request_id": request}
    keyterms, features = message.get("keyterms"), message.get("features")
    words = isinstance(keyterms, list) and all(isinstance(term, str) for term in keyterms)
    flags = isinstance(features, dict) and all(isinstance(on, bool) for on in features.values())
    if (keyterms is not None and not words) or (features is not None and not flags):
        return {**failure, "code": "CONFIGURE_INTERNAL_ERROR", "description": "keyterms is a list, features has flags"}
    if keyterms is not None and not model.startswith("nova-3"):
        code = "CONFIGURE_KEYTERMS_NOT_SUPPORTED"
        return {**failure, "code": code, "description": "Only Nova-3 models take keyterms within a stream"}
    if keyterms is not None and sum(len(term.split()) for term in keyterms) > MOST_KEYTERM_TOKENS:
        code = "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"
        return {**failure, "code": code, "description": f"The keyterms exceed {MOST_KEYTERM_TOKENS} tokens"}
    success: dict[str, object] = {"type": "ConfigureSuccess", "request_id": request}
    return success if keyterms is None else {**success, "keyterms": keyterms}


def results(
    request: str,
    words: Sequence[RecognizedWord],
    from_ms: float,
    until_ms: float,
    final: bool,
    over: bool,
    written: bool,
    from_finalize: bool = False,
) -> dict[str, object]:
    """A Results message.

    words: their times on the clock of the audio. from_ms, until_ms: the audio that the message is about. written: with
    punctuation and capitals, as in the script.
    """
    words_sent = [
        {
            "word": "".join(c for c in word.word.lower() if c.isalnum() or c in "'-"),
            "start": round(max(word.start_ms, from_ms) / 1000, 3),
            "end": round(max(word.end_ms, from_ms) / 1000, 3),
            "confidence": 0.98,
            **({"punctuated_word": word.word} if written else {}),
        }
        for word in words
    ]
    transcript = " ".join(str(word.get("punctuated_word", word["word"])) for word in words_sent)
    model = {"name": "general-nova-3", "version": "2025-04-17.21547", "arch": "nova-3"}
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "start": round(from_ms / 1000, 3),
        "duration": round((until_ms - from_ms) / 1000, 3),
        "is_final": final,
        "speech_final": over,
        "from_finalize": from_finalize,
        "channel": {
            "alternatives": [{"transcript": transcript, "confidence": 0.98 if words_sent else 0.0, "words": words_sent}]
        },
        "metadata": {"request_id": request, "model_info": model, "model_uuid": "00000000-simulated"},
    }


def metadata(request: str, audio_ms: float) -> dict[str, object]:
    """The message that follows a CloseStream. audio_ms: length of the audio that came."""
    return {
        "type": "Metadata",
        "transaction_key": "deprecated",
        "request_id": request,
        "sha256": "0" * 64,
        "created": "2026-01-01T00:00:00.000Z",
        "duration": round(audio_ms / 1000, 3),
        "channels": 1,
    }
