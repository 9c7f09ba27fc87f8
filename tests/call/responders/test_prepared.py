"""A reply that is made before anybody asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from bargein.call.output.reply import Reply
from bargein.call.output.text_streams import one
from bargein.call.responders.prepared import AHEAD_MS, PreparedReply
from bargein.errors import VendorLost
from tests.call.kit import WORD_MS, ToneTTS
from tests.call.parts import Parts, settle

Text = Callable[[PreparedReply], Coroutine[Any, Any, AsyncIterator[str] | None]]


def text(words: str | Exception | None) -> Text:
    async def give(prepared: PreparedReply) -> AsyncIterator[str] | None:
        if isinstance(words, Exception):
            raise words
        return None if words is None else one(words)

    return give


class World:
    def __init__(self, tts: ToneTTS | None = None) -> None:
        self.parts = Parts()
        self.tts = tts or ToneTTS()
        self.prepared = PreparedReply(3, Reply(0, "reply", 0.0), self.tts)

    async def start(self, words: str | Exception | None) -> PreparedReply:
        self.prepared.start(text(words), self.parts.context.spawn)
        await settle()
        return self.prepared


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.parts.end()


async def test_it_is_made_before_it_is_asked_for(world: World) -> None:
    prepared = await world.start("owls are birds")
    assert world.parts.tasks[0].get_name() == "prepared 3"
    assert prepared.made_ms == 3 * WORD_MS
    chunks = [chunk async for chunk in prepared.audio()]
    assert [chunk.text for chunk in chunks] == ["owls ", "are ", "birds "]


async def test_no_more_is_made_ahead_than_it_is_worth_and_the_rest_as_it_is_taken(world: World) -> None:
    prepared = await world.start(" ".join(["word"] * 40))
    assert prepared.made_ms == AHEAD_MS + 100, "whole chunks"
    count = 0
    async for _ in prepared.audio():
        count += 1
        await settle()
    assert count == 40


async def test_its_tools_wait_for_the_release(world: World) -> None:
    prepared = await world.start("owls")
    assert not prepared.released.is_set()
    prepared.release()
    assert prepared.released.is_set()


async def test_what_is_discarded_stops_its_tts() -> None:
    world = World()
    prepared = await world.start(" ".join(["word"] * 40))
    prepared.discard()
    await settle()
    assert world.parts.tasks[0].cancelled()
    assert world.tts.closed == 1
    assert world.tts.spoken < 40


async def test_closing_the_audio_ends_the_making(world: World) -> None:
    prepared = await world.start(" ".join(["word"] * 40))
    audio = prepared.audio()
    await anext(audio)
    await audio.aclose()  # type: ignore[attr-defined]
    await settle()
    assert world.parts.tasks[0].cancelled()


async def test_the_playout_waits_for_audio_that_is_not_made_yet(world: World) -> None:
    go = asyncio.Event()

    async def later(prepared: PreparedReply) -> AsyncIterator[str] | None:
        await go.wait()
        return one("owls")

    world.prepared.start(later, world.parts.context.spawn)
    audio = world.prepared.audio()

    async def read() -> str:
        return (await anext(audio)).text

    first = asyncio.create_task(read())
    await settle()
    assert not first.done()
    go.set()
    assert await first == "owls "


async def test_nothing_to_say_is_no_audio(world: World) -> None:
    prepared = await world.start(None)
    assert [chunk async for chunk in prepared.audio()] == []


async def test_a_failure_shows_where_it_is_used_and_not_before(world: World) -> None:
    prepared = await world.start(VendorLost("gone", advice="Look"))
    assert world.parts.tasks[0].exception() is None
    with pytest.raises(VendorLost, match="gone"):
        await anext(prepared.audio())


async def test_audio_before_a_failure_is_given_first() -> None:
    prepared = await World(ToneTTS(fail_after=1)).start("owls are birds")
    audio = prepared.audio()
    assert (await anext(audio)).text == "owls "
    with pytest.raises(VendorLost):
        await anext(audio)


def test_what_was_never_begun_can_be_discarded() -> None:
    World().prepared.discard()
