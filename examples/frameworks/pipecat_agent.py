"""Pipecat's telephone bot (Twilio Media Streams) with our floor in it. Lines with # <- are ours.

pip install 'bargein[embedded,pipecat]' 'pipecat-ai[cartesia,deepgram,openai,silero,websocket]'
bargein simulate deepgram & bargein simulate chat & bargein simulate cartesia &     # or set the vendors' keys and URLs
python examples/frameworks/pipecat_agent.py
bargein simulate twilio ws://127.0.0.1:8765/media
"""

import os
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import LLMRunFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.services.cartesia.tts import CartesiaTTSService
from pipecat.services.deepgram.stt import DeepgramSTTService
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

from bargein.integrations.pipecat import BargeinFloor, BargeinPipecat  # <-

DEEPGRAM = os.environ.get("DEEPGRAM_URL", "http://127.0.0.1:8082")
OPENAI = os.environ.get("OPENAI_URL", "http://127.0.0.1:8083/v1")
CARTESIA = os.environ.get("CARTESIA_URL", "ws://127.0.0.1:8085/tts/websocket")
MODEL = os.environ.get("OPENAI_MODEL", "simulated-chat")

app = FastAPI()


@app.websocket("/media")
async def media(websocket: WebSocket) -> None:
    """One call."""
    await websocket.accept()
    _, call = await parse_telephony_websocket(websocket)
    bargein = BargeinPipecat(BargeinFloor("balanced", record=os.environ.get("RECORDS")))  # <-
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            serializer=TwilioFrameSerializer(
                call["stream_id"], params=TwilioFrameSerializer.InputParams(auto_hang_up=False)
            ),
            **bargein.output(),  # <-
        ),
    )
    stt = DeepgramSTTService(api_key=os.environ.get("DEEPGRAM_API_KEY", "none"), base_url=DEEPGRAM)
    llm = OpenAILLMService(
        api_key=os.environ.get("OPENAI_API_KEY", "none"),
        base_url=OPENAI,
        settings=OpenAILLMService.Settings(model=MODEL),
    )
    tts = CartesiaTTSService(
        api_key=os.environ.get("CARTESIA_API_KEY", "none"),
        url=CARTESIA,
        settings=CartesiaTTSService.Settings(voice="71a7ad14-091c-4e8e-a314-022ece01c121"),
    )
    context = LLMContext([{"role": "user", "content": "Say hello, and tell me a long story."}])
    user, assistant = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(
            vad_analyzer=bargein.vad(),  # <- in place of SileroVADAnalyzer()
            user_turn_strategies=bargein.strategies(),  # <-
        ),
    )
    pipeline = Pipeline(
        [
            transport.input(),
            stt,
            user,
            llm,
            tts,
            transport.output(),
            bargein.heard_words,  # <-
            assistant,
        ]
    )
    worker = PipelineWorker(pipeline, params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000))

    async def hung_up(*_: object) -> None:
        await worker.cancel()

    transport.add_event_handler("on_client_disconnected", hung_up)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await worker.queue_frames([LLMRunFrame()])
    await runner.run()


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]) if len(sys.argv) > 1 else 8765, log_level="warning")
