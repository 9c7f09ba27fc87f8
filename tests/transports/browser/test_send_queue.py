"""The queue alone: what goes out first, what is bounded, and what a closed queue still gives."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.protocols import AudioOut
from bargein.transports.browser.send_queue import BrowserSendQueue


def frame(reply: int, sequence: int, samples: int = 480) -> AudioOut:
    return AudioOut(reply, sequence, sequence * 480, np.zeros(samples, np.int16), last=False)


@pytest.fixture
def queue() -> BrowserSendQueue:
    return BrowserSendQueue(max_samples=960, max_controls=2)


async def test_control_goes_before_audio_and_each_lane_keeps_its_order(queue: BrowserSendQueue) -> None:
    frames = [frame(1, 0), frame(1, 1)]
    assert [queue.push_audio(one) for one in frames] == [True, True]
    assert [queue.push_control(text) for text in ("hold", "state")] == [True, True]
    assert [await queue.next() for _ in range(4)] == ["hold", "state", *frames]


async def test_a_full_audio_lane_takes_a_frame_once_there_is_room(queue: BrowserSendQueue) -> None:
    assert [queue.push_audio(frame(1, k)) for k in range(3)] == [True, True, False]
    assert queue.push_audio(frame(1, 2, samples=0)), "an empty last frame takes no room"
    await queue.next()
    assert queue.push_audio(frame(1, 3))


async def test_a_full_control_lane_drops_the_message_and_keeps_the_others(queue: BrowserSendQueue) -> None:
    assert [queue.push_control(text) for text in ("one", "two", "three")] == [True, True, False]
    queue.close()
    assert [await queue.next() for _ in range(3)] == ["one", "two", None]


async def test_discarding_a_reply_returns_its_frames_in_order_and_makes_room(queue: BrowserSendQueue) -> None:
    mine, other = [frame(1, 0, 320), frame(1, 1, 320)], frame(2, 0, 320)
    for one in (mine[0], other, mine[1]):
        assert queue.push_audio(one)
    assert queue.discard_reply(1) == mine
    assert queue.discard_reply(1) == []
    assert queue.push_audio(frame(3, 0, 640))
    assert await queue.next() is other


async def test_a_closed_queue_gives_its_control_messages_and_then_ends(queue: BrowserSendQueue) -> None:
    queue.push_audio(frame(1, 0))
    queue.push_control("bye")
    queue.close()
    assert not queue.push_control("late")
    assert not queue.push_audio(frame(1, 1))
    assert [await queue.next() for _ in range(3)] == ["bye", None, None]


@pytest.mark.parametrize("item", ["control", "audio", "close"])
async def test_a_waiting_writer_wakes_for(item: str, queue: BrowserSendQueue) -> None:
    writer = asyncio.create_task(queue.next())
    await asyncio.sleep(0)
    assert not writer.done()
    sent = frame(1, 0)
    match item:
        case "control":
            queue.push_control("hold")
        case "audio":
            queue.push_audio(sent)
        case _:
            queue.close()
    assert await writer == {"control": "hold", "audio": sent, "close": None}[item]


@given(st.lists(st.one_of(st.tuples(st.integers(1, 3), st.integers(0, 500)), st.sampled_from(["next", 1, 2, 3]))))
async def test_the_audio_lane_never_holds_more_than_its_bound(steps: list[object]) -> None:
    queue, held = BrowserSendQueue(max_samples=1_000, max_controls=1), list[AudioOut]()
    for sequence, step in enumerate(steps):
        match step:
            case (int(reply), int(samples)):
                one = frame(reply, sequence, samples)
                fits = sum(len(each.samples) for each in held) + samples <= 1_000
                assert queue.push_audio(one) == fits
                held += [one] if fits else []
            case int(reply):
                assert queue.discard_reply(reply) == [each for each in held if each.reply == reply]
                held = [each for each in held if each.reply != reply]
            case _:
                if held:
                    assert await queue.next() is held.pop(0)
