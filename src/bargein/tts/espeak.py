"""The embedded voice: espeak-ng, with the exact time of every word. Not pretty, but at once, offline, and honest.

It runs in a process of its own (espeak_worker.py says why).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator

import numpy as np

from bargein.audio.pcm import Pcm
from bargein.contracts import Spoken, Word
from bargein.tts.clauses import clauses
from bargein.tts.espeak_worker import AUDIO, WORDS
from bargein.worker import WorkerProcess

RATE = 22_050
MAX_WAITING = 256  # clauses in line, of all calls: it speaks one in some milliseconds
QUIET = 60  # of 32768: below this nobody hears anything
PAUSE_MS, SENTENCE_MS = 120, 250  # of the pause that espeak makes behind a clause, so much is kept at most
_TOKEN = re.compile(r"\S+")
_SPEAKABLE = re.compile(r"\w")
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0eff]")  # kana, Han, Thai and Lao


def worker() -> WorkerProcess:
    """The process that speaks. One serves every call."""
    return WorkerProcess("bargein.tts.espeak_worker", name="espeak", max_waiting=MAX_WAITING, extra="espeak")


class EspeakVoice:
    """contracts.Voice. language: an espeak voice name ("en-us", "de"), variant: "+f2" and the like;
    words_per_minute: 80..450; pitch: 0..99. process: shared by several voices, or None for one of its own."""

    name = "espeak-ng"
    rate = RATE

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
        self._ask = {"voice": language + variant, "words_per_minute": words_per_minute, "pitch": pitch}

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[Spoken]:
        """contracts.Voice.speak, a clause at a time. Raises VendorRefused (unknown voice), VendorLost, Unavailable."""
        chars = samples = 0
        async for clause in clauses(text):
            async for spoken in self._clause(clause, chars, samples):
                samples += len(spoken.pcm.samples)
                yield spoken
            chars += len(clause)

    async def start(self) -> None:
        """Start the process now. Raises Unavailable when espeak-ng is not installed."""
        await self._process.start()

    async def aclose(self) -> None:
        await self._process.aclose()

    async def _clause(self, clause: str, chars: int, samples: int) -> AsyncIterator[Spoken]:
        if not _SPEAKABLE.search(clause):
            yield Spoken(Pcm.silence(0, RATE), clause, ())
            return
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
        loud = np.flatnonzero(np.abs(pcm) > QUIET)
        end = int(loud[-1]) + 1 if len(loud) else 0
        pause_ms = SENTENCE_MS if clause.rstrip().endswith((".", "!", "?", "。", "！", "？")) else PAUSE_MS
        pcm = pcm[: min(len(pcm), end + RATE * pause_ms // 1000)]
        words = tuple(_words(clause, marks, end, chars, samples))
        yield Spoken(Pcm(pcm, RATE), clause, words)


def _words(clause: str, marks: list[tuple[int, int]], end: int, chars: int, samples: int) -> list[Word]:
    """The tokens of a clause with their times. marks: (character, sample) of each word event: espeak gives several for
    one token (numbers), and none for some, so tokens take the first event that lies inside them."""
    starts: list[tuple[int, int, int]] = []  # begin, end, sample
    for begin, stop in _tokens(clause, [at for at, _ in marks]):
        inside = [sample for at, sample in marks if begin <= at < stop]
        if inside:
            starts.append((begin, stop, inside[0]))
        elif starts:
            starts[-1] = (starts[-1][0], stop, starts[-1][2])  # punctuation alone goes with the word before
        else:
            starts.append((begin, stop, 0))
    made = []
    for i, (begin, stop, sample) in enumerate(starts):
        until = starts[i + 1][2] if i + 1 < len(starts) else max(end, sample)
        ms = 1000 / RATE
        made.append(Word((samples + sample) * ms, (samples + max(until, sample)) * ms, chars + begin, chars + stop))
    return made


def _tokens(clause: str, marks: list[int]) -> list[tuple[int, int]]:
    """What counts as a word: what stands between spaces, or, in scripts without them, what espeak says is one."""
    tokens: list[tuple[int, int]] = []
    for found in _TOKEN.finditer(clause):
        cuts = [found.start()]
        if _UNSPACED.search(found.group()):
            cuts += sorted({at for at in marks if found.start() < at < found.end() and clause[at].isalnum()})
        tokens += zip(cuts, [*cuts[1:], found.end()], strict=True)
    return tokens
