"""The bench, tried on agents whose faults are known: it must show each of them plainly, and none that is not there."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCENES = "interruption,backchannel,cough,door,silence"
AGENTS = ("deaf", "jumpy", "polite")


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run of the command left behind."""

    said: str
    lines: list[dict[str, Any]]
    html: str
    truth: list[dict[str, Any]]

    def measure(self, name: str) -> dict[str, Any]:
        return next(line["measure"] for line in self.lines if line.get("measure", {}).get("name") == name)

    def events(self, *scenes: str) -> list[dict[str, Any]]:
        return [line["event"] for line in self.lines if "event" in line and line["event"]["scene"] in scenes]

    @property
    def head(self) -> str:
        """What somebody sees who reads no further than the first screen."""
        return self.html[: self.html.index("<table")]


async def bench(url: str, folder: Path) -> Ran:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bargein", "bench", url, "--scenarios", SCENES, "--repeats", "3", "--calls", "15",
        "--json", str(folder / "run.jsonl"), "--report", str(folder / "run.html"),
        "--truth", str(folder / "truth.jsonl"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    lines, truth = (
        [json.loads(x) for x in (folder / f).read_text().splitlines()] for f in ("run.jsonl", "truth.jsonl")
    )
    return Ran(said.decode(), lines, (folder / "run.html").read_text(), truth)


async def everyone(folder: Path) -> dict[str, Ran]:
    """All agents at the same time: each run is mostly waiting."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.bad_agents", stdout=asyncio.subprocess.PIPE
    )
    assert server.stdout is not None
    try:
        port = int(await server.stdout.readline())
        async with asyncio.TaskGroup() as group:
            runs = {}
            for name in AGENTS:
                (folder / name).mkdir()
                runs[name] = group.create_task(bench(f"ws://127.0.0.1:{port}/{name}", folder / name))
        return {name: run.result() for name, run in runs.items()}
    finally:
        server.terminate()
        await server.wait()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    return asyncio.run(everyone(tmp_path_factory.mktemp("bench")))


def test_an_agent_that_ignores_interruptions_is_shown_to(ran: dict[str, Ran]) -> None:
    deaf = ran["deaf"]
    assert {e["outcome"] for e in deaf.events("interruption")} == {"through"}
    assert deaf.measure("R_Y")["value"] == 0
    assert deaf.measure("recovered")["value"] == 0
    assert "Ignores interruptions" in deaf.head
    assert "Stops for" not in deaf.head
    assert deaf.measure("S_BC")["value"] == deaf.measure("S_VT")["value"] == 1


def test_an_agent_that_stops_for_any_sound_is_shown_to(ran: dict[str, Ran]) -> None:
    jumpy = ran["jumpy"]
    assert {e["outcome"] for e in jumpy.events("interruption", "backchannel", "cough", "door")} == {"stopped"}
    assert {e["outcome"] for e in jumpy.events("silence")} == {"through"}
    assert jumpy.measure("R_Y")["value"] == 1
    assert jumpy.measure("S_BC")["value"] == jumpy.measure("S_VT")["value"] == 0
    assert "Stops for" in jumpy.head
    assert "Ignores interruptions" not in jumpy.head


def test_an_agent_that_holds_and_goes_on_is_told_from_one_that_stops(ran: dict[str, Ran]) -> None:
    polite = ran["polite"]
    assert {e["outcome"] for e in polite.events("interruption")} == {"stopped"}
    held = [e for e in polite.events("cough", "door") if e["outcome"] == "held"]
    assert held
    assert not [e for e in polite.events("door") if e["outcome"] == "stopped"]
    # It goes on with the very sample: what it had sent and nobody heard is what it sends again.
    assert all(e["lost_ms"] <= 1 and e["repeated_ms"] <= 20 for e in held), held
    assert {e["outcome"] for e in polite.events("silence")} == {"through"}
    assert polite.measure("recovered")["value"] == 1


@pytest.mark.parametrize("name", AGENTS)
def test_every_run_says_what_it_played_and_what_it_saw(ran: dict[str, Ran], name: str) -> None:
    run = ran[name]
    assert run.lines[0]["format"] == "bargein_bench"
    assert len([line for line in run.lines if "call" in line]) == 15
    assert not [line for line in run.lines if "call" in line and line["call"]["failed"]]
    assert len(run.truth) == len([line for line in run.lines if "event" in line]) == 15
    assert {label["want"] for label in run.truth} == {"yield", "ignore"}
    assert "interruption" in run.said
    assert "R_Y" in run.said
