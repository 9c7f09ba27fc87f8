"""An agent's file that changes while calls run: who gets the new agent, who keeps the old, what a mistake does."""

from __future__ import annotations

import asyncio
import builtins
import re
import sys
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from watchfiles import Change

from bargein.server import reloading
from bargein.server.agent_file import file_modules, load_agent
from bargein.server.catalogue import Catalogue
from bargein.server.reloading import AgentFilter, FirstLoadFailed, Reloaded, Reloader, changes_in
from bargein.server.settings import Settings
from tests.server.kit import Client, World, settings, world

FILE = """
from dataclasses import dataclass

from bargein.protocols import TextDelta
from tests.server.kit import ToneVoice
from bargein import Agent
{imports}

@dataclass
class Tone(ToneVoice):
    closed: int = 0

    async def aclose(self):
        self.closed += 1
        CLOSED.append({name!r})


class Says:
    name = "says"

    async def reply(self, prompt):
        yield TextDelta({text})

import builtins
CLOSED = builtins.__dict__.setdefault("closed_agents", [])
agent = Agent(name={name!r}, stt=None, llm=Says(), tts=Tone(), scripted=True)
"""


class Saves:
    """Stands in for the watched folder: a test says which files have changed, and waits for what became of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.saved: asyncio.Queue[Collection[str]] = asyncio.Queue()
        self.told: asyncio.Queue[Reloaded] = asyncio.Queue()

    async def changes(self, folder: Path) -> AsyncIterator[Collection[str]]:
        assert folder == self.folder
        while True:
            yield await self.saved.get()

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    async def save(self, name: str, text: str) -> Reloaded:
        self.write(name, text)
        self.saved.put_nowait([name])
        return await asyncio.wait_for(self.told.get(), 10)


def agent_text(name: str, text: str = "'one'", imports: str = "") -> str:
    return FILE.format(name=name, text=text, imports=imports)


@pytest.fixture
def saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Saves:
    monkeypatch.setattr("builtins.closed_agents", [], raising=False)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.setattr(reloading, "GRACE_S", 0)
    return Saves(tmp_path)


@asynccontextmanager
async def loaded(saves: Saves) -> AsyncIterator[Catalogue]:
    """The agents alone, without a server."""
    reloader = Reloader(saves.told.put_nowait, saves.changes)
    async with reloader.opened(Settings(agent=str(saves.folder / "agent.py"), record=None)) as catalogue:
        yield catalogue


def closed() -> list[str]:
    """Names of the agents whose parts were closed."""
    found: list[str] = builtins.__dict__["closed_agents"]
    return found


@asynccontextmanager
async def served(saves: Saves) -> AsyncIterator[World]:
    reloader = Reloader(saves.told.put_nowait, saves.changes)
    chosen = settings(agent=str(saves.folder / "agent.py"))
    async with world(chosen, opener=reloader.opened) as server:
        reloader.attach(server.hub.calls)
        yield server


async def test_new_calls_get_the_new_agent_and_running_ones_keep_theirs(saves: Saves) -> None:
    saves.write("agent.py", agent_text("old"))
    async with served(saves) as server:
        calls = server.hub.calls

        def agent_of(client: Client) -> str:
            return calls.call(str(client.messages[0]["call_id"])).agent.name

        async with server.client() as running:
            told = await saves.save("agent.py", agent_text("new"))
            assert (told.error, told.calls, list(told.files)) == (None, 1, ["agent.py"])
            answer = (await server.http.get("/agents")).json()
            assert ([agent["name"] for agent in answer["agents"]], answer["mistake"]) == (["new"], "")
            async with server.client() as fresh, server.client({"agent": "old"}) as stale:
                assert [agent_of(client) for client in (running, fresh, stale)] == ["old", "new", "new"]
            assert await running.speaking()
            broken = await saves.save("agent.py", "1 / 0")
            answer = (await server.http.get("/agents")).json()
            assert broken.error is not None
            assert ([agent["name"] for agent in answer["agents"]], answer["mistake"]) == (["new"], broken.error.message)
            assert await running.still_there()
            assert closed() == []
        async with asyncio.timeout(5):
            while not closed():  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.01)
        assert closed() == ["old"]
    assert closed() == ["old", "new"]


MISTAKES = {
    "x = 1\nif x\n": r"agent\.py:2 failed with SyntaxError",
    "\n1 / 0\n": r"agent\.py:2 failed with ZeroDivisionError",
    "import neighbour_with_fault\n": r"neighbour_with_fault\.py:3 failed with NameError",
    "import neighbour_no_python\n": r"neighbour_no_python\.py:1 failed with SyntaxError",
    "x = 1\n": r"agent\.py has no agent",
    "import sys\nsys.exit(1)\n": r"agent\.py:2 failed with SystemExit",
    agent_text("x").replace("tts=Tone()", "tts=None"): r"agent\.py:26: Agent 'x' needs either",
    agent_text("x", imports="import bargein").replace(
        "agent = Agent", "bargein.serve(Agent(name='y', llm=Says(), tts=Tone()))\nagent = Agent"
    ): r"agent\.py:\d+: serve\(\) was called while an event loop runs",
}


async def test_a_mistake_is_told_with_its_line_and_the_last_good_agent_answers(saves: Saves) -> None:
    saves.write("agent.py", agent_text("good"))
    saves.write("neighbour_with_fault.py", "x = 1\n\nx = nope\n")
    saves.write("neighbour_no_python.py", "if x\n")
    async with loaded(saves) as catalogue:
        for text, says in MISTAKES.items():
            told = await saves.save("agent.py", text)
            assert re.search(says, str(told.error)), told.error
            assert told.error is not None
            assert catalogue.mistake == told.error.message
            assert list(catalogue.agents) == ["good"]
        (saves.folder / "agent.py").unlink()
        saves.saved.put_nowait(["agent.py"])
        gone = await asyncio.wait_for(saves.told.get(), 10)
        assert "There is no Python file" in str(gone.error)
        mended = await saves.save("agent.py", agent_text("mended"))
        assert mended.error is None
        assert (list(catalogue.agents), catalogue.mistake) == (["mended"], "")


async def test_parts_that_do_not_start_are_a_mistake_too(saves: Saves) -> None:
    saves.write("agent.py", agent_text("good"))
    async with loaded(saves) as catalogue:
        text = agent_text("bad").replace(
            "async def aclose", "async def start(self):\n        1 / 0\n\n    async def aclose"
        )
        told = await saves.save("agent.py", text)
        assert "could not be started: ZeroDivisionError" in str(told.error)
        assert list(catalogue.agents) == ["good"]
        assert closed() == ["bad"], "what had begun of it is closed"


async def test_a_neighbour_that_changes_is_imported_again(saves: Saves) -> None:
    saves.write("neighbour_of_dev.py", "NAME = 'first'\n")
    text = agent_text("x", imports="import neighbour_of_dev").replace("name='x'", "name=neighbour_of_dev.NAME")
    saves.write("agent.py", text)
    async with loaded(saves) as catalogue:
        assert list(catalogue.agents) == ["first"]
        await saves.save("neighbour_of_dev.py", "NAME = 'other'\n")  # in the same second, of the same length
        assert list(catalogue.agents) == ["other"]
        stays = sys.modules["neighbour_of_dev"]
        assert (await saves.save("neighbour_of_dev.py", "NAME = \n")).error is not None
        assert sys.modules["neighbour_of_dev"] is stays


async def test_the_env_file_is_read_again(saves: Saves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAME_OF_THE_AGENT", "")
    text = agent_text("x", imports="import os")
    saves.write("agent.py", text.replace("name='x'", "name=os.environ.get('NAME_OF_THE_AGENT') or 'none'"))
    async with loaded(saves) as catalogue:
        assert list(catalogue.agents) == ["none"]
        await saves.save(".env", "NAME_OF_THE_AGENT=ada\n")
        assert list(catalogue.agents) == ["ada"]
        await saves.save(".env", "NAME_OF_THE_AGENT=bob\n")
        assert list(catalogue.agents) == ["bob"]


async def test_parts_that_never_start_do_not_hold_up_the_next_change(
    saves: Saves, monkeypatch: pytest.MonkeyPatch
) -> None:
    saves.write("agent.py", agent_text("good"))
    async with loaded(saves) as catalogue:
        monkeypatch.setattr(reloading, "START_S", 0.05)
        waits = "async def start(self):\n        await __import__('asyncio').Event().wait()\n\n    async def aclose"
        told = await saves.save("agent.py", agent_text("bad").replace("async def aclose", waits))
        assert "did not start within" in str(told.error)
        monkeypatch.setattr(reloading, "START_S", 5)
        assert (await saves.save("agent.py", agent_text("mended"))).error is None
        assert list(catalogue.agents) == ["mended"]


async def test_a_start_that_is_broken_off_leaves_nothing(saves: Saves, caplog: pytest.LogCaptureFixture) -> None:
    waits = "async def start(self):\n        await __import__('asyncio').Event().wait()\n\n    async def aclose"
    saves.write("agent.py", agent_text("slow").replace("async def aclose", waits))
    before = asyncio.all_tasks()

    async def open_agents() -> None:
        async with loaded(saves):
            pass

    opening = asyncio.create_task(open_agents())
    async with asyncio.timeout(5):
        while len(asyncio.all_tasks() - before) < 2:  # noqa: ASYNC110  # a test may look
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    assert asyncio.all_tasks() == before
    assert closed() == ["slow"]
    assert [record.message for record in caplog.records if record.levelname != "INFO"] == []


async def test_a_former_agents_module_is_gone_with_it(saves: Saves) -> None:
    saves.write("agent.py", agent_text("agent-0"))
    before = file_modules()
    async with loaded(saves):
        for number in range(1, 6):
            await saves.save("agent.py", agent_text(f"agent-{number}"))
            await saves.save("agent.py", "1 / 0")
        async with asyncio.timeout(5):
            while len(closed()) < 5:  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0.01)
        assert len(file_modules() - before) == 1
    assert file_modules() == before


async def test_the_first_load_fails_as_itself(saves: Saves) -> None:
    saves.write("agent.py", "1 / 0\n")
    with pytest.raises(FirstLoadFailed, match=r"agent\.py:1 failed with ZeroDivisionError"):
        async with loaded(saves):
            pass


def test_a_class_of_a_reloaded_file_finds_its_module(saves: Saves) -> None:
    saves.write("agent.py", agent_text("one"))
    first, second = (type(load_agent(str(saves.folder / "agent.py")).tts) for _ in range(2))
    assert first.__module__ != second.__module__
    assert sys.modules[second.__module__].Tone is second


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("agent.py", True),
        ("deep/tools.py", True),
        ("agent.toml", True),
        (".env", True),
        ("README.md", False),
        ("test_agent.py", False),
        ("conftest.py", False),
        ("calls/20260101-1/events.jsonl", False),
        (".venv/lib/site-packages/x.py", False),
        ("__pycache__/agent.py", False),
        (".git/x.py", False),
        ("agent.py~", False),
    ],
)
def test_only_what_an_agent_is_made_of_counts(name: str, counts: bool, tmp_path: Path) -> None:
    assert AgentFilter()(Change.modified, str(tmp_path / name)) is counts


async def test_a_save_is_seen_by_the_real_watch(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text("x = 1\n")
    found = changes_in(tmp_path)
    first = asyncio.ensure_future(anext(found))
    while not first.done():  # the watch begins some time after it was asked for
        (tmp_path / "agent.py").write_text("x = 2\n")
        await asyncio.wait([first], timeout=0.5)
    assert list(first.result()) == ["agent.py"]
    await found.aclose()  # type: ignore[attr-defined]
