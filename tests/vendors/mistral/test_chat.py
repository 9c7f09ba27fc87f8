"""Voxtral as a chat model, hosted and on vLLM: the user's turn goes to it as sound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from fastapi import Request

from bargein import protocols as c
from bargein.audio.pcm import Pcm
from bargein.errors import Unavailable, VendorLost, VendorRefused
from bargein.vendors.common import requests
from bargein.vendors.common.messages import wav, with_sound
from bargein.vendors.mistral.chat import VoxtralChat
from bargein.vendors.vllm.chat import VLLMVoxtralChat
from bargein_simulators.chat import ChatSimulator, chat_app
from bargein_simulators.chat_wire import ServedToolCall
from tests.simulators.serving import serving

KEY = "mk-secret-of-ours"
SECOND = Pcm(np.full(16_000, 300, np.int16), 16_000)
TOOL = c.ToolSpec("look", "Looks", {"type": "object", "properties": {}})


def prompt(*items: c.ConversationItem, sound: Pcm | None = SECOND, tools: tuple[c.ToolSpec, ...] = ()) -> c.Prompt:
    return c.Prompt("Be short.", items or (c.UserSaid(1, None),), "en", tools, sound)


@asynccontextmanager
async def hosted(chat: ChatSimulator, **more: Any) -> AsyncIterator[VoxtralChat]:
    async with serving(chat_app(chat)) as url:
        model = VoxtralChat(api_key=KEY, base_url=url, timeout_s=0.5, first_token_s=0.5, **more)
        yield model
        await model.aclose()


@asynccontextmanager
async def on_vllm(chat: ChatSimulator) -> AsyncIterator[VLLMVoxtralChat]:
    async with serving(chat_app(chat)) as url:
        model = VLLMVoxtralChat(base_url=f"{url}/v1", model="voxtral", timeout_s=0.5, first_token_s=0.5)
        yield model
        await model.aclose()


async def said(model: c.LLM, asked: c.Prompt) -> list[Any]:
    return [piece async for piece in model.reply(asked)]


def text(pieces: list[Any]) -> str:
    return "".join(piece.text for piece in pieces if isinstance(piece, c.TextDelta))


@pytest.mark.parametrize("way", [hosted, on_vllm])
async def test_the_turn_goes_as_sound_and_the_text_streams(way: Any) -> None:
    chat = ChatSimulator(models=())
    chat.script.clear()
    chat.script.append("what time is it")
    async with way(chat) as model:
        assert isinstance(model, c.AudioLLM)
        pieces = await said(model, prompt())
    assert text(pieces).endswith("what time is it")
    assert len(pieces) > 3
    (served,) = chat.served
    assert served.request.messages[-1].audio_ms == 1_000
    (turn,) = served.request.messages
    assert turn.role == "user", "Voxtral takes no system message beside sound"
    assert "Be short." in str(turn.content)


@pytest.mark.parametrize("way", [hosted, on_vllm])
async def test_earlier_turns_are_words_and_notes_stand_in_the_users_messages(way: Any) -> None:
    chat = ChatSimulator(models=())
    items = (
        c.UserSaid(1, "who are you"),
        c.AgentSaid(1, "I am", "a guide", ended="cut"),
        c.UserSaid(2, "go on", c.SaidOver(1, "I am")),
    )
    async with way(chat) as model:
        await said(model, prompt(*items))
    messages = chat.served[0].request.messages
    assert [m.role for m in messages] == ["user", "assistant", "user"]
    assert messages[1].content == "I am"
    last = str(messages[-1].content)
    assert "interrupted" in last
    assert messages[-1].audio_ms == 1_000
    assert "go on" not in last, "the sound says it"


@pytest.mark.parametrize("way", [hosted, on_vllm])
async def test_typed_words_go_as_words(way: Any) -> None:
    chat = ChatSimulator(models=())
    async with way(chat) as model:
        assert text(await said(model, prompt(c.UserSaid(1, "hello"), sound=None))).endswith("hello")
    assert chat.served[0].request.messages[-1].audio_ms == 0


async def test_a_tool_that_it_calls_comes_after_its_words() -> None:
    chat = ChatSimulator(
        models=(), whole_calls=True, respond=lambda _: ["One moment.", ServedToolCall("look", '{"day":1}')]
    )
    async with hosted(chat) as model:
        pieces = await said(model, prompt(tools=(TOOL,)))
    assert text(pieces) == "One moment."
    assert (pieces[-1].tool, pieces[-1].arguments) == ("look", '{"day":1}')


async def test_a_call_without_an_id_gets_one_that_no_other_reply_has() -> None:
    chat = ChatSimulator(
        models=(), whole_calls=True, call_ids=False, respond=lambda _: [ServedToolCall("look"), ServedToolCall("look")]
    )
    async with hosted(chat) as model:
        calls = [piece for _ in range(2) for piece in await said(model, prompt(tools=(TOOL,)))]
    ids = {call.id for call in calls}
    assert len(ids) == 4
    assert "null" not in ids, "so the SDK calls those that have none"


@pytest.mark.parametrize(("keep_s", "connections"), [(120.0, 1), (0.0, 2)])
@pytest.mark.parametrize("way", ["hosted", "vllm"])
async def test_the_connection_is_kept_between_two_turns(
    monkeypatch: pytest.MonkeyPatch, way: str, keep_s: float, connections: int
) -> None:
    assert requests.KEEP_S == 120, "httpx's own 5 s are over before a user has spoken"
    monkeypatch.setattr(requests, "KEEP_S", keep_s)
    app, ports = chat_app(ChatSimulator(models=())), set()

    @app.middleware("http")
    async def seen(request: Request, serve: Any) -> Any:
        ports.add(request.client)
        return await serve(request)

    async with serving(app) as url:
        model = VoxtralChat(api_key=KEY, base_url=url) if way == "hosted" else VLLMVoxtralChat(base_url=f"{url}/v1")
        await said(model, prompt())
        await said(model, prompt())
        await model.aclose()
    assert len(ports) == connections


@pytest.mark.parametrize("retry_after_s", [0.3, 30])
async def test_a_rate_limit_that_is_over_soon_is_waited_for(retry_after_s: float) -> None:
    chat = ChatSimulator(models=(), retry_after_s=retry_after_s)
    chat.faults.append("429")
    async with hosted(chat) as model:
        assert text(await said(model, prompt()))
        gap_s = chat.served[1].came_s - chat.served[0].came_s
        chat.faults.extend(["429", "429"])
        with pytest.raises(VendorLost, match="429"):
            await said(model, prompt())
    assert (gap_s >= retry_after_s) == (retry_after_s <= 1)


async def test_closing_it_closes_the_stream() -> None:
    chat = ChatSimulator(models=(), respond=lambda _: "word " * 500, token_ms=5)
    async with hosted(chat) as model:
        replying = model.reply(prompt())
        await anext(replying)
        await replying.aclose()
        await chat.served[0].over.wait()
    assert chat.served[0].ended == "disconnected"
    assert len(chat.served[0].sent) < 100


@pytest.mark.parametrize("fault", ["401", "404"])
async def test_a_refusal_says_what_to_check_and_never_the_key(fault: Any) -> None:
    chat = ChatSimulator(models=())
    chat.faults.append(fault)
    async with hosted(chat) as model:
        with pytest.raises(VendorRefused, match=fault) as caught:
            await said(model, prompt())
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("fault", ["429", "500", "no_answer", "empty"])
async def test_what_is_lost_before_the_first_word_is_tried_once_more(fault: Any) -> None:
    chat = ChatSimulator(models=())
    chat.faults.append(fault)
    async with hosted(chat) as model:
        assert text(await said(model, prompt()))
        chat.faults.extend([fault, fault])
        with pytest.raises(VendorLost):
            await said(model, prompt())


@pytest.mark.parametrize("fault", ["stall", "drop", "malformed"])
async def test_what_is_lost_after_it_is_lost(fault: Any) -> None:
    chat = ChatSimulator(models=())
    chat.faults.append(fault)
    async with hosted(chat) as model:
        with pytest.raises(VendorLost):
            await said(model, prompt())
    assert len(chat.served) == 1


def test_without_the_sdk_the_advice_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bargein.vendors.mistral.chat.INSTALLED", False)
    with pytest.raises(Unavailable, match=r"bargein\[mistral\]"):
        VoxtralChat(api_key=KEY)


def test_sound_without_any_turn_is_a_message_of_its_own() -> None:
    chunk = {"type": "input_audio", "input_audio": "x"}
    assert with_sound([{"role": "system", "content": "s"}], chunk)[-1] == {"role": "user", "content": [chunk]}


def test_a_wav_is_as_long_as_its_sound() -> None:
    assert len(wav(SECOND)) == 44 + 32_000
