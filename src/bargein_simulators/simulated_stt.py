"""Simulated STT: Silero finds turns in real audio; the words come from a script, or from real STT.

The module knows no vendor: each vendor's simulator translates these events into its own messages. All times are
positions in the audio, in ms from its first sample, so how fast the audio is fed changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import HotResampler, StreamResampler, resample
from bargein.audio.silero import CONTEXT, STATE, WINDOW, Floats, SileroModel
from bargein.errors import UsageError

Kind = Literal["update", "started", "eager_end", "resumed", "ended"]
Trigger = Literal["model", "manual", "timeout"]

SPEECH, QUIET = 0.6, 0.35  # a window is speech from the first probability on, and quiet below the second
FIRST_WORD_MS = 190  # of speech before a turn begins: a cough is shorter, and has no word
PAUSE_MS = 400  # of quiet that separate earlier noise from the turn that begins
AGAIN_MS = 128  # until words are read again, where the beginning of speech had none
UPDATE_MS = 250  # between two updates
WORD_MS = 280  # length of a scripted word while the speech goes on
SURE_MS = 1_000  # of quiet for a confidence of 1; it grows evenly until then
PAUSE = "|"  # in a script: the speaker pauses here, and says the words behind it once he goes on
LEAD_IN_MS = 150  # of audio before the first word, for real STT
NEVER = 1.1  # above every confidence
KEEP_MS = 30_000  # of audio, for real STT


@dataclass(frozen=True, slots=True)
class RecognizedWord:
    """A word of a transcript."""

    word: str
    start_ms: float
    """Begin of the word, on the clock of the audio."""
    end_ms: float
    """End of the word, on the clock of the audio."""


@dataclass(frozen=True, slots=True)
class STTScriptEvent:
    """What the STT has to say about the audio so far."""

    kind: Kind
    turn: int
    """Number of the turn, from 0."""
    words: tuple[RecognizedWord, ...]
    """Words of the turn so far."""
    window_start_ms: float
    """Begin of the turn's audio: the end of the turn before."""
    window_end_ms: float
    """End of the audio so far."""
    confidence: float
    """That the turn is over, 0..1."""
    trigger: Trigger | None = None
    """What ended the turn, for the kind "ended"."""

    @property
    def text(self) -> str:
        return " ".join(word.word for word in self.words)


class WordSource(Protocol):
    """Where the words of a connection come from."""

    async def words(self, pcm: Pcm, pauses: int, lasted_ms: float, over: bool) -> Sequence[str]:
        """The words of the present turn so far.

        pcm: the turn's audio. pauses: how often the speaker paused and went on. lasted_ms: speech since the last pause.
        over: whether the speaker is silent.
        """
        ...

    def ended(self) -> None:
        """The present turn is over."""
        ...


class Script:
    """A WordSource of given texts, one for each turn.

    Words appear as a speaker would say them, one each WORD_MS, the first at once. A text with "|" is said with a pause
    there. A text is used up when its turn ends: after a lost connection the next one gets the same words.
    """

    def __init__(self, texts: Iterable[str], *, repeat: bool = False) -> None:
        """repeat: begin again after the last text; otherwise the last text is said again and again."""
        self.texts = deque(texts)
        self._repeat = repeat
        self._last = "hello"

    async def words(self, pcm: Pcm, pauses: int, lasted_ms: float, over: bool) -> Sequence[str]:
        text = self.texts[0] if self.texts else self._last
        parts = [part.split() for part in text.split(PAUSE)]
        before_pause = [word for part in parts[:pauses] for word in part]
        now = [word for part in parts[pauses : pauses + 1] for word in part]
        return before_pause + (now if over else now[: max(1, int(lasted_ms / WORD_MS))])

    def ended(self) -> None:
        if self.texts:
            self._last = self.texts.popleft()
            if self._repeat:
                self.texts.append(self._last)


class TranscribedWords:
    """A WordSource of real words. read: transcribes audio of 16 kHz; "" where it has no words."""

    def __init__(self, read: Callable[[Pcm], Awaitable[str]]) -> None:
        self._read = read

    async def words(self, pcm: Pcm, pauses: int, lasted_ms: float, over: bool) -> Sequence[str]:
        return (await self._read(resample(pcm, 16_000))).split()

    def ended(self) -> None:
        pass


@cache
def silero() -> SileroModel:
    """One model for all connections of the process."""
    return SileroModel()


