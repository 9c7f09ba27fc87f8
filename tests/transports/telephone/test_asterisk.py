"""Asterisk's WebSocket channel in simulated time, against its queue: holds and cuts are exact to the sample."""

from __future__ import annotations

import json
from collections import deque

import numpy as np
import pytest

from bargein import protocols as c
from bargein.clock import ManualClock
from bargein.errors import ProtocolError
from bargein.notices import ResumeNow
from bargein.transports.telephone.asterisk import EARLY_BYTES, FORMATS, AsteriskDialect
from bargein.transports.telephone.dialect import MarkBack, Media, Pressed, QueueDrained, QueueFlow, QueueStatus, Started
from bargein.transports.telephone.transport import TelephoneTransport
from bargein_bench.callers.asterisk_queue import FRAME_BYTES, NEW, OLD, AsteriskRelease, MediaQueue

WAY_MS = 15
LEAD_MS = 100
SLIN16 = (
    '{"event":"MEDIA_START","connection_id":"agent","channel":"WebSocket/agent/0x7f01","channel_id":"pbx-17.3",'
    '"format":"slin16","optimal_frame_size":640,"ptime":20,"channel_variables":{"BARGEIN_AGENT":"front","from":"100"}}'
)
PLAIN = "MEDIA_START connection_id:agent channel:WebSocket/agent/0x7f01 format:slin16 optimal_frame_size:640 ptime:20"


