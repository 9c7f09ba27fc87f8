"""The phone of a SIP caller: every sample has its place. And what the bench makes of a SIP address."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bargein.audio.mulaw import SILENCE, to_mulaw
from bargein.errors import UsageError, VendorLost
from bargein.transports.rtp.packets import read_packet
from bargein_bench.callers.line import CallerLine
from bargein_bench.callers.sip_call import credentials_of, sip_uri
from bargein_bench.callers.sip_phone import BUFFER, RtpTelephone, SipPhone
from bargein_bench.targets.sip import SipTarget

FRAME = 160
LOUD = to_mulaw(np.full(FRAME, 8000, np.int16))
QUIET = bytes([SILENCE]) * FRAME
FIRST = (1 << 32) - 3 * FRAME  # a timestamp that wraps soon


def fed(*frames: tuple[int, int, bytes]) -> RtpTelephone:
    """Frames: place at which each came, its number, its audio."""
    made = RtpTelephone(2_000)
    for now, number, codes in frames:
        made.packet(now, (FIRST + number * FRAME) % (1 << 32), codes)
    return made


def test_audio_sounds_at_the_place_of_its_timestamp() -> None:
    made = fed(*((n * FRAME, n, LOUD if n % 2 else QUIET) for n in range(6)))
    heard = np.flatnonzero(made.signal())
    assert heard[0] == BUFFER + FRAME
    assert made.runs == [[BUFFER + FRAME, BUFFER + 6 * FRAME]], "pauses between words are no breaks"
    assert made.speech_starts == [BUFFER + FRAME]
    assert (made.late, made.lost, made.stale_ms) == (0, 0, 0.0)


def test_packets_that_come_in_another_order_sound_in_theirs() -> None:
    made = fed((0, 0, LOUD), (200, 2, LOUD), (210, 1, QUIET), (480, 3, LOUD))
    assert not made.signal()[BUFFER + FRAME : BUFFER + 2 * FRAME].any()
    assert made.signal()[BUFFER + 2 * FRAME : BUFFER + 4 * FRAME].all()


def test_what_is_lost_is_counted_and_what_is_late_moves_the_clock() -> None:
    made = fed((0, 0, LOUD), (3 * FRAME, 3, LOUD), (9 * FRAME, 4, LOUD), (9 * FRAME, 9, LOUD))
    assert made.lost == (2 + 4) * FRAME
    assert made.late == 1
    assert made.gap_ms == 20
    assert not made.signal()[BUFFER + 4 * FRAME : BUFFER + 9 * FRAME].any(), "it came too late to sound"
    assert made.signal()[BUFFER + 9 * FRAME]
    slower = fed((0, 0, LOUD), *((n * FRAME + 1_600, n, LOUD) for n in range(1, 30)))
    assert slower.late == 10
    assert slower.signal()[BUFFER + 1_600 + 11 * FRAME], "ten in a row: the clock has moved"


def test_a_long_silence_is_a_break() -> None:
    made = fed(*((n * FRAME, n, QUIET if 2 <= n < 40 else LOUD) for n in range(42)))
    assert len(made.runs) == 2
    assert len(made.speech_starts) == 2


async def test_a_key_has_one_timestamp_and_three_ends() -> None:
    line = CallerLine([], 1_000)
    phone, sent = SipPhone(line, RtpTelephone(1_000)), list[bytes]()
    await phone.open("127.0.0.1")
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Kept(sent), local_addr=("127.0.0.1", 0)
    )
    try:
        phone.send_to("127.0.0.1", transport.get_extra_info("sockname")[1], 101)
        phone.key("5")
        for place in range(10):
            phone.frame(place * FRAME, b"/////w==")
        async with asyncio.timeout(5):
            while len(sent) < 10:  # noqa: ASYNC110  # a test may look
                await asyncio.sleep(0)
    finally:
        phone.close()
        transport.close()
    packets = [found for each in sent if (found := read_packet(each)) is not None]
    keys = [each for each in packets if each.payload_type == 101]
    assert len({each.stamp for each in keys}) == 1
    assert [each.marker for each in keys] == [True, *([False] * 7)]
    assert [each.payload[0] for each in keys] == [5] * 8
    assert [each.payload[1] >> 7 for each in keys] == [0] * 5 + [1] * 3
    assert [each.sequence - packets[0].sequence for each in packets] == list(range(10))


class _Kept(asyncio.DatagramProtocol):
    def __init__(self, sent: list[bytes]) -> None:
        self._sent = sent

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        self._sent.append(data)


async def test_where_nobody_answers_the_target_says_so() -> None:
    with pytest.raises(VendorLost):
        await SipTarget("sip:a@127.0.0.1:9;transport=tcp").call([], 100)


def test_wrong_addresses_and_keys_are_told() -> None:
    for text in ("ws://here", "sip:", "sip:a b@c"):
        with pytest.raises(UsageError):
            sip_uri(text)
    with pytest.raises(UsageError):
        credentials_of("secret")
    assert credentials_of("") is None
    found = credentials_of("anna:pass:word")
    assert found is not None
    assert (found.user, found.password) == ("anna", "pass:word")
