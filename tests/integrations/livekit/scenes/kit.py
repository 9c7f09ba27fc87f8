"""A LiveKit session without a room: a microphone, an ear that knows every sample, and services that follow a script."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import Agent, AgentSession, llm, stt, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, TimedString
from livekit.agents.voice import TranscriptSynchronizer, io
from livekit.agents.voice.room_io._output import _ParticipantAudioOutput

from bargein.integrations.livekit import BargeinFloor, FloorSession, attach, turn_handling

MIC_RATE, VOICE_RATE = 16_000, 24_000
WORD_S = 0.3
LONG = " ".join(f"word{n}" for n in range(1, 17))
LONG_MS = 16 * WORD_S * 1000


def tell(scene: str, **facts: object) -> None:
    """Tell the test of one scene."""
    sys.stdout.write(json.dumps({"kind": scene, **facts}) + "\n")
    sys.stdout.flush()


def sound(name: str) -> np.ndarray:
    """A sound of MIC_RATE that the test has put into the folder named by the first argument."""
    return np.fromfile(Path(sys.argv[1]) / f"{name}.pcm", np.int16)


class Mic(io.AudioInput):
    """Silence, and the sounds that are to be heard, in frames of 20 ms in real time."""

    def __init__(self) -> None:
        super().__init__(label="mic")
        self._left = np.zeros(0, np.int16)
        self._due = 0.0

    def play(self, samples: np.ndarray) -> float:
        """Begin now. Returns when the first sample is spoken."""
        self._left = np.concatenate((self._left, samples))
        return max(self._due, time.monotonic()) - 0.02

    async def __anext__(self) -> rtc.AudioFrame:
        now = time.monotonic()
        self._due = max(self._due + 0.02, now - 0.1) if self._due else now
        await asyncio.sleep(max(0.0, self._due - now))
        size = MIC_RATE // 50
        frame, self._left = self._left[:size], self._left[size:]
        # A line is never quite silent.
        noise = np.random.default_rng(0).integers(-3, 4, size, np.int16)
        noise[: len(frame)] += frame
        return rtc.AudioFrame(noise.tobytes(), MIC_RATE, 1, size)


class Ear(io.AudioOutput):
    """Plays what it gets in real time, 10 ms a step, and keeps what it played."""

    def __init__(self) -> None:
        super().__init__(label="ear", capabilities=io.AudioOutputCapabilities(pause=False))
        self.heard: list[tuple[float, np.ndarray]] = []
        self.segments = 0
        self.top: io.AudioOutput = self
        self.text: io.TextOutput | None = None
        self._queue: deque[int] = deque()
        self._played = 0
        self._flushed = self._started = False
        self._playing: asyncio.Task[None] | None = None

    @property
    def samples(self) -> np.ndarray:
        return np.concatenate([samples for _, samples in self.heard] or [np.zeros(0, np.int16)])

    def silent_from(self, after: float) -> float:
        """When the first silence of at least 60 ms after a moment began."""
        times = [at for at, _ in self.heard]
        for here, following in zip(times, [*times[1:], float("inf")], strict=True):
            if following > after and following - here > 0.06:
                return here + 0.01
        return float("inf")

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        self._queue.extend(np.frombuffer(frame.data, np.int16).tolist())
        if self._playing is None or self._playing.done():
            self._playing = asyncio.create_task(self._play())

    def flush(self) -> None:
        super().flush()
        self._flushed = True

    def clear_buffer(self) -> None:
        if self._playing is not None and not self._playing.done():
            self._queue.clear()
            self._end(interrupted=True)

    def _end(self, *, interrupted: bool) -> None:
        assert self._playing is not None
        self._playing.cancel()
        self._playing = None
        played, self._played = self._played, 0
        self._flushed = self._started = False
        self.segments += 1
        self.on_playback_finished(playback_position=played / VOICE_RATE, interrupted=interrupted)

    async def _play(self) -> None:
        due, step = time.monotonic(), VOICE_RATE // 100
        while True:
            if not self._queue and self._flushed:
                self._end(interrupted=False)
                return
            part = [self._queue.popleft() for _ in range(min(step, len(self._queue)))]
            if part:
                self.heard.append((time.monotonic(), np.array(part, np.int16)))
                self._played += len(part)
                if not self._started:
                    self._started = True
                    self.on_playback_started(created_at=time.time())
            due = max(due + 0.01, time.monotonic() - 0.05)
            await asyncio.sleep(max(0.0, due - time.monotonic()))


class Subtitles(io.TextOutput):
    """What LiveKit shows of the agent's words, and when."""

    def __init__(self) -> None:
        super().__init__(label="subtitles", next_in_chain=None)
        self.shown: list[tuple[float, str]] = []

    async def capture_text(self, text: str) -> None:
        self.shown.append((time.monotonic(), str(text)))

    def flush(self) -> None:
        pass


