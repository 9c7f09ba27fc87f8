"""The sounds of a caller's side: recordings in folders, synthesized speech, and synthetic noises.

A folder of recordings has a `manifest.json` or `labels.json`: a list of {file, kind, ...}. kind is one of KINDS or a
name of ALIASES, and `what` names a sound more closely; a noise with `tags` was on a telephone line. The place of the
sound is `onset_ms` and `end_ms`, or `speech_ms`, or `active_ms` (lists of [from, to]), or else the whole file.
`pause_ms` is a place between two words. WAV is always read, at any rate; other formats need the package soundfile.
"""

from __future__ import annotations

import json
import re
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
TELEPHONE_RATE = 8_000
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
    "laugh",
    "line noise",
    "noise",
    "wait",
    "pause",
    "whole",
)
# Kinds by the name that recordings have for them.
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
    "laughing": "laugh",
    "laughter": "laugh",
    "throat-clearing": "cough",
    "background-talking": "television",
    "background-music": "music",
    "line-static": "line noise",
    "line-click": "line noise",
    "line-buzz": "line noise",
    "beep": "line noise",
    "breath": "line noise",
    "lip-smack": "line noise",
}
LAUGH = "laugh-"  # laugh-evil, laugh-female, ...: kinds of laughs
WAITS = re.compile(r"\W*(?:(?:uh|um|please|oh|no)\W+)*(?:wait|hold on|hello)\b", re.IGNORECASE)
ENDS = (".", "?", "!")  # of a text that is a whole sentence
LEAST_MS = 700.0  # shorter speech is no clear interruption
MOST_MS = 8_000.0


@dataclass(frozen=True, slots=True)
class Clip:
    """A sound at 16 000 Hz."""

    kind: str
    name: str
    samples: Samples
    onset_ms: float
    """Where in the samples the speech or noise begins."""
    end_ms: float
    """Where it ends."""
    source: str = "recorded"
    """ "recorded", "espeak" or "made"."""
    exact: bool = True
    """The onset is sure to some 10 ms."""
    pause_ms: float | None = None
    """Where in the samples, between two words, a speaker may pause. None: unknown."""
    speaker: str = ""
    """Who speaks, or whose noise it is. Empty: unknown."""

    @property
    def active_ms(self) -> float:
        return self.end_ms - self.onset_ms

    @property
    def level_db(self) -> float:
        """Level of the part between onset and end, dB of full scale."""
        part = self.samples[_at(self.onset_ms) : _at(self.end_ms)]
        return float(20 * np.log10(max(rms(part), 1e-6)))

    def at_level(self, db: float) -> Clip:
        """The clip at this level, or as near as its peaks allow."""
        gain = 10 ** ((db - self.level_db) / 20)
        peak = float(np.abs(self.samples.astype(np.int32)).max(initial=1))
        gain = min(gain, 32_000 / peak)
        return replace(self, samples=np.rint(self.samples * gain).astype(np.int16))

    def trimmed(self, most_ms: float) -> Clip:
        """The first most_ms from the onset, faded out. Audio before the onset is discarded: it is another room."""
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
    """The clips of a folder. Raises UsageError where the list is missing or wrong."""
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
    clips: list[Clip] = []
    for entry in entries:
        if (clip := _clip(folder, entry)) is not None:
            clips += [clip, *([whole] if (whole := _whole(clip, entry)) is not None else [])]
    if not clips:
        raise UsageError(f"{path} names no sound of a known kind", advice=f"The kinds are: {', '.join(KINDS)}")
    return clips


def kind_of_entry(entry: Mapping[str, Any]) -> str | None:
    """The kind of a manifest's entry, by its `what`, its `tags` (of a telephone line) and its `kind`. None: no scene
    plays it."""
    kind, tags = str(entry.get("kind", "")), entry.get("tags") or ()
    what = str(entry.get("what") or (tags[0] if isinstance(tags, list) and tags else kind))
    if what.startswith(LAUGH):
        return "laugh"
    if (named := ALIASES.get(what, what)) in KINDS:
        return named
    if kind == "noise":  # of a line where it has tags
        return "line noise" if tags else "noise"
    return named if (named := ALIASES.get(kind, kind)) in KINDS else None


