"""Agents from files, and what is said when one cannot be had."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

from bargein.errors import Unavailable, UsageError
from bargein.protocols import AudioLLM
from bargein.server.builder import CASCADE_GREETING, Catalogue, load_agent, open_agents
from bargein.server.settings import Settings
from tests.server.kit import settings, tone_agent
from tests.server.test_registry import KEY, Fake, bare, fake

__all__ = ["fake"]

KIT = Path(__file__).parent / "kit.py"


def test_an_agent_is_loaded_from_a_file() -> None:
    assert load_agent(f"{KIT}:agent").name == "from-a-file"


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("kit.py", "names no agent"),
        (f"{KIT}:no-name", "names no agent"),
        ("nowhere/agent.py:agent", "no Python file"),
        (f"{KIT}:nobody", "has nothing called nobody"),
        (f"{KIT}:HELLO", "has a dict called HELLO"),
    ],
)
def test_what_is_wrong_with_it_is_said(where: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load_agent(where)


def test_a_file_that_fails_is_named_with_its_failure(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(UsageError, match=r"bad\.py failed with ZeroDivisionError"):
        load_agent(f"{tmp_path}/bad.py:agent")


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
    chosen = bare(agent="cascade", deepgram_api_key=KEY, groq_api_key=KEY, cartesia_api_key=KEY)
    async with open_agents(chosen) as catalogue:
        agent = catalogue.default
        assert (agent.name, agent.description) == ("cascade", "Deepgram Flux, Groq, Cartesia")
        assert agent.opening.text == CASCADE_GREETING
        assert catalogue.missing == ()


async def test_what_stands_in_for_a_vendor_is_said_with_what_would_make_it_real(fake: type[Fake]) -> None:
    async with open_agents(bare(agent="cascade", groq_api_key=KEY, groq_url="http://x")) as catalogue:
        assert catalogue.default.description == "Groq Whisper, Groq, Groq speech"
    async with open_agents(
        bare(agent="cascade", openai_api_key=KEY, openai_base_url="http://127.0.0.1:9/v1", openai_model="small")
    ) as catalogue:
        assert catalogue.default.description == (
            "Moonshine, on this machine, OpenAI-compatible server, espeak-ng, on this machine"
        )
        ears, voice = catalogue.missing
    assert ears.advice.startswith("Set DEEPGRAM_API_KEY, GROQ_API_KEY, OPENAI_API_KEY")
    assert voice.advice.startswith("Set ELEVENLABS_API_KEY, CARTESIA_API_KEY, DEEPGRAM_API_KEY")


async def test_voxtral_is_the_vendors_a_servers_or_this_machines_and_otherwise_says_how() -> None:
    with pytest.raises(Unavailable, match="MISTRAL_API_KEY, BARGEIN_VLLM_URL or BARGEIN_VOXTRAL_MODEL"):
        async with open_agents(bare(agent="voxtral")):
            pass
    for given, mind, ears in (
        ({"mistral_api_key": KEY}, "voxtral-small-latest", "voxtral-mini-transcribe-realtime-3-0"),
        ({"vllm_url": "http://gpu.test/v1"}, "mistralai/Voxtral-Mini-3B-2507", "moonshine"),
        (
            {"vllm_url": "http://gpu.test/v1", "vllm_realtime_url": "http://gpu.test/v1"},
            "mistralai/Voxtral-Mini-3B-2507",
            "mistralai/Voxtral-Mini-4B-Realtime-2602",
        ),
    ):
        async with open_agents(bare(agent="voxtral", **given)) as catalogue:
            agent = catalogue.default
            assert (agent.name, agent.llm_name) == ("voxtral", mind)
            assert agent.stt_name.startswith(ears)
            assert isinstance(agent.llm, AudioLLM)


async def test_a_cascade_without_a_model_names_the_variables() -> None:
    with pytest.raises(
        Unavailable, match=r"Set GROQ_API_KEY, OPENAI_API_KEY, MISTRAL_API_KEY, OPENAI_BASE_URL, .*--simulate"
    ):
        async with open_agents(bare(agent="cascade")):
            pass


async def test_simulated_vendors_get_the_settings_that_the_simulators_give(
    fake: type[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("bargein.server.simulated")

    @asynccontextmanager
    async def simulated(given: Settings) -> AsyncIterator[Settings]:
        assert given.simulate
        keys = {"deepgram_api_key": KEY, "deepgram_url": "http://127.0.0.1:1", "groq_api_key": KEY}
        yield bare(agent=given.agent, **keys)

    module.simulated = simulated  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bargein.server.simulated", module)
    async with open_agents(bare(agent="cascade", simulate=True)) as catalogue:
        assert catalogue.default.description == "Deepgram Flux, Groq, Deepgram Aura"
        assert catalogue.workshop is not None
        assert catalogue.workshop.settings.deepgram_url == "http://127.0.0.1:1"