class SimulatedSTT:
    """The STT of one connection.

    rate: of the audio, Hz. eager, end: confidence from which a turn is probably over, and surely over, NEVER for never;
    eager None: no eager_end is sent. timeout_ms: quiet that ends a turn at any confidence.
    """

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
        self._resampler = None if rate == self._rate else _resampler(rate, self._rate)
        self._words = words
        self._size, self._context = WINDOW[self._rate], CONTEXT[self._rate]
        self._rest: Samples = np.zeros(self._context, np.int16)
        self._state: Floats = np.zeros((2, 1, STATE), np.float32)
        self._kept: deque[Samples] = deque()
        self._kept_from = 0  # position of the first kept sample
        self._at = 0  # samples that Silero has seen
        self._speech_from: float | None = None  # begin of the running speech
        self._speech_ms = self._last_speech_ms = 0.0  # length of the running speech, and its last window
        self._again_ms = 0.0  # words are not read again before
        self._onset_ms = 0.0  # begin of the turn
        self._segment_ms = 0.0  # begin of the turn's speech since its last pause
        self._until_ms = 0.0  # end of the turn's last speech
        self._last_event_ms = 0.0
        self._window_from_ms = 0.0
        self._open = self._guessed = False
        self._pauses = 0
        self._recognized: tuple[RecognizedWord, ...] = ()
        self.turn = 0

    @property
    def now_ms(self) -> float:
        """Length of the audio so far."""
        return self._at * 1000 / self._rate

    @property
    def in_turn(self) -> bool:
        return self._open

    async def push_audio(self, samples: Samples) -> list[STTScriptEvent]:
        """Take the next audio. Returns the events that it causes."""
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
        """End the open turn, if there is one. Returns the event."""
        return [await self._ended("manual")] if self._open else []

    async def _window(self, speech: float, out: list[STTScriptEvent]) -> None:
        now, size_ms = self.now_ms, self._size * 1000 / self._rate
        if speech >= SPEECH:
            if self._speech_from is None:
                self._speech_from = now - size_ms
                self._speech_ms = 0.0
            self._speech_ms += size_ms
            self._last_speech_ms = now
            await self._speaks(now, out)
        elif speech < QUIET and now - self._last_speech_ms > (UPDATE_MS if self._open else PAUSE_MS):
            self._speech_from = None
        if self._open and (speech >= SPEECH or (speech >= QUIET and self._speech_from is not None)):
            self._until_ms = now
        if self._open:
            await self._silent(now, out)
        if now - self._last_event_ms >= UPDATE_MS:
            if self._open:
                await self._read_words(over=self._until_ms < now)
            out.append(self._event("update"))

    async def _speaks(self, now: float, out: list[STTScriptEvent]) -> None:
        assert self._speech_from is not None
        if not self._open:
            if self._speech_ms >= FIRST_WORD_MS and now >= self._again_ms:
                self._onset_ms = self._segment_ms = self._speech_from
                self._until_ms = now
                await self._read_words(over=False)
                if self._recognized:
                    self._open = True
                    self._pauses = 0
                    out.append(self._event("started"))
                else:
                    self._again_ms = now + AGAIN_MS  # no word in the speech yet
        elif self._guessed and self._speech_ms >= UPDATE_MS / 2:
            self._guessed = False
            self._pauses += 1
            self._segment_ms = self._speech_from
            self._until_ms = now
            await self._read_words(over=False)
            out.append(self._event("resumed"))

    async def _silent(self, now: float, out: list[STTScriptEvent]) -> None:
        confidence = self._confidence(now)
        if confidence >= self.end or now - self._until_ms >= self.timeout_ms:
            out.append(await self._ended("model" if confidence >= self.end else "timeout"))
        elif self.eager is not None and confidence >= self.eager and not self._guessed:
            self._guessed = True
            await self._read_words(over=True)
            out.append(self._event("eager_end"))

    def _confidence(self, now: float) -> float:
        return min(1.0, (now - self._until_ms) / SURE_MS) if self._open else 0.0

    async def _ended(self, trigger: Trigger) -> STTScriptEvent:
        if not self._guessed:
            await self._read_words(over=True)
        event = self._event("ended", trigger)
        self._words.ended()
        self._open = self._guessed = False
        self._speech_from = None
        self._pauses = 0
        self._recognized = ()
        self._window_from_ms = self.now_ms
        self.turn += 1
        return event

    async def _read_words(self, *, over: bool) -> None:
        pcm = self._since(self._onset_ms - LEAD_IN_MS)
        words = await self._words.words(pcm, self._pauses, self._until_ms - self._segment_ms, over)
        each = max(self._until_ms - self._onset_ms, 1.0) / max(len(words), 1)
        self._recognized = tuple(
            RecognizedWord(word, self._onset_ms + each * k, self._onset_ms + each * (k + 1))
            for k, word in enumerate(words)
        )

    def _event(self, kind: Kind, trigger: Trigger | None = None) -> STTScriptEvent:
        self._last_event_ms = self.now_ms
        words = self._recognized if self._open or kind == "started" else ()
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


def _resampler(rate: int, to_rate: int) -> HotResampler | StreamResampler:
    """The short filter where the rates have one. Otherwise soxr, which gives the audio up to 66 ms later."""
    try:
        return HotResampler(rate, to_rate)
    except UsageError:
        return StreamResampler(rate, to_rate)
