"""Labelled recordings, cut where a sound begins and rendered as a call would bring them: for the sound head.

A folder has a `manifest.json`: a list of {file, kind, ...}. Read here:

- file: WAV or FLAC, mono. rate: 8000 where the recording is a telephone's.
- kind: interruption, speech (words); backchannel, noise (with `what`: laughing, cough, person-sneeze, or another name).
  Others, and backchannels without `what`, are passed over: it is not known whether they hold words.
- where the sound is: onset_ms and end_ms, or speech_ms, or active_ms (lists of [from, to]), or else the whole file.
- speaker: recordings of one speaker are never apart in cross-validation; without one the source tells.

The audio before a sound is cut off (60 ms stay), and one floor of noise lies under and before everything: recordings of
words have more of their room before the onset than recordings of noises, and a head would learn that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.pcm import Samples
from bargein.audio.silero import CONTEXT, STATE, WINDOW, SileroModel
from bargein.audio.sound.features import LEAD_MS
from bargein.errors import UsageError

Wave = NDArray[np.float64]

KINDS = ("words", "laugh", "cough", "sneeze", "other")
WHATS = {"laughing": "laugh", "cough": "cough", "person-sneeze": "sneeze", "throat-clearing": "cough"}
LASTS_MS = 1_150  # of a rendering, from the cut on
APART_MS = 300  # quiet that makes the next sound of a recording one of its own
MOST_STARTS = 4  # sounds taken of one recording
QUIET_MS = 640  # of the floor alone before each sound: the VAD's state settles
OPENS = 0.3  # Silero's probability at which the product sees an onset
FIRM = 0.5  # and at which it is firm


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSound:
    """A recording, and where its sounds begin."""

    name: str
    kind: str
    group: str
    """Speaker or source: never on both sides of a cross-validation."""
    wave: Wave
    rate: int
    starts_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a call brings a sound."""

    telephone: bool = False
    """8000 Hz and mu-law. A recording at 8000 Hz is always brought so."""
    speed: float = 1.0
    level_db: float = -26.0
    """Of the loudest 100 ms, dB of full scale."""
    floor_db: float = -65.0
    bed: str | None = None
    """A noise bed: "white", "pink", "hum", or a name of the beds given to `render`."""
    snr_db: float = 10.0
    tilt_db: float = 0.0
    """Treble against bass, as microphones differ."""
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class HeardSound:
    """A sound as the product has it: from LEAD_MS before the VAD's first crossing on."""

    sound: str
    """Name of the recording, and which of its sounds."""
    kind: str
    group: str
    rate: int
    samples: Samples
    curve: tuple[float, ...]
    """Silero's probabilities since the onset."""
    opened: bool
    """Whether the VAD crossed OPENS at all. If not, the onset is the labelled one."""

    def firm_at(self, ms: float) -> bool:
        """Whether a look at this length after the onset is made: the speech was firm by then."""
        return self.opened and max(self.curve[: max(1, int(ms / 32))]) >= FIRM


def read_sounds(folder: Path) -> list[LabelledSound]:
    """All recordings whose kind tells whether they hold words. Raises UsageError without a manifest."""
    path = folder / "manifest.json"
    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", advice="Write a JSON list of {file, kind, ...}") from None
    found = []
    for entry in entries:
        kind = _kind(entry)
        if kind is None:
            continue
        wave, rate = soundfile.read(folder / entry["file"], dtype="float64", always_2d=True)
        mono = wave[:, 0]
        if rate not in (8000, 16000):
            mono, rate = soxr.resample(mono, rate, 16000, quality="HQ"), 16000
        starts = tuple(_starts(entry, kind))
        found.append(LabelledSound(Path(entry["file"]).stem, kind, _group(entry), mono, int(rate), starts))
    return found


def _kind(entry: Mapping[str, Any]) -> str | None:
    kind, what = entry.get("kind"), entry.get("what")
    if kind in ("interruption", "speech"):
        return "words"
    if kind in ("backchannel", "noise") and what:
        return WHATS.get(what, "other")
    return None


def _group(entry: Mapping[str, Any]) -> str:
    if speaker := entry.get("speaker"):
        return re.sub(r"(scratch-\w+?)-?(fe)?(male)?\d*$", r"\1", str(speaker))  # one library, perhaps one voice
    # ESC-10 names the recording at Freesound, of which it may have several cuts: "1-30344-A".
    if match := re.search(r"-(\d+)-[A-Z]\.", str(entry["file"])):
        return f"freesound-{match[1]}"
    return re.sub(r"[-_]?\d+$", "", Path(str(entry["file"])).stem)


def _starts(entry: Mapping[str, Any], kind: str) -> Iterator[float]:
    if "onset_ms" in entry:
        yield float(entry["onset_ms"])
        return
    spans = (entry.get("speech_ms") if kind == "words" else None) or entry.get("active_ms") or [[0.0, 0.0]]
    quiet_from, taken = -1e9, 0
    for begin, end in spans:
        if begin - quiet_from >= APART_MS and taken < MOST_STARTS:
            taken += 1
            yield float(begin)
        quiet_from = end


