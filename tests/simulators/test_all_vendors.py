"""All vendors at one address, in a process that never outlives who started it."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import get_args

import httpx
import pytest

from bargein.errors import UsageError
from bargein.server import simulated as simulation
from bargein.server.registry import installed_vendors
from bargein.server.simulated import FAULTS, TTS_SIMULATORS, inject, simulated
from bargein.vendors.common.environment import Environment
from bargein_simulators import chat, deepgram_flux, simulated_tts
from bargein_simulators.all_vendors import AllVendors, all_vendors_app, answer
from bargein_simulators.chat import ChatMessage


def test_every_fault_that_can_be_injected_is_one_that_its_simulator_knows() -> None:
    queues = AllVendors().queues()
    # By the types: a queue takes any string, and a fault that nobody knows does nothing.
    kinds = {"deepgram-flux": get_args(deepgram_flux.Fault), "chat": get_args(chat.Fault)}
    kinds |= dict.fromkeys(TTS_SIMULATORS, get_args(simulated_tts.Fault))
    for fault in FAULTS:
        assert set(fault.simulators) <= queues.keys()
        for simulator in fault.simulators:
            assert fault.fault in kinds[simulator]


def test_no_vendors_path_is_anothers() -> None:
    # A WebSocket and a request of one path are two.
    paths = [(type(route), route.path) for route in all_vendors_app().routes if hasattr(route, "path")]
    assert len(paths) == len(set(paths))


def test_the_simulated_model_says_the_users_words_and_knows_where_it_was_stopped() -> None:
    said = answer([ChatMessage(role="user", content="tell me a story")])
    assert said.startswith("You said: tell me a story. ")
    note = "The user interrupted you here. They heard your words up to '…the wind and the'."
    where = answer(
        [
            ChatMessage(role="system", content="Be short."),
            ChatMessage(role="assistant", content="the wind and the"),
            ChatMessage(role="system", content=note),
            ChatMessage(role="user", content="Where did you stop?"),
        ]
    )
    assert "the last words you heard were: …the wind and the." in where


async def test_the_environment_points_at_them_for_as_long_as_they_live_and_they_need_no_key() -> None:
    real = Environment(
        {"GROQ_API_KEY": "real-key", "BARGEIN_DEEPGRAM_URL": "wss://real", "OPENAI_BASE_URL": "http://x", "HOME": "/"}
    )
    async with simulated(real, installed_vendors().vendors) as simulators:
        url, environment = simulators.url, simulators.environment
        assert environment.get("BARGEIN_DEEPGRAM_URL") == url.replace("http", "ws")
        assert environment.get("GROQ_API_KEY") not in (None, "real-key")
        assert environment.get("OPENAI_BASE_URL") is None
        assert environment.get("HOME") == "/"
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{environment.get('BARGEIN_GROQ_URL')}/models")).status_code == 200
            assert (await inject(url, "model-500")).part == "llm"
            body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
            told = [(await http.post(f"{url}/v1/chat/completions", json=body)).status_code for _ in range(3)]
            assert told == [500, 500, 200]
        with pytest.raises(UsageError, match="no fault"):
            await inject(url, "flood")
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(url)


async def test_they_go_when_whoever_started_them_is_killed() -> None:
    code = (
        "import asyncio, sys\n"
        "from bargein.vendors.common.environment import Environment\n"
        "from bargein.server.simulated import simulated\n"
        "async def main():\n"
        "    async with simulated(Environment(), ()) as simulators:\n"
        "        print(simulators.url, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    async with asyncio.timeout(10), httpx.AsyncClient() as http:
        assert (await http.get(f"{url}/v1/models")).status_code == 200
        process.send_signal(signal.SIGKILL)
        await process.wait()

        async def ask_for_ever() -> None:
            while True:
                await http.get(f"{url}/v1/models")

        with pytest.raises((httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError)):
            await ask_for_ever()


async def test_simulators_that_are_killed_are_started_again_at_the_same_address_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started: list[asyncio.subprocess.Process] = []
    start, news, gave_up = simulation._start, asyncio.Event(), asyncio.Event()
    error = simulation.log.error

    def told_of_the_end(*args: object) -> None:
        error(*args)
        gave_up.set()

    monkeypatch.setattr(simulation.log, "error", told_of_the_end)

    async def watched(port: int) -> tuple[asyncio.subprocess.Process, str]:
        process, url = await start(port)
        started.append(process)
        news.set()
        return process, url

    monkeypatch.setattr(simulation, "_start", watched)
    monkeypatch.setattr(simulation, "RESTARTS", 1)
    async with simulated(Environment(), ()) as simulators, httpx.AsyncClient() as http, asyncio.timeout(60):
        news.clear()
        started[0].kill()
        await news.wait()
        assert (await http.get(f"{simulators.url}/v1/models")).status_code == 200
        started[1].kill()
        await started[1].wait()
        await gave_up.wait()
    assert len(started) == 2
    told = [record.getMessage() for record in caplog.records]
    assert any("they are started again (1 of 1)" in line for line in told), "it is mentioned"
    assert any("The simulators are back" in line for line in told)
