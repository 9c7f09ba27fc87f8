"""What the command refuses, and says; and capacity, on an agent that is quick until there are too many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from typer.testing import CliRunner

from bargein.cli import app
from bargein.errors import UsageError, VendorLost
from bargein_bench.callers.caller_audio import Echo, SayLine, SpokenLine, Step
from bargein_bench.capacity import Promise, grow
from bargein_bench.record import RATE, AudioSpan, Record
from bargein_bench.scenarios.clips import Clip, Library
from bargein_bench.scenarios.scenes import Opening
from tests.bench.lines import MS, voice
from tests.bench.simulated_time import simulated_time

HERE = "ws://127.0.0.1:9/twilio/media"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["http://127.0.0.1:8080"], "ws://"),
        (["nowhere"], "ws://"),
        ([HERE, "--scenarios", "no such"], "no scenario"),
        ([HERE, "--scenarios", "list"], "echo and speech"),
        ([HERE, "--protocol", "sip"], "no protocol"),
        ([HERE, "--header", "x"], "name:value"),
        ([HERE, "--sounds", "."], "manifest"),
        ([HERE, "--compare", "README.md"], "bargein bench --json"),
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


class Crowded:
    """Stops 80 ms after an onset; 400 ms when more than `room` calls are there at once. It takes no more than `most`
    of them."""

    protocol, rate = "fake", RATE

    def __init__(self, room: int, most: int = 100) -> None:
        self._room, self._most = room, most
        self._here = self._peak = 0

    async def call(self, steps: Sequence[Step], lasts_ms: float, *, echo: Echo | None = None, seed: int = 1) -> Record:
        self._here += 1
        try:
            if self._here > self._most:
                raise VendorLost("full", advice="Call later")
            await asyncio.sleep(10)  # until all are there
            stop = 400 if self._here > self._room else 80
            await asyncio.sleep(0.1)
        finally:
            self._here -= 1
        agent = voice(1, int(lasts_ms))
        spoken, stretches, at = [], [], 0
        for step in steps:
            assert isinstance(step, SayLine)
            onset = int(step.at_ms) * MS
            agent[onset + stop * MS : onset + 3_000 * MS] = 0
            stretches.append(AudioSpan(at, onset + stop * MS))
            at = onset + 3_000 * MS
            spoken.append(SpokenLine(step, onset, onset + len(step.samples)))
        stretches.append(AudioSpan(at, len(agent)))
        return Record(agent, np.zeros(len(agent), np.int16), spoken, stretches, frames=len(agent) // 160)


def library() -> Library:
    return Library([Clip("interruption", "one", np.repeat(voice(2, 1_000), 2), 0.0, 1_000.0)])


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
