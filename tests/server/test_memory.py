"""A call that is over leaves nothing behind, without the help of Python's collector of circles."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI

from bargein.agent import Agent, Greeting
from bargein.audio.vad import SileroVADStream
from bargein.floor import Floor, Policy
from bargein.vendors.openai.realtime import OpenAIRealtime
from bargein_bench.callers.caller import Caller
from bargein_bench.callers.caller_audio import EndCallStep, PressKey, Step
from bargein_simulators.openai_realtime import RealtimeSimulator, add_realtime
from bargein_simulators.speech import SimulatedSpeech
from tests.server.kit import ToneVoice, World, settings, tone_agent, world
from tests.simulators.serving import serving

ROOMS = ("bargein.call.", "bargein.transports.", "bargein.recorder.journal", "bargein.vendors.common.openai_realtime.")
OF_THE_SERVER = {"Ticker", "Runtime", "BrowserLimits", "TelephoneLimits"}


def of_calls() -> Counter[str]:
    """How many objects of calls live now, by class."""
    found: Counter[str] = Counter()
    for each in gc.get_objects():
        kind = type(each)
        ours = str(kind.__module__).startswith(ROOMS) or kind in (Floor, SileroVADStream)
        if ours and kind.__name__ not in OF_THE_SERVER:
            found[kind.__name__] += 1
    return found


async def by_page(here: World) -> None:
    async with here.client() as client:
        await client.speaking()
        await client.audio(3_200, value=900)
        await client.send({"type": "interrupt"})
        await client.until("audio_interrupted")
        await client.say("and again")
        await client.until("state", state="speaking")
        await client.send({"type": "hangup"})
        await client.until("bye")


async def by_telephone(here: World) -> None:
    steps: list[Step] = [PressKey(600, "5"), EndCallStep(1_600)]
    await Caller(here.url.replace("http", "ws") + "/twilio/media", steps, 2_500).run()


@asynccontextmanager
async def of_cascade(folder: Path) -> AsyncIterator[World]:
    async with world(settings(folder), tone_agent(greeting="Hello there, this is a greeting")) as here:
        yield here


@asynccontextmanager
async def of_realtime(folder: Path) -> AsyncIterator[World]:
    speech = SimulatedSpeech()
    app = FastAPI()
    add_realtime(app, RealtimeSimulator(speech=speech))
    async with serving(app, ws=True) as url:
        realtime = OpenAIRealtime(api_key="k", base_url=f"{url}/v1")
        agent = Agent(
            name="teller",
            realtime=realtime,
            fallback_tts=ToneVoice(),
            greeting=Greeting("Hello there, this is a greeting"),
            policy=Policy.balanced(),
        )
        async with world(settings(folder), agent, alone=False) as here:
            yield here
        await realtime.aclose()
    await speech.aclose()


@pytest.mark.parametrize("calls", [by_page, by_telephone])
@pytest.mark.parametrize("served", [of_cascade, of_realtime])
async def test_a_call_that_is_over_is_gone(
    tmp_path: Path,
    calls: Callable[[World], Awaitable[None]],
    served: Callable[[Path], AsyncIterator[World]],
) -> None:
    async with served(tmp_path) as here:  # type: ignore[attr-defined]
        await calls(here)
        await here.nobody_left()
        gc.collect()
        before = of_calls()
        gc.disable()
        try:
            await asyncio.gather(*(calls(here) for _ in range(2)))
            await here.nobody_left()
            await asyncio.sleep(0.05)
            assert of_calls() - before == Counter()
        finally:
            gc.enable()
