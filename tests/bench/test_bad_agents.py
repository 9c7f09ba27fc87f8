"""The bench, tried on agents whose faults are known: it must show each of them plainly, and none that is not there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bargein_bench.files import labels, lines
from bargein_bench.live import show_measures
from bargein_bench.measures import measures
from bargein_bench.report import write
from bargein_bench.results import Results
from bargein_bench.run import BenchPlan, listen, run
from bargein_bench.scenarios import readers, synthetic
from bargein_bench.scenarios.clips import Library
from bargein_bench.scenarios.scenes import chosen
from bargein_bench.targets.twilio import TwilioTarget
from tests.bench import simulated_time
from tests.bench.bad_agents import served
from tests.bench.simulated_time import LoopClock

SCENES = ("interruption", "backchannel", "cough", "door", "silence")
AGENTS = ("deaf", "jumpy", "polite")


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run left behind."""

    printed: str
    lines: list[dict[str, Any]]
    html: str
    truth: list[dict[str, object]]

    def measure(self, name: str) -> dict[str, Any]:
        return next(line["measure"] for line in self.lines if line.get("measure", {}).get("name") == name)

    def events(self, *scenes: str) -> list[dict[str, Any]]:
        return [line["event"] for line in self.lines if "event" in line and line["event"]["scene"] in scenes]

    @property
    def head(self) -> str:
        """The first screen."""
        return self.html[: self.html.index("<table")]


async def bench(url: str, clips: Library, folder: Path) -> Ran:
    """What the command does, in the loop's time."""
    target, plan = TwilioTarget(url, clock=LoopClock()), BenchPlan(chosen(SCENES), repeats=3, at_once=15)
    opening, known = await listen(target, clips, plan.seed)
    calls, left_out = await run(target, clips, plan, opening, known)
    results = Results(url, target.protocol, plan.seed, "2026-01-01T00:00:00", "a test", calls, left_out)
    found = measures(results)
    write(folder / "run.html", results, found)
    shown = Console(file=StringIO(), width=160)
    show_measures(shown, results, found)
    as_json = [json.loads(line) for line in lines(results, found)]
    assert isinstance(shown.file, StringIO)
    return Ran(shown.file.getvalue(), as_json, (folder / "run.html").read_text(), list(labels(results)))


async def everyone(clips: Library, folder: Path) -> dict[str, Ran]:
    async with served() as address:
        return {name: await bench(f"{address}/{name}", clips, folder) for name in AGENTS}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    clips = Library(
        [*readers.interruptions(), *synthetic.throats(), *synthetic.noises(), *asyncio.run(synthetic.spoken())]
    )
    return simulated_time.run(everyone(clips, tmp_path_factory.mktemp("bench")))


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
    assert "interruption" in run.printed
    assert "R_Y" in run.printed