class Pbx:
    """Asterisk at the far end of a network, and the transport at ours. A `Wire` by shape."""

    def __init__(self, codec: str = "slin16", release: AsteriskRelease | None = None, *, as_json: bool = True) -> None:
        self.clock = ManualClock(1000)
        self.unsent = 0
        self.played: list[int] = []
        self.texts: list[str] = []
        self.faults: list[str] = []
        self.closed: tuple[int, str] | None = None
        self.dialect = AsteriskDialect()
        self.telephone = TelephoneTransport(self, self.dialect, self.clock)
        self.queue = MediaQueue(codec, self._back, release=release, as_json=as_json, fault=self.faults.append)
        self._to: deque[tuple[float, str | bytes]] = deque()
        self._from: deque[tuple[float, str]] = deque()
        self._ms = 0
        self.queue.start()
        self.live(WAY_MS)
        self.rate = self.dialect.rate
        self.frame = self.rate // 50

    def text(self, data: bytes) -> None:
        self.texts.append(data.decode())
        self._to.append((self.clock.now_ms() + WAY_MS, data.decode()))

    def binary(self, data: bytes) -> None:
        self._to.append((self.clock.now_ms() + WAY_MS, data))

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def _back(self, text: str) -> None:
        self._from.append((self.clock.now_ms() + WAY_MS, text))

    def live(self, ms: int) -> None:
        for _ in range(ms):
            self.clock.advance(1)
            self._ms += 1
            while self._to and self._to[0][0] <= self.clock.now_ms():
                item = self._to.popleft()[1]
                if isinstance(item, bytes):
                    self.queue.binary(item)
                else:
                    self.queue.text(item)
            if self._ms % 20 == 0 and (frame := self.queue.tick()) is not None:
                samples = self.dialect.incoming.expand(frame).tolist()
                self.played += [sample for sample in samples if abs(sample) > 8]
            while self._from and self._from[0][0] <= self.clock.now_ms():
                self.telephone.incoming(self._from.popleft()[1])

    def audio(self, ms: int) -> c.WireSamples:
        """A reply of which no sample is silence."""
        count = np.arange(self.rate * ms // 1000)
        if self.dialect.mulaw:
            return (count % 100).astype(np.uint8)
        return (count % 20_000 + 1000).astype(np.int16)

    def speak(self, audio: c.WireSamples, first: int = 0, ms: int | None = None, reply: int = 1) -> int:
        """Send a reply with a lead, for so long or to its end. Returns the position of what was sent."""
        began, at = self.clock.now_ms(), first
        while at < len(audio):
            while (at - first) * 1000 / self.rate - (self.clock.now_ms() - began) > LEAD_MS:
                if ms is not None and self.clock.now_ms() - began >= ms:
                    return at
                self.live(1)
            end = at + self.frame
            frame = c.AudioOut(reply, at // self.frame, at, audio[at:end], last=end >= len(audio))
            if not self.telephone.send(frame):
                self.live(1)
                continue
            at = end
        return at

    def reports(self) -> list[c.Inbound]:
        found, queue = [], self.telephone._incoming
        while queue:
            found.append(queue.popleft())
        return found

    def resume(self, reply: int = 1) -> None:
        self.telephone.notify(ResumeNow(reply, "a cough"))


def only(found: list[c.Inbound], kind: type) -> list:  # type: ignore[type-arg]
    return [item for item in found if isinstance(item, kind)]


RELEASES = {
    "22.9 json": (AsteriskRelease(), True),
    "22.9 plain": (AsteriskRelease(), False),
    "22.6 plain": (OLD, False),
    "22.11 json": (NEW, True),
}


@pytest.fixture(params=RELEASES)
def pbx(request: pytest.FixtureRequest) -> Pbx:
    release, as_json = RELEASES[request.param]
    return Pbx(release=release, as_json=as_json)


# -------------------------------------------------------------------------------------------------- hold and cut


@pytest.mark.parametrize("at_ms", [130, 137, 150, 311, 480])
def test_a_hold_is_exact_and_its_resume_loses_and_repeats_no_sample(pbx: Pbx, at_ms: int) -> None:
    audio = pbx.audio(1000)
    at = pbx.speak(audio, ms=at_ms)
    pbx.telephone.hold(1)
    pbx.live(2 * WAY_MS)
    sounded = len(pbx.played)
    pbx.live(700)
    assert len(pbx.played) == sounded
    (held,) = only(pbx.reports(), c.Held)
    assert (held.reply, held.samples, held.bound_ms) == (1, sounded, 0.0)
    pbx.resume()
    pbx.speak(audio, first=at)
    pbx.live(500)
    assert pbx.played == audio.tolist()
    assert only(pbx.reports(), c.Finished) == [c.Finished(1, len(audio))]
    assert not pbx.faults


@pytest.mark.parametrize("held", [None, 3, 300], ids=["not held", "its status is on the way", "held"])
def test_a_cut_tells_what_sounded_and_lets_nothing_of_the_reply_sound_again(pbx: Pbx, held: int | None) -> None:
    audio = pbx.audio(1000)
    pbx.speak(audio, ms=333)
    if held is not None:
        pbx.telephone.hold(1)
        pbx.live(held)
    pbx.telephone.flush(1)
    pbx.live(WAY_MS)
    sounded = len(pbx.played)
    pbx.live(300)
    assert len(pbx.played) == sounded
    found = pbx.reports()
    assert only(found, c.Flushed) == [c.Flushed(1, sounded)]
    assert not only(found, c.Finished)
    answer = pbx.audio(400) + 1 if not pbx.dialect.mulaw else pbx.audio(400)
    pbx.speak(answer, reply=2)
    pbx.live(300)
    assert pbx.played[sounded:] == answer.tolist()  # no pause was left, and no sample of the first reply
    assert only(pbx.reports(), c.Finished) == [c.Finished(2, len(answer))]


def test_a_cut_and_its_answer_in_one_moment(pbx: Pbx) -> None:
    pbx.speak(pbx.audio(1000), ms=250)
    pbx.telephone.hold(1)
    pbx.telephone.flush(1)
    answer = pbx.audio(300)
    pbx.speak(answer, reply=2)
    pbx.live(400)
    found = pbx.reports()
    (flushed,) = only(found, c.Flushed)
    assert pbx.played[flushed.samples :] == answer.tolist()
    assert only(found, c.Finished) == [c.Finished(2, len(answer))]


def test_a_hold_that_is_taken_back_before_its_status_leaves_the_reply_playing(pbx: Pbx) -> None:
    audio = pbx.audio(600)
    at = pbx.speak(audio, ms=200)
    pbx.telephone.hold(1)
    pbx.live(4)
    pbx.resume()
    pbx.live(4)
    pbx.telephone.hold(1)
    pbx.resume()
    pbx.speak(audio, first=at)
    pbx.live(500)
    found = pbx.reports()
    assert not only(found, c.Held)  # a position of a pause that is over would stop the call's clock
    assert pbx.played == audio.tolist()
    assert only(found, c.Finished)


def test_a_second_hold_has_its_own_position(pbx: Pbx) -> None:
    audio = pbx.audio(1000)
    at = pbx.speak(audio, ms=200)
    pbx.telephone.hold(1)
    pbx.live(1)
    pbx.resume()
    at = pbx.speak(audio, first=at, ms=60)
    pbx.telephone.hold(1)
    pbx.live(200)
    held = only(pbx.reports(), c.Held)
    assert [each.samples for each in held] == [len(pbx.played)]


def test_positions_move_on_while_the_reply_plays_and_never_beyond_what_sounded(pbx: Pbx) -> None:
    audio = pbx.audio(1000)
    at = 0
    seen: list[int] = []
    while at < len(audio):
        pbx.telephone.send(c.AudioOut(1, at // pbx.frame, at, audio[at : at + pbx.frame], last=False))
        at += pbx.frame
        pbx.live(20 if at > 5 * pbx.frame else 0)
        for report in only(pbx.reports(), c.Played):
            assert report.samples <= len(pbx.played)
            seen.append(report.samples)
    assert len(seen) >= 4
    assert seen == sorted(seen)
    assert seen[-1] > pbx.rate // 4


def test_a_reply_that_never_sounded_is_cut_without_a_word_and_a_paused_network_goes_on(pbx: Pbx) -> None:
    pbx.telephone.hold(1)
    pbx.telephone.flush(1)
    pbx.live(100)
    assert not pbx.queue.paused
    audio = pbx.audio(200)
    pbx.telephone.hold(1)  # and no resume comes: the reply was over
    pbx.speak(audio, reply=2)
    pbx.live(200)
    assert pbx.played == audio.tolist()


def test_every_command_is_short_enough_to_be_taken(pbx: Pbx) -> None:
    audio = pbx.audio(200)
    far = 10**9
    for i in range(0, len(audio), pbx.frame):
        pbx.telephone.send(c.AudioOut(10**6, i, far + i, audio[i : i + pbx.frame], last=False, word_ends=True))
    pbx.telephone.hold(10**6)
    pbx.telephone.flush(10**6)
    assert max(map(len, pbx.texts)) <= 128


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
