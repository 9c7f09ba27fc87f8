"""Agents of the user's own: what the server adds to them, what it says they lack, and whose vendors they meet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from bargein import Agent, UsageError, create_app
from bargein.server import catalogue as catalogue_module
from bargein.server.catalogue import open_agents
from bargein.server.given_agents import opener
from bargein.server.simulated import Simulators
from bargein.testing import ScriptedLLM, ScriptedSTT, ToneTTS
from bargein.vendors.common.environment import Environment
from bargein.vendors.local import Espeak, Moonshine
from tests.server.kit import bare, settings

WITHOUT_STT = Agent(llm=ScriptedLLM(), tts=ToneTTS())


@pytest.fixture(autouse=True)
def no_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DEEPGRAM_API_KEY", "OPENAI_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY"):
        monkeypatch.delenv(variable, raising=False)


async def test_an_agent_without_an_stt_gets_the_best_that_the_machine_has_and_the_rest_is_said() -> None:
    async with opener(WITHOUT_STT, "serve")(settings()) as catalogue:
        assert isinstance(catalogue.default.stt, Moonshine)
        lacking = {missing.part: missing for missing in catalogue.missing}
        assert "stands in" in lacking["stt"].why
        assert "DEEPGRAM_API_KEY" in lacking["stt"].advice
        assert lacking["fallback_tts"].why == "while the TTS of agent is away, callers hear nothing"
        assert lacking["fallback_tts"].advice == "Give the agent fallback_tts=local.Espeak()"


async def test_an_stt_that_was_given_or_declined_stays_as_it_is() -> None:
    stt = ScriptedSTT()
    agents = [
        Agent(name="given", stt=stt, llm=ScriptedLLM(), tts=ToneTTS()),
        Agent(name="declined", stt=None, llm=ScriptedLLM(), tts=Espeak()),
    ]
    async with opener(agents, "serve")(settings()) as catalogue:
        assert catalogue.agents["given"].stt is stt
        assert catalogue.agents["declined"].stt is None
        assert [missing.why for missing in catalogue.missing] == [
            "while the TTS of given is away, callers hear nothing"
        ], "espeak runs on this machine, and is away only with it"


async def test_the_parts_of_a_file_meet_the_simulators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "a-real-key")

    @asynccontextmanager
    async def simulated(*_: object) -> AsyncIterator[Simulators]:
        there = bare(GROQ_API_KEY="of-the-simulators", BARGEIN_GROQ_URL="http://127.0.0.1:9/groq")
        yield Simulators("http://127.0.0.1:9", there)

    monkeypatch.setattr(catalogue_module, "_simulated", simulated)
    (tmp_path / "mine.py").write_text(
        "import os\n"
        "from bargein import Agent\n"
        "from bargein.testing import ToneTTS\n"
        "from bargein.vendors import groq\n"
        "agent = Agent(stt=None, llm=groq.Chat(), tts=ToneTTS(), instructions=os.environ['GROQ_API_KEY'])\n"
        "agent.llm.address = os.environ['BARGEIN_GROQ_URL']\n"
    )
    async with open_agents(settings(agent=str(tmp_path / "mine.py"), simulate=True)) as catalogue:
        assert catalogue.default.instructions == "of-the-simulators"
        assert catalogue.default.llm.address == "http://127.0.0.1:9/groq"  # type: ignore[union-attr]  # the file's own
    assert Environment.of_process().get("GROQ_API_KEY") == "a-real-key"
    assert Environment.of_process().get("BARGEIN_GROQ_URL") is None


async def test_parts_that_are_made_already_cannot_be_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARGEIN_SIMULATE", "1")
    app = create_app(WITHOUT_STT)
    async with AsyncExitStack() as stack:
        with pytest.raises(UsageError, match=r"Run `bargein serve --simulate --agent FILE\.py`"):
            await stack.enter_async_context(app.lifespan())


async def test_an_error_in_a_toml_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    for text, says in (
        ('[llm]\nname = "nollm"\n', "There is no llm 'nollm'"),
        ("[policy]\nno_such_ms = 1\n", "no number 'no_such_ms'"),
        ('tools = ["nowhere:nothing"]\n', "nowhere failed with ModuleNotFoundError"),
    ):
        file.write_text(text)
        with pytest.raises(UsageError, match=f"mine.toml: .*{says}"):
            async with open_agents(settings(agent=str(file)), bare()):
                pass  # pragma: no cover
