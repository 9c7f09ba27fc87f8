"""Voxtral in its own process, by the real classes: a tiny model with random weights, that a test can make in a second.

Its tokenizer is mistral-common's, of the version that Voxtral has, with the 256 bytes for a vocabulary: every letter
is a token, and every "é" is two.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import pytest_asyncio

from bargein.agent import Agent
from bargein.audio.pcm import Pcm
from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.protocols import (
    AgentSaid,
    AudioLLM,
    Prompt,
    SaidOver,
    SpeechChunk,
    TextDelta,
    ToolResult,
    UserBackchannel,
    UserSaid,
)
from bargein.vendors.common.audio_turns import as_turns
from bargein.vendors.common.messages import as_messages, with_sound
from bargein.vendors.local import voxtral
from bargein.vendors.local.voxtral import SOUND, WAITING, VoxtralLocal, WorkerState
from tests.server.kit import settings, world
from tests.server.test_voxtral_agent import sentence, speak

TOKENS = 20  # of a reply: the tiny model never ends one itself
LONG = 1000  # of one that is to be cut: some seconds, so that no slow machine lets it end before
CUT_AFTER = 5


# Torch takes seven seconds of a core to import: a process that only lists these tests goes without.
@pytest.fixture(scope="module")
def tiny() -> ModuleType:
    return importlib.import_module("benchmarks.tiny_voxtral")


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    return importlib.import_module("bargein.vendors.local.voxtral_generate")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny: ModuleType) -> Path:
    """A tiny Voxtral on the disk, with random weights."""
    made = tiny.make(tmp_path_factory.mktemp("voxtral"))
    assert isinstance(made, Path)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(folder: Path) -> AsyncIterator[VoxtralLocal]:
    """One worker for all tests that leave it as it was."""
    voxtral = VoxtralLocal(str(folder), max_tokens=TOKENS, temperature=0)
    yield voxtral
    await voxtral.aclose()


@pytest.fixture
def long_replies(model: VoxtralLocal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(model._writing, "max_tokens", LONG)


in_one_loop = pytest.mark.asyncio(loop_scope="module")


def heard(ms: float = 900, rate: int = 16_000) -> Pcm:
    return Pcm(np.random.default_rng(1).normal(0, 3000, round(rate * ms / 1000)).astype(np.int16), rate)


def prompt(sound: Pcm | None = None) -> Prompt:
    return Prompt("Answer briefly.", (AgentSaid(1, "Hello!"), UserSaid(2, None)), audio=sound or heard())


async def whole(reply: AsyncGenerator[TextDelta, None]) -> list[str]:
    return [piece.text async for piece in reply]


# --------------------------------------------------------------------------------------------------- in the process


def test_it_hears(folder: Path) -> None:
    assert isinstance(VoxtralLocal(str(folder)), AudioLLM)


@in_one_loop
async def test_a_reply_comes_token_by_token(model: VoxtralLocal) -> None:
    pieces = await whole(model.reply(prompt()))
    assert len(pieces) == TOKENS
    assert all(len(piece) == 1 and piece.islower() for piece in pieces)
    state = await model.state()
    assert len(state.token_times_ms) == TOKENS
    assert not state.cut


@in_one_loop
async def test_the_same_sound_gives_the_same_reply_and_another_sound_another(model: VoxtralLocal) -> None:
    first = await whole(model.reply(prompt(heard())))
    assert await whole(model.reply(prompt(heard(rate=48_000)))) != first
    assert await whole(model.reply(prompt(heard()))) == first


@in_one_loop
async def test_a_turn_without_sound_is_answered_by_its_words(model: VoxtralLocal) -> None:
    assert len(await whole(model.reply(Prompt("Answer.", (UserSaid(1, "Hello?"),))))) == TOKENS


@in_one_loop
async def test_every_kind_of_item_is_accepted_by_the_real_template(model: VoxtralLocal) -> None:
    items = (
        AgentSaid(1, "Hello, what can I"),
        UserBackchannel("mm-hmm", SaidOver(1, "what can")),
        AgentSaid(2, "We have a table", "at six.", ended="cut"),
        UserSaid(3, None, SaidOver(2, "a table")),
        ToolResult("c1", "tables", "{}", None),
    )
    assert len(await whole(model.reply(Prompt("Book.", items, "de", audio=heard())))) == TOKENS


@in_one_loop
@pytest.mark.usefixtures("long_replies")
async def test_a_cut_stops_the_worker_within_one_token(model: VoxtralLocal) -> None:
    for cut_after in (1, 2, 3, 5, 8):
        reply = model.reply(prompt())
        for _ in range(cut_after):
            await anext(reply)
        await reply.aclose()
        state = await model.state()
        assert state.cut
        assert state.after_stop <= 1
        assert cut_after <= len(state.token_times_ms) < LONG


@in_one_loop
@pytest.mark.usefixtures("long_replies")
async def test_cancelling_the_task_is_a_cut_too(model: VoxtralLocal) -> None:
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in model.reply(prompt()):
            begun.set()

    task = asyncio.create_task(read())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    state = await model.state()
    assert state.cut
    assert len(state.token_times_ms) < LONG


@in_one_loop
async def test_the_next_reply_begins_at_once_after_a_cut_and_is_whole(model: VoxtralLocal) -> None:
    expected = await whole(model.reply(prompt()))
    reply = model.reply(prompt(heard(1500)))
    await anext(reply)
    await reply.aclose()
    assert await whole(model.reply(prompt())) == expected


@in_one_loop
async def test_replies_are_written_in_the_order_in_which_they_were_asked_for(model: VoxtralLocal) -> None:
    ended: list[str] = []

    async def ask(name: str) -> None:
        assert len(await whole(model.reply(prompt()))) == TOKENS
        ended.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(ask("first"))
        group.create_task(ask("second"))
    assert ended == ["first", "second"]


@in_one_loop
@pytest.mark.usefixtures("long_replies")
async def test_a_reply_that_is_cut_while_it_waits_in_line_is_never_begun(model: VoxtralLocal) -> None:
    first = model.reply(prompt())
    await anext(first)
    asked_ms = time.monotonic() * 1000
    second = asyncio.create_task(whole(model.reply(prompt())))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    await first.aclose()
    assert (await model.state()).token_times_ms[0] < asked_ms  # the last reply begun is the first


@in_one_loop
async def test_the_line_is_bounded(model: VoxtralLocal) -> None:
    replies = [model.reply(prompt()) for _ in range(1 + WAITING)]
    firsts = [asyncio.ensure_future(anext(reply)) for reply in replies]
    await firsts[0]
    with pytest.raises(VendorLost, match="busy"):
        await whole(model.reply(prompt()))
    for first in firsts[1:]:
        first.cancel()
    await asyncio.wait(firsts)
    for reply in replies:
        await reply.aclose()
    assert len(await whole(model.reply(prompt()))) == TOKENS


@in_one_loop
async def test_a_reply_that_does_not_begin_in_time_is_given_up(
    model: VoxtralLocal, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = model.reply(prompt())
    await anext(first)
    monkeypatch.setattr(model, "_first_token_s", 0.001)
    with pytest.raises(VendorLost, match="in time"):
        await whole(model.reply(prompt()))
    assert len(await whole(first)) == TOKENS - 1


@in_one_loop
async def test_of_a_very_long_turn_the_end_is_heard(model: VoxtralLocal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voxtral, "LONGEST_MS", 900)
    longer = Pcm(np.concatenate([heard(400).samples[::-1], heard(900).samples]), 16_000)
    assert await whole(model.reply(prompt(longer))) == await whole(model.reply(prompt(heard(900))))


@in_one_loop
async def test_it_tells_what_it_runs_on(model: VoxtralLocal, generate: ModuleType) -> None:
    state = await model.start()
    assert isinstance(state, WorkerState)
    assert state.pid == model.pid
    cuda = generate.torch.cuda.is_available()
    assert (state.device, state.dtype) == (("cuda", "bfloat16") if cuda else ("cpu", "float32"))
    assert state.rss_bytes is None or state.rss_bytes > 100_000_000  # torch alone


@in_one_loop
async def test_a_worker_that_dies_takes_one_reply_with_it_and_is_started_anew(
    model: VoxtralLocal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(model._writing, "max_tokens", LONG)
        reply = model.reply(prompt())
        await anext(reply)
    died = model.pid
    assert died is not None
    os.kill(died, signal.SIGKILL)
    with pytest.raises(VendorLost, match="died"):
        await whole(reply)
    assert len(await whole(model.reply(prompt()))) == TOKENS
    assert model.pid not in (None, died)


@in_one_loop
async def test_a_model_that_is_not_there_is_refused_and_the_worker_lives_on(
    model: VoxtralLocal, tmp_path: Path
) -> None:
    model._loading["model"], right = str(tmp_path), model._loading["model"]
    with pytest.raises(VendorRefused, match="cannot be loaded"):
        await model.start()
    model._loading["model"] = right
    assert len(await whole(model.reply(prompt()))) == TOKENS


# ---------------------------------------------------------------------------------------------- without its process


@pytest.mark.parametrize("name", voxtral.NEEDS)
def test_a_missing_package_is_told_with_the_extra_that_brings_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voxtral, "find_spec", lambda asked: None if asked == name else object())
    with pytest.raises(Unavailable, match=rf"needs {name}\..*bargein\[voxtral-local\]"):
        VoxtralLocal()


def test_an_unknown_dtype_is_a_mistake_of_ours() -> None:
    with pytest.raises(UsageError, match="int4"):
        VoxtralLocal(dtype="int4")  # type: ignore[arg-type]


def test_no_token_is_begun_once_the_stop_is_seen(folder: Path, generate: ModuleType) -> None:
    """In this process, and so to the token: the stop comes with the fifth."""
    loaded = generate.load(str(folder), "cpu", "auto")

    def stop() -> bool:
        return len(loaded.token_times_ms) >= CUT_AFTER

    turns = as_turns(with_sound(as_messages(prompt()), SOUND))
    pieces = list(loaded.write(turns, heard(), max_tokens=TOKENS, temperature=0.2, top_p=0.9, cancelled=stop))
    assert len(pieces) == len(loaded.token_times_ms) == CUT_AFTER
    assert (loaded.cut, loaded.after_stop) == (True, 0)
    assert list(loaded.write(turns, None, max_tokens=1, temperature=0, top_p=1, cancelled=lambda: True)) == []


Told = Callable[[bytes | Sequence[int]], list[str]]


@pytest.fixture(scope="module")
def told(folder: Path, tiny: ModuleType, generate: ModuleType) -> Told:
    """What is told of tokens, by the real tokenizer."""
    processor = generate.AutoProcessor.from_pretrained(folder)
    assert isinstance(processor, tiny.VoxtralProcessor)
    assert isinstance(processor.tokenizer, tiny.MistralCommonBackend)

    def told(data: bytes | Sequence[int]) -> list[str]:
        text = generate.Detokeniser(processor.tokenizer)
        return [text.add(tiny.SPECIAL + byte) for byte in data]

    return told


def test_a_character_is_told_whole_or_not_at_all(told: Told) -> None:
    assert told("né €🎉.".encode()) == ["n", "", "é", " ", "", "", "€", "", "", "", "🎉", "."]


def test_bytes_that_never_become_a_character_are_left_out(told: Told) -> None:
    assert told(b"a\xf0\x9fb\xff\xff\xff\xff\xffc") == ["a", "", "", "b", "", "", "", "", "", "c"]


def test_special_tokens_are_not_said(told: Told, tiny: ModuleType) -> None:
    assert told([ord("a"), 2 - tiny.SPECIAL, ord("b")]) == ["a", "", "b"]


class LetterVoice:
    """100 ms of sound for every piece of text."""

    name = "letters"
    rate = 24_000

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        async for piece in text:
            yield SpeechChunk(Pcm(np.full(2_400, 3_000, np.int16), 24_000), piece)


@in_one_loop
async def test_it_holds_a_conversation_is_interrupted_and_answers_the_new_words(
    model: VoxtralLocal, tmp_path: Path
) -> None:
    agent = Agent(name="local", llm=model, tts=LetterVoice())
    async with world(settings(tmp_path), agent, alone=False) as here, here.client() as client:
        talking = asyncio.create_task(speak(client, sentence()))
        await client.until("state", 20, state="speaking")
        await talking
        talking = asyncio.create_task(speak(client, sentence()))
        told = await client.until("audio_interrupted", 20)
        while int(str((await client.until("words", 20))["reply_id"])) <= int(str(told["reply_id"])):
            pass
        await talking
