"""A reply on its way: begun, heard so far, over."""

from __future__ import annotations

import asyncio

from bargein import floor as f
from bargein import notices as n
from bargein.call.output.playout import PlayoutEvent
from bargein.call.output.reply import Reply
from bargein.call.record.conversation import Conversation
from bargein.call.record.ledger import Ledger
from bargein.call.reply_progress import ReplyProgress
from bargein.protocols import AgentSaid
from tests.call.kit import WORD_MS
from tests.call.parts import Parts, settle, sounding

STORY = "once there was a fox"


class Playout:
    """Says at the next tick what the test wants. excused: whether it was excused, tick by tick."""

    def __init__(self) -> None:
        self.next: list[PlayoutEvent] = []
        self.excused: list[bool] = []

    def tick(self, now_ms: float, *, excused: bool = False) -> list[PlayoutEvent]:
        self.excused.append(excused)
        events, self.next = self.next, []
        return events


class World:
    def __init__(self, reply: Reply | None = None) -> None:
        self.parts = Parts()
        self.playout = Playout()
        self.conversation = Conversation()
        self.completed: list[int] = []
        ledger = Ledger(self.parts.context, self.parts.replies, self.conversation, reports=True)
        self.progress = ReplyProgress(
            self.parts.context,
            self.parts.replies,
            self.playout,  # type: ignore[arg-type]
            ledger,
            lambda reply: self.completed.append(reply.id),
        )
        self.reply = reply or sounding(1, STORY)
        self.parts.replies.begin(self.reply)

    def begin(self, at_ms: float = 0.0) -> None:
        """The reply begins to sound, and the client plays it from then on."""
        assert self.reply.track is not None
        self.reply.track.report(at_ms, 0, playing=True)
        self.playout.next = [f.ReplyStarted(at_ms, 1)]
        self.progress.tick(at_ms)


def test_a_reply_that_begins_is_in_the_conversation_and_its_wait_is_measured() -> None:
    world = World()
    world.reply.asked_ms = 100
    world.begin(700)
    assert world.parts.events == [f.ReplyStarted(700, 1)]
    assert world.conversation.items == [AgentSaid(1, "", ended="sounding")]
    assert world.parts.notes.seen == [("first_audio", 600, "reply")]
    assert world.parts.replies.sounded is world.reply


def test_a_reply_that_was_heard_whole_is_completed() -> None:
    world = World()
    world.begin()
    world.playout.next = [f.ReplyEnded(1_000, 1)]
    world.progress.tick(1_000)
    assert world.completed == [1]
    assert world.conversation.items == [AgentSaid(1, STORY)]
    assert world.parts.replies.live is None
    assert world.parts.events[-1] == f.ReplyEnded(1_000, 1)
    assert world.parts.notes.causes == [("replies", "reply")]


def test_a_reply_that_failed_is_not_completed() -> None:
    world = World()
    world.begin()
    world.playout.next = [f.ReplyFailed(1_000, 1, "gone")]
    world.progress.tick(1_000)
    assert world.completed == []
    said = world.conversation.agent(1)
    assert said is not None
    assert said.ended == "failed"


def test_a_reply_that_begins_and_ends_in_one_tick_was_said() -> None:
    world = World()
    world.playout.next = [f.ReplyStarted(20, 1), f.ReplyEnded(20, 1)]
    world.progress.tick(20)
    assert world.conversation.items == [AgentSaid(1, STORY)]


def test_a_reply_without_audio_is_completed_and_not_said() -> None:
    world = World(Reply(1, "reply", 0.0))
    world.progress.happened(f.ReplyEnded(20, 1))
    assert world.completed == [1]
    assert world.conversation.items == []
    assert world.parts.notes.counts == {}


def test_what_happens_to_another_reply_is_passed_on_and_changes_nothing() -> None:
    world = World()
    world.progress.happened(f.ReplyStarted(20, 9))
    world.progress.happened(f.ReplyEnded(20, 9))
    assert world.parts.replies.live is world.reply
    assert (world.completed, world.conversation.items) == ([], [])
    assert len(world.parts.events) == 2, "the floor knows them as late by their id"


def test_a_protected_beginning_ends_with_its_last_character() -> None:
    world = World()
    world.reply.protected = len("once there")
    world.begin()
    world.progress.tick(2 * WORD_MS - 20)
    assert len(world.parts.events) == 1
    world.progress.tick(2 * WORD_MS)
    assert world.parts.events[-1] == f.ReplyProtected(2 * WORD_MS, 1, protected=False)
    assert world.parts.notices == [n.ReplyBegins(1, "reply", interruptible=True)]
    world.progress.tick(3 * WORD_MS)
    assert len(world.parts.events) == 2


def test_a_reply_that_is_protected_whole_stays_so() -> None:
    world = World()
    world.reply.protected = None
    world.begin()
    world.progress.tick(5 * WORD_MS)
    assert len(world.parts.events) == 1


async def test_a_tool_runs_when_the_words_before_it_were_heard() -> None:
    world = World()
    waiting = asyncio.create_task(world.reply.wait_heard(len("once there")))
    await settle()
    world.begin()
    world.progress.tick(WORD_MS)
    await settle()
    assert not waiting.done()
    world.progress.tick(2 * WORD_MS)
    await waiting


def test_a_model_that_waits_for_a_tool_is_excused() -> None:
    world = World()
    world.progress.tick(0)
    world.reply.busy = True
    world.progress.tick(20)
    world.parts.replies.end(1)
    world.progress.tick(40)
    assert world.playout.excused == [False, True, False]


async def test_a_client_that_owes_its_word_on_a_cut_is_looked_after() -> None:
    world = World()
    world.begin()
    assert world.reply.track is not None
    world.parts.replies.end(1)
    world.progress._ledger.cut(world.reply, world.reply.track.position(400))
    world.progress.tick(100)
    assert not world.reply.confirmed.is_set()
    world.progress.tick(400)
    assert world.reply.confirmed.is_set()
