"""Pipecat's services for Deepgram, Cartesia, ElevenLabs and OpenAI, each in a pipeline of its own: it hears or says."""

from __future__ import annotations

import asyncio
import sys

from loguru import logger
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.flux.stt import DeepgramFluxSTTService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.deepgram.tts import DeepgramTTSService
from pipecat.services.elevenlabs.tts import ElevenLabsTTSService
from pipecat.services.openai.stt import OpenAIRealtimeSTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.workers.runner import WorkerRunner
from told import RATE, TEXT, address, frames, speech, tell

logger.remove()
logger.add(sys.stderr, level="WARNING")


class Watcher(FrameProcessor):
    """Stands behind a service, and tells what comes of it."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.over = asyncio.Event()
        self._service, self._ms, self._words = service, 0.0, ""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TranscriptionFrame():
                tell("heard", service=self._service, text=frame.text)
                self.over.set()
            case TTSAudioRawFrame():
                self._ms += len(frame.audio) / frame.sample_rate * 500
            case TTSTextFrame():
                self._words += frame.text + " "
            case TTSStoppedFrame():
                tell("said", service=self._service, ms=self._ms, words=self._words.split())
                self.over.set()
            case ErrorFrame():
                tell("error", service=self._service, message=frame.error)
                self.over.set()
            case _:
                pass
        await self.push_frame(frame, direction)


async def run(name: str, service: FrameProcessor, *, hears: bool) -> None:
    watcher = Watcher(name)
    params = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    worker = PipelineWorker(Pipeline([service, watcher]), params=params)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    if hears:
        await worker.queue_frames([VADUserStartedSpeakingFrame()])
        async for data in frames(speech()):
            await worker.queue_frames([InputAudioRawFrame(audio=data, sample_rate=RATE, num_channels=1)])
        await worker.queue_frames([VADUserStoppedSpeakingFrame()])
    else:
        said = [LLMTextFrame(word + " ") for word in TEXT.split()]
        await worker.queue_frames([LLMFullResponseStartFrame(), *said, LLMFullResponseEndFrame()])
    await watcher.over.wait()
    await worker.cancel()
    await running


async def main() -> None:
    http, ws = address(), address().replace("http", "ws")
    cartesia = CartesiaTTSService(
        api_key="k", url=f"{ws}/tts/websocket", settings=CartesiaTTSService.Settings(voice="v")
    )
    elevenlabs = ElevenLabsTTSService(api_key="k", url=ws, settings=ElevenLabsTTSService.Settings(voice="v"))
    await asyncio.gather(
        run("flux", DeepgramFluxSTTService(api_key="k", url=f"{ws}/v2/listen"), hears=True),
        run("nova", DeepgramSTTService(api_key="k", base_url=http), hears=True),
        run("openai-stt", OpenAIRealtimeSTTService(api_key="k", base_url=f"{ws}/v1/realtime"), hears=True),
        run("openai-tts", OpenAITTSService(api_key="k", base_url=f"{http}/v1"), hears=False),
        run("aura", DeepgramTTSService(api_key="k", base_url=ws), hears=False),
        run("cartesia", cartesia, hears=False),
        run("elevenlabs", elevenlabs, hears=False),
    )


asyncio.run(main())
