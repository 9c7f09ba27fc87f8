"""ElevenLabs' wire: the query of a connection, and the alignment of audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from bargein_simulators.audio_formats import NO_PYAV, AudioEncoder, CompressedEncoder, RawEncoder, can_compress
from bargein_simulators.simulated_tts import Chunk

DEFAULT_FORMAT = "mp3_44100_128"
FORMATS = (
    *(f"mp3_{rate}" for rate in ("22050_32", "44100_32", "44100_64", "44100_96", "44100_128", "44100_192")),
    *(f"pcm_{rate}" for rate in (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)),
    "ulaw_8000",
    "alaw_8000",
    *(f"opus_48000_{kbits}" for kbits in (32, 64, 96, 128, 192)),
)
SCHEDULE = (120, 160, 250, 290)


class ElevenLabsQuery(BaseModel):
    """The part of the query that is read. Raises ValidationError where the vendor refuses."""

    output_format: str = DEFAULT_FORMAT
    auto_mode: bool = False
    sync_alignment: bool = False
    inactivity_timeout: Annotated[int, Field(gt=0, le=180)] | None = None
    apply_text_normalization: Literal["auto", "on", "off"] = "auto"


class _GenerationConfig(BaseModel):
    chunk_length_schedule: list[Annotated[float, Field(ge=50, le=500)]] = Field(default=list(SCHEDULE), min_length=1)


class _VoiceSettings(BaseModel):
    speed: float = Field(default=1.0, ge=0.7, le=1.2)
    stability: float | None = Field(default=None, ge=0, le=1)
    similarity_boost: float | None = Field(default=None, ge=0, le=1)
    style: float | None = Field(default=None, ge=0, le=1)


class FirstMessage(BaseModel):
    """What the first message of a context configures. Raises ValidationError where the vendor refuses."""

    generation_config: _GenerationConfig = _GenerationConfig()
    voice_settings: _VoiceSettings = _VoiceSettings()


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """A format of the audio: its kind ("pcm", "ulaw", "alaw", "mp3", "opus"), rate, and kilobits a second."""

    kind: str
    rate: int
    kbits: int | None

    def encoder(self) -> AudioEncoder:
        """A new encoder, for one context."""
        raw = {"pcm": "s16le", "ulaw": "mulaw", "alaw": "alaw"}
        if self.kind in raw:
            return RawEncoder(raw[self.kind])
        return CompressedEncoder(self.kind, self.rate, None if self.kbits is None else self.kbits * 1000)


def output_format(name: str) -> OutputFormat | str:
    """The format of a name; or why it cannot be had."""
    if name not in FORMATS:
        return f"Invalid output format: '{name}'. Supported formats are {', '.join(FORMATS)}."
    kind, rate, *kbits = name.split("_")
    if kind in ("mp3", "opus") and not can_compress():
        return NO_PYAV
    return OutputFormat(kind, int(rate), int(kbits[0]) if kbits else None)


def alignment(chunk: Chunk) -> dict[str, list[object]] | None:
    """The vendor's alignment of a chunk: the characters that begin to sound in it. None: there is none.

    Times count from the chunk's first sample. The characters of a word share its time evenly.
    """
    speech, chars, starts, lasts = chunk.speech, [], [], []
    for index, word in enumerate(speech.words):
        if word not in chunk.words:
            continue
        gap = speech.words[index - 1].end if index else 0
        for char in speech.text[gap : word.begin]:
            chars.append(char)
            starts.append(round(word.start_ms - chunk.at_ms))
            lasts.append(0)
        each = (word.end_ms - word.start_ms) / max(word.end - word.begin, 1)
        for place, char in enumerate(speech.text[word.begin : word.end]):
            chars.append(char)
            start = round(word.start_ms - chunk.at_ms + each * place)
            starts.append(start)
            lasts.append(round(word.start_ms - chunk.at_ms + each * (place + 1)) - start)
    if chunk.last and speech.words:  # what follows the last word, which may have begun in a chunk before
        rest, ended = speech.text[speech.words[-1].end :], max(0, round(speech.words[-1].end_ms - chunk.at_ms))
        chars += list(rest)
        starts += [ended] * len(rest)
        lasts += [0] * len(rest)
    if not chars:
        return None
    return {"chars": list(chars), "charStartTimesMs": list(starts), "charDurationsMs": list(lasts)}
