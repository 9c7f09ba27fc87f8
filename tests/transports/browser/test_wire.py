"""`bargein.v1` on the wire: every message, every fault's code, the bytes of a frame."""

from __future__ import annotations

import contextlib
import json
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.errors import ProtocolError
from bargein.notices import HoldNow
from bargein.protocols import AudioOut
from bargein.transports.browser import wire as w


@pytest.mark.parametrize(
    ("message", "decoded"),
    [
        ({"type": "hello", "protocol": "bargein.v1"}, w.Hello("bargein.v1")),
        (
            {"type": "hello", "protocol": "bargein.v1", "agent": "a", "settings": {"min_words": 2}, "direct": "c1"},
            w.Hello("bargein.v1", agent="a", settings={"min_words": 2}, direct="c1"),
        ),
        ({"type": "audio_chunk", "audio_data": "AgA=", "chunk_id": 3}, w.AudioChunk(b"\x02\0", 3)),
        (
            {"type": "local_hold", "reply_id": 2, "played": 9, "level_db": -20.5, "age_ms": 12},
            w.LocalHoldMade(2, 9, -20.5, 12),
        ),
        ({"type": "played", "reply_id": 1, "played": 9, "playing": False}, w.PlayedSoFar(1, 9, playing=False)),
        ({"type": "held", "reply_id": 2, "played": 9}, w.HeldNow(2, 9)),
        ({"type": "flushed", "reply_id": 2, "played": 9}, w.FlushedNow(2, 9)),
        ({"type": "finished", "reply_id": 2, "played": 2**32 - 1}, w.FinishedNow(2, 2**32 - 1)),
        ({"type": "interrupt"}, w.Interrupt()),
        ({"type": "settings", "policy": "patient"}, w.ChangeSettings("patient")),
        ({"type": "say", "text": "hi", "unknown": 1}, w.Type("hi")),
        ({"type": "hangup"}, w.HangUpMessage()),
        ({"type": "ping", "n": -1}, w.Ping(-1)),
    ],
)
def test_every_message_of_a_client_is_decoded(message: dict[str, object], decoded: w.FromClient) -> None:
    assert w.decode(json.dumps(message)) == decoded


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "bad_json"),
        ("", "bad_json"),
        ("\udcff", "bad_json"),
        pytest.param('{"type":"interrupt","more":' + "[" * 60_000, "bad_json", id="nested without end"),
        ('{"type":"dance"}', "unknown_type"),
        ('{"type":"audio_chunk","audio_data":"%%%"}', "bad_audio"),
        ("[]", "bad_message"),
        ("{}", "bad_message"),
        ('{"type":"say"}', "bad_message"),
        ('{"type":"say","text":7}', "bad_message"),
        pytest.param(json.dumps({"type": "say", "text": "x" * 4001}), "bad_message", id="too long"),
        ('{"type":"hello","protocol":"bargein.v2"}', "bad_message"),
        ('{"type":"hello","protocol":"bargein.v1","language":"e"}', "bad_message"),
        ('{"type":"held","reply_id":-1,"played":0}', "bad_message"),
        ('{"type":"held","reply_id":1,"played":4294967296}', "bad_message"),
        ('{"type":"local_hold","reply_id":1,"played":0,"level_db":0,"age_ms":60001}', "bad_message"),
        ('{"type":"ping","n":9007199254740993}', "bad_message"),
    ],
)
def test_a_message_outside_the_protocol_is_refused_with_its_code(text: str, code: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        w.decode(text)
    assert refused.value.code == code
    assert refused.value.advice


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_raises_nothing_but_a_protocol_error(text: str) -> None:
    with contextlib.suppress(ProtocolError):
        w.decode(text)


@given(st.binary(max_size=64))
def test_any_bytes_raise_nothing_but_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        w.microphone(data)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(-32768, 32767), min_size=1, max_size=20))
def test_a_microphone_frame_gives_its_position_and_its_samples(first_sample: int, samples: list[int]) -> None:
    data = struct.pack("<BBHIII", 1, 0, 0, 0, 7, first_sample) + np.array(samples, "<i2").tobytes()
    position, pcm = w.microphone(data)
    assert (position, pcm.tolist()) == (first_sample, samples)
    assert pcm.dtype == np.int16
    assert pcm.base is not None


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad_frame"),
        (bytes(15), "bad_frame"),
        (w.HEADER.pack(2, 0, 0, 0, 0, 0) + bytes(2), "bad_frame"),
        (w.HEADER.pack(1, 1, 0, 0, 0, 0) + bytes(2), "bad_frame"),
        (w.HEADER.pack(1, 0, 1, 0, 0, 0) + bytes(2), "bad_frame"),
        (w.HEADER.pack(1, 0, 0, 1, 0, 0) + bytes(2), "bad_frame"),
        (w.HEADER.pack(1, 0, 0, 0, 0, 0), "bad_audio"),
        (w.HEADER.pack(1, 0, 0, 0, 0, 0) + bytes(3), "bad_audio"),
    ],
)
def test_a_malformed_frame_is_refused_with_its_code(data: bytes, code: str) -> None:
    with pytest.raises(ProtocolError) as refused:
        w.microphone(data)
    assert refused.value.code == code


def test_an_agent_frame_is_header_and_samples_little_endian() -> None:
    sent = w.agent_frame(AudioOut(3, 4, 5, np.array([1, -2], np.int16), last=True))
    assert sent == struct.pack("<BBHIII", 2, 1, 0, 3, 4, 5) + b"\x01\x00\xfe\xff"
    assert w.HEADER.size == 16
    every_second = np.array([1, 9, 2, 9], np.int16)[::2]
    assert w.agent_frame(AudioOut(3, 4, 5, every_second, last=False)) == (
        struct.pack("<BBHIII", 2, 0, 0, 3, 4, 5) + b"\x01\0\x02\0"
    )
    assert w.agent_frame(AudioOut(1, 0, 0, np.zeros(0, np.int16), last=True))[16:] == b""


def test_what_the_server_sends_carries_its_type() -> None:
    assert msgspec.json.decode(w.encode(w.Pong(4))) == {"type": "pong", "n": 4}
    hold = {"type": "hold", "reply_id": 1, "onset_ms": 2.5, "why": "speech"}
    assert msgspec.json.decode(w.encode(HoldNow(1, 2.5, "speech"))) == hold
    welcome = w.Welcome("c1", "k1", 16_000, 24_000, 100.0, w.AgentParts("a", "", "l", "t", scripted=True), {}, {})
    assert msgspec.json.decode(w.encode(welcome)) == {
        "type": "welcome",
        "call_id": "c1",
        "conversation_id": "k1",
        "rate_in": 16_000,
        "rate_out": 24_000,
        "lead_ms": 100.0,
        "policy": {},
        "limits": {},
        "agent": {"name": "a", "stt": "", "llm": "l", "tts": "t", "scripted": True},
    }
