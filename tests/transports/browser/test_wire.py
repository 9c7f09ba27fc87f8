"""`bargein.v1` on the wire, as docs/protocol.md gives it: the client's messages, the frames, and every refusal."""

from __future__ import annotations

import base64
import json
import struct
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.errors import ProtocolError
from bargein.notices import HoldNow, Problem
from bargein.protocols import AudioOut
from bargein.transports.browser import wire as w

U32 = st.integers(0, 2**32 - 1)

MESSAGES: list[tuple[dict[str, Any], w.FromClient]] = [
    ({"type": "hello", "protocol": "bargein.v1"}, w.Hello("bargein.v1")),
    (
        {
            "type": "hello",
            "protocol": "bargein.v1",
            "agent": "guide",
            "policy": "patient",
            "settings": {"confirm_ms": 250, "words": ["stop"], "echo": None},
            "language": "de",
            "direct": "rtc_1",
            "choice": {"voice": {"name": "espeak"}},  # the server's to read
        },
        w.Hello("bargein.v1", "guide", "patient", {"confirm_ms": 250, "words": ["stop"], "echo": None}, "de", "rtc_1"),
    ),
    ({"type": "audio_chunk", "audio_data": "AQD//w=="}, w.AudioChunk(b"\x01\x00\xff\xff")),
    ({"type": "audio_chunk", "audio_data": "AQA=", "chunk_id": 3, "timestamp": 1.5}, w.AudioChunk(b"\1\0", 3, 1.5)),
    (
        {"type": "local_hold", "reply_id": 2, "played": 9, "level_db": -20.5, "age_ms": 12},
        w.LocalHoldMade(2, 9, -20.5, 12),
    ),
    ({"type": "played", "reply_id": 2, "played": 9, "playing": True}, w.PlayedSoFar(2, 9, playing=True)),
    ({"type": "held", "reply_id": 2, "played": 9}, w.HeldNow(2, 9)),
    ({"type": "flushed", "reply_id": 2, "played": 9}, w.FlushedNow(2, 9)),
    ({"type": "finished", "reply_id": 2, "played": 9}, w.FinishedNow(2, 9)),
    ({"type": "interrupt"}, w.Interrupt()),
    ({"type": "settings", "settings": {"min_words": 2}}, w.ChangeSettings(None, {"min_words": 2})),
    ({"type": "settings", "policy": "instant"}, w.ChangeSettings("instant")),
    ({"type": "say", "text": "hi"}, w.Type("hi")),
    ({"type": "hangup"}, w.HangUpMessage()),
    ({"type": "ping", "n": -5}, w.Ping(-5)),
]


