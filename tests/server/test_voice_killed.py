"""The voice's process is killed while it speaks, for two calls at once."""

from __future__ import annotations

import os
import signal

from bargein.agent import Agent, Greeting
from bargein.vendors.local.espeak import EspeakTTS, worker
from tests.server.kit import Echo, world

LONG = "This sentence is one of many that keep the voice at work for longer than it may run ahead. " * 6


async def test_a_voice_that_is_killed_comes_back_and_every_call_goes_on() -> None:
    process = worker()
    voice = EspeakTTS(process)
    agent = Agent(name="killed", stt=None, llm=Echo(), tts=voice, scripted=True, greeting=Greeting(LONG))
    async with world(None, agent) as here:
        async with here.client() as one, here.client() as other:
            for client in (one, other):
                await client.until("state", state="speaking")
            pid = process.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            for client in (one, other):
                await client.say("tea")
                await client.until("audio_interrupted")
                reply = await client.until("reply")
                await client.until("words", reply_id=reply["reply_id"])
                assert await client.still_there()
            assert process.pid not in (None, pid)
        await process.aclose()
