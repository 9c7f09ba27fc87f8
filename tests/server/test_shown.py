"""What a page, a client and the terminal are told of the agents: simulated or real, by which policy, of which parts."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from bargein.floor import Policy
from bargein.server.app import VoiceApp
from bargein.server.catalogue import Catalogue, open_agents
from bargein.server.hub import Hub
from bargein.server.serve import described
from bargein.server.settings import Settings
from tests.server.kit import HELLO, Client, bare, on_uvicorn, settings, tone_agent


@asynccontextmanager
async def served(app: VoiceApp, hello: Mapping[str, object] | None = None) -> AsyncIterator[Client]:
    """A client that has said hello, and got an answer."""
    async with on_uvicorn(app) as url:
        socket_url = url.replace("http", "ws") + "/calls/browser"
        async with connect(socket_url, subprotocols=[Subprotocol("bargein.v1")], close_timeout=0.2) as socket:
            client = Client(socket)
            await client.send(HELLO | dict(hello or {}))
            yield client


def offering(catalogue: Catalogue, **given: object) -> VoiceApp:
    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[Catalogue]:
        yield catalogue

    return VoiceApp(settings(**given), agents=opened)  # type: ignore[arg-type]  # settings by name


async def told(app: VoiceApp) -> dict[str, Any]:
    async with (
        app.lifespan(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http,
    ):
        answer: dict[str, Any] = (await http.get("/agents")).json()
        return answer


async def test_simulated_vendors_are_called_simulated_everywhere() -> None:
    for url, simulated in ((None, False), ("http://127.0.0.1:9", True)):
        app = offering(Catalogue({"tone": tone_agent()}, simulator_url=url))
        async with served(app) as client:
            agent = (await client.until("welcome"))["agent"]
            assert isinstance(agent, dict)
            assert agent.get("simulated", False) is simulated
            banner = io.StringIO()
            hub: Hub = app.state.hub
            banner.writelines(described(hub))
            assert ("simulated" in banner.getvalue()) is simulated
        assert (await told(app))["simulated"] is simulated


async def test_an_agent_is_listed_with_the_policy_that_its_calls_have() -> None:
    eager = replace(tone_agent(), policy=Policy.named("instant"))
    for setting, expected in ((None, "instant"), ("patient", "patient")):
        app = offering(Catalogue({"tone": eager}), policy=setting)
        listed = (await told(app))["agents"]
        assert listed[0]["policy"]["preset"] == expected
        async with served(app) as client:
            assert (await client.until("welcome"))["policy"]["preset"] == expected  # type: ignore[index]


async def test_a_choice_of_nothing_is_the_best_there_is_also_without_any_key() -> None:
    app = VoiceApp(settings(), agents=lambda given: open_agents(given, bare()))
    async with served(app, {"choice": {"language": "en"}}) as client:
        agent = (await client.until("welcome", 20))["agent"]
        assert isinstance(agent, dict)
        assert (agent["llm"], agent["tts"], agent["scripted"]) == ("guide", "espeak-ng", True)
        await client.until("state", 20, state="speaking")


async def test_where_no_script_speaks_the_language_the_missing_key_is_named() -> None:
    app = VoiceApp(settings(), agents=lambda given: open_agents(given, bare()))
    async with served(app, {"choice": {"language": "de"}}) as client:
        problem = await client.until("error", 20)
        assert problem["code"] == "part_missing"
        assert "GROQ_API_KEY" in str(problem["advice"])
