"""The streaming agent on Voxtral: it hears the user's sound, writes, and a voice speaks through a queue; and whose
queue is emptied when.

Every client's queues are its own: here two browsers talk with one server, and with one simulated vendor."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI

from bargein.agent import Agent, Greeting
from bargein.audio.pcm import Samples
from bargein.recorder.reading import Noted, read
from bargein.vendors.mistral.chat import VoxtralChat
from bargein.vendors.mistral.realtime import VoxtralRealtime
from bargein.vendors.mistral.speech import MistralSpeech
from bargein.vendors.vllm.chat import VLLMVoxtralChat
from bargein.vendors.vllm.realtime import VLLMVoxtralRealtime
from bargein_simulators.chat import ChatSimulator, add_chat
from bargein_simulators.mistral_realtime import MistralRealtimeSimulator, add_mistral_realtime
from bargein_simulators.mistral_speech import MistralSpeechSimulator, add_mistral_speech
from bargein_simulators.simulated_stt import Script
from bargein_simulators.vllm_realtime import VLLMRealtimeSimulator, add_vllm_realtime
from tests.server.kit import HEADER, Client, ToneVoice, World, settings, world
from tests.simulators.serving import serving
from tests.sounds import load

LONG = "And so it goes on, " * 12
WORDS = "tell me of the sea"
LAST = 1  # a frame's flag


@dataclass
class Vendors:
    chat: ChatSimulator
    voice: MistralSpeechSimulator


@asynccontextmanager
async def voxtral(folder: Path, *, vllm: bool = False, greeting: str = "") -> AsyncIterator[tuple[World, Vendors]]:
    """A server with the agent, its vendor simulated. vllm: on a vLLM server, with a voice of ours."""
    chat = ChatSimulator(
        respond=lambda messages: f"You said {messages[-1].transcript or 'nothing'}. {LONG}",
        script=deque([WORDS]),
        token_ms=2,
        models=(),
        whole_calls=not vllm,
    )
    ears = Script([WORDS], repeat=True)
    voice = MistralSpeechSimulator(speed=8.0, first_audio_ms=20)
    app = FastAPI()
    add_chat(app, chat)
    if vllm:
        add_vllm_realtime(app, VLLMRealtimeSimulator(words=lambda: ears))
    else:
        add_mistral_realtime(app, MistralRealtimeSimulator(words=lambda: ears))
        add_mistral_speech(app, voice)
    async with serving(app, ws=True) as url:
        if vllm:
            parts = (
                VLLMVoxtralRealtime(base_url=f"{url}/v1"),
                VLLMVoxtralChat(base_url=f"{url}/v1", model="voxtral"),
                ToneVoice(),
            )
        else:
            parts = (  # type: ignore[assignment]
                VoxtralRealtime(api_key="k", base_url=url),
                VoxtralChat(api_key="k", base_url=url),
                MistralSpeech(api_key="k", base_url=url),
            )
        transcriber, mind, spoken = parts
        agent = Agent(name="voxtral", llm=mind, tts=spoken, stt=transcriber, greeting=Greeting(greeting))
        async with world(settings(folder, keep_s=0), agent, alone=False) as here:
            yield here, Vendors(chat, voice)
        await mind.aclose()
        if isinstance(spoken, MistralSpeech):
            await spoken.aclose()
    await voice.speech.aclose()


async def speak(client: Client, samples: Samples) -> None:
    """Into the client's microphone, at the speed of speech."""
    loop = asyncio.get_running_loop()
    began, first = loop.time(), client.sample
    for at in range(0, len(samples), 320):
        header = HEADER.pack(1, 0, 0, 0, 0, first + at)
        await client.socket.send(header + samples[at : at + 320].astype("<i2").tobytes())
        await asyncio.sleep(max(0.0, began + (at + 320) / 16_000 - loop.time()))
    client.sample = first + len(samples)


def kinds(client: Client, kind: str) -> list[dict[str, object]]:
    return [m for m in client.messages if m["type"] == kind]


def sentence() -> Samples:
    said = load("interruption-1.wav").samples[300 * 16 : 1_500 * 16]
    return np.concatenate((said, np.zeros(24_000, np.int16)))


