"""STT that makes no mistake: it finds each speech of the callers in what it hears, and reads the words of that speech.

So frameworks and servers are told the same words at the same moments, and a measured difference is their own. Sounds
that are no speech, and the agent's own echo, have no words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein_bench.scenarios.clips import RATE as CLIP_RATE
from bargein_bench.scenarios.clips import Clip

RATE = 4_000
MOST = RATE * 4  # samples of a speech that are known
PIECE = RATE * 12 // 10  # of a turn, by which it is recognised
LEAST = RATE * 35 // 100  # a shorter piece is like many places
LIKE = 0.5  # correlation from which a piece is of a speech
SURE = 0.7  # from which it is not looked up again
LEAD_MS = 150.0  # of audio that a turn has before its speech
EARLY_MS = 80.0  # a word counts to the turn in which most of it lies
SOFT_MS = 300.0  # of a speech's begin that a VAD may miss: its first word is of the turn all the same
WORD_MS = 380.0  # of a recording whose words are unknown
SPEECH = ("interruption", "command", "question", "ask", "hesitation", "backchannel", "television")
# Words for recordings whose text is unknown: none of them is a backchannel, or tells an agent to stop.
TEXT = "maybe the other train leaves after lunch and then my sister came by with her car to bring the letters"
FILLING = TEXT.split()

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class KnownSpeech:
    """A speech of the callers."""

    text: str
    samples: Samples
    """From the onset on, at CLIP_RATE."""
    lasts_ms: float


def known(clips: Iterable[Clip]) -> list[KnownSpeech]:
    """The speech among the clips, with its words."""
    return [
        KnownSpeech(_text(clip), clip.samples[int(clip.onset_ms * CLIP_RATE / 1000) :], clip.active_ms)
        for clip in clips
        if clip.kind in SPEECH
    ]


def _text(clip: Clip) -> str:
    name = clip.name.partition(" (")[0]
    if clip.kind == "backchannel" and (clip.source != "espeak" or not name):
        return "mm-hmm"
    if clip.source == "espeak" or " " in name:
        return name
    count = max(1, round(clip.active_ms / WORD_MS))
    return " ".join((FILLING * (count // len(FILLING) + 1))[:count])


def save(path: Path, speech: Sequence[KnownSpeech]) -> None:
    """Write the speech for another process."""
    texts = np.array([s.text for s in speech])
    lasts = np.array([s.lasts_ms for s in speech])
    np.savez(path, texts, lasts, *(s.samples for s in speech))


def load(path: Path) -> list[KnownSpeech]:
    with np.load(path) as stored:
        texts, lasts, *samples = (stored[f"arr_{n}"] for n in range(len(stored.files)))
    return [KnownSpeech(str(t), s, float(ms)) for t, s, ms in zip(texts, samples, lasts, strict=True)]


class SpeechIndex:
    """Finds a piece of audio in the known speech."""

    def __init__(self, speech: Sequence[KnownSpeech]) -> None:
        self.speech = speech
        self._size = MOST + 2 * PIECE
        signals = np.zeros((len(speech), self._size), np.float32)
        for row, each in zip(signals, speech, strict=True):
            signal = _sharpened(resample(Pcm(each.samples, CLIP_RATE), RATE).samples)[:MOST]
            row[PIECE : PIECE + len(signal)] = signal
        self._spectra = np.fft.rfft(signals)
        zero = np.zeros((len(speech), 1), np.float64)
        self._energy = np.concatenate((zero, np.cumsum(np.square(signals, dtype=np.float64), axis=1)), axis=1)

    def find(self, piece: Samples) -> tuple[int, float, float]:
        """Which speech a piece at RATE is of, where in it the piece begins (ms), and how like they are (0: unknown)."""
        p = _sharpened(piece[:PIECE])
        if len(p) < LEAST or not len(self.speech):
            return 0, 0.0, 0.0
        dots = np.fft.irfft(self._spectra * np.conj(np.fft.rfft(p, self._size)), self._size)[:, : MOST + PIECE]
        energy = self._energy[:, len(p) : len(p) + MOST + PIECE] - self._energy[:, : MOST + PIECE]
        own = float(p @ p)
        # Where a piece overlaps a little of the speech only, that little may not decide.
        like = dots / np.sqrt(np.maximum(energy, own / 4) * max(own, 1.0))
        row, place = divmod(int(np.argmax(like)), like.shape[1])
        return row, (place - PIECE) * 1000 / RATE, float(like[row, place])


def _sharpened(samples: Samples) -> Floats:
    """Without its lowest frequencies, in which all voices are alike; at one level."""
    sharp: Floats = np.diff(samples.astype(np.float32), prepend=np.float32(0))
    return sharp / np.float32(max(1.0, float(np.abs(sharp).max(initial=0))) / 1000)


class CallersWords:
    """A WordSource for one connection, of all known speech."""

    def __init__(self, index: SpeechIndex) -> None:
        self._index = index
        self._found: tuple[int, float] | None = None
        self._like = 0.0

    async def words(self, pcm: Pcm, pauses: int, lasted_ms: float, over: bool) -> Sequence[str]:
        if self._like < SURE:
            begin = pcm.samples[: int(pcm.rate * (PIECE + RATE // 5) / RATE)]
            row, at_ms, like = self._index.find(resample(Pcm(begin, pcm.rate), RATE).samples)
            if like >= LIKE and like >= self._like:
                self._found, self._like = (row, at_ms), like
        if self._found is None:
            return ()
        row, at_ms = self._found
        speech = self._index.speech[row]
        words = speech.text.split()
        each = speech.lasts_ms / len(words)
        first, last = at_ms + LEAD_MS - EARLY_MS if at_ms > SOFT_MS else 0.0, at_ms + pcm.ms
        return [word for n, word in enumerate(words) if first <= n * each < last]

    def ended(self) -> None:
        self._found, self._like = None, 0.0
