"""How a simulated transcriber hears: real turns in real sound, found by Silero; the words from a script, or read.

It knows no vendor: a vendor's simulator dresses what is told here in its own messages. All times are on the clock of
the sound itself, in ms from its first sample: how fast it is fed changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import HotResampler, resample
from bargein.audio.silero import CONTEXT, STATE, WINDOW, Floats, SileroModel

Kind = Literal["update", "started", "eager_end", "resumed", "ended"]
Trigger = Literal["model", "manual", "timeout"]

SPEECH, QUIET = 0.6, 0.35  # probabilities from which, and below which, a window is speech, or none
FIRST_WORD_MS = 190  # of speech: less is a cough, and no word can be made of it
PAUSE_MS = 400  # of quiet, after which what came before belongs to no turn that begins now
AGAIN_MS = 128  # after a look that found no word in the beginning of a turn
UPDATE_MS = 250  # between two updates
WORD_MS = 280  # a scripted word's length while it is not known how long the speech will last
SURE_MS = 1_000  # of quiet, after which the turn is over for certain; before that the confidence grows evenly
PAUSE = "|"  # in a script: here the speaker pauses, and the words behind it are heard only when he goes on
LEAD_IN_MS = 150  # a reader wants a little sound before the first word
KEEP_MS = 30_000


@dataclass(frozen=True, slots=True)
class RecognizedWord:
    """start_ms, end_ms: on the clock of the sound."""

    word: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class STTScriptEvent:
    """turn: from 0; words: of the turn so far; window_*_ms: the turn's sound; confidence: 0..1, that it is over."""

    kind: Kind
    turn: int
    words: tuple[RecognizedWord, ...]
    window_start_ms: float
    window_end_ms: float
    confidence: float
    trigger: Trigger | None = None

    @property
    def text(self) -> str:
        return " ".join(word.word for word in self.words)


class WordSource(Protocol):
    """Where the words of a line come from."""

    async def words(self, pcm: Pcm, stretch: int, lasted_ms: float, over: bool) -> Sequence[str]:
        """The words of the present turn so far. pcm: its sound; stretch: how often the speaker paused and went on;
        lasted_ms: speech in this stretch; over: he is silent."""
        ...

    def ended(self) -> None:
        """The turn is over: what comes next is another."""
        ...


class Script:
    """A WordSource of given texts, one a turn; repeat: begins anew after the last (else the last is said again).

    Words appear as they would be spoken, one each WORD_MS, the first at once. A text with "|" is said with pauses.
    A line that was lost in the middle of a turn hears the same words on the next line: a text goes when its turn ends.
    """

    def __init__(self, texts: Iterable[str], *, repeat: bool = False) -> None:
        self.texts = deque(texts)
        self._repeat = repeat
        self._last = "hello"

    async def words(self, pcm: Pcm, stretch: int, lasted_ms: float, over: bool) -> Sequence[str]:
        text = self.texts[0] if self.texts else self._last
        parts = [part.split() for part in text.split(PAUSE)]
        said = [word for part in parts[:stretch] for word in part]
        now = [word for part in parts[stretch : stretch + 1] for word in part]
        return said + (now if over else now[: max(1, int(lasted_ms / WORD_MS))])

    def ended(self) -> None:
        if self.texts:
            self._last = self.texts.popleft()
            if self._repeat:
                self.texts.append(self._last)


class ReadAloud:
    """A WordSource that really reads, by whatever `read` is given: sound in (16 kHz), text out ("" for none)."""

    def __init__(self, read: Callable[[Pcm], Awaitable[str]]) -> None:
        self._read = read

    async def words(self, pcm: Pcm, stretch: int, lasted_ms: float, over: bool) -> Sequence[str]:
        return (await self._read(resample(pcm, 16_000))).split()

    def ended(self) -> None:
        pass


@cache
def silero() -> SileroModel:
    """One for all lines of the process."""
    return SileroModel()