@pytest.mark.parametrize("vllm", [False, True])
async def test_speech_while_nothing_plays_is_a_turn_and_no_interruption(tmp_path: Path, vllm: bool) -> None:
    async with voxtral(tmp_path, vllm=vllm) as (here, vendors), here.client() as client:
        speaking = asyncio.create_task(speak(client, sentence()))
        words = await client.until("transcript", role="user", text=WORDS)
        await client.until("state", state="speaking")
        await speaking
        assert kinds(client, "audio_interrupted") == []
        assert words["final"]
    # The turn went to the model as sound, with the words beside it in the record.
    assert vendors.chat.served[0].request.messages[-1].audio_ms >= 1_000
    (record,) = tmp_path.iterdir()  # noqa: ASYNC240  # a test's own folder
    users = [e.facts["text"] for e in read(record).entries if isinstance(e, Noted) and e.kind == "user"]
    assert users[-1] == WORDS


async def test_an_interruption_empties_both_queues_of_the_one_who_speaks_and_of_nobody_else(tmp_path: Path) -> None:
    async with (
        voxtral(tmp_path) as (here, vendors),
        here.client() as one,
        here.client() as other,
    ):
        await one.speaking()
        sounding = await other.speaking()
        speaking = asyncio.create_task(speak(one, sentence()))
        await asyncio.sleep(1.5)
        await other.send({"type": "played", "reply_id": sounding, "played": 24_000, "playing": True})
        await speaking
        told = await one.until("audio_interrupted")
        assert int(str(told["cleared_chunks"])) > 0
        assert float(str(told["cleared_ms"])) > 0
        served = vendors.chat.served[0]
        await served.over.wait()
        assert await other.still_there()
        frames = len(other.frames)
        async with asyncio.timeout(5):
            while len(other.frames) == frames:
                raw = await other.socket.recv()
                if isinstance(raw, bytes):
                    other.frames.append(raw)
        assert kinds(other, "audio_interrupted") == []
        reply, frames = int(str(told["reply_id"])), len(one.frames)
        while int(str((await one.until("words"))["reply_id"])) <= reply:
            pass
        assert all(HEADER.unpack_from(frame)[4] > reply for frame in one.frames[frames:]), "nothing of it comes later"
        assert vendors.chat.served[-1].request.messages[-1].transcript == WORDS, "it answers the new words"


async def test_an_interruption_at_the_last_chunk_is_announced_with_nothing_cleared(tmp_path: Path) -> None:
    async with voxtral(tmp_path) as (here, vendors), here.client() as client:
        vendors.chat.respond = lambda _: "Yes."
        reply = await client.speaking()
        while not client.frames or not client.frames[-1][1] & LAST:
            async with asyncio.timeout(5):
                raw = await client.socket.recv()
            if isinstance(raw, bytes):
                client.frames.append(raw)
        last = client.frames[-1]
        _, _, _, _, _, first = HEADER.unpack_from(last)
        played = first + (len(last) - HEADER.size) // 2
        await client.send({"type": "played", "reply_id": reply, "played": played, "playing": True})
        await client.send({"type": "interrupt"})
        told = await client.until("audio_interrupted")
        assert (told["cleared_chunks"], told["heard_text"]) == (0, "Yes.")


async def test_two_quick_interruptions_are_one(tmp_path: Path) -> None:
    async with voxtral(tmp_path) as (here, _), here.client() as client:
        await client.speaking()
        for _ in range(3):
            await client.send({"type": "interrupt"})
        await client.until("audio_interrupted")
        assert await client.still_there()
        assert len(kinds(client, "audio_interrupted")) == 1


async def test_interrupting_an_idle_agent_or_an_empty_queue_does_no_harm(tmp_path: Path) -> None:
    async with voxtral(tmp_path) as (here, _), here.client() as client:
        await client.send({"type": "interrupt"})
        assert await client.still_there()
        assert kinds(client, "audio_interrupted") == []
        await client.speaking()


async def test_a_socket_that_fails_as_it_is_told_leaves_the_servers_state_right(tmp_path: Path) -> None:
    async with voxtral(tmp_path) as (here, vendors):
        async with here.client() as client:
            await client.speaking()
            await client.send({"type": "interrupt"})
            client.socket.transport.abort()
        assert await here.nobody_left()
        await vendors.chat.served[0].over.wait()
        async with here.client() as another:
            await another.speaking()
    records = [read(folder) for folder in tmp_path.iterdir()]  # noqa: ASYNC240  # a test's own folder
    assert len(records) == 2
    assert all(any(isinstance(e, Noted) and e.kind == "bye" for e in record.entries) for record in records)
