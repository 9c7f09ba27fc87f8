"""Calls of a real pipeline with the floor in it, side by side, each told as a line of JSON.

Arguments: a folder, in which the file NAME.json holds a scene, and NAME.pcm the user's audio (16 kHz).
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import scene_time
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer
from pipecat.frames.frames import (
    EndFrame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    LLMRunFrame,
    MixerControlFrame,
    TTSSpeakFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_mute import MuteUntilFirstBotCompleteUserMuteStrategy
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import ExternalUserTurnStopStrategy, SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner
from scripted import RATE, CountingTTS, Line, ScriptedLLM, ScriptedSTT, quiet_log, tell, words

from bargein.errors import UsageError
from bargein.integrations.pipecat import BargeinFloor, BargeinPipecat

FRAME = RATE // 50 * 2
AT_ONCE = 4  # the event loop runs the VAD for so few, so that no thread takes time
LOG: list[str] = []


class Hum(BaseAudioMixer):
    """A background: it is there whenever a chunk is written."""

    async def start(self, sample_rate: int) -> None:
        """Nothing to load."""

    async def stop(self) -> None:
        """Nothing to free."""

    async def process_frame(self, frame: MixerControlFrame) -> None:
        """Nothing to set."""

    async def mix(self, audio: bytes) -> bytes:
        return audio


class Broken:
    """A floor's part that fails at a moment."""

    def __init__(self, bargein: BargeinPipecat, at_ms: float) -> None:
        self._push, self._ms, self._at_ms = bargein.floor.push_audio, 0.0, at_ms
        bargein.floor.push_audio = self.push_audio

    def push_audio(self, audio: bytes, rate: int) -> None:
        self._ms += len(audio) / 2 * 1000 / rate
        if self._ms >= self._at_ms:
            raise RuntimeError("an error of ours")
        self._push(audio, rate)


async def call(name: str, folder: Path) -> None:
    scene: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    user = (folder / f"{name}.pcm").read_bytes()
    bargein = BargeinPipecat(BargeinFloor(scene.get("policy", "balanced"), record=scene.get("record")))
    if "used" in scene:
        await bargein.floor.start(bargein.turn_start)
    without = scene.get("without", ())
    mixer = Hum() if scene.get("mixer") else None
    output = {} if "hold" in without else bargein.output()
    params = {"audio_out_end_silence_secs": 0, "audio_out_mixer": mixer, "audio_out_channels": scene.get("channels", 1)}
    line = Line(TransportParams(audio_out_enabled=True, **params, **output))
    if mixer is not None and "background" not in without:
        bargein.mix(Outputs(line), mixer)
    llm = ScriptedLLM([words(n, stem) for n, stem in scene["replies"]])
    turns = "turns" in scene
    stop = [ExternalUserTurnStopStrategy() if turns else SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.4)]
    strategies = bargein.strategies(stop=stop)
    if "rival" in scene:
        strategies = UserTurnStrategies(start=[bargein.turn_start, VADUserTurnStartStrategy()], stop=stop)
    context = LLMContext()
    pair = LLMContextAggregatorPair(
        context,
        user_params=LLMUserAggregatorParams(
            user_turn_strategies=strategies,
            user_turn_stop_timeout=scene.get("stop_s", 5.0),
            empty_user_turn=None,
            user_mute_strategies=[MuteUntilFirstBotCompleteUserMuteStrategy()] if "mutes" in scene else [],
            vad_analyzer=bargein.vad() if "vad" in scene else None,
        ),
    )
    heard = [] if "words" in without else [bargein.heard_words]
    parts = [
        ScriptedSTT(scene.get("stt", ()), hears_turns="hears turns" in scene, vad="vad" not in scene),
        pair.user(),
        llm,
        CountingTTS(timed=scene.get("timed", True), channels=scene.get("channels", 1)),
    ]
    pipeline = Pipeline(
        [*parts, *heard, line, pair.assistant()] if "early" in scene else [*parts, line, *heard, pair.assistant()]
    )
    if "breaks" in scene:
        asyncio.get_running_loop().call_later(scene["breaks"] / 1000, break_parts, bargein)
    if "fails" in scene:
        Broken(bargein, scene["fails"])
    held = asyncio.Event()
    if "slow start" in scene:
        start_slowly(bargein, scene["slow start"] / 1000)
    if "forgets" in scene:  # to tick: a hold is never decided
        bargein.floor._tick = lambda _: None  # type: ignore[method-assign]
        bargein.floor.feed = deaf(bargein.floor.feed, scene["forgets"], line)  # type: ignore[method-assign]
    worker = PipelineWorker(pipeline, params=PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE))
    doing = at_hold(bargein, held, scene.get("at hold", ()), worker)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    if "opening" in scene:
        opening = TTSSpeakFrame(words(*scene["opening"]))
        opening.interruptible = False
        await worker.queue_frames([opening])
    else:
        await worker.queue_frames([LLMRunFrame()])
    acts = dict(scene.get("acts", {}))
    await line.ready.wait()
    line.began = asyncio.get_running_loop().time()
    for at in range(0, len(user), FRAME):
        due = line.began + at / FRAME * 0.02
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        if "stalls" not in scene or not held.is_set() or at / FRAME * 20 > scene["stalls"]:
            await worker.queue_frames([user_frame(user[at : at + FRAME], scene.get("user channels", 1))])
        for act in [act for act, ms in acts.items() if ms <= at / FRAME * 20]:
            del acts[act]
            await do(act, worker, bargein)
    ended = line.now_ms()
    async with asyncio.timeout(20):
        if not running.done() and "stays" not in scene:
            await worker.queue_frames([EndFrame()])
        await running
    if doing is not None:
        await asyncio.gather(doing, return_exceptions=True)
    samples = line.samples()[:: scene.get("channels", 1)]
    tell(
        "call",
        name=name,
        gaps=line.gaps(),
        chunks=[round(at) for at, _ in line.played],
        first=int(samples[0]) if len(samples) else None,
        steps=sorted({int(step) for step in (samples[1:] - samples[:-1])}),
        jumps=[
            (index, int(samples[index]), int(samples[index + 1]))
            for index in range(len(samples) - 1)
            if (int(samples[index + 1]) - int(samples[index])) % 65536 != 1 and samples[index + 1]  # 0: a chunk's end
        ][:20],
        samples=len(samples),
        background=line.background(),
        interrupted=line.interrupted_ms,
        seen=line.seen,
        counts=bargein.floor.counts,
        reasons=list(bargein.floor.reasons),
        asked=llm.asked,
        messages=[dict(each) for each in context.get_messages()],
        ended=ended,
        over=line.now_ms(),
    )