@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_a_message_of_the_protocol_is_read(message: dict[str, Any], expected: w.FromClient) -> None:
    assert w.decode(json.dumps(message)) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_json"),
        ("{", "bad_json"),
        ('{"type":"hello","x":' + "[" * 60_000, "bad_json"),
        ("\ud800", "bad_json"),
        ("[]", "bad_message"),
        ("{}", "bad_message"),
        ('{"type":7}', "bad_message"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"type":"hello"}', "bad_message"),
        ('{"type":"hello","protocol":"bargein.v2"}', "bad_message"),
        ('{"type":"hello","protocol":"bargein.v1","language":"d"}', "bad_message"),
        ('{"type":"hello","protocol":"bargein.v1","settings":{"hold":{}}}', "bad_message"),
        ('{"type":"audio_chunk"}', "bad_message"),
        ('{"type":"audio_chunk","audio_data":"%"}', "bad_audio"),
        ('{"type":"audio_chunk","audio_data":7}', "bad_audio"),
        ('{"type":"audio_chunk","audio_data":"AQA=","loudspeaker":"%"}', "bad_audio"),
        ('{"type":"held","reply_id":-1,"played":0}', "bad_message"),
        ('{"type":"held","reply_id":1,"played":4294967296}', "bad_message"),
        ('{"type":"local_hold","reply_id":1,"played":0,"level_db":0,"age_ms":60001}', "bad_message"),
        ('{"type":"ping","n":9007199254740994}', "bad_message"),
        (json.dumps({"type": "say", "text": "x" * 4001}), "bad_message"),
    ],
)
def test_a_message_outside_the_protocol_is_refused_by_its_code(text: str, code: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        w.decode(text)
    assert refused.value.code == code
    assert refused.value.advice


@given(st.text())
def test_no_text_raises_another_error(text: str) -> None:
    with suppress(ProtocolError):
        w.decode(text)


def test_what_the_server_says_is_one_json_object() -> None:
    assert json.loads(w.encode(HoldNow(2, 99.0, "speech"))) == {
        "type": "hold",
        "reply_id": 2,
        "onset_ms": 99.0,
        "why": "speech",
    }
    assert json.loads(w.encode(w.Pong(-5))) == {"type": "pong", "n": -5}
    parts = w.AgentParts("front", "flux", "groq", "aura", scripted=False)
    welcome = w.Welcome("c1", "c2", w.RATE_IN, w.RATE_OUT, 100.0, parts, {"preset": "patient"}, {"unread_ms": 4_000})
    assert json.loads(w.encode(welcome)) == {
        "type": "welcome",
        "call_id": "c1",
        "conversation_id": "c2",
        "rate_in": 16_000,
        "rate_out": 24_000,
        "lead_ms": 100.0,
        "agent": {"name": "front", "stt": "flux", "llm": "groq", "tts": "aura", "scripted": False},
        "policy": {"preset": "patient"},
        "limits": {"unread_ms": 4_000},
        "resume": None,
        "keep_ms": 0.0,
        "resumed": False,
        "restored": False,
        "at": None,
        "restores_ms": 0.0,
    }
    assert json.loads(w.encode(w.SentElsewhere("/n/b", "this server is full")))["type"] == "elsewhere"
    assert json.loads(w.encode(w.Moved("c1", None))) == {"type": "moved", "call_id": "c1", "at": None}
    assert "retry_ms" not in json.loads(w.encode(Problem("busy", "Full", "Wait")))
    assert json.loads(w.encode(Problem("busy", "Full", "Wait", retry_ms=9.0)))["retry_ms"] == 9.0


# ----------------------------------------------------------------------------------------------------- binary frames


def test_an_agent_frame_is_header_and_samples_little_endian() -> None:
    sent = w.agent_frame(AudioOut(3, 4, 5, np.array([1, -2], np.int16), last=True))
    assert sent == struct.pack("<BBHIII", 2, 1, 0, 3, 4, 5) + b"\x01\x00\xfe\xff"
    every_other = np.array([1, 9, 2, 9], np.int16)[::2]
    assert w.agent_frame(AudioOut(3, 4, 5, every_other, last=False)) == (
        struct.pack("<BBHIII", 2, 0, 0, 3, 4, 5) + b"\x01\x00\x02\x00"
    )
    assert w.agent_frame(AudioOut(1, 0, 0, np.zeros(0, np.int16), last=True)) == struct.pack(
        "<BBHIII", 2, 1, 0, 1, 0, 0
    )


@given(U32, U32, st.lists(st.integers(-32768, 32767), min_size=1, max_size=50))
def test_a_microphone_frame_gives_its_position_and_samples(sequence: int, sample: int, values: list[int]) -> None:
    data = w.HEADER.pack(w.MICROPHONE, 0, 0, 0, sequence, sample) + np.array(values, "<i2").tobytes()
    first, samples = w.microphone(data)
    assert (first, samples.tolist()) == (sample, values)
    assert samples.base is not None, "the samples share the message's memory"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad_frame"),
        (bytes(15), "bad_frame"),
        (w.HEADER.pack(2, 0, 0, 0, 0, 0) + b"\0\0", "bad_frame"),
        (w.HEADER.pack(1, 1, 0, 0, 0, 0) + b"\0\0", "bad_frame"),
        (w.HEADER.pack(1, 0, 1, 0, 0, 0) + b"\0\0", "bad_frame"),
        (w.HEADER.pack(1, 0, 0, 1, 0, 0) + b"\0\0", "bad_frame"),
        (w.HEADER.pack(1, 0, 0, 0, 0, 0), "bad_audio"),
        (w.HEADER.pack(1, 0, 0, 0, 0, 0) + b"\0\0\0", "bad_audio"),
    ],
)
def test_a_frame_outside_the_protocol_is_refused_by_its_code(data: bytes, code: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        w.microphone(data)
    assert refused.value.code == code


@given(st.binary(max_size=40))
def test_no_bytes_raise_another_error(data: bytes) -> None:
    with suppress(ProtocolError):
        first, samples = w.microphone(data)
        assert (first, 2 * len(samples)) == (int.from_bytes(data[12:16], "little"), len(data) - 16)


@given(st.lists(st.tuples(st.integers(-32768, 32767), st.integers(0, 255)), min_size=1, max_size=50))
def test_a_frame_may_carry_what_the_loudspeaker_played(pairs: list[tuple[int, int]]) -> None:
    header = w.HEADER.pack(w.MICROPHONE_AND_LOUDSPEAKER, 0, 0, 0, 7, 99)
    data = header + np.array([a for a, _ in pairs], "<i2").tobytes() + bytes(b for _, b in pairs)
    first, samples = w.microphone(data)
    codes = w.loudspeaker(data)
    assert (first, samples.tolist()) == (99, [a for a, _ in pairs])
    assert codes is not None
    assert codes.tolist() == [b for _, b in pairs]


def test_a_plain_frame_has_no_loudspeaker() -> None:
    assert w.loudspeaker(w.HEADER.pack(w.MICROPHONE, 0, 0, 0, 0, 0) + b"\1\0") is None


@pytest.mark.parametrize("size", [0, 1, 2, 4, 5])
def test_a_loudspeaker_that_does_not_fit_its_microphone_is_refused(size: int) -> None:
    with pytest.raises(ProtocolError) as refused:
        w.microphone(w.HEADER.pack(w.MICROPHONE_AND_LOUDSPEAKER, 0, 0, 0, 0, 0) + bytes(size))
    assert refused.value.code == "bad_audio"
    with pytest.raises(ProtocolError) as refused:
        w.codes(bytes(size), 3)
    assert refused.value.code == "bad_audio"


def test_pcm_in_json_is_read_as_on_the_wire() -> None:
    message = w.decode(json.dumps({"type": "audio_chunk", "audio_data": base64.b64encode(b"\x01\0\xff\xff").decode()}))
    assert isinstance(message, w.AudioChunk)
    assert w.pcm(message.audio_data).tolist() == [1, -1]
    assert msgspec.json.decode(msgspec.json.encode(message), type=w.FromClient) == message
