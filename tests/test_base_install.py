"""`pip install bargein`, without extras: everything that the base promises works, and a missing extra is named."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bargein import __version__
from tests.base_install import ROOT, BaseInstall, base_install, base_requirements, closure

pytestmark = pytest.mark.slow

CALL = """
import asyncio
from collections.abc import AsyncIterator

import numpy as np

from bargein import Agent, run_call
from bargein.audio.pcm import Pcm
from bargein.notices import Transcript
from bargein.protocols import ClientHangUp, SpeechChunk, TransportCapabilities


class MyLLM:
    name = "mine"

    async def reply(self, prompt):
        yield


class MyTTS:
    name, rate = "mine", 24_000

    async def speak(self, text):
        async for piece in text:
            yield SpeechChunk(Pcm(np.full(2400, 100, np.int16), 24_000), piece)


class Line:
    capabilities = TransportCapabilities(pause=False, reports=False)
    rate_in, rate_out = 16_000, 24_000

    def __init__(self):
        self.inbox = asyncio.Queue()
        self.samples = 0

    async def receive(self):
        yield await self.inbox.get()

    def send(self, frame):
        self.samples += len(frame.samples)
        return True

    def hold(self, reply): return None
    def flush(self, reply): return 0
    async def close(self, reason): pass

    def notify(self, notice):
        if isinstance(notice, Transcript):
            self.inbox.put_nowait(ClientHangUp("done"))


line = Line()
status = asyncio.run(run_call(Agent(llm=MyLLM(), tts=MyTTS(), greeting="Hello there"), line))
print(status.over, status.conversation[0]["text"], line.samples)
"""

IMPORT_ALL = """
import importlib, json, pkgutil, bargein
failed = {}
for module in pkgutil.walk_packages(bargein.__path__, "bargein."):
    if module.name != "bargein.__main__":
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            failed[module.name] = error.name
print(json.dumps(failed))
"""

SERVE = """
import threading, urllib.request
from bargein import Agent, serve
from bargein.testing import ScriptedLLM, ToneTTS
import bargein.server.serve as server

def look(console, url, lines):
    def ask():
        with urllib.request.urlopen(url + "/") as page:
            print("page", page.status, b"Bargein" in page.read(), flush=True)
        with urllib.request.urlopen(url + "/web/js/app.js") as script:
            print("script", script.headers["content-type"], flush=True)
        import os, signal
        os.kill(os.getpid(), signal.SIGTERM)
    threading.Thread(target=ask).start()

server.announce = look
serve(Agent(llm=ScriptedLLM(), tts=ToneTTS(), greeting="Hello"), port=0)
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseInstall:
    return base_install(tmp_path_factory.mktemp("base"))


def optional_packages() -> set[str]:
    """The distributions that only an extra brings."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    names = {str(canonicalize_name(Requirement(text).name)) for texts in extras.values() for text in texts} - {
        "bargein"
    }
    return names - set(closure(base_requirements()))


def test_no_package_of_an_extra_is_in_the_environment(base: BaseInstall) -> None:
    optional = optional_packages()
    assert {"openai", "deepgram-sdk", "mistralai", "twilio", "moonshine-voice"} <= optional
    assert not base.names & optional
    shown = base.run(base.python, "-c", "import openai", folder=base.python.parent)
    assert "No module named 'openai'" in shown.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--version"], f"bargein {__version__}"),
        (["--help"], "serve     Serve calls, and the page to make them with"),
        (["--help"], "bench     Call an agent, interrupt it, and score what the"),
        (["--help"], "simulate  Vendors' wire protocols, spoken locally"),
        (["serve", "--help"], "--agent"),
        (["demo", "--help"], "--simulate"),
        (["replay", "--help"], "--policy"),
        (["bench", "--help"], "--scenarios"),
        (["tune", "--help"], "--limit"),
        (["simulate", "--help"], "openai-realtime"),
        (["simulate", "twilio", "--help"], "--wav"),
    ],
)
def test_every_help_works(words: list[str], says: str, base: BaseInstall, tmp_path: Path) -> None:
    shown = base.run(base.bargein, *words, folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert says in shown.stdout


def test_python_dash_m_is_the_same_command(base: BaseInstall, tmp_path: Path) -> None:
    assert base.run(base.python, "-m", "bargein", "--version", folder=tmp_path).stdout == f"bargein {__version__}\n"


def test_the_doctor_finds_what_is_not_installed_and_is_content(base: BaseInstall, tmp_path: Path) -> None:
    shown = base.run(base.bargein, "doctor", folder=tmp_path, COLUMNS="200")
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "Traceback" not in shown.stderr
    assert "bargein[espeak]" in shown.stdout


def test_an_agent_of_the_users_own_parts_makes_a_call(base: BaseInstall, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CALL)
    shown = base.run(base.python, "mine.py", folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    over, *text, samples = shown.stdout.split()
    assert (over, text) == ("done", ["Hello", "there"])
    assert int(samples) > 0


def test_an_agent_of_the_users_own_parts_is_served_with_its_page(base: BaseInstall, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SERVE)
    shown = base.run(base.python, "mine.py", folder=tmp_path)
    assert shown.returncode in (0, -15), shown.stderr
    assert shown.stdout.splitlines() == ["page 200 True", "script text/javascript; charset=utf-8"], shown.stderr
    assert not (tmp_path / "calls").exists()


def test_the_guide_needs_an_extra_and_says_which(base: BaseInstall, tmp_path: Path) -> None:
    shown = base.run(base.bargein, "serve", "--port", "0", folder=tmp_path)
    assert shown.returncode == 2
    assert "bargein[espeak]" in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_command_whose_package_is_missing_names_it(base: BaseInstall, tmp_path: Path) -> None:
    shown = base.run(base.bargein, "simulate", "openai-realtime", "--port", "0", folder=tmp_path)
    assert shown.returncode != 0
    assert "Traceback" not in shown.stderr
    assert "bargein[openai]" in shown.stdout + shown.stderr


def test_every_module_that_needs_no_sdk_is_imported(base: BaseInstall, tmp_path: Path) -> None:
    """Only a vendor's own modules, below its folder's front, may need its package, and a framework's its framework."""
    shown = base.run(base.python, "-c", IMPORT_ALL, folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    failed: dict[str, str] = json.loads(shown.stdout)
    allowed = {"bargein.server.telephone.twilio_sdk", "bargein.fleet.redis_store"}
    traces = {name for name in failed if name.startswith("bargein.tracing.") and failed[name] == "opentelemetry"}
    vendors = {name for name in failed if name.startswith("bargein.vendors.") and name.count(".") > 2}
    frameworks = {
        name for name in failed if name.startswith(("bargein.integrations.livekit", "bargein.integrations.pipecat"))
    }
    assert set(failed) <= allowed | vendors | frameworks | traces
    for name, package in failed.items():
        assert package.partition(".")[0] not in {"bargein", *base.names}, name


def test_the_wheel_is_typed_and_brings_the_page(base: BaseInstall) -> None:
    (package,) = (base.python.parents[1] / "lib").glob("python*/site-packages/bargein")
    for name in ("py.typed", "server/web/index.html", "server/web/js/app.js", "server/web/client/worklets/playback.js"):
        assert (package / name).is_file(), name
    assert not (package.parent / "tests").exists()
    assert not (package.parent / "benchmarks").exists()
