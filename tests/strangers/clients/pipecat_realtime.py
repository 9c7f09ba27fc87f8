"""Pipecat: its OpenAIRealtimeLLMService in a pipeline with the context aggregators that its examples use."""

from __future__ import annotations

import asyncio
import sys

from loguru import logger
from pipecat.adapters.schemas.function_schema import FunctionSchema
from pipecat.adapters.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMRunFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime.events import (
    AudioConfiguration,
    AudioInput,
    InputAudioTranscription,
    SessionProperties,
    TurnDetection,
)
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.workers.runner import WorkerRunner
from told import INSTRUCTIONS, RATE, UNTIL_INTERRUPTED_S, address, frames, speech, tell

logger.remove()
logger.add(sys.stderr, level="WARNING")


class Watcher(FrameProcessor):
    """Stands behind the model, and tells what comes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.over = asyncio.Event(), asyncio.Event()
        self._said = ""
        self._audio_ms = 0.0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TTSAudioRawFrame():
                self._audio_ms += len(frame.audio) / 48
                self.began.set()
            case TTSTextFrame():
                self._said += frame.text
                if self._said.rstrip().endswith("sunny."):
                    tell("said", text=self._said)
                    self.over.set()
            case InterruptionFrame():
                tell("interrupted", heard_ms=self._audio_ms)
                self._said = ""
            case TranscriptionFrame():
                tell("user", text=frame.text)
            case FunctionCallResultFrame():
                tell("tool", output=frame.result)
            case ErrorFrame():
                tell("error", message=frame.error)
            case _:
                pass
        await self.push_frame(frame, direction)


async def weather(params: FunctionCallParams) -> None:
    tell("called", arguments=dict(params.arguments))
    await params.result_callback("sunny")


async def main() -> None:
    properties = SessionProperties(
        audio=AudioConfiguration(
            input=AudioInput(
                transcription=InputAudioTranscription(model="gpt-transcribe"), turn_detection=TurnDetection()
            )
        )
    )
    service = OpenAIRealtimeLLMService(
        api_key="k",
        base_url=address().replace("http", "ws") + "/v1/realtime",
        settings=OpenAIRealtimeLLMService.Settings(
            model="gpt-realtime-2.1", system_instruction=INSTRUCTIONS, session_properties=properties
        ),
    )
    service.register_function("weather", weather)
    schema = FunctionSchema(
        name="weather",
        description="The weather in a city.",
        properties={"city": {"type": "string"}},
        required=["city"],
    )
    context = LLMContext([], ToolsSchema(standard_tools=[schema]))
    aggregators = LLMContextAggregatorPair(context)
    watcher = Watcher()
    pipeline = Pipeline([aggregators.user(), service, watcher, aggregators.assistant()])
    params = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    worker = PipelineWorker(pipeline, params=params)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())

    async def say() -> None:
        async for frame in frames(speech()):
            await worker.queue_frames([InputAudioRawFrame(audio=frame, sample_rate=RATE, num_channels=1)])

    await worker.queue_frames([LLMRunFrame()])
    await watcher.began.wait()
    await asyncio.sleep(UNTIL_INTERRUPTED_S)
    await say()
    await watcher.over.wait()
    tell("context", messages=[m for m in context.get_messages() if m.get("role") in ("user", "assistant", "tool")])
    await worker.cancel()
    await running


asyncio.run(main())
