"""The sounds that a caller's side makes, from folders of recordings, from espeak, and made up by arithmetic.

A folder of recordings has a `manifest.json` or `labels.json`: a list of {file, kind, ...} where kind is one of KINDS or
a name of ALIASES, and the place of the sound is `onset_ms`, `end_ms`, or `speech_ms`, or `active_ms` (lists of
[from, to]), or else the whole file. WAV is read everywhere, FLAC where the package soundfile is.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bargein.audio.levels import rms
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.errors import UsageError

RATE = 16_000
KINDS = (
    "interruption",
    "command",
    "question",
    "ask",
    "hesitation",
    "backchannel",
    "cough",
    "sneeze",
    "door",
    "keyboard",
    "traffic",
    "music",
    "television",
)
# What recordings call it: (kind, what) or kind alone.
ALIASES: Mapping[str, str] = {
    "person-sneeze": "sneeze",
    "conversation": "television",
    "laptop-tap": "keyboard",
    "tap": "keyboard",
    "handling-rub": "keyboard",
    "friction": "keyboard",
    "rain": "traffic",
    "helicopter": "traffic",
    "sea-waves": "traffic",
}
LEAST_MS = 700.0  # addressed speech shorter than that is no clear interruption
MOST_MS = 8_000.0


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound at 16 000 Hz. onset_ms, end_ms: where in it the speech, or the noise, begins and ends; source:
    "recorded", "espeak" or "made"."""

    kind: str
    name: str
    samples: Samples
    onset_ms: float
    end_ms: float
    source: str = "recorded"

    @property
    def active_ms(self) -> float:
        return self.end_ms - self.onset_ms

    @property
    def level_db(self) -> float:
        """Of its active part, dB of full scale."""
        part = self.samples[_at(self.onset_ms) : _at(self.end_ms)]
        return float(20 * np.log10(max(rms(part), 1e-6)))

    def at_level(self, db: float) -> Clip:
        """The same, so loud in its active part; peaks are kept below full scale."""
        gain = 10 ** ((db - self.level_db) / 20)
        peak = float(np.abs(self.samples.astype(np.int32)).max(initial=1))
        gain = min(gain, 32_000 / peak)
        return replace(self, samples=np.rint(self.samples * gain).astype(np.int16))

    def trimmed(self, most_ms: float) -> Clip:
        """Its beginning, faded out at the end. What lies before the onset is dropped: there it is the recording's
        room, and ours is there already."""
        begin = _at(self.onset_ms)
        end = min(_at(self.end_ms) + _at(60), begin + _at(most_ms), len(self.samples))
        samples = self.samples[begin:end].copy()
        fade = min(_at(20), len(samples))
        if fade:
            samples[-fade:] = np.rint(samples[-fade:] * np.linspace(1, 0, fade)).astype(np.int16)
        return replace(self, samples=samples, onset_ms=0.0, end_ms=min(self.active_ms, len(samples) * 1000 / RATE))

    def at_rate(self, rate: int) -> Samples:
        return self.samples if rate == RATE else resample(Pcm(self.samples, RATE), rate).samples


def _at(ms: float) -> int:
    return int(ms * RATE / 1000)


def read_folder(folder: Path) -> list[Clip]:
    """The sounds of a folder that are of use here. Raises UsageError where there is no list of them, or it is wrong."""
    for name in ("manifest.json", "labels.json"):
        path = folder / name
        if path.is_file():
            break
    else:
        raise UsageError(f"{folder} has no manifest.json", advice="Write one: a list of {file, kind, onset_ms, end_ms}")
    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", advice="Write a JSON list of {file, kind, ...}") from None
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise UsageError(f"{path} is no list of sounds", advice="Write a JSON list of {file, kind, ...}")
    clips = [clip for entry in entries if (clip := _clip(folder, entry)) is not None]
    if not clips:
        raise UsageError(f"{path} names no sound of use", advice=f"Known kinds: {', '.join(KINDS)}")
    return clips


def _clip(folder: Path, entry: Mapping[str, Any]) -> Clip | None:
    kind = str(entry.get("kind", ""))
    kind = ALIASES.get(str(entry.get("what", kind)), ALIASES.get(kind, str(entry.get("what", kind))))
    if kind not in KINDS:
        return None
    path = folder / str(entry.get("file", ""))
    samples = _samples(path)
    begin, end = _span(entry, len(samples) * 1000 / RATE, path)
    if kind == "interruption" and entry.get("onset_quality", "A") == "C":
        return None  # nobody is sure where it begins
    clip = Clip(kind, path.stem, samples, begin, end)
    if kind == "interruption" and (clip.active_ms < LEAST_MS or entry.get("short")):
        return replace(clip, kind="command")  # a word or two, however long they take
    return clip


def _span(entry: Mapping[str, Any], lasts_ms: float, path: Path) -> tuple[float, float]:
    try:
        if "onset_ms" in entry:
            begin, end = float(entry["onset_ms"]), float(entry.get("end_ms", lasts_ms))
        else:
            spans = entry.get("speech_ms") or entry.get("active_ms") or [[0.0, lasts_ms]]
            begin, end = float(spans[0][0]), float(spans[-1][1])
    except (TypeError, ValueError, IndexError, KeyError):
        raise UsageError(f"The place of {path.name} is not understood", advice="Give onset_ms and end_ms") from None
    end = min(end, lasts_ms)
    if not 0 <= begin < end:
        raise UsageError(f"{path.name} ends before it begins", advice="Give onset_ms and end_ms within the file")
    return begin, end


def _samples(path: Path) -> Samples:
    """Mono at 16 000 Hz."""
    if path.suffix.lower() == ".wav":
        try:
            with wave.open(str(path), "rb") as file:
                if file.getsampwidth() == 2 and file.getnchannels() == 1:
                    read = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16)
                    return resample(Pcm(read, file.getframerate()), RATE).samples
        except (OSError, EOFError, wave.Error) as error:
            raise UsageError(f"{path} cannot be read: {error}", advice="Give a WAV file") from None
        raise UsageError(f"{path} is not 16-bit mono", advice="Convert it, with sox for instance")
    try:
        import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415  # only where it has something to read
    except ImportError:
        raise UsageError(f"{path} is no WAV", advice="Install soundfile, or convert it") from None
    try:
        data, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", advice="Give a WAV or FLAC file") from None
    return resample(Pcm(np.ascontiguousarray(data[:, 0]), int(rate)), RATE).samples


class Library:
    """All sounds, by kind. A kind that recordings and made-up sounds share keeps both."""

    def __init__(self, clips: Iterable[Clip]) -> None:
        self._clips: dict[str, list[Clip]] = {}
        for clip in clips:
            self._clips.setdefault(clip.kind, []).append(clip)

    def of(self, kind: str) -> Sequence[Clip]:
        return self._clips.get(kind, ())

    def counts(self) -> dict[str, int]:
        return {kind: len(clips) for kind, clips in self._clips.items()}
