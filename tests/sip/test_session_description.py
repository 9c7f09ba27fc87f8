"""SDP: what strangers write, and what we answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bargein.errors import ProtocolError
from bargein.sip.session_description import (
    AudioDescription,
    AudioFormat,
    SrtpKey,
    agree,
    read_audio,
    write_answer,
    write_offer,
)

PCMU = AudioFormat("PCMU", 8000, 0)
PCMA = AudioFormat("PCMA", 8000, 8)
G722 = AudioFormat("G722", 8000, 9)
KEYS = AudioFormat("telephone-event", 8000, 101, 1, "0-16")
HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


def test_a_softphones_offer() -> None:
    found = read_audio(
        HEAD + b"m=audio 20000 RTP/AVP 9 0 8 96 13\r\na=rtpmap:96 TELEPHONE-EVENT/8000\r\na=fmtp:96 0-15\r\n"
        b"a=ptime:30\r\na=rtcp:20005\r\na=sendonly\r\n"
    )
    assert [each.name for each in found.formats] == ["G722", "PCMU", "PCMA", "telephone-event", "CN"]
    assert found.formats[3] == AudioFormat("telephone-event", 8000, 96, 1, "0-15")
    assert (found.host, found.port, found.ptime_ms, found.rtcp_port) == ("192.0.2.1", 20000, 30, 20005)
    assert found.direction == "sendonly"
    assert found.held


def test_an_offer_reads_as_it_was_written() -> None:
    key = SrtpKey(1, "AES_CM_128_HMAC_SHA1_80", bytes(range(30)))
    mine = AudioDescription("2001:db8::1", 4000, (PCMU, KEYS), "recvonly", 20, 4010, srtp=key)
    assert read_audio(write_offer(mine, session=1, version=1)) == mine
    muxed = AudioDescription("192.0.2.9", 4000, (G722,), rtcp_mux=True)
    assert read_audio(write_offer(muxed, session=1, version=1)) == muxed


def test_no_key_is_in_a_repr() -> None:
    assert "AAAA" not in repr(SrtpKey(1, "AES_CM_128_HMAC_SHA1_80", b"A" * 30))


def test_the_streams_own_address_goes_before_the_sessions() -> None:
    found = read_audio(HEAD + b"m=audio 20000 RTP/AVP 0\r\nc=IN IP4 192.0.2.7\r\n")
    assert found.host == "192.0.2.7"


def test_the_hold_of_old_telephones() -> None:
    found = read_audio(HEAD.replace(b"c=IN IP4 192.0.2.1", b"c=IN IP4 0.0.0.0") + b"m=audio 20000 RTP/AVP 0\r\n")
    assert found.held


def test_an_answer_has_each_stream_of_the_offer_in_order() -> None:
    asked = HEAD + b"m=video 30000 RTP/AVP 96\r\nm=audio 0 RTP/AVP 0\r\nm=audio 20000 RTP/AVP 8 100\r\n" + (
        b"a=rtpmap:100 telephone-event/8000\r\nm=audio 20010 RTP/AVP 0\r\n"
    )  # fmt: skip
    theirs = read_audio(asked)
    formats = agree(theirs, (PCMU, PCMA, KEYS))
    answer = write_answer(asked, AudioDescription("192.0.2.2", 4000, formats), session=5, version=1)
    assert [line for line in answer.decode().split("\r\n") if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 96",
        "m=audio 0 RTP/AVP 0",
        "m=audio 4000 RTP/AVP 8 100",
        "m=audio 0 RTP/AVP 0",
    ]


def test_we_choose_by_our_wish_and_keep_their_numbers() -> None:
    theirs = AudioDescription("192.0.2.1", 1, (PCMA, PCMU, AudioFormat("telephone-event", 8000, 96)))
    assert [each.payload for each in agree(theirs, (PCMU, PCMA, KEYS))] == [0, 8, 96]
    assert agree(theirs, (G722, KEYS)) == ()  # keys alone are no stream


@pytest.mark.parametrize(
    "sdp",
    [
        b"",
        b"garbage",
        b"v=1\r\n",
        HEAD,
        HEAD + b"m=video 3000 RTP/AVP 96\r\n",
        HEAD + b"m=audio 0 RTP/AVP 0\r\n",
        HEAD + b"m=audio 70000 RTP/AVP 0\r\n",
        HEAD + b"m=audio -5 RTP/AVP 0\r\n",
        HEAD + b"m=audio 20000 RTP/AVP 300\r\n",
        HEAD + b"m=audio 20000 RTP/AVP 97\r\n",  # a number without a name
        HEAD + b"m=audio 20000 RTP/AVP\r\n",
        HEAD + b"m=audio 20000 udptl t38\r\n",
        HEAD + b"m=audio 20000 RTP/SAVP 0\r\n",  # secure, without a key
        HEAD + b"m=audio 20000 RTP/AVP 96\r\na=rtpmap:96 PCMU\r\n",
        HEAD.replace(b"c=IN IP4 192.0.2.1", b"c=IN IP4 evil.example") + b"m=audio 20000 RTP/AVP 0\r\n",
        HEAD.replace(b"c=IN IP4 192.0.2.1", b"c=IN IP4 224.0.0.1") + b"m=audio 20000 RTP/AVP 0\r\n",
        HEAD.replace(b"c=IN IP4 192.0.2.1\r\n", b"") + b"m=audio 20000 RTP/AVP 0\r\n",
        HEAD + b"m=audio 20000 RTP/AVP 0\r\n" * 20,
        HEAD + b"a=x\r\n" * 500,
        HEAD + b"a=" + b"x" * 20_000,
    ],
)
def test_what_is_no_offer_of_audio_is_refused(sdp: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        read_audio(sdp)
    assert caught.value.code == "sdp"


def test_a_key_of_another_length_or_with_a_key_index_is_none() -> None:
    line = b"m=audio 20000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"
    with pytest.raises(ProtocolError):
        read_audio(HEAD + line + b"QUJD\r\n")
    with pytest.raises(ProtocolError):
        read_audio(HEAD + line + b"A" * 40 + b"|2^20|1:4\r\n")
    assert read_audio(HEAD + line + b"A" * 40 + b"|2^20\r\n").srtp is not None


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"v=0", b"c=IN IP4 1.2.3.4", b"m=audio 4 RTP/AVP 0 96",
              b"a=rtpmap:96 X/8000/2", b"a=ptime:0", b"a=inactive",
             b"m=", b"a=crypto:1 x", b"=", b"a=rtcp:", b"c=IN IP6 ::1",
             b"a=fmtp:96 x", b"m=audio 1 RTP/SAVP 0", b"a=rtpmap:"]
        )
        | st.binary(max_size=20),
        max_size=12,
    ),
    st.sampled_from([b"\r\n", b"\n", b"\r"]),
)  # fmt: skip
def test_any_bytes_are_a_description_or_a_protocol_error(lines: list[bytes], end: bytes) -> None:
    sdp = end.join([b"v=0", *lines])
    try:
        found = read_audio(sdp)
    except ProtocolError:
        return
    assert found.formats
    read_audio(write_answer(sdp, AudioDescription("192.0.2.2", 4000, found.formats), session=1, version=1))
