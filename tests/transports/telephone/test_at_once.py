"""What comes often goes to the call at once, in its order, and without waking the call's task."""

from __future__ import annotations

import pytest

from bargein import protocols as c
from tests.transports.telephone.test_transport import Stream


@pytest.fixture
def stream() -> Stream:
    made = Stream()
    made.come("hello", "start")
    return made


async def test_audio_and_reports_come_at_once_and_the_rest_by_receive(stream: Stream) -> None:
    got: list[c.AudioIn | c.Played] = []
    stream.transport.deliver_to(got.append)
    stream.send(6)
    stream.come("media 1 160", "mark r1:800:0", "key 5", "media 2 160")
    assert [type(item) for item in got] == [c.AudioIn, c.Played]
    assert [type(item) for item in await stream.given()] == [c.KeyPress, c.AudioIn], "in their order"
    stream.come("media 3 160")
    assert [item.first_sample for item in got if isinstance(item, c.AudioIn)] == [0, 320]


async def test_what_came_before_is_received_first(stream: Stream) -> None:
    stream.come("media 1 160")
    got: list[c.AudioIn | c.Played] = []
    stream.transport.deliver_to(got.append)
    stream.come("media 2 160")
    assert got == []
    assert len(await stream.given()) == 2


async def test_a_call_that_fails_on_audio_fails_in_its_own_task_and_gets_no_more(stream: Stream) -> None:
    calls = 0

    def fail(_: object) -> None:
        nonlocal calls
        calls += 1
        raise ZeroDivisionError

    stream.transport.deliver_to(fail)
    stream.come("media 1 160", "media 2 160")
    assert calls == 1
    received = stream.transport.receive()
    assert isinstance(await anext(received), c.AudioIn)
    with pytest.raises(ZeroDivisionError):
        await anext(received)


async def test_after_its_end_a_transport_holds_nobody(stream: Stream) -> None:
    got: list[c.AudioIn | c.Played] = []
    stream.transport.deliver_to(got.append)
    await stream.transport.close("over")
    stream.come("media 1 160")
    assert got == []
