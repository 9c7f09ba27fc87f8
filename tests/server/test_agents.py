"""Agents from files, and what is said when one cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from bargein.errors import Misuse
from bargein.server.agents import Catalogue, load_agent, open_agents
from tests.server.kit import settings, tone_agent

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
    with pytest.raises(Misuse, match=says):
        load_agent(where)


def test_a_file_that_fails_is_named_with_its_failure(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(Misuse, match=r"bad\.py failed with ZeroDivisionError"):
        load_agent(f"{tmp_path}/bad.py:agent")


async def test_a_file_s_agent_is_the_only_one_and_its_parts_are_started_and_closed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import dataclasses\n"
        "from tests.server.kit import tone_agent, ToneVoice\n"
        "class Voice(ToneVoice):\n"
        "    seen = []\n"
        "    async def start(self): self.seen.append('start')\n"
        "    async def aclose(self): self.seen.append('close')\n"
        "agent = dataclasses.replace(tone_agent('mine'), voice=Voice())\n"
    )
    async with open_agents(settings(agent=f"{tmp_path}/mine.py:agent")) as catalogue:
        voice = catalogue.default.voice
        assert list(catalogue.agents) == ["mine"]
        assert voice.seen == ["start"]  # type: ignore[attr-defined]
    assert voice.seen == ["start", "close"]  # type: ignore[attr-defined]


def test_a_catalogue_gives_the_first_when_none_is_named() -> None:
    catalogue = Catalogue({"a": tone_agent("a"), "b": tone_agent("b")})
    assert catalogue.get(None).name == "a"
    assert catalogue.get("b").name == "b"
    with pytest.raises(Misuse, match="Choose one of a, b"):
        catalogue.get("c")
