"""Asterisk's formats and messages, good and bad, and the limits of its queue."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bargein import protocols as c
from bargein.errors import ProtocolError
from bargein.transports.telephone.asterisk import EARLY_BYTES, FORMATS, AsteriskDialect
from bargein.transports.telephone.dialect import MarkBack, Media, Pressed, QueueDrained, QueueFlow, QueueStatus, Started
from bargein_bench.callers.asterisk_queue import FRAME_BYTES, OLD
from tests.transports.telephone.simulated_asterisk import PLAIN, SLIN16, Pbx, only

# ---------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize("codec", FORMATS)
def test_every_format_is_held_to_the_sample(codec: str) -> None:
    pbx = Pbx(codec)
    assert pbx.queue.size == FRAME_BYTES[codec]
    audio = pbx.audio(600)
    at = pbx.speak(audio, ms=200)
    pbx.telephone.hold(1)
    pbx.live(200)
    (held,) = only(pbx.reports(), c.Held)
    assert held.samples == pbx.queue.taken * pbx.frame
    pbx.resume()
    pbx.speak(audio, first=at)
    pbx.live(300)
    assert pbx.queue.taken * pbx.frame == len(audio)
    assert pbx.telephone.capabilities.pause
    assert pbx.telephone.rate_out == FORMATS[codec][1]


@pytest.mark.parametrize("codec", ["opus", "g729", "speex", "slin48", "slin192", "g722", ""])
def test_a_format_that_cannot_be_taken_is_refused_with_the_way_out(codec: str) -> None:
    with pytest.raises(ProtocolError) as error:
        AsteriskDialect().read(SLIN16.replace('"slin16"', f'"{codec}"'))
    assert error.value.code == "bad_format"
    assert "c(slin16)" in error.value.advice


@pytest.mark.parametrize("size", ["0", "1", "641", "1280", "null", "-640", '"x"', "1e400"])
def test_a_frame_that_does_not_fill_twenty_ms_is_refused(size: str) -> None:
    with pytest.raises(ProtocolError) as error:
        AsteriskDialect().read(SLIN16.replace("640", size))
    assert error.value.code in ("bad_format", "bad_start")


# ---------------------------------------------------------------------------------------------------- messages


def test_every_event_is_understood_in_both_forms() -> None:
    js, plain = AsteriskDialect(), AsteriskDialect({"agent": "given"})
    started = js.read(SLIN16)
    assert isinstance(started, Started)
    assert (started.stream, started.call) == ("pbx-17.3", "")
    assert started.parameters == {"agent": "front", "from": "100"}
    other = plain.read(PLAIN)
    assert isinstance(other, Started)
    assert (other.stream, other.parameters) == ("agent", {"agent": "given"})
    assert (js.marks, plain.marks) == (True, False)
    told = {
        '{"event":"STATUS","queue_length":42,"media_paused":true}': QueueStatus(42),
        "STATUS queue_length:42 xon_level:800 queue_full:false": QueueStatus(42),
        '{"event":"MEDIA_MARK_PROCESSED","correlation_id":"1:20:0"}': MarkBack("1:20:0"),
        "MEDIA_MARK_PROCESSED correlation_id:1:20:0": MarkBack("1:20:0"),
        '{"event":"DTMF_END","digit":"5"}': Pressed("5"),
        "DTMF_END digit:# channel_id:pbx-17.3": Pressed("#"),
        "MEDIA_XOFF": QueueFlow(full=True),
        '{"event":"MEDIA_XON"}': QueueFlow(full=False),
        "QUEUE_DRAINED": QueueDrained(),
        "MEDIA_BUFFERING_COMPLETED correlation_id:x": None,
    }
    for message, event in told.items():
        assert js.read(message) == event, message
    assert plain.mark("1:20:0") == b"MARK_MEDIA 1:20:0"
    assert json.loads(js.pause()) == {"command": "PAUSE_MEDIA"}


@pytest.mark.parametrize(
    "message",
    [
        "",
        "   ",
        "{",
        "[]",
        "{}",
        '{"event":5}',
        '{"event":"STATUS"}',
        "STATUS",
        "STATUS queue_length:-1",
        "STATUS queue_length:99999999999999999999",
        "STATUS queue_length",
        '{"event":"STATUS","queue_length":true}',
        '{"event":"STATUS","queue_length":{"a":1}}',
        '{"event":"NO_SUCH_EVENT"}',
        "no such event",
        '{"event":"ERROR","error_text":"Unable to parse JSON command"}',
        '{"event":"DTMF_END","digit":"55"}',
        "DTMF_END",
        "MEDIA_MARK_PROCESSED correlation_id:never-sent",
        '{"event":"MEDIA_MARK_PROCESSED"}',
        "MEDIA_MARK_PROCESSED correlation_id:1:20:99999999999",
        "STATUS queue_length:4",
        "\x00\ud800 \u2603",
        '{"event":' + "[" * 5000,
        SLIN16,
        b"",
        b"\x00" * 60_001,
        b"\x00" * 60_000 + b"\x00" * 60_000,
    ],
    ids=lambda value: repr(value[:30]),
)
def test_a_bad_message_is_a_fault_and_the_call_goes_on(message: str | bytes) -> None:
    pbx = Pbx()
    pbx.telephone.incoming(message)
    found = pbx.reports()
    assert only(found, c.ClientFault)
    assert pbx.telephone.closing is None
    audio = pbx.audio(200)
    pbx.speak(audio)
    pbx.live(300)
    assert pbx.played == audio.tolist()
    assert only(pbx.reports(), c.Finished)


def test_audio_before_the_start_is_kept_and_no_more_of_it_than_a_second() -> None:
    dialect = AsteriskDialect()
    sound = np.arange(320, dtype="<i2")
    for _ in range(500):
        assert dialect.read(sound.tobytes()) is None
    dialect.read(SLIN16)
    first = dialect.read((sound + 5000).astype("<i2").tobytes())
    assert isinstance(first, Media)
    assert len(first.samples) == EARLY_BYTES // 2 + 320
    assert np.array_equal(first.samples[-640:], np.concatenate((sound, sound + 5000)))


def test_a_full_queue_gets_no_audio_until_there_is_room_and_loses_none() -> None:
    pbx = Pbx()
    audio = pbx.audio(30_000)
    at = 0
    while at < len(audio):  # no lead: as fast as the network takes it
        frame = c.AudioOut(1, at // 320, at, audio[at : at + 320], last=at + 320 >= len(audio))
        if pbx.telephone.send(frame):
            at += 320
        else:
            pbx.live(1)
        if at % 640 == 0:
            pbx.live(1)
    pbx.live(20_000)
    assert pbx.queue.dropped == 0
    assert pbx.played == audio.tolist()


def test_a_queue_that_stays_full_ends_the_call_and_a_hold_is_no_such_time() -> None:
    pbx = Pbx()
    frame = c.AudioOut(1, 0, 0, pbx.audio(20), last=False)
    pbx.telephone.incoming("MEDIA_XOFF")
    assert not pbx.telephone.send(frame)
    pbx.telephone.hold(1)
    pbx.live(11_000)
    pbx.resume()
    assert not pbx.telephone.send(frame)
    assert pbx.telephone.closing is None
    pbx.live(10_100)
    assert not pbx.telephone.send(frame)
    assert pbx.telephone.closing is not None


def test_a_status_that_never_comes_leaves_a_bounded_memory_and_a_call_that_goes_on() -> None:
    pbx = Pbx(release=OLD, as_json=False)
    pbx.queue.text = lambda data: None  # type: ignore[method-assign]
    audio = pbx.audio(20)
    for i in range(5000):
        pbx.telephone.send(c.AudioOut(1, i, i * 320, audio, last=False, word_ends=True))
        pbx.telephone.hold(1)
        pbx.resume()
    assert len(pbx.telephone._playback._queries) <= 64  # type: ignore[attr-defined]
    pbx.telephone.flush(1)
    assert pbx.telephone.closing is None


def test_a_socket_that_closes_is_the_end_of_the_call() -> None:
    pbx = Pbx()
    for code in (1000, 1001, None):
        pbx.telephone.gone("the connection is gone", code)
    assert pbx.telephone.closing is not None
