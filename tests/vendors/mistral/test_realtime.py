"""Voxtral, hosted by Mistral and served by vLLM, against their simulators: turns, words, every fault, no word lost."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from mistralai.client.models import RealtimeTranscriptionSessionUpdatePayload

from bargein.errors import UsageError, VendorLost, VendorRefused
from bargein.protocols import STTEvent, STTLost, TurnUpdate
from bargein.vendors.common import reconnect, voxtral_connection
from bargein.vendors.common.reconnect import Backoff
from bargein.vendors.common.voxtral_connection import VoxtralPieces
from bargein.vendors.mistral.realtime import MistralTurns, VoxtralRealtime
from bargein.vendors.vllm.realtime import Utterances, VLLMVoxtralRealtime
from bargein_simulators.mistral_realtime import Fault, MistralRealtimeSimulator, add_mistral_realtime
from bargein_simulators.simulated_stt import Script
from bargein_simulators.vllm_realtime import Fault as VLLMFault
from bargein_simulators.vllm_realtime import VLLMRealtimeSimulator, add_vllm_realtime
from tests.simulators.serving import serving
from tests.vendors.stt_connections import (
    RATE,
    assert_one_turn,
    assert_taken_back,
    assert_two_turns,
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
        {"base_url": "localhost:8000"},
    ],
)
def test_what_cannot_be_is_refused_when_it_is_made(odd: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        VoxtralRealtime(api_key=KEY, **odd)


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


@pytest.mark.parametrize(
    ("given", "whole"),
    [(["hel"], ""), (["hel", "lo"], ""), (["hello", " th"], "hello"), (["hello."], "hello."), (["你好"], "你好")],
)
def test_a_word_is_whole_when_something_follows_it(given: list[str], whole: str) -> None:
    pieces = VoxtralPieces()
    for piece in given:
        pieces.add(piece)
    assert pieces.whole == whole


# --------------------------------------------------------------------------------------------------------- vLLM


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


class Goodbyes:
    """Both ends of connections to a vendor that answers a goodbye before the connection is closed, and nothing else;
    the second connection is refused."""

    def __init__(self, goodbye: str, answer: dict[str, object]) -> None:
        self.goodbye, self.answer = goodbye, answer
        self.dials = 0
        self.told: asyncio.Queue[str] = asyncio.Queue()
        self.over = asyncio.Event()

    @asynccontextmanager
    async def dial(self) -> AsyncIterator[Goodbyes]:
        self.dials += 1
        if self.dials == 2:
            raise VendorRefused("the second", advice="")
        try:
            yield self
        finally:
            self.over.set()

    async def greet(self, socket: object, rate: int) -> None:
        pass

    async def send(self, message: str) -> None:
        if message == self.goodbye:
            self.told.put_nowait(json.dumps(self.answer))

    async def recv(self) -> str:
        return await self.told.get()

    async def close(self) -> None:
        await asyncio.Event().wait()  # it is still under way when the answer is read


@pytest.mark.parametrize(
    ("transcriber", "answer"),
    [
        (VLLMVoxtralRealtime("http://gpu.test"), {"type": "transcription.done", "text": "", "usage": {}}),
        (VLLMVoxtralRealtime("http://gpu.test"), {"type": "error", "error": "", "code": "processing_error"}),
        (VoxtralRealtime(api_key=KEY), {"type": "error", "error": {"message": "", "code": 3000}}),
    ],
)
async def test_what_is_answered_to_our_goodbye_is_no_loss(
    monkeypatch: pytest.MonkeyPatch, transcriber: VLLMVoxtralRealtime | VoxtralRealtime, answer: dict[str, object]
) -> None:
    monkeypatch.setattr(voxtral_connection, "IDLE_S", 0.05)
    vendor = Goodbyes(transcriber.goodbye, answer)
    for name in ("dial", "greet"):
        monkeypatch.setattr(transcriber, name, getattr(vendor, name))
    line = transcriber.open(RATE)
    line.push_audio(np.zeros(RATE // 10, np.int16))
    async with asyncio.timeout(20), aclosing(line.events()) as listening:
        hearing = asyncio.ensure_future(anext(listening))
        await vendor.over.wait()
        line.push_audio(np.zeros(RATE, np.int16))
        with pytest.raises(VendorRefused, match="the second"):
            await hearing


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
