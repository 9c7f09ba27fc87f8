"""Voxtral, served by vLLM, against its simulator: words, utterances, every fault, no word lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI

from bargein.errors import VendorLost, VendorRefused
from bargein.protocols import TurnUpdate
from bargein.vendors.common import reconnect, voxtral_connection
from bargein.vendors.common.reconnect import Backoff
from bargein.vendors.vllm.realtime import Utterances, VLLMVoxtralRealtime
from bargein_simulators.simulated_stt import Script
from bargein_simulators.vllm_realtime import Fault as VLLMFault
from bargein_simulators.vllm_realtime import VLLMRealtimeSimulator, add_vllm_realtime
from tests.simulators.serving import serving
from tests.vendors.stt_connections import (
    RATE,
    end_of_first,
    hear,
    hear_twice,
    last_words,
    losses,
    spoken,
    turns_of,
)

KEY = "secret-key"


@pytest.fixture(autouse=True)
def _tries_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "BACKOFF", Backoff(first_s=0.01))


@asynccontextmanager
async def vllm(
    *texts: str, faults: Sequence[VLLMFault] = (), empty: bool = True, **options: Any
) -> AsyncIterator[tuple[VLLMVoxtralRealtime, VLLMRealtimeSimulator]]:
    script, app = Script(texts), FastAPI()
    sim = VLLMRealtimeSimulator(words=lambda: script, delay_ms=0, api_key=KEY, empty=empty)
    sim.faults.extend(faults)
    add_vllm_realtime(app, sim)
    async with serving(app, ws=True) as url:
        yield VLLMVoxtralRealtime(f"{url}/v1", **{"api_key": KEY, **options}), sim


async def test_vllm_tells_the_words_of_both_rates() -> None:
    async with vllm("can you help me please") as (transcriber, sim):
        assert not transcriber.turns
        for rate in (8_000, 16_000):
            sound = spoken("interruption-1")[:: RATE // rate]
            heard = await hear(transcriber.open(rate), sound, kind="words", text="can you help me please")
            # It got 16 kHz in any case, in pieces of 80 ms.
            assert len(sound) * 1000 / rate - 80 <= sim.connections[-1].audio_ms <= len(sound) * 1000 / rate
            assert sim.connections[-1].errors == []
            assert {h.kind for h in heard if isinstance(h, TurnUpdate)} <= {"words", "progress"}
            assert last_words(heard) == {0: "can you help me please"}


@pytest.mark.parametrize("empty", [True, False])
async def test_vllms_words_are_cut_into_utterances_at_pauses(empty: bool) -> None:
    async with vllm("the first one", "the second one", empty=empty) as (transcriber, _):
        line = transcriber.open(RATE)
        heard: list[TurnUpdate] = []
        line.push_audio(spoken("interruption-1"))
        async with asyncio.timeout(20):
            listening = line.events()
            async for item in listening:
                assert isinstance(item, TurnUpdate)
                heard.append(item)
                if item.text == "the first one":
                    line.push_audio(spoken("interruption-2"))
                if item.text == "the second one":
                    break
            await listening.aclose()
    assert last_words(heard) == {0: "the first one", 1: "the second one"}
    assert [h.turn for h in heard] == sorted(h.turn for h in heard)
    first, second = (next(h for h in heard if h.turn == n and h.kind == "words") for n in (0, 1))
    assert 0 <= first.from_ms <= first.until_ms < second.from_ms <= second.until_ms


async def test_vllm_without_sound_is_closed_and_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voxtral_connection, "IDLE_S", 0.2)
    async with vllm("the first", "the second") as (transcriber, sim):
        line = transcriber.open(RATE)
        heard = await hear_twice(line, end_of_first(sim.connections), "the first", "the second", kind="words")
    assert losses(heard) == [], "its answer to our goodbye is no failure"
    assert last_words(heard) == {0: "the first", 1: "the second"}


async def test_vllm_may_break_and_costs_no_word() -> None:
    faults: list[VLLMFault] = ["drop", "error", "garbage", "stall"]
    async with vllm("can you help me please", faults=faults, silence_s=0.3) as (transcriber, sim):
        heard = await hear(
            transcriber.open(RATE), spoken("interruption-1"), kind="words", text="can you help me please"
        )
        assert len(sim.connections) == 5
    assert losses(heard) == ["STTLost", "STTRestored"] * 4
    assert set(last_words(heard)) == {0}, "the utterance goes on"
    lengths = [len(text) for _, text in turns_of(heard, "words")]
    assert lengths == sorted(lengths)


async def test_vllm_that_is_away_is_called_again_and_what_it_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with vllm("hello", faults=["500", "401", "404"]) as (transcriber, sim):
        with pytest.raises(VendorRefused, match="401") as refused:
            await hear(transcriber.open(RATE), spoken("interruption-1"))
        assert "--api-key" in refused.value.advice
        with pytest.raises(VendorRefused, match="404") as refused:
            await hear(transcriber.open(RATE), spoken("interruption-1"))
        assert "address" in refused.value.advice
        assert KEY not in f"{refused.value}{transcriber!r}"
        base_url = transcriber._url.removesuffix("/realtime")
        other = VLLMVoxtralRealtime(base_url, api_key=KEY, model="mistralai/Another")
        with pytest.raises(VendorRefused, match="model"):
            await hear(other.open(RATE), spoken("interruption-1"))
        assert sim.connections[3].errors[0] == "model_not_found"
        monkeypatch.setenv("MISTRAL_API_KEY", KEY)
        with pytest.raises(VendorRefused, match="401"):
            await hear(VLLMVoxtralRealtime(base_url).open(RATE), spoken("interruption-1"))


def test_an_utterance_ends_with_its_pause_and_its_sound_need_not_be_kept() -> None:
    words = Utterances()
    words.read({"type": "transcription.delta", "delta": "yes."}, 2_000)
    assert words.open_at(3_100)
    assert not words.open_at(3_200)
    assert words.answered_ms == 2_000
    (heard,) = words.read({"type": "transcription.delta", "delta": " No."}, 4_000)
    assert (heard.turn, heard.text) == (1, "No.")


def test_vllms_errors_are_not_quoted() -> None:
    with pytest.raises(VendorLost) as lost:
        Utterances().read({"type": "error", "error": KEY, "code": KEY}, 0)
    assert KEY not in str(lost.value)
