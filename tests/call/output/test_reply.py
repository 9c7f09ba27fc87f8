"""A reply, and which replies a call still has to do with."""

from __future__ import annotations

import asyncio

from bargein.call.output.reply import Replies, Reply
from bargein.call.output.track import Track
from tests.call.parts import settle


def test_whatever_names_another_reply_is_late_and_changes_nothing() -> None:
    replies, reply = Replies(), Reply(2, "reply", 0.0)
    replies.begin(reply)
    reply.track = Track(2, 8000, 8000)
    assert replies.live_track(1) is None
    assert replies.end(1) is None
    assert replies.live_track(2) is reply.track
    assert replies.end(2) is reply
    assert replies.end(2) is None, "it is over"
    assert replies.live is None


def test_a_reply_without_audio_has_no_track_and_has_not_sounded() -> None:
    replies, reply = Replies(), Reply(1, "greeting", 0.0)
    replies.begin(reply)
    assert replies.live_track(1) is None
    assert not replies.has_sounded(reply)
    replies.sounded = reply
    replies.end(1)
    assert replies.has_sounded(reply), "also once it is over"


async def test_a_tool_waits_for_just_the_characters_before_it() -> None:
    reply = Reply(1, "reply", 0.0)
    first, second = (asyncio.create_task(reply.wait_heard(chars)) for chars in (5, 9))
    await settle()
    reply.mark_heard(4)
    await settle()
    assert (first.done(), second.done()) == (False, False)
    reply.mark_heard(5)
    await settle()
    assert (first.done(), second.done()) == (True, False)
    reply.mark_heard(20)
    await second
    assert reply.waits == []


async def test_no_words_before_it_is_nothing_to_wait_for() -> None:
    await Reply(1, "reply", 0.0).wait_heard(0)


def test_two_replies_are_never_the_same() -> None:
    assert Reply(1, "reply", 0.0) != Reply(1, "reply", 0.0)
