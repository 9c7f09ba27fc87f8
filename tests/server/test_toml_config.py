"""Agents from TOML files: what they become, and what is said of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from bargein.errors import Unavailable, UsageError
from bargein.server.catalogue import open_agents
from bargein.server.toml_config import load_tools, read_toml
from tests.server.fake_parts import Fake
from tests.server.kit import bare, settings
from tests.server.test_registry import KEY, fake

__all__ = ["fake"]

WHOLE = """
language = "en"
instructions = "You sell tea."
greeting = "What may it be?"
protected = "This call is recorded."
preset = "patient"
spoken_form = false
hide_thoughts = false
tools = ["shop_for_this_test:till"]

[stt]
name = "deepgram-flux"
options = { keyterms = ["Darjeeling"], eot_threshold = 0.8 }

[llm]
name = "groq"

[tts]
name = "aura"
options = { voice = "aura-2-thalia-en" }

[policy]
confirm_ms = 400

[reprompts]
silence = "Still there?"
"""
TOOL = """
class Till:
    spec = None
    effect = "read"
    async def run(self, arguments):
        return "rung up"
till = Till()
function = lambda: None
"""


def written(folder: Path, text: str) -> str:
    (folder / "tea.toml").write_text(text)
    return str(folder / "tea.toml")


async def test_a_file_becomes_an_agent(tmp_path: Path, fake: type[Fake]) -> None:
    (tmp_path / "shop_for_this_test.py").write_text(TOOL)
    chosen = settings(agent=written(tmp_path, WHOLE))
    async with open_agents(chosen, bare(DEEPGRAM_API_KEY=KEY, GROQ_API_KEY=KEY)) as catalogue:
        agent = catalogue.default
        assert list(catalogue.agents) == ["tea"]
        assert catalogue.missing == ()
        assert (agent.opening.protected, agent.opening.text) == ("This call is recorded.", "What may it be?")
        assert (agent.policy.preset, agent.policy.verdict.confirm_ms) == ("patient", 400)
        assert (agent.spoken_form, agent.hide_thoughts) == (False, False)
        assert agent.reprompts["silence"] == "Still there?"
        assert agent.reprompts["late"].startswith("Sorry")
        assert agent.streaming_stt is not None
        assert [type(tool).__name__ for tool in agent.tools] == ["Till"]
        assert catalogue.builder is not None
    assert fake.closed == 3


async def test_the_example_is_an_agent_of_parts_that_take_its_options(fake: type[Fake]) -> None:
    example = Path(__file__).parents[2] / "examples" / "cascade.toml"
    async with open_agents(settings(agent=str(example)), bare(DEEPGRAM_API_KEY=KEY, GROQ_API_KEY=KEY)) as catalogue:
        assert catalogue.default.name == "cascade"
        assert catalogue.default.description == "Deepgram Flux, Groq, Deepgram Aura"
        assert catalogue.default.policy.idle.user_silence_ms == 12_000


async def test_a_part_that_lacks_its_key_is_named(tmp_path: Path, fake: type[Fake]) -> None:
    with pytest.raises(Unavailable, match=r"Groq has no key\. Set GROQ_API_KEY"):
        async with open_agents(settings(agent=written(tmp_path, '[llm]\nname = "groq"')), bare()):
            pass


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("greeting = 3", "key greeting: Input should be a valid string"),
        ("voise = 3", "has a key voise. Allowed there are: stt, llm, tts, realtime, language"),
        ('[tts]\nname = "aura"\nvoice = "x"', "has a key tts.voice. Allowed there are: name, options"),
        ('preset = "eager"', "key preset: .* Choose one of instant, balanced, patient"),
        ('language = "English please"', "key language: .*Give a language tag"),
        ('tools = ["no entry"]', "key tools.0: .*module:function"),
        ("greeting = \nname = 1", "is no TOML: .*line 1"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read_toml(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[tts]\nname = "siren"', "There is no tts 'siren'. Choose one of elevenlabs"),
        ('[tts]\nname = "espeak"\noptions = { pitch = 3 }', "espeak has no option 'pitch'. Known are: language"),
        ("[policy]\nconfirm = 3", "A policy has no number 'confirm'"),
    ],
)
async def test_a_name_that_is_not_in_the_table_is_refused(tmp_path: Path, text: str, says: str) -> None:
    chosen = settings(agent=written(tmp_path, '[llm]\nname = "guide"\n' + text if "[llm]" not in text else text))
    with pytest.raises(UsageError, match=says):
        async with open_agents(chosen, bare()):
            pass


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml cannot be read"):
        read_toml("nowhere.toml")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("shop_for_this_test:nothing", "there is nothing"),
        ("shop_for_this_test:function", "there is a function, and no tool"),
        ("no_such_module_here:till", "failed with ModuleNotFoundError"),
    ],
)
def test_a_tool_that_is_none_is_refused(tmp_path: Path, entry: str, says: str) -> None:
    (tmp_path / "shop_for_this_test.py").write_text(TOOL)
    with pytest.raises(UsageError, match=says):
        load_tools((entry,), tmp_path)
