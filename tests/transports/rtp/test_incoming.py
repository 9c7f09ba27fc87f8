"""The way in: every packet at its place, whatever the network does; a guess for what was lost; keys; strangers."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bargein import protocols as c
from bargein.audio.mulaw import from_mulaw, mulaw_codes
from bargein.audio.pcm import Samples
from bargein.call.input.user_audio import UserAudio
from bargein.transports.rtp.agreed import AgreedAudio
from bargein.transports.rtp.concealment import Concealer
from bargein.transports.rtp.keys import KeyReader, KeySender
from bargein.transports.rtp.limits import RtpLimits
from bargein.transports.rtp.packets import write_packet
from tests.transports.rtp.far_side import FAR, FRAME, FarSide

JOIN = 32  # samples of cross-fade after a guess


def spoken(count: int) -> Samples:
    """Noise that mu-law carries exactly, different in each frame."""
    codes = np.random.default_rng(1).integers(128, 250, count * FRAME).astype(np.uint8)
    return from_mulaw(codes.tobytes())


def packets_of(far: FarSide, samples: Samples) -> list[bytes]:
    return [far.packet(samples[at : at + FRAME]) for at in range(0, len(samples), FRAME)]


class Heard:
    """The user's stream as a call takes it: at its places, late audio in place of what was there."""

    def __init__(self) -> None:
        self.samples = np.zeros(0, np.int16)

    def take(self, items: list[c.Inbound]) -> None:
        for item in items:
            if isinstance(item, c.AudioIn):
                end = item.first_sample + len(item.samples)
                if end > len(self.samples):
                    self.samples = np.concatenate((self.samples, np.zeros(end - len(self.samples), np.int16)))
                self.samples[item.first_sample : end] = item.samples


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_each_packet_lies_at_its_place_whatever_the_network_does(seed: int) -> None:
    chance = random.Random(seed)
    far, heard, whole = FarSide(), Heard(), spoken(40)
    arrivals: list[tuple[float, int, bytes]] = []
    lost = set()
    for n, packet in enumerate(packets_of(far, whole)):
        if n and chance.random() < 0.15:
            lost.add(n)
            continue
        late = chance.choice((0, 0, 0, chance.uniform(0, 55))) if n else 0
        arrivals.append((n * 20 + late, n, packet))
        if chance.random() < 0.1:
            arrivals.append((n * 20 + late + chance.uniform(0, 100), n, packet))
    for at, _, packet in sorted(arrivals):
        far.clock.advance(max(0.0, at - far.clock.now_ms()))
        far.hear(packet)
    heard.take(far.taken())

    last = max(n for n in range(40) if n not in lost)
    assert len(heard.samples) == (last + 1) * FRAME  # the timeline is the sender's
    for n in range(last + 1):
        if n not in lost:
            frame = slice(n * FRAME + JOIN, (n + 1) * FRAME)
            np.testing.assert_array_equal(heard.samples[frame], whole[frame])
    counted = far.rtp.facts()
    assert counted["packets_lost"] == sum(n < last for n in lost)


def test_a_guess_stands_for_a_lost_packet_and_a_late_one_takes_its_place() -> None:
    far = FarSide()
    tone = (8000 * np.sin(np.arange(8 * FRAME) * 2 * np.pi * 200 / 8000)).astype(np.int16)
    first, *rest = packets_of(far, tone)
    for packet in (first, *rest[:3]):
        far.hear(packet)
        far.clock.advance(20)
    far.clock.advance(20)
    far.hear(rest[4])  # the one before it is missing
    audio = [item for item in far.taken() if isinstance(item, c.AudioIn)]

    assert [(a.first_sample, len(a.samples), a.replaces) for a in audio[-2:]] == [(640, 160, False), (800, 160, False)]
    guess, true = audio[-2].samples.astype(float), tone[640:800].astype(float)
    assert np.corrcoef(guess[:80], true[:80])[0, 1] > 0.95

    far.clock.advance(15)
    far.hear(rest[3])
    (late,) = far.taken()
    assert isinstance(late, c.AudioIn)
    assert (late.first_sample, late.replaces) == (640, True)
    far.hear(rest[3])  # replayed
    assert far.taken() == []


def test_a_pause_without_packets_is_silence_and_no_loss() -> None:
    far = FarSide()
    far.hear(far.packet())
    far.clock.advance(220)
    far.stamp += 10 * FRAME
    far.hear(far.packet())

    audio = [item for item in far.taken() if isinstance(item, c.AudioIn)]
    assert [a.first_sample for a in audio] == [0, 11 * FRAME]
    assert far.rtp.facts()["packets_lost"] == 0


def test_a_long_loss_fades_to_silence() -> None:
    concealer = Concealer(8000)
    concealer.heard((8000 * np.sin(np.arange(800) / 6)).astype(np.int16))

    levels = [np.abs(concealer.missing(80).astype(int)).max() for _ in range(8)]

    assert levels[0] > 6000
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] == 0


