"""Scripted parts: an LLM that says what the test wrote, a TTS that speaks in tones, STTs that tell the test's words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.vad import VADWindow
from bargein.errors import UsageError
from bargein.protocols import (
    BatchTranscript,
    EndRequest,
    Prompt,
    SpeechChunk,
    STTEvent,
    TextDelta,
    ToolCall,
    TurnUpdate,
    TurnUpdateKind,
    Word,
)
from bargein.units import spans

RATE = 24_000  # Hz of the tones
WORD_MS = 200  # every word of the ToneTTS
WINDOW = 512  # samples at 16 kHz, 32 ms: what the VAD judges at once
TOKEN = re.compile(r"\S+\s*|\s+")
TONE: Samples = (np.sin(np.arange(WORD_MS * RATE // 1000) * 0.06) * 8000).astype(np.int16)
Line = str | ToolCall | EndRequest


class ScriptedLLM:
    """An LLM that answers with the next of its replies, a word at a time.

    A reply is a text, or a list of texts, `ToolCall`s and `HangUp` or `Transfer`, in the order in which the LLM writes
    them:

        ScriptedLLM([ToolCall("1", "free_rooms", '{"day": "2026-05-01"}')], "We have three rooms.")
    """

    name = "scripted LLM"

    def __init__(self, *replies: str | Sequence[Line]) -> None:
        self.replies = list(replies)
        """The replies that are still to come."""
        self.prompts: list[Prompt] = []
        """Every prompt so far: what the LLM was asked, with the conversation as heard."""

    async def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest | ToolCall]:
        """Raises UsageError when no reply is left."""
        self.prompts.append(prompt)
        if not self.replies:
            raise UsageError(
                f"ScriptedLLM was asked {len(self.prompts)} times, and has no reply left",
                advice="Give it one reply for each turn, and one more for what it says after each tool call",
            )
        reply = self.replies.pop(0)
        for line in [reply] if isinstance(reply, str) else reply:
            if not isinstance(line, str):
                yield line
                continue
            for word in line.split():
                yield TextDelta(f"{word} ")


class ToneTTS:
    """A TTS that speaks each word as a tone of 200 ms, with its exact time, as fast as the text comes. In scripts
    without spaces each character is a word."""

    name = "tone"
    rate = RATE

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        """A word is what stands between spaces, also where the pieces of the text cut it."""
        at = count = 0
        async for token in _tokens(text):
            here = spans(token)
            words = tuple(
                Word(n * WORD_MS, (n + 1) * WORD_MS, at + begin, at + end) for n, (begin, end) in enumerate(here, count)
            )
            yield SpeechChunk(Pcm(np.tile(TONE, len(here)), RATE), token, words)
            count += len(here)
            at += len(token)


async def _tokens(text: AsyncIterator[str]) -> AsyncIterator[str]:
    """Each word with the spaces behind it, as soon as one of these says that the word is whole."""
    rest = ""
    async for piece in text:
        tokens = TOKEN.findall(rest + piece)
        rest = tokens.pop() if tokens and not tokens[-1][-1].isspace() else ""
        for token in tokens:
            yield token
    if rest:
        yield rest


class ScriptedSTT:
    """A streaming STT that tells what the test says: both the part and its one connection.

    turns: it announces the beginnings and ends of turns, as Deepgram Flux does; otherwise it tells words only.
    """

    name = "scripted STT"

    def __init__(self, *, turns: bool = True) -> None:
        self.turns = turns
        self._rate = 16_000
        self._fed = 0
        self._events: asyncio.Queue[STTEvent] = asyncio.Queue()

    def open(self, rate: int) -> ScriptedSTT:
        self._rate = rate
        return self

    def push_audio(self, samples: Samples) -> None:
        self._fed += len(samples)

    async def events(self) -> AsyncIterator[STTEvent]:
        while True:
            yield await self._events.get()

    @property
    def fed_ms(self) -> float:
        """How much audio has come so far."""
        return self._fed * 1000 / self._rate

    def tell(self, kind: TurnUpdateKind, turn: int, text: str, from_ms: float) -> None:
        """Tell the call of a turn. from_ms: where its first word began, in ms of audio."""
        self._events.put_nowait(TurnUpdate(kind, turn, text, from_ms, self.fed_ms))


@dataclass
class ScriptedBatchSTT:
    """A batch STT that reads the words which the test said in the audio that it is given."""

    name: str = "scripted batch STT"
    rate: int = 16_000
    now_ms: Callable[[], float] = lambda: 0.0
    """The call's clock: audio that is read ends now."""
    said: list[tuple[float, str]] = field(default_factory=list)
    """Each word, with the time at which it ended."""

    async def read(self, pcm: Pcm, *, deadline_ms: float) -> BatchTranscript:
        now = self.now_ms()
        return BatchTranscript(" ".join(word for at, word in self.said if now - pcm.ms < at <= now))

    async def aclose(self) -> None:
        """Nothing is open."""


class ScriptedVAD:
    """A VAD that takes everything but silence for speech."""

    def open(self, rate: int, on_window: Callable[[VADWindow], None]) -> ScriptedVADStream:
        return ScriptedVADStream(WINDOW * rate // 16_000, on_window)


class ScriptedVADStream:
    """One call's stream: windows of 32 ms, speech where at least half of a window is loud."""

    dropped = 0

    def __init__(self, window: int, on_window: Callable[[VADWindow], None]) -> None:
        self._window = window
        self._on_window = on_window
        self._rest: Samples = np.zeros(0, np.int16)
        self._at = 0
        self._closed = False

    def push_audio(self, samples: Samples) -> None:
        self._rest = np.concatenate((self._rest, samples))
        while len(self._rest) >= self._window and not self._closed:
            loud = float(np.mean(self._rest[: self._window] != 0))
            self._rest = self._rest[self._window :]
            self._at += self._window
            self._on_window(VADWindow(self._at - self._window, self._at, 0.95 if loud >= 0.5 else 0.01))

    def skip(self, samples: int) -> None:
        self.push_audio(np.zeros(samples, np.int16))

    def close(self) -> None:
        self._closed = True