def _clip(folder: Path, entry: Mapping[str, Any]) -> Clip | None:
    kind = kind_of_entry(entry)
    if kind is None:
        return None
    path = folder / str(entry.get("file", ""))
    samples = read_samples(path)
    begin, end = _span(entry, len(samples) * 1000 / RATE, path)
    if kind == "interruption" and entry.get("onset_quality", "A") == "C":
        return None  # the label of its onset is uncertain
    speaker = entry.get("speaker")
    clip = Clip(
        kind,
        path.stem,
        samples,
        begin,
        end,
        exact=entry.get("onset_quality", "A") == "A",
        speaker=speaker if isinstance(speaker, str) else "",
    )
    if kind == "interruption" and _asks_to_wait(entry):
        return replace(clip, kind="wait")
    if kind == "interruption" and (clip.active_ms < LEAST_MS or entry.get("short")):
        return replace(clip, kind="command")  # a word or two
    if kind == "pause" and (at := entry.get("pause_ms")) is not None:
        return replace(clip, pause_ms=_between(at, begin, end, path))
    return clip


def _asks_to_wait(entry: Mapping[str, Any]) -> bool:
    """ "Wait", "hold on" or "hello" over a telephone."""
    by_telephone = entry.get("phonetype") is not None or entry.get("rate") == TELEPHONE_RATE
    return by_telephone and bool(WAITS.match(str(entry.get("phrase") or entry.get("text") or "")))


def _whole(clip: Clip, entry: Mapping[str, Any]) -> Clip | None:
    """The same speech as a turn that is surely over at its end. None: its text does not say so."""
    text = str(entry.get("text") or "").rstrip()
    if clip.kind != "interruption" or entry.get("text_cut") or not text.endswith(ENDS):
        return None
    return replace(clip, kind="whole")


def _between(at: Any, begin: float, end: float, path: Path) -> float:
    if isinstance(at, int | float) and begin < at < end:
        return float(at)
    raise UsageError(f"pause_ms of {path.name} lies outside of its speech", advice="Give a place between two words, ms")


def _span(entry: Mapping[str, Any], lasts_ms: float, path: Path) -> tuple[float, float]:
    try:
        if "onset_ms" in entry:
            begin, end = float(entry["onset_ms"]), float(entry.get("end_ms", lasts_ms))
        else:
            spans = entry.get("speech_ms") or entry.get("active_ms") or [[0.0, lasts_ms]]
            begin, end = float(spans[0][0]), float(spans[-1][1])
    except (TypeError, ValueError, IndexError, KeyError):
        raise UsageError(
            f"The place of the sound in {path.name} cannot be read", advice="Give onset_ms and end_ms"
        ) from None
    end = min(end, lasts_ms)
    if not 0 <= begin < end:
        raise UsageError(
            f"The sound in {path.name} ends before it begins", advice="Give onset_ms and end_ms within the file"
        )
    return begin, end


def read_samples(path: Path) -> Samples:
    """The audio of a file, mono at 16 000 Hz."""
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
        import soundfile  # noqa: PLC0415  # only where it has something to read
    except ImportError:
        raise UsageError(
            f"{path} is no WAV, and the package soundfile is not installed",
            advice="Install it (pip install soundfile), or convert the file",
        ) from None
    try:
        data, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", advice="Give a WAV or FLAC file") from None
    return resample(Pcm(np.ascontiguousarray(data[:, 0]), int(rate)), RATE).samples


class Library:
    """All clips, by kind."""

    def __init__(self, clips: Iterable[Clip]) -> None:
        self._clips: dict[str, list[Clip]] = {}
        for clip in clips:
            self._clips.setdefault(clip.kind, []).append(clip)

    def of(self, kind: str) -> Sequence[Clip]:
        return self._clips.get(kind, ())

    def counts(self) -> dict[str, int]:
        return {kind: len(clips) for kind, clips in self._clips.items()}
