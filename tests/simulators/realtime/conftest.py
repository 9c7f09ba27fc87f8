"""One server and one voice for all tests of a module: each takes 0.2 s to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import openai
import pytest
import pytest_asyncio
from fastapi import FastAPI

from bargein_simulators.openai_realtime import RealtimeSimulator, realtime_app
from bargein_simulators.realtime_session import RealtimeSession
from bargein_simulators.speech import SimulatedSpeech
from tests.simulators.realtime.kit import MODEL, WORDS, Connection
from tests.simulators.serving import serving

numbers = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def speech() -> AsyncIterator[SimulatedSpeech]:
    speech = SimulatedSpeech()
    yield speech
    await speech.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_server() -> AsyncIterator[tuple[FastAPI, str]]:
    """A server, in which each test has a simulator of its own under a path of its own."""
    app = FastAPI()
    async with serving(app, ws=True) as root:
        yield app, root


@pytest.fixture
def sim(speech: SimulatedSpeech) -> RealtimeSimulator:
    return RealtimeSimulator(
        respond=lambda said, items: WORDS,
        first_audio_ms=0,
        speed=0,
        token_ms=0,
        transcript_ms=0,
        api_key="k",
        speech=speech,
    )


@pytest.fixture
def url(shared_server: tuple[FastAPI, str], sim: RealtimeSimulator) -> str:
    app, root = shared_server
    path = f"/{next(numbers)}"
    app.mount(path, realtime_app(sim))
    return root + path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="k", max_retries=0) as made:
        yield made


@pytest.fixture
def sdk(client: openai.AsyncOpenAI, url: str) -> openai.AsyncOpenAI:
    return client.with_options(base_url=f"{url}/v1")


@pytest_asyncio.fixture(loop_scope="module")
async def connection(sdk: openai.AsyncOpenAI) -> AsyncIterator[Connection]:
    async with sdk.realtime.connect(model=MODEL) as wire:
        opened = Connection(wire)
        await opened.next("session.created")
        yield opened


@pytest.fixture
def session(connection: Connection, sim: RealtimeSimulator) -> RealtimeSession:
    """What the server has of this line."""
    return sim.sessions[-1]