class SimulatedSTT:
    """One line. rate: Hz of what is fed; words: where they come from; eager, end: confidences from which a turn is
    probably, and surely over (eager None: never said); timeout_ms: quiet that ends it in any case."""

    def __init__(
        self,
        rate: int,
        words: WordSource,
        *,
        eager: float | None = 0.5,
        end: float = 0.7,
        timeout_ms: float = 5_000,
    ) -> None:
        self.eager, self.end, self.timeout_ms = eager, end, timeout_ms
        self._rate = rate if rate in WINDOW else 16_000
        self._resampler = None if rate == self._rate else HotResampler(rate, self._rate)
        self._words = words
        self._size, self._context = WINDOW[self._rate], CONTEXT[self._rate]
        self._rest: Samples = np.zeros(self._context, np.int16)
        self._state: Floats = np.zeros((2, 1, STATE), np.float32)
        self._kept: deque[Samples] = deque()
        self._kept_from = 0  # sample
        self._at = 0  # samples judged
        self._voiced_from: float | None = None  # where the running speech began, not yet long enough for a word
        self._voiced_ms = self._voice_ms = 0.0  # speech in it so far, and where its last ended
        self._again_ms = 0.0  # not to be looked at again before
        self._onset_ms = 0.0  # of the turn
        self._stretch_ms = 0.0  # where its present stretch of speech began
        self._until_ms = 0.0  # its last speech
        self._told_ms = 0.0  # the last event
        self._window_from_ms = 0.0
        self._open = self._guessed = False
        self._stretch = 0
        self._said: tuple[RecognizedWord, ...] = ()
        self.turn = 0

    @property
    def now_ms(self) -> float:
        """How much sound was heard."""
        return self._at * 1000 / self._rate

    @property
    def in_turn(self) -> bool:
        return self._open

    async def push_audio(self, samples: Samples) -> list[STTScriptEvent]:
        """The next stretch of sound; what is heard by it."""
        if self._resampler is not None:
            samples = self._resampler.push_audio(samples)
        joined = np.concatenate((self._rest, samples))
        out: list[STTScriptEvent] = []
        while len(joined) >= self._context + self._size:
            window = joined[: self._context + self._size]
            joined = joined[self._size :]
            self._keep(window[self._context :])
            batch: Floats = (window.astype(np.float32) / np.float32(32768))[None, :]
            speech, self._state = silero().run(batch, self._state, self._rate)
            self._at += self._size
            await self._window(float(speech[0]), out)
        self._rest = joined
        return out

    async def force_end(self) -> list[STTScriptEvent]:
        """End the open turn, if there is one."""
        return [await self._ended("manual")] if self._open else []

    async def _window(self, speech: float, out: list[STTScriptEvent]) -> None:
        now, size_ms = self.now_ms, self._size * 1000 / self._rate
        if speech >= SPEECH:
            if self._voiced_from is None:
                self._voiced_from = now - size_ms
                self._voiced_ms = 0.0
            self._voiced_ms += size_ms
            self._voice_ms = now
            await self._speaks(now, out)
        elif speech < QUIET and now - self._voice_ms > (UPDATE_MS if self._open else PAUSE_MS):
            self._voiced_from = None
        if self._open and (speech >= SPEECH or (speech >= QUIET and self._voiced_from is not None)):
            self._until_ms = now
        if self._open:
            await self._silent(now, out)
        if now - self._told_ms >= UPDATE_MS:
            if self._open:
                await self._look(over=self._until_ms < now)
            out.append(self._event("update"))

    async def _speaks(self, now: float, out: list[STTScriptEvent]) -> None:
        assert self._voiced_from is not None
        if not self._open:
            if self._voiced_ms >= FIRST_WORD_MS and now >= self._again_ms:
                self._onset_ms = self._stretch_ms = self._voiced_from
                self._until_ms = now
                await self._look(over=False)
                if self._said:
                    self._open = True
                    self._stretch = 0
                    out.append(self._event("started"))
                else:
                    self._again_ms = now + AGAIN_MS  # nothing readable in it yet
        elif self._guessed and self._voiced_ms >= UPDATE_MS / 2:
            self._guessed = False
            self._stretch += 1
            self._stretch_ms = self._voiced_from
            self._until_ms = now
            await self._look(over=False)
            out.append(self._event("resumed"))

    async def _silent(self, now: float, out: list[STTScriptEvent]) -> None:
        confidence = self._confidence(now)
        if confidence >= self.end or now - self._until_ms >= self.timeout_ms:
            out.append(await self._ended("model" if confidence >= self.end else "timeout"))
        elif self.eager is not None and confidence >= self.eager and not self._guessed:
            self._guessed = True
            await self._look(over=True)
            out.append(self._event("eager_end"))

    def _confidence(self, now: float) -> float:
        return min(1.0, (now - self._until_ms) / SURE_MS) if self._open else 0.0

    async def _ended(self, trigger: Trigger) -> STTScriptEvent:
        if not self._guessed:
            await self._look(over=True)
        event = self._event("ended", trigger)
        self._words.ended()
        self._open = self._guessed = False
        self._voiced_from = None
        self._stretch = 0
        self._said = ()
        self._window_from_ms = self.now_ms
        self.turn += 1
        return event

    async def _look(self, *, over: bool) -> None:
        pcm = self._since(self._onset_ms - LEAD_IN_MS)
        words = await self._words.words(pcm, self._stretch, self._until_ms - self._stretch_ms, over)
        each = max(self._until_ms - self._onset_ms, 1.0) / max(len(words), 1)
        self._said = tuple(
            RecognizedWord(word, self._onset_ms + each * k, self._onset_ms + each * (k + 1))
            for k, word in enumerate(words)
        )

    def _event(self, kind: Kind, trigger: Trigger | None = None) -> STTScriptEvent:
        self._told_ms = self.now_ms
        words = self._said if self._open or kind == "started" else ()
        confidence = round(self._confidence(self.now_ms), 3)
        return STTScriptEvent(kind, self.turn, words, self._window_from_ms, self.now_ms, confidence, trigger)

    def _keep(self, samples: Samples) -> None:
        self._kept.append(samples)
        while self._at - self._kept_from > KEEP_MS * self._rate / 1000:
            self._kept_from += len(self._kept.popleft())

    def _since(self, from_ms: float) -> Pcm:
        first = max(0, int(from_ms * self._rate / 1000) - self._kept_from)
        samples = np.concatenate(list(self._kept) or [np.zeros(0, np.int16)])
        return Pcm(samples[first:], self._rate)
