"""Agents from files, and what is said when one cannot be had."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

from bargein.errors import Unavailable, UsageError
from bargein.protocols import AudioLLM
from bargein.server.catalogue import Catalogue, open_agents
from bargein.server.simulated import Simulators
from bargein.server.texts import CASCADE_GREETING
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.vendor import Vendor
from tests.server.fake_parts import Fake
from tests.server.kit import bare, settings, tone_agent
from tests.server.test_registry import KEY, fake

__all__ = ["fake"]

KIT = Path(__file__).parent / "kit.py"


async def test_a_file_s_agent_is_the_only_one_and_its_parts_are_started_and_closed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import dataclasses\n"
        "from tests.server.kit import tone_agent, ToneVoice\n"
        "class Voice(ToneVoice):\n"
        "    seen = []\n"
        "    async def start(self): self.seen.append('start')\n"
        "    async def aclose(self): self.seen.append('close')\n"
        "agent = dataclasses.replace(tone_agent('mine'), tts=Voice())\n"
    )
    async with open_agents(settings(agent=f"{tmp_path}/mine.py:agent")) as catalogue:
        voice = catalogue.default.tts
        assert list(catalogue.agents) == ["mine"]
        assert voice.seen == ["start"]  # type: ignore[union-attr]
    assert voice.seen == ["start", "close"]  # type: ignore[union-attr]


def test_a_catalogue_gives_the_first_when_none_is_named() -> None:
    catalogue = Catalogue({"a": tone_agent("a"), "b": tone_agent("b")})
    assert catalogue.get(None).name == "a"
    assert catalogue.get("b").name == "b"
    with pytest.raises(UsageError, match="Choose one of a, b"):
        catalogue.get("c")


async def test_the_cascade_takes_the_best_parts_whose_keys_are_set(fake: type[Fake]) -> None:
    keys = bare(DEEPGRAM_API_KEY=KEY, GROQ_API_KEY=KEY, CARTESIA_API_KEY=KEY)
    async with open_agents(settings(agent="cascade"), keys) as catalogue:
        agent = catalogue.default
        assert (agent.name, agent.description) == ("cascade", "Deepgram Flux, Groq, Cartesia")
        assert agent.opening.text == CASCADE_GREETING
        assert catalogue.missing == ()


async def test_what_stands_in_for_a_vendor_is_said_with_what_would_make_it_real(fake: type[Fake]) -> None:
    async with open_agents(settings(agent="cascade"), bare(GROQ_API_KEY=KEY)) as catalogue:
        assert catalogue.default.description == "Groq Whisper, Groq, Groq speech"
    elsewhere = bare(OPENAI_API_KEY=KEY, OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_MODEL="small")
    async with open_agents(settings(agent="cascade"), elsewhere) as catalogue:
        assert catalogue.default.description == (
            "Moonshine, on this machine, OpenAI-compatible server, espeak-ng, on this machine"
        )
        stt, tts = catalogue.missing
    assert stt.advice.startswith("Set DEEPGRAM_API_KEY, GROQ_API_KEY, OPENAI_API_KEY")
    assert tts.advice.startswith("Set ELEVENLABS_API_KEY, CARTESIA_API_KEY, DEEPGRAM_API_KEY")


async def test_voxtral_is_the_vendors_a_servers_or_this_machines_and_otherwise_says_how() -> None:
    with pytest.raises(Unavailable, match="MISTRAL_API_KEY, BARGEIN_VLLM_URL or BARGEIN_VOXTRAL_MODEL"):
        async with open_agents(settings(agent="voxtral"), bare()):
            pass
    for given, llm, stt in (
        ({"MISTRAL_API_KEY": KEY}, "voxtral-small-latest", "voxtral-mini-transcribe-realtime-3-0"),
        ({"BARGEIN_VLLM_URL": "http://gpu.test/v1"}, "mistralai/Voxtral-Mini-3B-2507", "moonshine"),
        (
            {"BARGEIN_VLLM_URL": "http://gpu.test/v1", "BARGEIN_VLLM_REALTIME_URL": "http://gpu.test/v1"},
            "mistralai/Voxtral-Mini-3B-2507",
            "mistralai/Voxtral-Mini-4B-Realtime-2602",
        ),
    ):
        async with open_agents(settings(agent="voxtral"), bare(**given)) as catalogue:
            agent = catalogue.default
            assert (agent.name, agent.llm_name) == ("voxtral", llm)
            assert agent.stt_name.startswith(stt)
            assert isinstance(agent.llm, AudioLLM)


async def test_a_cascade_without_a_model_names_the_variables() -> None:
    with pytest.raises(Unavailable, match=r"Set GROQ_API_KEY, OPENAI_API_KEY, .*OPENAI_BASE_URL, .*--simulate"):
        async with open_agents(settings(agent="cascade"), bare()):
            pass


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OPENAI_BASE_URL": "localhost:8000"}, "OPENAI_BASE_URL is no web address.* begin with https://"),
        ({"GROQ_API_KEY": "gsk one"}, "GROQ_API_KEY is no key: white space stands in it.*Copy the key"),
        ({"OPENAI_API_KEY": "k\u201d"}, r"OPENAI_API_KEY is no key: the character U\+201D"),
        ({"OPENAI_API_KEY": "k", "BARGEIN_OPENAI_URL": "https://h:port"}, "BARGEIN_OPENAI_URL is no web address"),
    ],
)
async def test_what_is_set_and_wrong_is_named_before_any_other_way(variables: dict[str, str], said: str) -> None:
    with pytest.raises(Unavailable, match=rf"(?s){said}.*--simulate"):
        async with open_agents(settings(agent="cascade"), bare(**variables)):
            pass


async def test_simulated_vendors_get_the_environment_that_the_simulators_give(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("bargein.server.simulated")

    @asynccontextmanager
    async def simulated(given: Environment, vendors: Sequence[Vendor]) -> AsyncIterator[Simulators]:
        assert any(vendor.simulator for vendor in vendors)
        keys = {"DEEPGRAM_API_KEY": KEY, "BARGEIN_DEEPGRAM_URL": "http://127.0.0.1:1", "GROQ_API_KEY": KEY}
        yield Simulators("http://127.0.0.1:1", given.with_(keys))

    module.simulated = simulated  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bargein.server.simulated", module)
    async with open_agents(settings(agent="cascade", simulate=True), bare()) as catalogue:
        assert catalogue.default.description == "Deepgram Flux, Groq, Deepgram Aura"
        assert catalogue.simulator_url == "http://127.0.0.1:1"
        assert catalogue.builder is not None
        assert catalogue.builder.environment.get("BARGEIN_DEEPGRAM_URL") == "http://127.0.0.1:1"
