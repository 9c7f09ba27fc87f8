"""What the command refuses, and says; and capacity, on an agent that is quick until there are too many."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bargein.cli import app
from bargein.errors import Unavailable, UsageError, VendorLost
from bargein_bench import command
from bargein_bench.callers.caller_audio import Echo, SayLine, SpokenLine, Step
from bargein_bench.capacity import Promise, grow
from bargein_bench.record import RATE, AudioSpan, Record
from bargein_bench.scenarios import readers, synthetic
from bargein_bench.scenarios.clips import RATE as CLIP_RATE
from bargein_bench.scenarios.clips import Clip, Library
from bargein_bench.scenarios.scenes import Opening
from bargein_bench.targets import realtime
from tests.bench.agent_audio import MS, speech_like
from tests.bench.simulated_time import simulated_time

HERE = "ws://127.0.0.1:9/twilio/media"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["http://127.0.0.1:8080"], "ws://"),
        (["nowhere"], "ws://"),
        (["http://127.0.0.1:9/webrtc/offer"], "No server answers"),
        (["ws://127.0.0.1:9/x", "--protocol", "webrtc"], "no address of an agent"),
        ([HERE, "--scenarios", "no such"], "no scenario"),
        ([HERE, "--scenarios", "list"], "echo and speech"),
        ([HERE, "--protocol", "smtp"], "no protocol"),
        ([HERE, "--header", "x"], "name:value"),
        ([HERE, "--sounds", "."], "manifest"),
        ([HERE, "--compare", "README.md"], "bargein bench --json"),
        (["ws://127.0.0.1:port/twilio/media"], "no address of an agent"),
        (["ws://127.0.0.1:99999/twilio/media"], "no address of an agent"),
        (["ws://[/twilio/media"], "no address of an agent"),
        ([HERE, "--report", "/nowhere/report.html"], "no folder /nowhere"),
        ([HERE, "--json", "/nowhere/run.json"], "no folder /nowhere"),
        ([HERE, "--truth", "."], "is a folder"),
    ],
)
def test_what_it_cannot_use_it_names_and_says_what_to_do(words: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["bench", *words])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_where_nobody_answers_it_says_so_and_shows_no_key() -> None:
    result = CliRunner().invoke(app, ["bench", HERE, "--key", "sk-secret-9"])
    assert result.exit_code == 2
    assert "VendorLost" in result.output
    assert "secret" not in result.output


def test_without_the_sdk_of_openai_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realtime, "INSTALLED", False)
    result = CliRunner().invoke(app, ["bench", "ws://127.0.0.1:9/v1/realtime"])
    assert result.exit_code == 2
    assert "bargein[openai]" in result.output


@pytest.mark.parametrize(("own", "error"), [(False, "Unavailable"), (True, "VendorLost")])
def test_without_espeak_it_needs_recordings_and_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: bool, error: str
) -> None:
    async def spoken(language: str, ask: str) -> list[Clip]:
        raise Unavailable("espeak-ng is not installed", advice="Install the extra: bargein[espeak]")

    monkeypatch.setattr(synthetic, "spoken", spoken)
    result = CliRunner().invoke(app, ["bench", HERE, *(("--sounds", str(_folder(tmp_path))) if own else ())])
    assert result.exit_code == 2
    assert error in result.output
    assert "bargein[espeak]" in result.output


def _folder(folder: Path) -> Path:
    """One interruption, as somebody's own folder has it."""
    clip = readers.interruptions()[0]
    with wave.open(str(folder / "own.wav"), "wb") as file:
        file.setparams((1, 2, CLIP_RATE, 0, "NONE", "not compressed"))
        file.writeframes(clip.samples.tobytes())
    entry = {"file": "own.wav", "kind": "interruption", "onset_ms": clip.onset_ms, "end_ms": clip.end_ms}
    (folder / "manifest.json").write_text(json.dumps([entry]))
    return folder