def test_a_key_is_told_once_though_its_packets_come_many_times_or_few() -> None:
    far = FarSide()
    sender = KeySender(FRAME)
    sender.push("1")
    packets = [sender.next() for _ in range(8)]
    for n, packet in enumerate(packets):
        if packet is not None and n != 0:  # the first one, with the marker, is lost
            far.sequence += 1
            far.hear(write_packet(101, far.sequence, 9000, far.source, packet.payload, marker=False))
    assert far.taken() == [c.KeyPress("1")]

    assert KeyReader().take(1, b"\x10\x0a\x00\xa0") is None  # a flash is no key
    assert KeyReader().take(1, b"\x01") is None


def test_packets_of_another_address_are_dropped_and_the_caller_is_heard_on() -> None:
    far = FarSide()
    far.hear(far.packet())
    stranger = write_packet(0, 101, 9000, 99, bytes(FRAME), marker=False)
    for _ in range(20):
        far.hear(stranger, ("198.51.100.9", 4000))
    far.hear(far.packet())

    assert len([item for item in far.taken() if isinstance(item, c.AudioIn)]) == 2
    assert far.rtp.facts()["foreign"] == 20
    far.run(40)
    assert far.port.sent[-1][1] == FAR


def test_behind_a_nat_packets_go_where_they_come_from_once_two_have_proved_it() -> None:
    far, nat = FarSide(), ("198.51.100.1", 61_000)
    far.run(20)
    assert far.port.sent[-1][1] == FAR
    far.hear(far.packet(), nat)
    far.run(20)
    assert far.port.sent[-1][1] == FAR
    far.hear(far.packet(), nat)
    far.run(20)
    assert far.port.sent[-1][1] == nat


def test_a_line_without_sound_is_told_and_ends_at_last() -> None:
    far = FarSide(limits=RtpLimits(silent_ms=1000, gone_ms=3000))
    far.hear(far.packet())
    far.run(1200)
    items = far.taken()
    assert [item.code for item in items if isinstance(item, c.ClientFault)] == ["no_audio"]
    far.hear(far.packet())
    far.run(900)
    assert not any(isinstance(item, c.ClientFault | c.ClientHangUp) for item in far.taken())
    far.run(2500)
    assert isinstance(far.taken()[-1], c.ClientHangUp)


@pytest.mark.parametrize("junk", [b"", b"\x80", b"\0" * 200, b"\x80\x63" + bytes(200), b"\x90" + bytes(11)])
def test_junk_ends_nothing(junk: bytes) -> None:
    far = FarSide()
    for _ in range(50):
        far.hear(junk)
    far.hear(far.packet())

    items = far.taken()
    assert sum(isinstance(item, c.AudioIn) for item in items) == 1
    assert sum(isinstance(item, c.ClientFault) for item in items) <= 3


def test_the_stt_reads_what_was_repaired_though_the_vad_heard_the_guess() -> None:
    far, whole = FarSide(), spoken(30)
    told: list[tuple[int, Samples]] = []
    judged: list[Samples] = []

    class Stream:
        def push_audio(self, samples: Samples) -> None:
            judged.append(samples.copy())

        def skip(self, samples: int) -> None:
            judged.append(np.zeros(samples, np.int16))

        def close(self) -> None: ...

    class Vad:
        dropped = 0

        def open(self, rate: int, on_window: object) -> Stream:
            return Stream()

    audio = UserAudio(
        8000,
        Vad(),  # type: ignore[arg-type]
        far.clock.now_ms,
        lambda _: None,
        None,
        far.rtp.capabilities.repair_ms,
    )
    audio.on_audio = lambda first, samples: told.append((first, samples))
    packets = packets_of(far, whole)
    order = [*range(10), 11, 12, 10, *range(13, 30)]
    for n in order:
        far.clock.advance(20)
        far.hear(packets[n])
        for item in far.taken():
            if isinstance(item, c.AudioIn):
                audio.push_audio(item)
    read = np.concatenate([samples for _, samples in told])

    assert len(np.concatenate(judged)) == 30 * FRAME  # at once
    assert len(read) == 30 * FRAME - 480  # 60 ms later
    assert [first for first, _ in told] == list(range(0, len(read), FRAME))
    np.testing.assert_array_equal(read[10 * FRAME : 11 * FRAME], whole[10 * FRAME : 11 * FRAME])


def test_the_other_codecs_come_through() -> None:
    for name, payload in (("PCMA", 8), ("G722", 9)):
        far = FarSide(AgreedAudio(*FAR, name, payload))
        far.hear(far.packet(payload_type=payload, payload=bytes([0xD5] * FRAME)))
        (item,) = far.taken()
        assert isinstance(item, c.AudioIn)
        assert len(item.samples) == far.rtp.rate_in // 50
    assert mulaw_codes(np.zeros(1, np.int16))[0] == 0xFF
