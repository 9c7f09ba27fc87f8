"""A browser's send queue: two bounded lanes, control before audio."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bargein.protocols import AudioOut
from bargein.transports.browser.send_queue import BrowserSendQueue


def frame(reply: int, sequence: int, samples: int = 480) -> AudioOut:
    return AudioOut(reply, sequence, sequence * samples, np.zeros(samples, np.int16), last=False)


async def test_control_goes_before_audio_and_each_lane_keeps_its_order() -> None:
    queue = BrowserSendQueue(max_samples=4800, max_controls=10)
    frames = [frame(1, 0), frame(1, 1)]
    assert all(queue.push_audio(each) for each in frames)
    assert queue.push_control("a")
    assert queue.push_control("b")
    assert [await queue.next() for _ in range(4)] == ["a", "b", *frames]


async def test_a_full_audio_lane_takes_a_frame_after_one_has_left() -> None:
    queue = BrowserSendQueue(max_samples=1000, max_controls=10)
    assert [queue.push_audio(frame(1, k)) for k in range(3)] == [True, True, False]
    assert queue.push_audio(frame(1, 2, samples=40))
    assert not queue.push_audio(frame(1, 3, samples=1))
    await queue.next()
    assert queue.push_audio(frame(1, 4))


async def test_a_full_control_lane_drops_the_message_and_stops_no_audio() -> None:
    queue = BrowserSendQueue(max_samples=1000, max_controls=2)
    assert [queue.push_control(text) for text in "abc"] == [True, True, False]
    assert queue.push_audio(frame(1, 0))
    assert [await queue.next() for _ in range(2)] == ["a", "b"]


async def test_the_frames_of_one_reply_are_discarded_in_order_and_make_room() -> None:
    queue = BrowserSendQueue(max_samples=1440, max_controls=2)
    first, other, second = frame(1, 0), frame(2, 0), frame(1, 1)
    for each in (first, other, second):
        queue.push_audio(each)
    assert queue.discard_reply(1) == [first, second]
    assert queue.discard_reply(1) == []
    assert [queue.push_audio(frame(2, k)) for k in (1, 2, 3)] == [True, True, False]
    assert await queue.next() is other


@pytest.mark.parametrize("item", ["text", frame(1, 0)], ids=["control", "audio"])
async def test_a_waiting_writer_gets_the_next_item_of_either_lane(item: str | AudioOut) -> None:
    queue = BrowserSendQueue(max_samples=1000, max_controls=2)
    waiting = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert queue.push_control(item) if isinstance(item, str) else queue.push_audio(item)
    assert await waiting is item


async def test_a_closed_queue_sends_its_control_messages_and_no_audio() -> None:
    queue = BrowserSendQueue(max_samples=1000, max_controls=10)
    queue.push_audio(frame(1, 0))
    queue.push_control("last words")
    queue.close()
    assert not queue.push_control("more")
    assert not queue.push_audio(frame(1, 1))
    assert [await queue.next(), await queue.next(), await queue.next()] == ["last words", None, None]


async def test_closing_wakes_a_waiting_writer() -> None:
    queue = BrowserSendQueue(max_samples=1000, max_controls=10)
    waiting = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    queue.close()
    assert await waiting is None
