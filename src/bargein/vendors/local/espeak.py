"""The TTS of this machine: espeak-ng, with the exact time of every word. Not pretty, but at once, offline, and honest.

It runs in a process of its own (espeak_worker.py says why).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator
from itertools import accumulate, pairwise

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein.protocols import SpeechChunk, Word
from bargein.units import Span, spans
from bargein.vendors.common.clauses import CLOSERS, clauses
from bargein.vendors.local.espeak_worker import AUDIO, RATE, WORDS
from bargein.vendors.local.worker_process import WorkerProcess

MAX_WAITING = 256  # clauses in line, of all calls: it speaks one in some milliseconds
TAIL = 4096  # samples looked at in one go
QUIET = 60  # of 32768: a quieter sample is inaudible
# Of the pause behind a clause so much is kept at most, by what the clause ends with. By itself espeak makes 213 to 262
# ms behind a sentence, 130 behind a colon, 47 behind a comma; but a sentence's too where we had to cut at a space.
PAUSE_MS = {**dict.fromkeys(".!?…。！？।॥؟۔។", 250), **dict.fromkeys(",;:–—、，；：،؛၊", 120)}
NO_PAUSE_MS = 20
_SPEAKABLE = re.compile(r"\w")


def worker() -> WorkerProcess:
    """The process that speaks. One serves every call."""
    return WorkerProcess("bargein.vendors.local.espeak_worker", name="espeak", max_waiting=MAX_WAITING)


class EspeakTTS:
    """protocols.TTS. language: an espeak voice name ("en-us", "de"), variant: "+f2" and the like;
    words_per_minute: 80..450; pitch: 0..99. process: shared by several voices and closed by who made it, or None for
    one of its own."""

    name = "espeak-ng"
    rate = RATE
    ahead_ms = 1_000.0  # a clause takes milliseconds; a hundred calls that want one at a time, half a second

    def __init__(
        self,
        process: WorkerProcess | None = None,
        *,
        language: str = "en-us",
        variant: str = "+f3",
        words_per_minute: int = 165,
        pitch: int = 50,
    ) -> None:
        self._process = process or worker()
        self._shared = process is not None
        self._ask = {"voice": language + variant, "words_per_minute": words_per_minute, "pitch": pitch}

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        """protocols.TTS.speak, a clause at a time. Raises VendorRefused (unknown voice), VendorLost, Unavailable."""
        chars = samples = 0
        async with contextlib.aclosing(clauses(text)) as cut:
            async for clause in cut:
                spoken = await self._clause(clause, chars, samples)
                chars += len(clause)
                samples += len(spoken.pcm.samples)
                out = [spoken]
                del spoken  # who takes it may let go of it while we wait here for him
                yield out.pop()

    async def start(self) -> None:
        """Start the process now. Raises Unavailable when espeak-ng is not installed."""
        await self._process.start()

    async def aclose(self) -> None:
        """End the process, if it is this voice's own, and wait until it has ended."""
        if not self._shared:
            await self._process.aclose()

    async def _clause(self, clause: str, chars: int, samples: int) -> SpeechChunk:
        """chars, samples: how much of the reply came before this clause."""
        if not _SPEAKABLE.search(clause):
            return SpeechChunk(Pcm.silence(0, RATE), clause, ())
        audio: list[bytes] = []
        marks: list[tuple[int, int]] = []
        request = self._process.request({"text": clause, **self._ask})
        async with contextlib.aclosing(request) as frames:  # type: ignore[type-var]  # a generator by its making
            async for kind, data in frames:
                if kind == AUDIO:
                    audio.append(data)
                elif kind == WORDS:
                    marks.extend((int(at), int(sample)) for at, sample in json.loads(data))
        # A clause takes milliseconds to make, so it is taken whole: its last word's end lies in its last sound.
        pcm = np.frombuffer(b"".join(audio), "<i2").astype(np.int16)
        end = _sounds_until(pcm)
        mark = clause.rstrip().rstrip(CLOSERS)[-1:]
        pause_ms = PAUSE_MS.get(mark, NO_PAUSE_MS)
        pcm = pcm[: min(len(pcm), end + RATE * pause_ms // 1000)]
        marks = [(at, min(sample, end)) for at, sample in marks]  # a word without any sound may be marked behind it
        words = tuple(_words(clause, marks, end, chars, samples))
        return SpeechChunk(Pcm(pcm, RATE), clause, words)


def _sounds_until(pcm: Samples) -> int:
    """Where the last sound ends, sought from behind."""
    for last in range(len(pcm), 0, -TAIL):
        first = max(0, last - TAIL)
        loud = np.flatnonzero(np.abs(pcm[first:last]) > QUIET)
        if len(loud):
            return first + int(loud[-1]) + 1
    return 0


async def say(text: str, *, language: str = "en-us") -> tuple[Pcm, tuple[Word, ...]]:
    """A whole text at once, by a process of its own: for tools and tests. Words are as in protocols.SpeechChunk."""

    async def pieces() -> AsyncIterator[str]:
        yield text

    voice = EspeakTTS(language=language)
    try:
        spoken = [stretch async for stretch in voice.speak(pieces())]
    finally:
        await voice.aclose()
    sound = [stretch.pcm.samples for stretch in spoken]
    words = tuple(word for stretch in spoken for word in stretch.words or ())
    return Pcm(np.concatenate([*sound, np.zeros(0, np.int16)]), RATE), words


def _words(clause: str, marks: list[tuple[int, int]], end: int, chars: int, samples: int) -> list[Word]:
    """The tokens of a clause with their times. marks: (character, sample) of each word event; end: the last sample that
    is heard; chars, samples: what came before the clause.

    espeak gives several events for one token (numbers): the first that lies inside it counts. And one event for a
    phrase that it has whole in its dictionary ("of the", "would have to"): the time of such a phrase, which is exact,
    is divided among its words by their letters.
    """
    tokens: list[Span] = []
    known: list[tuple[int, int]] = []  # index of a token, the sample at which it begins
    for begin, stop in spans(clause):
        inside = [sample for at, sample in marks if begin <= at < stop]
        if tokens and not inside and not _SPEAKABLE.search(clause, begin, stop):
            tokens[-1] = (tokens[-1][0], stop)  # punctuation alone goes with the word before
            continue
        if inside or not tokens:
            known.append((len(tokens), inside[0] if inside else 0))
        tokens.append((begin, stop))
    starts = []
    for (first, sample), (after, until) in pairwise([*known, (len(tokens), end)]):
        letters = list(accumulate((stop - begin for begin, stop in tokens[first:after]), initial=0))
        starts += [sample + (until - sample) * done // letters[-1] for done in letters[:-1]]
    ms = 1000 / RATE
    return [
        Word((samples + sample) * ms, (samples + until) * ms, chars + begin, chars + stop)
        for (begin, stop), (sample, until) in zip(tokens, pairwise([*starts, end]), strict=True)
    ]