def test_it_writes_the_run_as_json_as_labels_and_as_a_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "_target", lambda *_: Crowded(100, lasts_s=0))
    files = {name: tmp_path / name for name in ("run.jsonl", "truth.jsonl", "report.html")}
    options = ("--json", "--truth", "--report")
    words = [word for option, path in zip(options, files.values(), strict=True) for word in (option, str(path))]
    result = CliRunner().invoke(
        app, ["bench", f"{HERE}?key=sk-secret-9", "--scenarios", "interruption", "--repeats", "2", *words]
    )
    assert result.exit_code == 0, result.output
    head, *rest = [json.loads(line) for line in files["run.jsonl"].read_text().splitlines()]
    assert (head["format"], head["target"]) == ("bargein_bench", HERE)
    assert [line["event"]["outcome"] for line in rest if "event" in line] == ["stopped"] * 2
    assert [json.loads(line)["want"] for line in files["truth.jsonl"].read_text().splitlines()] == ["yield"] * 2
    assert "<table" in files["report.html"].read_text()
    assert not any("secret" in path.read_text() for path in files.values())
    assert "R_Y" in result.output


class Crowded:
    """Stops 80 ms after an onset; 400 ms when more than `room` calls are there at once. It takes no more than `most`
    of them."""

    protocol, rate = "fake", RATE

    def __init__(self, room: int, most: int = 100, *, lasts_s: float = 10.0) -> None:
        self._room, self._most, self._lasts_s = room, most, lasts_s
        self._here = self._peak = 0

    async def call(self, steps: Sequence[Step], lasts_ms: float, *, echo: Echo | None = None, seed: int = 1) -> Record:
        self._here += 1
        try:
            if self._here > self._most:
                raise VendorLost("full", advice="Call later")
            await asyncio.sleep(self._lasts_s)  # until all are there
            stop = 400 if self._here > self._room else 80
        finally:
            self._here -= 1
        agent = speech_like(1, int(lasts_ms))
        spoken, spans, at = [], [], 0
        for step in steps:
            assert isinstance(step, SayLine)
            onset = int(step.at_ms) * MS
            agent[onset + stop * MS : onset + 3_000 * MS] = 0
            spans.append(AudioSpan(at, onset + stop * MS))
            at = onset + 3_000 * MS
            spoken.append(SpokenLine(step, onset, onset + len(step.samples)))
        spans.append(AudioSpan(at, len(agent)))
        return Record(agent, np.zeros(len(agent), np.int16), spoken, spans, frames=len(agent) // 160)


def library() -> Library:
    return Library([Clip("interruption", "one", np.repeat(speech_like(2, 1_000), 2), 0.0, 1_000.0)])


@simulated_time
async def test_capacity_is_the_most_calls_that_keep_the_promise() -> None:
    found = await grow(Crowded(11), library(), Opening(0.0, None), promise=Promise(), first=4, most=64)
    assert [level.calls for level in found.levels] == [4, 8, 16, 12, 10, 11]
    assert found.most is not None
    assert found.most.calls == 11
    assert "p99" in found.first_broke[0]


@simulated_time
async def test_calls_that_are_not_taken_break_the_promise() -> None:
    found = await grow(Crowded(100, most=6), library(), Opening(0.0, None), promise=Promise(), first=4, most=8)
    assert found.most is not None
    assert found.most.calls == 6
    assert found.first_broke == ("1 calls were not taken",)


@simulated_time
async def test_capacity_ends_where_it_was_told_to() -> None:
    found = await grow(Crowded(100), library(), Opening(0.0, None), promise=Promise(), first=4, most=6)
    assert [level.calls for level in found.levels] == [4, 6]
    assert found.first_broke == ()


async def test_capacity_needs_a_voice() -> None:
    with pytest.raises(UsageError, match="--sounds"):
        await grow(Crowded(1), Library([]), Opening(0.0, None), promise=Promise(), first=1, most=1)
