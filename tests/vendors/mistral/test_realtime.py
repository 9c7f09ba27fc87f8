"""Voxtral, hosted by Mistral, against its simulator: turns, words, every fault, no word lost."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from mistralai.client.models import RealtimeTranscriptionSessionUpdatePayload

from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.protocols import STTEvent, STTLost, TurnUpdate
from bargein.vendors.common import reconnect, voxtral_connection
from bargein.vendors.common.reconnect import Backoff
from bargein.vendors.mistral.realtime import MistralTurns, VoxtralRealtime
from bargein_simulators.mistral_realtime import Fault, MistralRealtimeSimulator, add_mistral_realtime
from bargein_simulators.simulated_stt import Script
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


@pytest.fixture(autouse=True)
def _tries_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "BACKOFF", Backoff(first_s=0.01))


@asynccontextmanager
async def mistral(
    *texts: str, faults: Sequence[Fault] = (), **options: Any
) -> AsyncIterator[tuple[VoxtralRealtime, MistralRealtimeSimulator]]:
    script, app = Script(texts), FastAPI()
    sim = MistralRealtimeSimulator(words=lambda: script, delay_ms=0, api_key=KEY)
    sim.faults.extend(faults)
    add_mistral_realtime(app, sim)
    async with serving(app, ws=True) as url:
        yield VoxtralRealtime(**{"api_key": KEY, "base_url": url, **options}), sim


def again(transcriber: VoxtralRealtime, **options: Any) -> VoxtralRealtime:
    """Another one for the same server."""
    base_url = transcriber._url.partition("/v1/")[0]
    return VoxtralRealtime(**{"api_key": KEY, "base_url": base_url, **options})


# ------------------------------------------------------------------------------------------- Mistral: turns


async def test_a_turn_begins_is_guessed_to_end_and_ends_with_its_words() -> None:
    async with mistral("can you help me please") as (transcriber, sim):
        assert transcriber.turns
        heard = await hear(transcriber.open(RATE), spoken("interruption-1"))
        assert sim.connections[0].model == "voxtral-mini-transcribe-realtime-3-0"
        async with asyncio.timeout(5):
            await sim.connections[0].over.wait()
        assert sim.connections[0].ended == "disconnected", "closing the iterator ends the connection"
    kinds = [h.kind for h in heard if isinstance(h, TurnUpdate) and h.kind not in ("progress", "words")]
    assert kinds == ["started", "eager_end", "ended"]
    assert_one_turn(heard, "can you help me please")


async def test_a_cough_is_no_turn_and_each_turn_has_its_own_number() -> None:
    async with mistral("the first", "the second") as (transcriber, _):
        heard = await hear(transcriber.open(RATE), spoken("cough-1", "interruption-1", "interruption-2"), turns=2)
    assert_two_turns(heard, "the first", "the second")


async def test_a_speaker_who_goes_on_takes_the_guess_back() -> None:
    async with mistral(
        "I would like | to book a table", eager_end_threshold=0.5, end_threshold=0.1, min_silence_ms=300
    ) as (transcriber, _):
        sound = spoken("interruption-3", "interruption-1", pause_ms=250)
        heard = await hear(transcriber.open(RATE), np.concatenate([sound, spoken()]))
    assert_taken_back(heard, "I would like", "I would like to book a table")


async def test_the_session_is_told_what_the_sdk_knows_of_it() -> None:
    async with mistral(
        "bonjour", language="fr", keyterms=["Bargein"], target_streaming_delay_ms=240, start_threshold=0.6
    ) as (transcriber, sim):
        await hear(transcriber.open(8_000), spoken("interruption-1")[::2])
        session = sim.connections[0].session
    assert session == {
        "audio_format": {"encoding": "pcm_s16le", "sample_rate": 8_000},
        "target_streaming_delay_ms": 240,
        "language": "fr",
        "context_bias": ["Bargein"],
        "turn_detection": {
            "start_threshold": 0.6,
            "eager_end_threshold": 0.5,
            "end_threshold": 0.33,
            "min_silence_ms": 500,
            "end_timeout_ms": 3_000,
        },
    }
    assert RealtimeTranscriptionSessionUpdatePayload.model_validate(session).model_dump(exclude_unset=True) == session


# ------------------------------------------------------------------------------------------ Mistral: faults


async def test_lines_that_break_in_the_middle_of_a_turn_lose_no_word() -> None:
    faults: list[Fault] = ["drop", "error", "garbage", "stall"]
    async with mistral("can you help me please", "and another", faults=faults, silence_s=0.3) as (transcriber, sim):
        heard = await hear(transcriber.open(RATE), spoken("interruption-1", "interruption-2"), turns=2)
        assert len(sim.connections) == 5
    assert losses(heard) == ["STTLost", "STTRestored"] * 4
    assert_two_turns(heard, "can you help me please", "and another")  # the turn goes on: it does not begin twice
    lengths = [len(text) for turn, text in turns_of(heard, "words") if turn == 0]
    assert lengths == sorted(lengths), "what is heard once more does not take words back"


async def test_a_vendor_that_is_away_is_called_again_and_gets_all_the_sound() -> None:
    async with mistral("hello there", faults=["429", "500"]) as (transcriber, _):
        line = transcriber.open(RATE)
        heard = await hear(line, spoken("interruption-1"))
    assert losses(heard) == ["STTLost", "STTRestored"], "told once, not at every try"
    assert turns_of(heard, "ended") == [(0, "hello there")]
    assert line.dropped == 0


async def test_a_line_that_takes_the_sound_too_slowly_is_called_again_since_its_clock_is_wrong() -> None:
    async with mistral("the first") as (transcriber, _):
        line = transcriber.open(RATE)
        line.push_audio(spoken("interruption-1"))
        heard: list[STTEvent] = []
        async with asyncio.timeout(20):
            listening = line.events()
            async for item in listening:
                heard.append(item)
                if isinstance(item, TurnUpdate) and item.kind == "ended":
                    line.push_audio(np.zeros(31 * RATE, np.int16))  # more than is kept, before any of it can be sent
                if losses(heard):
                    break
            await listening.aclose()
    assert losses(heard) == ["STTLost"]
    assert line.dropped > 0


async def test_what_no_retry_helps_against_ends_it_and_says_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async with mistral("hello", faults=["404"]) as (transcriber, sim):
        with pytest.raises(VendorRefused, match="404") as refused:
            await hear(transcriber.open(RATE), spoken("interruption-1"))
        assert "model" in refused.value.advice
        wrong = again(transcriber, api_key="wrong-key")
        with pytest.raises(VendorRefused, match="401") as refused:
            await hear(wrong.open(RATE), spoken("interruption-1"))
        assert "MISTRAL_API_KEY" in refused.value.advice
        assert "wrong-key" not in f"{refused.value}{wrong!r}"
        old = again(transcriber, model="voxtral-mini-transcribe-realtime-2602")
        with pytest.raises(VendorRefused, match="3051") as refused:
            await hear(old.open(RATE), spoken("interruption-1"))
        assert "turn detection" in refused.value.advice
        monkeypatch.setenv("MISTRAL_API_KEY", KEY)
        with pytest.raises(VendorRefused, match="401"):
            await hear(again(transcriber, api_key=None).open(RATE), spoken("interruption-1"))
        assert len(sim.connections) == 4
    assert VoxtralRealtime()._key == KEY, "the environment's key goes to Mistral, and to nobody else"


async def test_a_line_without_sound_is_closed_and_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voxtral_connection, "IDLE_S", 0.2)
    async with mistral("the first", "the second") as (transcriber, sim):
        heard = await hear_twice(transcriber.open(RATE), end_of_first(sim.connections), "the first", "the second")
        assert sim.connections[0].ended == "closed"
    assert losses(heard) == [], "an idle line is nobody's fault"
    assert turns_of(heard, "ended") == [(0, "the first"), (1, "the second")]


@pytest.mark.parametrize(
    "odd",
    [
        {"start_threshold": 0.4},
        {"eager_end_threshold": 0.3},
        {"end_threshold": -0.1},
        {"end_timeout_ms": 100},
        {"target_streaming_delay_ms": 0},
    ],
)
def test_what_cannot_be_is_refused_when_it_is_made(odd: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        VoxtralRealtime(api_key=KEY, **odd)


def test_an_address_that_is_none_is_refused_when_it_is_made() -> None:
    with pytest.raises(Unavailable, match="no web address"):
        VoxtralRealtime(api_key=KEY, base_url="localhost:8000")


def test_another_rate_is_refused() -> None:
    with pytest.raises(UsageError, match="44100"):
        VoxtralRealtime(api_key=KEY).open(44_100)


async def test_a_sender_that_fails_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with mistral("the first") as (transcriber, sim):
        sound = transcriber.sound

        def fails_once(audio: str) -> str:
            monkeypatch.setattr(transcriber, "sound", sound)
            raise ValueError("the sound")

        monkeypatch.setattr(transcriber, "sound", fails_once)
        heard = await hear(transcriber.open(RATE), spoken("interruption-1"))
        assert len(sim.connections) == 2
    assert [h.why for h in heard if isinstance(h, STTLost)] == ["Mistral broke off (ValueError)"]
    assert turns_of(heard, "ended") == [(0, "the first")]


# --------------------------------------------------------------------------- Mistral: what the events make of turns


def delta(text: str) -> dict[str, object]:
    return {"type": "transcription.text.delta", "text": text}


def turn(kind: str, time_s: float) -> dict[str, object]:
    return {"type": f"turn.{kind}", "time_s": time_s}


def read(turns: MistralTurns, *messages: dict[str, object], sent_ms: float = 5_000) -> list[tuple[str, int, str]]:
    return [(h.kind, h.turn, h.text) for message in messages for h in turns.read(message, sent_ms)]


def test_half_a_word_is_not_told() -> None:
    turns = MistralTurns(delay_ms=480)
    assert read(turns, turn("start", 1), delta(" ye")) == [("progress", 0, "")]
    assert turns.unsettled
    assert read(turns, delta("ah")) == []
    assert read(turns, delta(" I")) == [("started", 0, "yeah")]
    assert [(h.kind, h.text) for h in turns.finalize(5_000)] == [("words", "yeah I")]


def test_the_last_word_is_told_with_the_end_of_the_turn() -> None:
    turns = MistralTurns(delay_ms=480)
    assert read(turns, turn("start", 1), delta("stop"), turn("end", 2.5)) == [
        ("progress", 0, ""),
        ("started", 0, "stop"),
        ("ended", 0, "stop"),
    ]


def test_a_turn_without_a_word_is_none() -> None:
    turns = MistralTurns(delay_ms=480)
    assert read(turns, turn("start", 1), turn("eager_end", 2), turn("end", 3)) == [("progress", 0, "")] * 3
    assert read(turns, turn("start", 4), delta("yes."))[-1] == ("started", 0, "yes.")


def test_words_before_the_start_of_a_turn_belong_to_it_and_words_after_its_end_too() -> None:
    turns = MistralTurns(delay_ms=480)
    assert read(turns, delta("can "), turn("start", 1)) == [("started", 0, "can")]
    assert read(turns, delta("you "), turn("end", 2)) == [("words", 0, "can you"), ("ended", 0, "can you")]
    assert read(turns, delta("help ")) == [("progress", 0, "can you help")]
    assert read(turns, turn("start", 3), delta("me "))[-1] == ("started", 1, "me")


def test_a_word_that_comes_after_the_end_of_its_turn_is_not_lost() -> None:
    turns = MistralTurns(delay_ms=480)
    assert read(turns, turn("start", 1), turn("end", 2)) == [("progress", 0, "")] * 2
    assert read(turns, delta("Stop.")) == [("started", 0, "Stop."), ("ended", 0, "Stop.")]
    assert read(turns, delta(" Please.")) == [("progress", 0, "Stop. Please.")]
    assert read(turns, turn("start", 3), delta("Now."))[-1] == ("started", 1, "Now.")


def test_times_are_those_of_the_event_or_of_the_sound_that_was_sent() -> None:
    turns = MistralTurns(delay_ms=480)
    turns.again(10_000)
    turns.read(turn("start", 1.5), 12_000)
    (started,) = turns.read(delta("wait "), 13_000)
    assert (started.from_ms, started.until_ms) == (11_500, 12_520)
    ended = turns.read(turn("end", 4), 15_000)[-1]
    assert (ended.from_ms, ended.until_ms, turns.answered_ms) == (11_500, 14_000, 14_000)


@pytest.mark.parametrize("kind", ["start", "eager_end", "resume", "end"])
def test_a_time_that_is_none_is_no_event_and_no_time_lies_behind_what_was_sent(kind: str) -> None:
    for odd in (math.nan, math.inf, -0.1):
        turns = MistralTurns(delay_ms=480)
        read(turns, turn("start", 1), delta("wait "))
        with pytest.raises(ValueError, match="no time"):
            turns.read(turn(kind, odd), 5_000)
    for late in (7.5, 10**400):
        turns = MistralTurns(delay_ms=480)
        turns.again(1_000)
        read(turns, turn("start", 1), delta("wait "))
        assert turns.read(turn(kind, late), 5_000)[-1].until_ms <= 5_000


def test_a_turn_that_is_heard_once_more_goes_on() -> None:
    turns = MistralTurns(delay_ms=480)
    read(turns, turn("start", 1), delta("can you "))
    turns.again(0)
    assert turns.open_at(9_000), "its sound is kept"
    assert read(turns, turn("start", 1), delta("can "), delta("you ")) == [("progress", 0, "")]
    assert read(turns, delta("help ")) == [("words", 0, "can you help")]


def test_events_that_nobody_knows_change_nothing_and_an_error_is_not_quoted() -> None:
    turns = MistralTurns(delay_ms=480)
    assert read(turns, {"type": "transcription.segment"}, {"type": "turn.new"}, turn("resume", 1)) == []
    with pytest.raises(VendorLost, match="3804") as lost:
        turns.read({"type": "error", "error": {"message": f"bad key {KEY}", "code": 3804}}, 0)
    assert KEY not in str(lost.value)