class RoomEar:
    """LiveKit's own room output and transcript synchronizer, heard from a native track: no server is needed."""

    def __init__(self) -> None:
        self.room = _ParticipantAudioOutput(
            rtc.Room(), sample_rate=VOICE_RATE, num_channels=1, track_publish_options=rtc.TrackPublishOptions()
        )
        self.subtitles = Subtitles()
        synchronizer = TranscriptSynchronizer(next_in_chain_audio=self.room, next_in_chain_text=self.subtitles)
        self.top, self.text = synchronizer.audio_output, synchronizer.text_output
        track = rtc.LocalAudioTrack.create_audio_track("voice", self.room._audio_source)
        self._stream = rtc.AudioStream(track, sample_rate=VOICE_RATE, num_channels=1)
        self.heard: list[tuple[float, np.ndarray]] = []
        self.room.subscribed.set_result(None)
        self._tasks = [asyncio.create_task(self.room._forward_audio()), asyncio.create_task(self._listen())]

    @property
    def samples(self) -> np.ndarray:
        every = np.concatenate([samples for _, samples in self.heard] or [np.zeros(0, np.int16)])
        return every[every != 0]

    async def _listen(self) -> None:
        async for event in self._stream:
            self.heard.append((time.monotonic(), np.frombuffer(event.frame.data, np.int16).copy()))

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stream.aclose()
        await self.room.aclose()


