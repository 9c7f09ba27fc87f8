"""Parts for a real pipeline of Pipecat: a user's audio, an STT that reads from a script, an LLM that says what it is
told, a TTS whose samples count up, and an output that keeps what it has played, paced as Pipecat's WebSockets are."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    StartFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserBackchannelFrame,
    UserStartedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies

RATE = 16_000
WORD_MS = 250
LOUD = 1_000  # of a sample
FRAMES = 10  # of 20 ms
WORD_SAMPLES = RATE * WORD_MS // 1000
TURNS = {"<": ProposedUserStartedSpeakingFrame, ">": ProposedUserStoppedSpeakingFrame}


def tell(kind: str, **facts: object) -> None:
    """Tell the test of one thing: a line of JSON."""
    sys.stdout.write(json.dumps({"kind": kind, **facts}) + "\n")
    sys.stdout.flush()


def words(count: int, stem: str = "word") -> str:
    """Sentences of ten words each, no word twice, of a usual length."""
    said = [f"{stem[:2]}{chr(97 + n // 10)}{chr(97 + n % 10)}" for n in range(count)]
    return " ".join(" ".join(said[at : at + 10]) + "." for at in range(0, count, 10))


class ScriptedSTT(FrameProcessor):
    """Reads from a script by the user's audio: (ms, text, final). "<" and ">": a turn begins, and ends."""

    def __init__(
        self, script: Sequence[tuple[float, str, bool]], *, hears_turns: bool = False, vad: bool = True
    ) -> None:
        super().__init__()
        self._vad = vad
        self._hears_turns = hears_turns
        self._loud = self._quiet = 0  # frames
        self._script, self._ms = list(script), 0.0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame) and self._hears_turns:
            turns = ExternalUserTurnStrategies()
            await self.push_frame(
                STTMetadataFrame(service_name="ScriptedSTT", ttfs_p99_latency=0.5, user_turn_strategies=turns)
            )
        if isinstance(frame, InputAudioRawFrame):
            if self._vad:
                await self._listen(frame.audio)
            self._ms += len(frame.audio) / 2 / frame.num_channels * 1000 / frame.sample_rate
            while self._script and self._script[0][0] <= self._ms:
                _, text, final = self._script.pop(0)
                if text in TURNS:
                    await self.broadcast_frame(TURNS[text])
                    continue
                kind = TranscriptionFrame if final else InterimTranscriptionFrame
                await self.push_frame(kind(text=text, user_id="", timestamp=""))

    async def _listen(self, audio: bytes) -> None:
        """Pipecat's VAD, by loudness: speech of 200 ms starts, quiet of 200 ms stops."""
        loud = int(np.abs(np.frombuffer(audio, "<i2").astype(np.int32)).max()) > LOUD
        self._quiet = 0 if loud else self._quiet + 1
        if loud:
            self._loud += 1
            if self._loud == FRAMES:
                await self.push_frame(VADUserStartedSpeakingFrame(start_secs=0.2))
        elif self._quiet == FRAMES:
            if self._loud >= FRAMES:
                await self.push_frame(VADUserStoppedSpeakingFrame(stop_secs=0.2))
            self._loud = 0


class ScriptedLLM(FrameProcessor):
    """Answers with the next of its texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__()
        self._texts = list(texts)
        self.asked: list[list[Any]] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            self.asked.append([dict(each) for each in frame.context.get_messages()])
            if self._texts:
                await self.push_frame(LLMFullResponseStartFrame())
                for piece in self._texts.pop(0).split(" "):
                    await self.push_frame(LLMTextFrame(piece + " "))
                await self.push_frame(LLMFullResponseEndFrame())
            return
        await self.push_frame(frame, direction)


class CountingTTS(TTSService):
    """Each word lasts WORD_MS, each sample is one more than the sample before. timed: with word times."""

    def __init__(self, *, timed: bool = True, channels: int = 1) -> None:
        settings = TTSSettings(model="m", voice="v", language=None)
        super().__init__(
            push_text_frames=not timed,
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=RATE,
            settings=settings,
        )
        self._timed, self._count, self._channels = timed, 0, channels
        self._length_ms: dict[str, int] = {}

    def can_generate_metrics(self) -> bool:
        return False

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        for word in text.split():
            if self._timed:
                at_s = self._length_ms.get(context_id, 0) / 1000
                await self.add_word_timestamps([(word, at_s)], context_id)
            self._length_ms[context_id] = self._length_ms.get(context_id, 0) + WORD_MS
            samples = np.arange(self._count, self._count + WORD_SAMPLES, dtype=np.int64).astype(np.uint16)
            self._count += WORD_SAMPLES
            audio = samples.repeat(self._channels).tobytes()
            yield TTSAudioRawFrame(audio, RATE, self._channels, context_id=context_id)


class Line(BaseOutputTransport):
    """Plays in real time. `played`: when each chunk was given to the line (ms since the user's audio began)."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.began = time.monotonic()
        self.played: list[tuple[float, bytes]] = []
        self.interrupted_ms: list[float] = []
        self.seen: list[tuple[float, str]] = []
        self.ready = asyncio.Event()
        self._next_s = 0.0

    def now_ms(self) -> float:
        return (time.monotonic() - self.began) * 1000

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.ready.set()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self.interrupted_ms.append(self.now_ms())
            self._next_s = 0.0
        elif isinstance(frame, (UserBackchannelFrame, UserStartedSpeakingFrame)):
            self.seen.append((self.now_ms(), type(frame).__name__))

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self.played.append((self.now_ms(), frame.audio))
        now, length_s = time.monotonic(), len(frame.audio) / 2 / frame.num_channels / frame.sample_rate
        wait_s = max(0.0, self._next_s - now)
        await asyncio.sleep(wait_s)
        self._next_s = (self._next_s if wait_s else time.monotonic()) + length_s
        return True

    def samples(self) -> np.ndarray:
        """All speech that was played, as the TTS counted it."""
        return np.frombuffer(b"".join(audio for _, audio in self.played if any(audio)), "<u2")

    def background(self) -> int:
        """Chunks without speech between the first and the last speech."""
        speech = [index for index, (_, audio) in enumerate(self.played) if any(audio)]
        return speech[-1] - speech[0] + 1 - len(speech) if speech else 0

    def gaps(self, least_ms: float = 60.0) -> list[tuple[float, float]]:
        """Silences between two chunks: when the last chunk was over, and when the next came."""
        ends = [(at, at + len(audio) / 2 / RATE * 1000) for at, audio in self.played]
        return [(end, begin) for (_, end), (begin, _) in pairwise(ends) if begin - end > least_ms]


def quiet_log(lines: list[str]) -> None:
    """Keep what the log says, and show warnings."""
    logger.remove()
    logger.add(lines.append, level="DEBUG", format="{level} {message}")
    logger.add(sys.stderr, level="WARNING")