def user_frame(audio: bytes, channels: int) -> InputAudioRawFrame:
    """20 ms of the user, on each channel alike."""
    samples = np.frombuffer(audio, "<i2").repeat(channels)
    return InputAudioRawFrame(samples.tobytes(), RATE, channels)


def start_slowly(bargein: BargeinPipecat, seconds: float) -> None:
    """The floor takes its time."""
    start = bargein.floor.start

    async def slowly(guest: Any) -> None:
        await asyncio.sleep(seconds)
        await start(guest)

    bargein.floor.start = slowly  # type: ignore[method-assign]


def at_hold(
    bargein: BargeinPipecat, held: asyncio.Event, acts: list[str], worker: PipelineWorker
) -> asyncio.Task[None] | None:
    """Tell of the first hold, and do something in it."""
    hold = bargein.turn_start.hold

    def tell_hold(why: str) -> None:
        hold(why)
        held.set()

    async def then() -> None:
        await held.wait()
        for act in acts:
            await do(act, worker, bargein)

    bargein.turn_start.hold = tell_hold  # type: ignore[method-assign]
    return asyncio.create_task(then()) if acts else None


def break_parts(bargein: BargeinPipecat) -> None:
    """From now on, the hold and the words behind it fail."""

    def fails(*_: object) -> bool:
        raise RuntimeError("an error of ours")

    bargein.hold._may_pass = fails  # type: ignore[method-assign]
    bargein.heard_words._heard = fails  # type: ignore[method-assign]


class Outputs:
    """A transport, as far as its output."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def output(self) -> Line:
        return self._line


def deaf(feed: Any, from_ms: float, line: Line) -> Any:
    """Hands the floor nothing more once a hold runs, from a moment on."""
    stopped = False

    def maybe(event: Any) -> None:
        nonlocal stopped
        owner = feed.__self__
        stopped = stopped or (line.now_ms() >= from_ms and owner.held)
        if not stopped:
            feed(event)

    return maybe


async def do(act: str, worker: PipelineWorker, bargein: BargeinPipecat) -> None:
    match act:
        case "end":
            await worker.queue_frames([EndFrame()])
        case "cancel":
            await worker.cancel()
        case "operator":
            bargein.floor.interrupt()
        case "key":
            await worker.queue_frames([InputDTMFFrame(button=KeypadEntry.FIVE)])
        case "interrupt":
            await worker.queue_frames([InterruptionFrame()])
        case "respond":
            await worker.queue_frames([LLMRunFrame()])
        case "speak":
            await worker.queue_frames([TTSSpeakFrame("spaa spab spac spad.")])


def told_of_an_old_version() -> str:
    """What a Pipecat without the hook is told."""
    hook = TransportParams.model_fields.pop("audio_out_filter")
    try:
        BargeinPipecat()
    except UsageError as error:
        return str(error)
    finally:
        TransportParams.model_fields["audio_out_filter"] = hook
    return ""


async def main(folder: Path, names: list[str]) -> None:
    quiet_log(LOG)
    slots = asyncio.Semaphore(AT_ONCE)

    async def slotted(name: str) -> None:
        async with slots:
            await call(name, folder)

    await asyncio.gather(*map(slotted, names))
    tell("version", told=told_of_an_old_version())
    tell("log", lines=[str(line).strip() for line in LOG if "Bargein" in line])


FOLDER = Path(sys.argv[1])
scene_time.run(main(FOLDER, sorted(path.stem for path in FOLDER.glob("*.json"))))
