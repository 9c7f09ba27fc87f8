"""What was heard of a reply, and what the user spoke over, to the word."""

from __future__ import annotations

import asyncio

from bargein import notices as n
from bargein.call.output.reply import Reply
from bargein.call.output.track import Position
from bargein.call.record.conversation import Conversation
from bargein.call.record.ledger import CONFIRM_MS, Ledger
from bargein.protocols import AgentSaid, Flushed, SaidOver
from tests.call.kit import RATE, WORD_MS
from tests.call.parts import Parts, settle, sounding

STORY = "once there was a fox who lived by a river"
WORD = WORD_MS * RATE // 1000  # samples


class World:
    """A ledger at the moment in which reply 1 begins to sound: 0 ms."""

    def __init__(self, text: str = STORY, *, reports: bool = True, timed: bool = True) -> None:
        self.parts = Parts()
        self.conversation = Conversation()
        self.ledger = Ledger(self.parts.context, self.parts.replies, self.conversation, reports=reports)
        self.reply = self.begin(1, text, timed=timed)

    def begin(self, reply: int, text: str, *, timed: bool = True) -> Reply:
        made = sounding(reply, text, timed=timed)
        self.parts.replies.begin(made)
        self.ledger.begins(made)
        assert made.track is not None
        made.track.report(self.parts.clock.now_ms(), 0, playing=True)
        return made

    def cut(self, words: float, reply: Reply | None = None, *, bound_ms: float = 0.0) -> None:
        samples = int(words * WORD)
        self.ledger.cut(reply or self.reply, Position(samples, samples * 1000 / RATE, bound_ms))

    def plays_on(self, ms: float) -> None:
        """The client reports that so much has played by then."""
        assert self.reply.track is not None
        self.reply.track.report(ms, int(ms * RATE / 1000), playing=True)

    def said(self, reply: int = 1) -> tuple[str, str, str, bool]:
        said = self.conversation.agent(reply)
        assert said is not None
        return said.text, said.unheard, said.ended, said.exact


# ---------------------------------------------------------------------------------------------------- endings


def test_a_reply_that_was_heard_whole_is_said_whole() -> None:
    world = World()
    world.ledger.over(world.reply, "completed")
    assert world.conversation.items == [AgentSaid(1, STORY)]
    assert world.reply.heard_ms == 10 * WORD_MS


def test_a_reply_that_failed_is_said_as_far_as_it_came() -> None:
    world = World("once there was")
    world.reply.text = STORY
    world.ledger.over(world.reply, "failed")
    assert world.said() == ("once there was", "a fox who lived by a river", "failed", True)


def test_a_cut_is_written_at_once_and_put_right_by_the_clients_word() -> None:
    world = World()
    world.cut(4, bound_ms=500)
    assert world.said() == ("once there was a", "fox who lived by a river", "cut", False)
    world.ledger.on_flushed(40, Flushed(1, 3 * WORD))
    assert world.said() == ("once there was", "a fox who lived by a river", "cut", True)
    assert world.reply.heard_ms == 3 * WORD_MS
    texts = [x.text for x in world.parts.notices if isinstance(x, n.Transcript)]
    assert texts == ["once there was a", "once there was"]
    assert [facts["exact"] for kind, facts in world.parts.notes.notes if kind == "heard"] == [False, True]


def test_a_position_within_one_word_is_exact_though_it_has_a_bound() -> None:
    world = World()
    world.cut(3.5, bound_ms=40)
    assert world.said()[3]


def test_estimated_times_are_never_exact() -> None:
    world = World(timed=False)
    world.cut(5)
    assert not world.said()[3]


def test_the_clients_word_on_another_reply_changes_nothing() -> None:
    world = World()
    world.cut(4)
    world.ledger.on_flushed(40, Flushed(9, 1 * WORD))
    assert world.said()[0] == "once there was a"