def beds_of(sounds: Sequence[LabelledSound]) -> dict[str, Wave]:
    """Steady recordings to lay under others, at 16 000 Hz, by name."""
    steady = re.compile(r"rain|sea-waves|helicopter|fire-crackling|clapping|line-static|line-buzz|background-noise")
    beds: dict[str, Wave] = {}
    for sound in sounds:
        if steady.search(sound.name) and len(sound.wave) >= sound.rate // 2:
            beds[sound.name] = sound.wave if sound.rate == 16000 else soxr.resample(sound.wave, 8000, 16000)
    return beds


def render(
    sound: LabelledSound, start: int, how: Rendering, model: SileroModel, beds: Mapping[str, Wave] | None = None
) -> HeardSound:
    """The sound with this number, as a call brings it."""
    rng = np.random.default_rng(how.seed)
    cut = max(0, int((sound.starts_ms[start] - LEAD_MS) * sound.rate / 1000))
    wave = sound.wave[cut : cut + int(LASTS_MS * 1.3 * sound.rate / 1000)]
    rate = 8000 if how.telephone or sound.rate == 8000 else 16000
    if how.speed != 1.0:
        wave = soxr.resample(wave, sound.rate * how.speed, sound.rate)
    if rate != sound.rate:
        wave = soxr.resample(wave, sound.rate, rate)
    length = LASTS_MS * rate // 1000
    wave = np.pad(wave[:length], (0, max(0, length - len(wave))))
    fade = rate * 5 // 1000
    wave[:fade] *= np.linspace(0, 1, fade)
    if how.tilt_db:
        wave = _tilted(wave, how.tilt_db)
    wave *= 10 ** (how.level_db / 20) / _loudest(wave, rate)
    quiet = QUIET_MS * rate // 1000
    whole = np.concatenate((np.zeros(quiet), wave))
    whole += rng.standard_normal(len(whole)) * 10 ** (how.floor_db / 20)
    if how.bed is not None:
        bed = _bed(how.bed, len(whole), rate, beds or {}, rng)
        whole += bed * 10 ** ((how.level_db - how.snr_db) / 20) / max(float(np.sqrt(np.mean(bed**2))), 1e-9)
    samples: Samples = np.clip(np.rint(whole * 32768), -32768, 32767).astype(np.int16)
    if rate == 8000:
        samples = from_mulaw(to_mulaw(samples))
    return _heard(sound, start, samples, rate, quiet, model)


def _heard(sound: LabelledSound, start: int, samples: Samples, rate: int, quiet: int, model: SileroModel) -> HeardSound:
    curve = silero_curve(samples, rate, model)
    size = WINDOW[rate]
    first = max(0, quiet // size - 1)  # the window in which the rendering begins, or the one before
    crossings = np.flatnonzero(curve[first : first + 20] >= OPENS)
    opened = bool(len(crossings))
    onset = first + int(crossings[0]) if opened else (quiet + LEAD_MS * rate // 1000) // size
    begin = max(0, onset * size - LEAD_MS * rate // 1000)
    heard = tuple(float(p) for p in curve[onset:])
    return HeardSound(f"{sound.name}#{start}", sound.kind, sound.group, rate, samples[begin:].copy(), heard, opened)


def silero_curve(samples: Samples, rate: int, model: SileroModel) -> NDArray[np.float32]:
    """Silero's probability of each window of 32 ms."""
    size, past = WINDOW[rate], CONTEXT[rate]
    wave = np.zeros(past + len(samples), np.float32)
    wave[past:] = samples * np.float32(1 / 32768)
    state = np.zeros((2, 1, STATE), np.float32)
    out = np.zeros(len(samples) // size, np.float32)
    for i in range(len(out)):
        speech, state = model.run(wave[None, i * size : i * size + past + size], state, rate)
        out[i] = speech[0]
    return out


def _loudest(wave: Wave, rate: int) -> float:
    block = rate // 10
    blocks = wave[: len(wave) // block * block].reshape(-1, block)
    return max(float(np.sqrt(np.mean(blocks**2, axis=1)).max(initial=0.0)), 1e-6)


def _tilted(wave: Wave, tilt_db: float) -> Wave:
    spectrum = np.fft.rfft(wave)
    at = np.linspace(-0.5, 0.5, len(spectrum))
    return np.fft.irfft(spectrum * 10 ** (tilt_db * at / 20), len(wave))


def _bed(name: str, length: int, rate: int, beds: Mapping[str, Wave], rng: np.random.Generator) -> Wave:
    if name == "white":
        return rng.standard_normal(length)
    if name in ("pink", "hum"):
        spectrum = np.fft.rfft(rng.standard_normal(length))
        at = np.maximum(np.fft.rfftfreq(length, 1 / rate), 50.0)
        return np.fft.irfft(spectrum / (np.sqrt(at) if name == "pink" else at), length)
    bed = beds[name]
    if rate == 8000:
        bed = soxr.resample(bed, 16000, 8000)
    begin = int(rng.integers(len(bed)))
    return np.resize(np.roll(bed, -begin), length)
