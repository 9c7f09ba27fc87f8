"""AssemblyAI against its simulator: every turn, every fault, and no word lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from bargein.errors import UsageError, VendorRefused
from bargein.protocols import TurnUpdate
from bargein.vendors.assemblyai import model_for, universal
from bargein.vendors.assemblyai.universal import AssemblyUniversal
from bargein_simulators import assemblyai
from bargein_simulators.assemblyai import Fault, UniversalSimulator, assemblyai_app
from bargein_simulators.simulated_stt import Script
from tests.simulators.serving import serving
from tests.vendors.stt_connections import (
    RATE,
    assert_one_turn,
    assert_two_turns,
    end_of_first,
    hear,
    hear_twice,
    losses,
    spoken,
)

KEY = "secret-key"


@asynccontextmanager
async def assembly(
    *texts: str, faults: Sequence[Fault] = (), **options: object
) -> AsyncIterator[tuple[AssemblyUniversal, UniversalSimulator]]:
    script = Script(texts)
    sim = UniversalSimulator(words=lambda: script, delay_ms=0, api_key=KEY)
    sim.faults.extend(faults)
    async with serving(assemblyai_app(sim), ws=True) as url:
        base = f"{url.replace('http', 'ws')}/assemblyai"
        yield AssemblyUniversal(**({"api_key": KEY, "base_url": base} | options)), sim  # type: ignore[arg-type]


async def test_a_turn_begins_and_ends_with_its_words_and_quiet_is_progress() -> None:
    async with assembly("can you help me please") as (stt, sim):
        heard = await hear(stt.open(RATE), spoken("interruption-1"))
        query = sim.connections[0].query
    kinds = [h.kind for h in heard if isinstance(h, TurnUpdate)]
    assert "progress" in kinds
    assert [kind for kind in kinds if kind not in ("progress", "words")] == ["started", "ended"]
    assert_one_turn(heard, "can you help me please")
    assert (query["sample_rate"], query["encoding"], query["format_turns"]) == ("16000", "pcm_s16le", "False")


async def test_a_cough_is_no_turn_and_each_turn_has_its_own_number() -> None:
    async with assembly("the first", "the second") as (stt, _):
        heard = await hear(stt.open(RATE), spoken("cough-1", "interruption-1", "interruption-2"), turns=2)
    assert_two_turns(heard, "the first", "the second")


async def test_a_telephone_is_heard_at_its_own_rate_with_the_words_to_expect() -> None:
    async with assembly("hello", keyterms=["Bargein", "lime tree"]) as (stt, sim):
        await hear(stt.open(8_000), spoken("interruption-1")[::2])
        assert sim.connections[0].query["sample_rate"] == "8000"
        assert sim.connections[0].query["keyterms_prompt"] == '["Bargein", "lime tree"]'


@pytest.mark.parametrize("fault", ["drop", "error", "garbage", "stall"])
async def test_a_line_that_breaks_in_the_middle_of_a_turn_loses_no_word(fault: Fault) -> None:
    async with assembly("can you help me please", "and another", faults=[fault], silence_s=0.3) as (stt, sim):
        heard = await hear(stt.open(RATE), spoken("interruption-1", "interruption-2"), turns=2)
        assert len(sim.connections) == 2
    assert losses(heard) == ["STTLost", "STTRestored"]
    assert_two_turns(heard, "can you help me please", "and another")


async def test_where_no_heartbeat_comes_a_silent_user_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemblyai, "HEARTBEAT_MS", 1e9)
    async with assembly("the first", "the second", silence_s=0.1) as (stt, sim):
        quiet = np.zeros(RATE, np.int16)
        line = stt.open(RATE)

        async def rest() -> None:
            for _ in range(4):
                line.push_audio(quiet)
                await asyncio.sleep(0.1)

        heard = await hear_twice(line, rest, "the first", "the second")
        assert len(sim.connections) == 1
    assert_two_turns(heard, "the first", "the second")


@pytest.mark.parametrize("fault", ["500", "3008"])
async def test_a_server_that_fails_and_a_session_that_is_too_old_are_called_again(fault: Fault) -> None:
    async with assembly("can you help me please", faults=[fault]) as (stt, _):
        heard = await hear(stt.open(RATE), spoken("interruption-1"))
    assert losses(heard) == ["STTLost", "STTRestored"]
    assert_one_turn(heard, "can you help me please")


@pytest.mark.parametrize("given", [{"api_key": "another-key"}, {"faults": ["401"]}])
async def test_a_wrong_key_is_refused_for_good_and_named_nowhere(given: dict[str, object]) -> None:
    async with assembly("hello", **given) as (stt, _):  # type: ignore[arg-type]
        with pytest.raises(VendorRefused, match="40") as refused:
            await hear(stt.open(RATE), spoken("interruption-1"))
    assert "ASSEMBLYAI_API_KEY" in refused.value.advice
    assert "another-key" not in str(refused.value)


async def test_a_line_without_sound_is_ended_and_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(universal, "IDLE_S", 0.2)
    async with assembly("the first", "the second") as (stt, sim):
        heard = await hear_twice(stt.open(RATE), end_of_first_of(sim), "the first", "the second")
        assert sim.connections[0].said == ["Terminate"]
        assert len(sim.connections) == 2
    assert_two_turns(heard, "the first", "the second")


def end_of_first_of(sim: UniversalSimulator) -> Callable[[], Awaitable[object]]:
    async def over() -> None:
        await end_of_first(sim.connections)()

    return over


def test_numbers_and_names_that_cannot_be_are_refused() -> None:
    for wrong in (
        {"end_of_turn_confidence": 2},
        {"min_turn_silence_ms": 900, "max_turn_silence_ms": 500},
        {"model": "whisper-of-nobody"},
    ):
        with pytest.raises(UsageError):
            AssemblyUniversal(api_key=KEY, **wrong)
    with pytest.raises(UsageError):
        AssemblyUniversal(api_key=KEY).open(44_100)
    assert model_for("en-GB") == {"model": "universal-streaming-english"}
    assert model_for("de") == {"model": "universal-streaming-multilingual"}
