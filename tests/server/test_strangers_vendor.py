"""A vendor of a stranger: a package that is built, installed and used without a line of ours.

The package is installed beside others into a folder of the test, and looked at from a process of its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from textwrap import dedent

import pytest

import bargein

PYPROJECT = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [project]
    name = "acme-voices"
    version = "0.1"

    [project.entry-points."bargein.vendors"]
    acme = "acme_voices:VENDOR"
    broken = "acme_voices.broken:VENDOR"
"""
VENDOR = """
    from bargein.vendors.common.option import Option
    from bargein.vendors.common.vendor import AgentRecipe, ApiKey, Part, Vendor

    VENDOR = Vendor(
        name="acme",
        title="Acme",
        key=ApiKey(("ACME_API_KEY",)),
        parts=(
            Part(
                kind="llm",
                name="acme-llm",
                title="Acme poet",
                factory="acme_voices.poet:Poet",
                options=(Option("lines", "Lines", 2, kind="number", least=1, most=9),),
            ),
        ),
        agents=(
            AgentRecipe("acme", {"llm": "acme-llm"}, greeting="Acme speaks.", description="The poet of Acme"),
        ),
    )
"""
POET = """
    from bargein.protocols import TextDelta


    class Poet:
        name = "acme-poet"

        def __init__(self, *, api_key, base_url, lines=2):
            self._lines, self._where = int(lines), base_url
            assert api_key.get_secret_value() == "acme-secret"

        async def reply(self, prompt):
            for line in range(self._lines):
                yield TextDelta(f"Line {line + 1} from {self._where}. ")
"""
# What the other process does. Its lines are what the tests look at.
SAYS = """
    import asyncio
    import json
    from pathlib import Path

    import httpx

    from bargein.errors import BargeinError
    from bargein.protocols import Prompt, UserSaid
    from bargein.server.app import VoiceApp
    from bargein.server.catalogue import open_agents
    from bargein.server.settings import Settings
    from bargein.vendors.common.environment import Environment

    TOML = '[llm]\\nname = "acme-llm"\\noptions = {{ lines = {} }}\\n'


    async def says(agent, **variables):
        environment = Environment.of_process().with_(variables)
        try:
            async with open_agents(Settings(record=None, agent=agent), environment) as catalogue:
                agent = catalogue.default
                prompt = Prompt("", (UserSaid(1, "Speak."),), "en")
                text = "".join([piece.text async for piece in agent.llm.reply(prompt)])
                print("agent:", agent.name, "|", agent.description, "|", agent.opening.text, "|", text)
        except BargeinError as error:
            print(type(error).__name__, error)


    async def serves():
        app = VoiceApp(Settings(record=None, agent="acme"))
        async with app.router.lifespan_context(app):
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
                for missing in (await http.get("/agents")).json()["missing"]:
                    print("missing:", missing["part"], "|", missing["why"], "|", missing["advice"])
                parts = (await http.get("/parts")).json()["parts"]
                print("parts:", json.dumps([part for part in parts if part["vendor"] == "Acme"]))


    async def main():
        await says("acme", BARGEIN_ACME_URL="http://acme.test")
        await says("acme", ACME_API_KEY="")
        for lines in (3, 10):
            Path(f"{lines}.toml").write_text(TOML.format(lines))
            await says(f"{lines}.toml")
        await serves()


    asyncio.run(main())
"""


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the stranger's package is installed into."""
    folder = tmp_path_factory.mktemp("stranger")
    source, target = folder / "source", folder / "installed"
    written(source / "pyproject.toml", PYPROJECT)
    written(source / "acme_voices" / "__init__.py", VENDOR)
    written(source / "acme_voices" / "poet.py", POET)
    written(source / "acme_voices" / "broken.py", "raise RuntimeError('out of order')")
    written(folder / "says.py", SAYS)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    pip += ["--no-build-isolation", "--target", str(target), str(source)]
    subprocess.run(pip, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def said(installed: Path) -> str:
    return run(installed, "says.py")


def run(installed: Path, *command: str) -> str:
    """What a process says in which the package is installed, and in which nothing but its key is set up."""
    ours = Path(bargein.__file__).parents[1]
    metadata = Path(str(distribution("bargein").locate_file("")))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(str(folder) for folder in (ours, installed / "installed", metadata)),
        "ACME_API_KEY": "acme-secret",
        "BARGEIN_OLLAMA_URL": "http://127.0.0.1:9/v1",
        "COLUMNS": "200",
    }
    process = [sys.executable, *command]
    ran = subprocess.run(
        process, env=environment, cwd=installed, capture_output=True, text=True, timeout=60, check=False
    )
    return ran.stdout


def test_it_is_an_agent_by_its_name(said: str) -> None:
    lines = "Line 1 from http://acme.test. Line 2 from http://acme.test."
    assert f"agent: acme | The poet of Acme | Acme speaks. | {lines}" in said


def test_a_key_that_is_not_set_is_named(said: str) -> None:
    assert "Unavailable Acme poet has no key. Set ACME_API_KEY" in said


def test_its_parts_and_their_options_are_named_in_a_file(said: str) -> None:
    assert "Line 3 from None" in said
    assert re.search(r"UsageError \S+\.toml: lines cannot be '10'. Give a number from 1 to 9", said)


def test_a_broken_vendor_is_told_of_and_holds_nothing_up(said: str) -> None:
    why = "acme_voices.broken:VENDOR failed with RuntimeError: out of order"
    assert f"missing: vendor broken of acme-voices | {why} | Update or uninstall acme-voices" in said


def test_a_page_can_choose_it(said: str) -> None:
    (told,) = (line.removeprefix("parts: ") for line in said.splitlines() if line.startswith("parts: "))
    (part,) = json.loads(told)
    assert (part["kind"], part["name"], part["title"]) == ("llm", "acme-llm", "Acme poet")
    assert (part["key_set"], part["variable"], part["installed"]) == (True, "ACME_API_KEY", True)
    (option,) = part["options"]
    assert (option["name"], option["kind"], option["least"], option["most"]) == ("lines", "number", 1, 9)
    assert "acme-secret" not in told


def test_the_doctor_tries_it_and_names_what_is_broken(installed: Path) -> None:
    told = " ".join(run(installed, "-m", "bargein", "doctor").split())
    assert "Acme poet (llm) works first word after" in told
    assert "vendor broken of acme-voices fails" in told
    assert "acme-secret" not in told
