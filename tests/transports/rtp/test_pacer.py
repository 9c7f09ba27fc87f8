"""The way out: a packet each 20 ms whatever the rounds do; a hold, a resume and a cut are exact to the sample."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bargein import protocols as c
from bargein.audio.ambience import Ambience
from bargein.audio.mulaw import from_mulaw, mulaw_codes
from bargein.audio.pcm import Pcm, Samples
from bargein.call.output.playout import Playout
from bargein.call.output.reply import Replies, Reply
from bargein.errors import UsageError
from bargein.floor import ReplyEnded
from bargein.transports.rtp.agreed import AgreedAudio
from bargein.transports.rtp.packets import STAMPS, ahead, read_packet
from bargein.transports.rtp.rtcp import ReceptionReport, SenderReport, read_reports, write_report
from bargein.transports.rtp.srtp import Srtp, SrtpKeys
from tests.call.kit import Notes
from tests.transports.rtp.far_side import FAR, FRAME, LOOP, FarSide, frames

LEAD_MS = 100.0


def sound(count: int, seed: int = 1) -> Samples:
    """Noise that mu-law carries exactly, and that is never silence."""
    codes = np.random.default_rng(seed).integers(130, 250, count).astype(np.uint8)
    return from_mulaw(codes.tobytes())


def voiced(heard: Samples) -> Samples:
    sounding: Samples = heard[heard != 0]
    return sounding


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100_000))
def test_holds_and_resumes_lose_and_repeat_no_sample_on_the_wire(seed: int) -> None:
    chance = random.Random(seed)
    far, whole = FarSide(), sound(60 * FRAME, seed)
    replies = Replies()
    playout = Playout(replies, far.rtp, Notes(), LEAD_MS)
    reply = Reply(1, "reply", 0.0)
    replies.begin(reply)
    playout.begin(reply, 8000)
    playout.push_audio(1, c.SpeechChunk(Pcm(whole, 8000), "", ()))
    playout.finish(1)
    far.rtp.deliver_to(lambda item: playout.on_played(far.clock.now_ms(), item) if isinstance(item, c.Played) else None)
    ended = False
    for _ in range(400):
        far.run(chance.choice((20, 20, 20, 37, 61)), step=61)
        now = far.clock.now_ms()
        ended = any(isinstance(event, ReplyEnded) for event in playout.tick(now)) or ended
        for item in far.taken():
            if isinstance(item, c.Held):
                playout.on_held(now, item)
            elif isinstance(item, c.Played):
                playout.on_played(now, item)
            elif isinstance(item, c.Finished):
                ended = playout.on_finished(now, item.reply) is not None or ended
        if ended:
            break
        if chance.random() < 0.15:
            playout.resume(now) if playout.held else playout.hold(now)
        elif chance.random() < 0.3:
            playout.resume(now)

    assert ended
    np.testing.assert_array_equal(voiced(far.audio()), whole)
    stamps = [packet.stamp for packet in far.packets()]
    assert {ahead(b, a, STAMPS) for a, b in pairwise(stamps)} == {FRAME}


def test_nothing_of_a_reply_leaves_after_a_hold_and_its_place_is_the_last_sample_that_left() -> None:
    far = FarSide()
    for frame in frames(1, sound(10 * FRAME)):
        far.rtp.send(frame)
    far.run(60)
    first = far.rtp.hold(1)
    left = len(voiced(far.audio()))
    far.run(200)

    assert first is not None
    assert first.first_sample == left == 3 * FRAME
    assert len(voiced(far.audio())) == left
    assert c.Held(1, left) in far.taken()


def test_a_cut_leaves_nothing_and_the_next_reply_is_heard_whole() -> None:
    far, answer = FarSide(), sound(4 * FRAME, 2)
    for frame in frames(1, sound(10 * FRAME)):
        far.rtp.send(frame)
    far.run(40)
    assert far.rtp.flush(1) == 8
    for frame in frames(2, answer):
        far.rtp.send(frame)
    far.run(300)

    np.testing.assert_array_equal(voiced(far.audio())[2 * FRAME :], answer)
    items = far.taken()
    assert c.Flushed(1, 2 * FRAME) in items
    assert c.Finished(2, 4 * FRAME) in items


def test_what_was_heard_is_what_left_half_a_round_trip_and_a_buffer_ago() -> None:
    far = FarSide()
    for frame in frames(1, sound(40 * FRAME)):
        far.rtp.send(frame)
    far.run(400)
    told = [item for item in far.taken() if isinstance(item, c.Played)]
    far.run(20)

    assert told
    # A far buffer of 60 ms, and the frame itself: at 400 ms, what had left by 320.
    assert all(item.samples <= 16 * FRAME for item in told)
    assert told[-1].samples >= 11 * FRAME


def test_the_round_trip_comes_from_the_reports() -> None:
    far = FarSide()
    far.hear(far.packet())
    far.run(600)
    data, to = far.port.reports[0]
    assert to == (FAR[0], FAR[1] + 1)
    sender, received = read_reports(data)
    assert isinstance(sender, SenderReport)
    assert isinstance(received, ReceptionReport)
    since = 600 - 520 + 100  # the report left at 520
    far.run(100)
    back = ReceptionReport(sender.source, 0, 3, 1, 0, sender.ntp >> 16 & 0xFFFFFFFF, 0)
    far.port.on_rtcp(write_report(7, "far", back, None), (FAR[0], FAR[1] + 1))

    assert far.rtp.facts()["rtt_ms"] == pytest.approx(since, abs=25)
    assert far.rtp.facts()["far_lost"] == 3


def test_rounds_that_stand_still_cost_no_time_on_the_wire() -> None:
    far = FarSide()
    far.run(100)
    before = len(far.packets())
    far.run(160, step=160)
    assert len(far.packets()) == before + 8
    far.run(5000, step=5000)
    far.run(100)
    stamps = [packet.stamp for packet in far.packets()]
    lasted = ahead(stamps[-1], stamps[0], STAMPS)
    assert lasted == pytest.approx((far.clock.now_ms() - 20) * 8, abs=2 * FRAME)


def test_keys_are_sent_as_events_and_the_reply_goes_on_after_them() -> None:
    far, whole = FarSide(), sound(10 * FRAME)
    far.rtp.send_keys("4#")
    for frame in frames(1, whole):
        far.rtp.send(frame)
    far.run(1000)

    keys = [packet for packet in far.packets() if packet.payload_type == 101]
    assert [p.payload[0] for p in keys] == [4] * 8 + [11] * 8
    assert len({p.stamp for p in keys}) == 2
    assert [bool(p.payload[1] & 0x80) for p in keys] == ([False] * 5 + [True] * 3) * 2
    assert [p.marker for p in keys] == ([True] + [False] * 7) * 2
    others = np.concatenate([from_mulaw(p.payload) for p in far.packets() if p.payload_type == 0])
    np.testing.assert_array_equal(voiced(others), whole)
    with pytest.raises(UsageError, match="no telephone key"):
        far.rtp.send_keys("x")


def test_while_the_far_end_holds_nothing_is_sent_and_the_call_is_told() -> None:
    far = FarSide()
    far.run(100)
    far.rtp.apply(AgreedAudio(*FAR, "PCMU", 0, key_payload=101, direction="recvonly"))
    before = len(far.packets())
    far.run(15_000)
    assert len(far.packets()) == before
    assert [type(item) for item in far.taken()] == [c.ConnectionLost]
    far.rtp.apply(AgreedAudio("192.0.2.8", 4002, "PCMA", 8, key_payload=101))
    far.run(40)
    assert [type(item) for item in far.taken()] == [c.ConnectionBack]
    assert far.packets()[-1].payload_type == 8
    assert far.port.sent[-1][1] == ("192.0.2.8", 4002)


def test_a_call_is_encrypted_both_ways() -> None:
    ours, theirs = bytes(range(30)), bytes(range(30, 60))
    suite = "AES_CM_128_HMAC_SHA1_80"
    far = FarSide(AgreedAudio(*FAR, "PCMU", 0, srtp=SrtpKeys(suite, ours, theirs)))
    other = Srtp(SrtpKeys(suite, theirs, ours))
    far.hear(other.protect(far.packet()))
    sealed = other.protect(far.packet())
    far.hear(sealed)
    far.hear(sealed)  # replayed
    far.hear(far.packet())  # not sealed
    far.run(40)

    assert sum(isinstance(item, c.AudioIn) for item in far.taken()) == 2
    opened = other.unprotect(far.port.sent[0][0])
    assert opened is not None
    assert len(opened) == 12 + FRAME


def test_a_close_says_goodbye_and_gives_the_port_back() -> None:
    far = FarSide()
    far.run(100)
    LOOP.run_until_complete(far.rtp.close("over"))
    LOOP.run_until_complete(far.rtp.close("over"))

    assert far.port.closed
    assert far.rounds.ticks == []
    assert len(far.port.reports) == 1
    assert isinstance(far.taken()[-1], c.ClientHangUp)


def test_a_background_sounds_in_every_packet_and_no_position_counts_it() -> None:
    told = []
    for background in (None, Ambience(np.full(1_000, 900, np.int16))):
        far = FarSide()
        if background is not None:
            assert far.rtp.play_background(background)
        far.run(200)
        for k in range(5):
            assert far.rtp.send(c.AudioOut(1, k, k * FRAME, mulaw_codes(sound(FRAME, k)), last=k == 4))
        far.run(400)
        packets = [read_packet(data) for data, _ in far.port.sent]
        audible = [bool(from_mulaw(packet.payload).any()) for packet in packets if packet is not None]
        assert len(audible) >= 29
        assert all(audible) is (background is not None)
        told.append(far.taken())
    assert told[0] == told[1]
    assert any(isinstance(item, c.Finished) for item in told[0])
