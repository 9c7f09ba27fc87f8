"""What waits to be said unasked, in order and bounded."""

from __future__ import annotations

import pytest

from bargein.call.output.reply import ReplyContent, ReplySource
from bargein.call.output.utterance_queue import SAY_CHARS, Utterance, UtteranceQueue
from bargein.errors import UsageError
from bargein.floor import Floor, Policy, SayRequested
from tests.call.parts import Parts


async def nothing(_: object) -> ReplyContent:
    return None


class World:
    def __init__(self, most: int = 2) -> None:
        self.parts = Parts()
        self.texts: list[str] = []
        floor = Floor(Policy.balanced().with_({"max_waiting": most}))
        self.queue = UtteranceQueue(self.parts.context, floor, self.source_of)

    def source_of(self, text: str) -> ReplySource:
        self.texts.append(text)
        return nothing


def test_the_oldest_comes_first_and_the_floor_is_asked_for_each() -> None:
    world = World()
    world.parts.clock.advance(40)
    assert world.queue.add_text("good evening", "greeting", 4)
    assert world.queue.add(Utterance("say", nothing))
    assert world.parts.events == [SayRequested(40), SayRequested(40)]
    assert world.queue.next() == Utterance("greeting", nothing, 4, "good evening")
    assert world.queue.next() == Utterance("say", nothing, 0)
    assert world.texts == ["good evening"]


def test_a_full_queue_takes_no_more_and_asks_nothing() -> None:
    world = World(most=1)
    world.queue.say("first", interruptible=True)
    with pytest.raises(UsageError, match="Too many texts"):
        world.queue.say("second", interruptible=True)
    assert len(world.parts.events) == 1


def test_words_that_may_not_be_interrupted_are_protected_whole() -> None:
    world = World()
    world.queue.say("  this call is recorded ", interruptible=False)
    assert world.texts == ["this call is recorded"]
    assert world.queue.next().protected is None
    world.queue.say("hello", interruptible=True)
    assert world.queue.next().protected == 0


@pytest.mark.parametrize("text", ["", "   ", "x" * (SAY_CHARS + 1)])
def test_no_text_and_too_much_of_it_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be said"):
        World().queue.say(text, interruptible=True)
