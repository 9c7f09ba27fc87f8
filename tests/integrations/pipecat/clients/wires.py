"""Calls over Pipecat's real transports and serializers, side by side, each told as a line of JSON.

Arguments: a folder, in which the file NAME.json holds a scene, and NAME.pcm the user's audio (16 kHz). The agent's
audio is noise that no two places of have alike, so that a lost or a repeated sample is seen on every wire.
"""

from __future__ import annotations

import asyncio
import audioop
import json
import socket
import sys
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import uvicorn
import websockets
from fastapi import FastAPI, WebSocket
from networks import NETWORKS, Network, keeping
from noise import jumps, noise, strays
from peers import AheadTransport, webrtc
from pipecat.frames.frames import EndFrame, Frame, LLMRunFrame, TTSAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair, LLMUserAggregatorParams
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.transports.websocket.server import (
    SingleClientWebsocketServerParams,
    SingleClientWebsocketServerTransport,
)
from pipecat.workers.runner import WorkerRunner
from scripted import WORD_MS, ScriptedLLM, quiet_log, tell, words
from services import hearing, realtime, stops

from bargein.integrations.pipecat import BargeinFloor, BargeinPipecat

USER_RATE = 16_000
LATE_S = 15.0
LOG: list[str] = []
APP = FastAPI()
CALLS: dict[str, Call] = {}


async def begin() -> None:
    """All calls begin together, when all pipelines run: to build them takes seconds on a machine with other work."""
    for each in CALLS.values():
        await each.ready.wait()


class NoiseTTS(TTSService):
    """Each word lasts WORD_MS of the noise, and has its time."""

    def __init__(self, rate: int) -> None:
        super().__init__(
            push_text_frames=False,
            push_start_frame=True,
            push_stop_frames=True,
            sample_rate=rate,
            settings=TTSSettings(model="m", voice="v", language=None),
        )
        self._noise, self._word = noise(rate * 60), rate * WORD_MS // 1000
        self._count = 0
        self._length_ms: dict[str, int] = {}

    def can_generate_metrics(self) -> bool:
        return False

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        for word in text.split():
            at_ms = self._length_ms.get(context_id, 0)
            await self.add_word_timestamps([(word, at_ms / 1000)], context_id)
            self._length_ms[context_id] = at_ms + WORD_MS
            audio = self._noise[self._count : self._count + self._word].tobytes()
            self._count += self._word
            yield TTSAudioRawFrame(audio, self.sample_rate, 1, context_id=context_id)


def speaking(scene: dict[str, Any], rate: int) -> list[FrameProcessor]:
    """What answers the user, and says it."""
    if scene.get("service") == "realtime":
        return [realtime(scene)]
    return [ScriptedLLM([words(n, stem) for n, stem in scene["replies"]]), NoiseTTS(int(scene.get("tts rate", rate)))]


class Tap(FrameProcessor):
    """Keeps the audio that goes to the output."""

    def __init__(self) -> None:
        super().__init__()
        self.audio: list[bytes] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self.audio.append(frame.audio)
        await self.push_frame(frame, direction)


class Call:
    """A bot on one wire, and what its caller hears."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.scene: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
        self.user = (folder / f"{name}.pcm").read_bytes()
        self.rate = int(self.scene.get("rate", 8000))
        self.bargein = BargeinPipecat(BargeinFloor(record=self.scene.get("record")))
        self.chunks: list[tuple[float, bytes]] = []
        self.clears: list[float] = []
        self.began = 0.0
        self.ready, self.over, self.done = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.answered = asyncio.Event()
        self.worker: PipelineWorker | None = None
        self.tap = Tap()

    async def end(self) -> None:
        """The caller has said all. On a machine with other work, the bot may not have heard it yet."""
        async with asyncio.timeout(LATE_S):
            while not self.bargein.floor.counts["cuts"]:
                await self.bargein.floor.wait_change()
            if self.scene.get("service") == "flux":
                await self.answered.wait()
        self.over.set()

    def now_ms(self) -> float:
        return (asyncio.get_running_loop().time() - self.began) * 1000

    async def run(self, transport: BaseTransport) -> None:
        """The bot, until its caller has gone."""
        bargein = self.bargein
        context = LLMContext()
        pair = LLMContextAggregatorPair(
            context,
            user_params=LLMUserAggregatorParams(
                user_turn_strategies=bargein.strategies(stop=stops(self.scene)), empty_user_turn=None
            ),
        )
        pipeline = Pipeline(
            [
                transport.input(),
                *hearing(self.scene),
                pair.user(),
                *speaking(self.scene, self.rate),
                self.tap,
                transport.output(),
                bargein.heard_words,
                pair.assistant(),
            ]
        )
        params = PipelineParams(audio_in_sample_rate=self.rate, audio_out_sample_rate=self.rate)
        worker = self.worker = PipelineWorker(pipeline, params=params)
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)

        async def started(*_: object) -> None:
            self.ready.set()

        async def stopped(*_: object) -> None:
            self.answered.set()

        worker.add_event_handler("on_pipeline_started", started)
        pair.user().add_event_handler("on_user_turn_stopped", stopped)
        running = asyncio.create_task(runner.run())
        await begin()
        await worker.queue_frames([LLMRunFrame()])
        await self.over.wait()
        await worker.queue_frames([EndFrame()])
        async with asyncio.timeout(20):
            await running
        self.done.set()
        self.messages = [dict(each) for each in context.get_messages()]

    def heard(self, pcm: bytes) -> None:
        if any(pcm) or "service" in self.scene:
            self.chunks.append((self.now_ms(), pcm))

    def spoken(self, rate: int) -> bytes:
        """The user's audio at another rate."""
        samples = np.frombuffer(self.user, "<i2")
        return soxr.resample(samples, USER_RATE, rate).astype(np.int16).tobytes()

    def tell(self, rate: int, *, mulaw: bool) -> None:
        """rate, mulaw: of the wire."""
        sent = np.frombuffer(b"".join(self.tap.audio), "<i2") if "service" in self.scene else noise(self.rate * 60)
        if rate != self.rate:
            stream = soxr.ResampleStream(self.rate, rate, 1, quality="VHQ", dtype="int16")
            sent = stream.resample_chunk(sent)
        whole = audioop.ulaw2lin(audioop.lin2ulaw(sent.tobytes(), 2), 2) if mulaw else sent.tobytes()
        got = b"".join(pcm for _, pcm in self.chunks)
        tell(
            "call",
            name=self.name,
            rate=rate,
            first=whole.find(got[:320]) // 2,
            sent_ahead_ms=self.sent_ahead_ms(rate),
            ms=len(got) / 2 / rate * 1000,
            jumps=jumps(got, whole) if rate == self.rate else strays(got, whole),
            last_ms=self.chunks[-1][0],
            gaps=self.gaps(rate),
            clears=self.clears,
            counts=self.bargein.floor.counts,
            reasons=list(self.bargein.floor.reasons),
            messages=self.messages,
        )

    def played(self, rate: int) -> list[tuple[float, float]]:
        """When each chunk sounds, and until when, at a caller that plays at once what comes."""
        played: list[tuple[float, float]] = []
        until = 0.0
        clears = list(self.clears)
        for at, pcm in self.chunks:
            while clears and clears[0] <= at:
                until = min(until, clears.pop(0))
            begin = max(at, until)
            until = begin + len(pcm) / 2 / rate * 1000
            played.append((begin, until))
        return played

    def gaps(self, rate: int) -> list[tuple[float, float]]:
        played = self.played(rate)
        return [(a[1], b[0]) for a, b in pairwise(played) if b[0] - a[1] > 100]

    def sent_ahead_ms(self, rate: int) -> float:
        """How much audio the caller has at most that does not sound yet, when the next comes."""
        return max(
            (begin - at for (at, _), (begin, _) in zip(self.chunks, self.played(rate), strict=True)), default=0.0
        )