def test_a_second_word_of_the_client_changes_nothing() -> None:
    world = World()
    world.cut(4)
    world.ledger.on_flushed(40, Flushed(1, 3 * WORD))
    world.ledger.on_flushed(60, Flushed(1, 1 * WORD))
    assert world.said()[0] == "once there was"


def test_a_reply_that_never_sounded_is_not_written() -> None:
    world = World()
    silent = Reply(2, "reply", 0.0, text="never")
    world.ledger.over(silent, "failed")
    assert world.conversation.agent(2) is None


# ---------------------------------------------------------------------------------------------------- waiting


async def test_who_needs_the_truth_waits_for_the_clients_word() -> None:
    world = World()
    world.cut(4)
    waiting = asyncio.create_task(world.ledger.wait_confirmed())
    world.ledger.tick(CONFIRM_MS - 1)
    await settle()
    assert not waiting.done()
    world.ledger.on_flushed(40, Flushed(1, 3 * WORD))
    await waiting


async def test_a_client_that_says_nothing_is_not_waited_for_longer() -> None:
    world = World()
    world.cut(4)
    waiting = asyncio.create_task(world.ledger.wait_confirmed())
    await settle()
    world.ledger.tick(CONFIRM_MS)
    await waiting
    world.ledger.on_flushed(300, Flushed(1, 1 * WORD))
    assert world.said()[0] == "once there was a", "its word is too late"


async def test_a_client_without_reports_is_not_waited_for() -> None:
    world = World(reports=False)
    world.cut(4)
    await world.ledger.wait_confirmed()


async def test_the_next_cut_ends_the_waiting_for_the_one_before() -> None:
    world = World()
    world.cut(4)
    waiting = asyncio.create_task(world.ledger.wait_confirmed())
    await settle()
    second = world.begin(2, STORY)
    world.cut(2, second)
    await waiting
    assert world.parts.replies.unconfirmed is second
    world.ledger.on_flushed(40, Flushed(2, 1 * WORD))
    assert (world.said(1)[0], world.said(2)[0]) == ("once there was a", "once")


# -------------------------------------------------------------------------------------------------- said over


def test_words_are_said_over_the_word_that_sounded_then() -> None:
    world = World()
    assert world.ledger.said_over(2.5 * WORD_MS) == SaidOver(1, "once there was")


def test_only_the_end_of_a_long_sentence_goes_with_it() -> None:
    world = World(" ".join(f"word{k}" for k in range(30)))
    world.plays_on(20 * WORD_MS)
    over = world.ledger.said_over(20.5 * WORD_MS)
    assert over is not None
    assert over.text.split() == [f"word{k}" for k in range(9, 21)]


def test_after_the_end_nothing_is_said_over() -> None:
    world = World()
    world.parts.clock.advance(3_000)
    world.ledger.over(world.reply, "completed")
    assert world.ledger.said_over(3_001) is None
    assert world.ledger.echo_words(3_001, 3_100) == ""
    assert world.ledger.said_over(500) is not None, "speech that began before the end was over it"


def test_before_any_reply_nothing_is_said_over_and_nothing_heard() -> None:
    parts = Parts()
    ledger = Ledger(parts.context, parts.replies, Conversation(), reports=True)
    assert ledger.said_over(10) is None
    assert ledger.echo_words(10, 20) == ""
    assert ledger.heard_chars(10) == 0


def test_before_its_first_word_nothing_is_said_over() -> None:
    world = World("")
    assert world.ledger.said_over(10) is None


def test_what_may_come_back_as_an_echo_was_said_up_to_a_second_before() -> None:
    world = World()
    world.plays_on(1_400)
    assert world.ledger.echo_words(1_500, 1_700) == "was a fox who lived by a"


def test_how_many_characters_were_heard_so_far() -> None:
    world = World()
    assert world.ledger.heard_chars(0) == 0
    assert world.ledger.heard_chars(2 * WORD_MS) == len("once there")
