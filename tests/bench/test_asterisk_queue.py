"""The simulated Asterisk's queue, rule by rule, and how the bench finds its protocol."""

from __future__ import annotations

import json

import pytest

from bargein_bench import command
from bargein_bench.callers.asterisk_queue import MOST, NEW, OLD, XOFF, XON, AsteriskRelease, MediaQueue
from bargein_bench.targets.asterisk import AsteriskTarget

FRAME = b"\x01" * 640


class Channel:
    def __init__(self, release: AsteriskRelease | None = None, *, as_json: bool = True) -> None:
        self.said: list[str] = []
        self.faults: list[str] = []
        self.queue = MediaQueue("slin16", self.said.append, release=release, as_json=as_json, fault=self.faults.append)

    def do(self, *commands: str) -> None:
        for each in commands:
            self.queue.text(json.dumps({"command": each}))

    def events(self) -> list[str]:
        found = [str(json.loads(each)["event"]) for each in self.said]
        self.said.clear()
        return found


def test_xoff_comes_once_at_900_xon_below_800_and_1000_frames_are_the_most() -> None:
    channel = Channel()
    queue = channel.queue
    for _ in range(XOFF - 1):
        queue.binary(FRAME)
    assert channel.events() == []
    for _ in range(MOST):
        queue.binary(FRAME)
    assert channel.events() == ["MEDIA_XOFF"]
    assert (queue.queued, queue.dropped) == (MOST, XOFF - 1)
    for _ in range(MOST - XON):
        queue.tick()
    assert channel.events() == []
    queue.tick()
    queue.tick()
    assert channel.events() == ["MEDIA_XON"]


def test_a_pause_takes_nothing_and_a_flush_ends_no_pause_and_eats_marks() -> None:
    channel = Channel()
    queue = channel.queue
    queue.binary(FRAME * 3)
    channel.do("MARK_MEDIA", "REPORT_QUEUE_DRAINED", "PAUSE_MEDIA")
    assert [queue.tick() for _ in range(5)] == [None] * 5
    channel.do("FLUSH_MEDIA")
    assert queue.paused
    assert queue.tick() is None
    assert channel.events() == []
    channel.do("CONTINUE_MEDIA")
    assert queue.tick() is None
    assert channel.events() == ["QUEUE_DRAINED"]  # it was asked for before the flush


def test_marks_cost_no_time_and_do_not_count() -> None:
    channel = Channel()
    queue = channel.queue
    channel.do("MARK_MEDIA")
    queue.binary(FRAME)
    channel.do("MARK_MEDIA", "MARK_MEDIA", "GET_STATUS")
    assert json.loads(channel.said.pop())["queue_length"] == 1
    assert queue.tick() == FRAME
    assert channel.events() == ["MEDIA_MARK_PROCESSED"]
    assert queue.tick() is None
    assert channel.events() == ["MEDIA_MARK_PROCESSED", "MEDIA_MARK_PROCESSED"]


def test_the_rest_of_a_message_is_lost_or_plays_as_a_short_frame_even_in_a_pause() -> None:
    lost, short = Channel(), Channel(NEW)
    for channel in (lost, short):
        channel.do("PAUSE_MEDIA")
        channel.queue.binary(FRAME[:100])
        assert channel.faults
    assert lost.queue.tick() is None
    assert short.queue.tick() == FRAME[:100]


def test_commands_that_are_long_broken_or_unknown() -> None:
    channel = Channel()
    channel.queue.text('{"command":"MARK_MEDIA","correlation_id":"' + "x" * 128 + '"}')
    assert channel.events() == []
    channel.queue.text("{")
    assert channel.events() == ["ERROR"]
    channel.do("NO_SUCH")
    assert channel.events() == []
    assert len(channel.faults) == 2
    channel.queue.binary(b"\x00" * 65_501)
    assert channel.queue.hung_up


def test_an_old_release_knows_no_marks_and_fills_its_pauses_with_silence() -> None:
    channel = Channel(OLD, as_json=False)
    channel.queue.text("MARK_MEDIA 1")
    channel.queue.text('{"command":"GET_STATUS"}')
    assert len(channel.faults) == 2
    channel.queue.text("GET_STATUS")
    assert channel.said.pop().startswith("STATUS queue_length:0 xon_level:800 xoff_level:900 queue_full:false")
    assert channel.queue.tick() == bytes(640)
    channel.queue.text("PAUSE_MEDIA")
    assert channel.queue.tick() == bytes(640)


@pytest.mark.parametrize("address", ["ws://127.0.0.1:9/asterisk/media", "wss://pbx.example/a/asterisk/media?token=x"])
def test_the_bench_knows_the_protocol_by_the_address(address: str) -> None:
    found = command._target(address, "", "", "", (), (), 0.0)
    assert isinstance(found, AsteriskTarget)
    assert found.protocol == "asterisk"