class ScriptedSTT(stt.STT):
    """Reads what the scene says that it reads."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.streams: list[_Reading] = []

    def read(self, text: str, *, final: bool = False) -> None:
        kind = stt.SpeechEventType.FINAL_TRANSCRIPT if final else stt.SpeechEventType.INTERIM_TRANSCRIPT
        self.streams[-1].events.put_nowait(stt.SpeechEvent(kind, alternatives=[stt.SpeechData("en", text)]))

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(self, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS, **_: Any) -> stt.RecognizeStream:
        self.streams.append(_Reading(stt=self, conn_options=conn_options))
        return self.streams[-1]


class _Reading(stt.RecognizeStream):
    def __init__(self, **options: Any) -> None:
        self.events: asyncio.Queue[stt.SpeechEvent] = asyncio.Queue()
        super().__init__(**options)

    async def _run(self) -> None:
        async def drain() -> None:
            async for _ in self._input_ch:
                pass

        draining = asyncio.create_task(drain())
        try:
            while True:
                self._event_ch.send_nowait(await self.events.get())
        finally:
            draining.cancel()


class ScriptedLLM(llm.LLM):
    """Gives the answers in their order, whatever is asked."""

    def __init__(self, *answers: str) -> None:
        super().__init__()
        self.answers = deque(answers)
        self.asked: list[list[str]] = []

    def chat(
        self, *, chat_ctx: llm.ChatContext, tools: Any = None, conn_options: Any = None, **_: Any
    ) -> llm.LLMStream:
        items = [item for item in chat_ctx.items if isinstance(item, llm.ChatMessage)]
        self.asked.append([f"{item.role}: {item.text_content}" for item in items])
        return _Answer(self, chat_ctx=chat_ctx, tools=[], conn_options=DEFAULT_API_CONNECT_OPTIONS)

    def chunks(self, answer: str) -> list[llm.ChoiceDelta]:
        """An answer as it comes."""
        return [llm.ChoiceDelta(role="assistant", content=part + " ") for part in answer.split(" ")]


class _Answer(llm.LLMStream):
    async def _run(self) -> None:
        assert isinstance(self._llm, ScriptedLLM)
        for delta in self._llm.chunks(self._llm.answers.popleft() if self._llm.answers else "Done."):
            self._event_ch.send_nowait(llm.ChatChunk(id="1", delta=delta))


class RampTTS(tts.TTS):
    """Every word lasts WORD_S. No two samples of 1.3 s are alike, and they follow each other by one."""

    def __init__(self, *, aligned: bool = True) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True, aligned_transcript=aligned),
            sample_rate=VOICE_RATE,
            num_channels=1,
        )
        self.aligned = aligned

    def synthesize(self, *_: Any, **__: Any) -> tts.ChunkedStream:
        raise NotImplementedError

    def stream(self, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> tts.SynthesizeStream:
        return _Ramp(tts=self, conn_options=conn_options)


def ramp(samples: int) -> np.ndarray:
    return (np.arange(samples) % 32_000 + 1).astype(np.int16)


class _Ramp(tts.SynthesizeStream):
    async def _run(self, emitter: tts.AudioEmitter) -> None:
        emitter.initialize(
            request_id="1", sample_rate=VOICE_RATE, num_channels=1, mime_type="audio/pcm", stream=True, frame_size_ms=60
        )
        emitter.start_segment(segment_id="1")
        text = ""
        async for part in self._input_ch:
            if isinstance(part, str):
                text += part
                self._mark_started()
        for n, word in enumerate(text.split()):
            if self._tts.aligned:  # type: ignore[attr-defined]
                emitter.push_timed_transcript(TimedString(f"{word} ", n * WORD_S, (n + 1) * WORD_S))
        emitter.push(ramp(round(len(text.split()) * WORD_S * VOICE_RATE)).tobytes())
        emitter.end_segment()


class Scene:
    """A running session, and all that is around it."""

    def __init__(self, session: AgentSession[Any], mic: Mic, ear: Ear, reads: ScriptedSTT, model: ScriptedLLM) -> None:
        self.session, self.mic, self.ear, self.stt, self.llm = session, mic, ear, reads, model
        self.floor: BargeinFloor
        self.attached: FloorSession

    def messages(self, role: str) -> list[llm.ChatMessage]:
        items = self.session.history.items
        return [item for item in items if isinstance(item, llm.ChatMessage) and item.role == role]

    async def until(self, true: Any, within_s: float = 10.0) -> None:
        """Until a condition holds; looked at every 10 ms."""
        async with asyncio.timeout(within_s):
            while not true():  # noqa: ASYNC110  # LiveKit has no event for most of what scenes wait for
                await asyncio.sleep(0.01)

    async def sounds(self, ms: float, within_s: float = 10.0) -> None:
        """Until the ear has heard so much."""
        await self.until(lambda: len(self.ear.samples) >= ms * VOICE_RATE / 1000, within_s)

    def whole(self) -> bool:
        """The ear has heard a ramp, with no sample missing and none twice."""
        heard = self.ear.samples
        return bool(np.array_equal(heard, ramp(len(heard))))


@asynccontextmanager
async def scene(
    *answers: str,
    policy: Any = "balanced",
    aligned: bool = True,
    own: bool = True,
    empties: bool | None = None,
    ear: Any = None,
    agent: type[Agent] = Agent,
    model: type[ScriptedLLM] = ScriptedLLM,
    floor: Mapping[str, Any] = MappingProxyType({}),
    **options: Any,
) -> AsyncIterator[Scene]:
    """own: with our floor. floor: more of its arguments."""
    mic, ear, reads, answering = Mic(), ear or Ear(), ScriptedSTT(), model(*answers)
    if own:
        options = {"turn_handling": turn_handling(), "vad": None, "aec_warmup_duration": None} | options
    options = {"session_close_transcript_timeout": 0.1} | options
    session: AgentSession[Any] = AgentSession(stt=reads, llm=answering, tts=RampTTS(aligned=aligned), **options)
    session.input.audio = mic
    if session.output.audio is None:
        session.output.audio = ear.top
    session.output.transcription = ear.text
    call = Scene(session, mic, ear, reads, answering)
    try:
        await session.start(agent(instructions="Answer."))
        if own:
            call.floor = BargeinFloor(policy, **floor)
            call.attached = await attach(call.floor, session, empties=empties)
        yield call
    finally:
        await session.aclose()
        if own:
            await call.attached.aclose()
