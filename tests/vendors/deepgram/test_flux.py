"""Deepgram Flux against its simulator: every turn, every fault, and no word lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, get_args

import numpy as np
import pytest
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.listen.v2.types import ListenV2TurnInfo, ListenV2TurnInfoEvent

from bargein.errors import UsageError, VendorRefused
from bargein.protocols import TurnUpdate
from bargein.vendors.deepgram import flux as deepgram_flux
from bargein.vendors.deepgram.flux import DeepgramFlux
from bargein.vendors.deepgram.listen import environment
from bargein_simulators.deepgram_flux import Fault, FluxSimulator, flux_app
from bargein_simulators.deepgram_flux_wire import turn_info
from bargein_simulators.simulated_stt import RecognizedWord, Script, STTScriptEvent
from tests.simulators.serving import serving
from tests.vendors.stt_connections import (
    RATE,
    assert_one_turn,
    assert_taken_back,
    assert_two_turns,
    end_of_first,
    hear,
    hear_twice,
    losses,
    spoken,
    turns_of,
)

KEY = "secret-key"


@asynccontextmanager
async def flux(
    *texts: str, faults: Sequence[Fault] = (), **options: object
) -> AsyncIterator[tuple[DeepgramFlux, FluxSimulator]]:
    script = Script(texts)
    sim = FluxSimulator(words=lambda: script, delay_ms=0, api_key=KEY)
    sim.faults.extend(faults)
    async with serving(flux_app(sim), ws=True) as url:
        yield DeepgramFlux(api_key=KEY, base_url=url, **options), sim  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------- turns


async def test_flux_made_in_a_script_calls_the_address_of_the_environment_with_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with flux("can you help me please") as (stt, _):
        root = stt._client._client_wrapper.get_environment().production
        monkeypatch.setenv("BARGEIN_DEEPGRAM_URL", root)
        monkeypatch.setenv("DEEPGRAM_API_KEY", KEY)
        heard = await hear(DeepgramFlux().open(RATE), spoken("interruption-1"))
        with pytest.raises(VendorRefused, match="401"):  # the environment's key is not for a base_url in code
            await hear(DeepgramFlux(base_url=root).open(RATE), spoken("interruption-1"))
    assert_one_turn(heard, "can you help me please")


async def test_a_turn_begins_is_guessed_to_end_and_ends_with_its_words() -> None:
    async with flux("can you help me please") as (transcriber, _):
        heard = await hear(transcriber.open(RATE), spoken("interruption-1"))
    kinds = [h.kind for h in heard if isinstance(h, TurnUpdate) and h.kind not in ("progress", "words")]
    assert kinds[0] == "started"
    assert kinds[-2:] == ["eager_end", "ended"]
    assert_one_turn(heard, "can you help me please")


async def test_a_cough_is_no_turn_and_each_turn_has_its_own_number() -> None:
    async with flux("the first", "the second") as (transcriber, _):
        heard = await hear(transcriber.open(RATE), spoken("cough-1", "interruption-1", "interruption-2"), turns=2)
    assert_two_turns(heard, "the first", "the second")


async def test_a_speaker_who_goes_on_takes_the_guess_back() -> None:
    async with flux("I would like | to book a table", eot_threshold=0.9, eager_eot_threshold=0.3) as (transcriber, _):
        sound = spoken("interruption-3", "interruption-1", pause_ms=20)
        heard = await hear(transcriber.open(RATE), np.concatenate([sound, spoken()]))
    assert_taken_back(heard, "I would like", "I would like to book a table")


async def test_guesses_are_not_made_when_nobody_asked_for_them() -> None:
    async with flux("hello", eager_eot_threshold=None) as (transcriber, sim):
        heard = await hear(transcriber.open(RATE), spoken("interruption-1"))
        assert "eager_eot_threshold" not in sim.connections[0].query
    assert turns_of(heard, "eager_end") == []


async def test_a_telephone_is_heard_at_its_own_rate() -> None:
    async with flux("hello") as (transcriber, sim):
        await hear(transcriber.open(8_000), spoken("interruption-1")[::2])
        assert (sim.connections[0].query["sample_rate"], sim.connections[0].query["encoding"]) == ("8000", "linear16")


async def test_the_words_it_should_know_and_the_language_are_told_to_flux() -> None:
    async with flux("hola", model="flux-general-multi", language="es", keyterms=["Bargein"]) as (transcriber, sim):
        await hear(transcriber.open(RATE), spoken("interruption-1"))
        assert sim.connections[0].query["language_hint"] == "es"
        assert sim.connections[0].query["keyterm"] == "Bargein"


# ------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize("fault", ["drop", "error", "garbage", "timeless", "stall"])
async def test_a_line_that_breaks_in_the_middle_of_a_turn_loses_no_word(fault: Fault) -> None:
    async with flux("can you help me please", "and another", faults=[fault], silence_s=0.3) as (transcriber, sim):
        heard = await hear(transcriber.open(RATE), spoken("interruption-1", "interruption-2"), turns=2)
        assert len(sim.connections) == 2
    assert losses(heard) == ["STTLost", "STTRestored"]
    assert_two_turns(heard, "can you help me please", "and another")  # the turn goes on: it does not begin twice


@pytest.mark.parametrize("fault", ["429", "500", "silent"])
async def test_a_vendor_that_is_away_is_called_again_and_gets_all_the_sound(fault: Fault) -> None:
    async with flux("hello there", faults=[fault, fault], silence_s=0.3) as (transcriber, _):
        heard = await hear(transcriber.open(RATE), spoken("interruption-1"))
    assert losses(heard) == ["STTLost", "STTRestored"], "told once, not at every try"
    assert turns_of(heard, "ended") == [(0, "hello there")]


async def test_a_wrong_key_is_refused_and_never_said() -> None:
    async with flux("hello") as (_, sim), serving(flux_app(sim), ws=True) as url:
        wrong = DeepgramFlux(api_key="wrong-key", base_url=url)
        with pytest.raises(VendorRefused, match="401") as refused:
            await hear(wrong.open(RATE), spoken("interruption-1"))
    assert "DEEPGRAM_API_KEY" in refused.value.advice
    assert "wrong-key" not in str(refused.value)
    assert "wrong-key" not in repr(wrong)


@pytest.mark.parametrize(("fault", "told"), [("402", "credit"), ("401", "DEEPGRAM_API_KEY")])
async def test_what_no_retry_helps_against_ends_it(fault: Fault, told: str) -> None:
    async with flux("hello", faults=[fault]) as (transcriber, _):
        with pytest.raises(VendorRefused) as refused:
            await hear(transcriber.open(RATE), spoken("interruption-1"))
    assert told in refused.value.advice


async def test_a_line_without_sound_is_closed_and_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deepgram_flux, "IDLE_S", 0.2)
    async with flux("the first", "the second") as (transcriber, sim):
        heard = await hear_twice(transcriber.open(RATE), end_of_first(sim.connections), "the first", "the second")
        assert sim.connections[0].ended == "closed"
    assert losses(heard) == [], "an idle line is nobody's fault"
    assert turns_of(heard, "ended") == [(0, "the first"), (1, "the second")]


async def test_closing_it_ends_the_connection() -> None:
    async with flux("hello") as (transcriber, sim):
        await hear(transcriber.open(RATE), spoken("interruption-1"))
        async with asyncio.timeout(5):
            await sim.connections[0].over.wait()
        assert sim.connections[0].ended == "disconnected"


@pytest.mark.parametrize(
    "numbers",
    [{"eot_threshold": 0.4}, {"eager_eot_threshold": 0.2}, {"eager_eot_threshold": 0.8}, {"eot_timeout_ms": 100}],
)
def test_numbers_that_cannot_be_are_refused_when_it_is_made(numbers: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        DeepgramFlux(api_key=KEY, **numbers)  # type: ignore[arg-type]


def test_another_rate_is_refused() -> None:
    with pytest.raises(UsageError, match="44100"):
        DeepgramFlux(api_key=KEY).open(44_100)


# ------------------------------------------------------------------------------------- what the simulator says


@pytest.mark.parametrize("kind", ["update", "started", "eager_end", "resumed", "ended"])
def test_the_simulator_speaks_as_deepgrams_own_types_say(kind: str) -> None:
    event = STTScriptEvent(
        kind,  # type: ignore[arg-type]
        2,
        (RecognizedWord("wait", 4400, 4660),),
        4160,
        4720,
        0.02,
        "model" if kind == "ended" else None,
    )
    message = {"type": "TurnInfo", "request_id": "r", "sequence_id": 7, **turn_info(event)}
    typed = ListenV2TurnInfo.model_validate(message)
    assert (typed.transcript, typed.turn_index, typed.words[0].word) == ("wait", 2, "wait")
    assert typed.event in get_args(get_args(ListenV2TurnInfoEvent)[0]) or typed.event in get_args(ListenV2TurnInfoEvent)


async def test_the_simulator_refuses_what_flux_refuses() -> None:
    async with flux("hello") as (_, sim), serving(flux_app(sim), ws=True) as url:
        client = AsyncDeepgramClient(api_key=KEY, environment=environment(url))
        with pytest.raises(ApiError) as refused:
            async with client.listen.v2.connect(model="flux-general-en", encoding="linear16", sample_rate=11_025):
                pass
        assert refused.value.status_code == 400
        async with client.listen.v2.connect(model="flux-general-en", encoding="linear16", sample_rate=16_000) as socket:
            connected = await socket.recv()
            assert connected.type == "Connected"
            await socket._send({"type": "KeepAlive"})
            assert (await socket.recv()).type == "Error"


async def test_the_simulator_takes_other_thresholds_and_ends_turns_when_told_to() -> None:
    async with flux("hello there") as (_, sim), serving(flux_app(sim), ws=True) as url:
        client = AsyncDeepgramClient(api_key=KEY, environment=environment(url))
        async with client.listen.v2.connect(model="flux-general-en", encoding="linear16", sample_rate=16_000) as socket:
            await socket.recv()
            await socket.send_configure({"type": "Configure", "thresholds": {"eot_threshold": 0.9}})
            changed = await socket.recv()
            assert (changed.type, changed.thresholds["eot_threshold"]) == ("ConfigureSuccess", 0.9)
            await socket.send_media(spoken("interruption-1", pause_ms=100).tobytes())
            await socket.send_force_end_turn()
            events: list[Any] = []
            while not events or events[-1].event != "EndOfTurn":
                events.append(await socket.recv())
    assert (events[-1].trigger, events[-1].transcript) == ("manual", "hello there")
    assert [e.sequence_id for e in events] == list(range(2, 2 + len(events)))