@APP.websocket("/{name}")
async def bot(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    call = CALLS[name]
    network = NETWORKS[call.scene["wire"]]
    serializer = keeping() if "keeps" in call.scene else network.serializer()
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_out_end_silence_secs=0,
            serializer=serializer,
            **call.bargein.output(),
        ),
    )
    await call.run(transport)


async def caller(call: Call, network: Network, url: str) -> None:
    """Says the user's audio, and keeps what comes."""
    size = network.rate // 50 * 2
    user = call.spoken(network.rate)
    async with connected(url) as line:
        if network.opens:
            await line.send(network.opens)
        await begin()
        call.began = asyncio.get_running_loop().time()
        hearing = asyncio.create_task(listen(call, network, line))
        for at in range(0, len(user), size):
            due = call.began + at / size * 0.02
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            await line.send(network.say(user[at : at + size]))
        await call.end()
        await hearing


async def listen(call: Call, network: Network, line: websockets.ClientConnection) -> None:
    async for message in line:
        match network.hear(message):
            case bytes() as pcm:
                call.heard(pcm)
            case "clear":
                call.clears.append(call.now_ms())
            case _:
                pass


def connected(url: str) -> Any:
    return websockets.connect(url, compression=None, ping_interval=None)


async def over_websocket(call: Call, base: str) -> None:
    network = NETWORKS[call.scene["wire"]]
    await caller(call, network, f"{base}/{call.name}")


async def over_server(call: Call) -> None:
    """Pipecat's own WebSocket server."""
    network = NETWORKS["protobuf"]
    port = free_port()
    transport = SingleClientWebsocketServerTransport(
        SingleClientWebsocketServerParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_out_end_silence_secs=0,
            serializer=network.serializer(),
            **call.bargein.output(),
        ),
        "127.0.0.1",
        port,
    )
    running = asyncio.create_task(call.run(transport))
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            break
    await caller(call, network, f"ws://127.0.0.1:{port}")
    await running


async def over_ahead(call: Call) -> None:
    """A transport that takes all audio at once, as some do."""
    transport = AheadTransport(
        TransportParams(
            audio_in_enabled=True, audio_out_enabled=True, audio_out_end_silence_secs=0, **call.bargein.output()
        ),
        call,
    )
    running = asyncio.create_task(call.run(transport))
    await begin()
    await transport.plays(call.user, USER_RATE)
    await call.end()
    await running


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


async def one(call: Call, base: str) -> None:
    match call.scene["wire"]:
        case "webrtc":
            await webrtc(call, begin)
            call.tell(call.rate, mulaw=False)
        case "server":
            await over_server(call)
            call.tell(16_000, mulaw=False)
        case "ahead":
            await over_ahead(call)
            call.tell(call.rate, mulaw=False)
        case wire:
            await over_websocket(call, base)
            await call.done.wait()
            call.tell(NETWORKS[wire].rate, mulaw=NETWORKS[wire].mulaw)


async def main(folder: Path, names: list[str]) -> None:
    quiet_log(LOG)
    CALLS.update({name: Call(name, folder) for name in names})
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(APP, port=port, log_level="warning", ws_ping_interval=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.02)
    await asyncio.gather(*(one(call, f"ws://127.0.0.1:{port}") for call in CALLS.values()))
    server.should_exit = True
    await serving
    tell("log", lines=[str(line).strip() for line in LOG if "Bargein" in line])


if __name__ == "__main__":
    FOLDER = Path(sys.argv[1])
    asyncio.run(main(FOLDER, sorted(path.stem for path in FOLDER.glob("*.json"))))
