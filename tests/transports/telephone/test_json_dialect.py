"""What Twilio, Telnyx and Plivo share, tested on a vendor that exists only here; and no bytes break any dialect."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.mulaw import from_mulaw
from bargein.errors import ProtocolError
from bargein.transports.telephone.dialect import (
    DialectEvent,
    Media,
    Pressed,
    Started,
    Stopped,
    TelephoneDialect,
)
from bargein.transports.telephone.json_dialect import (
    STREAM,
    JsonDialect,
    JsonMessage,
    as_number,
)
from bargein.transports.telephone.plivo import PlivoDialect
from bargein.transports.telephone.telnyx import TelnyxDialect
from bargein.transports.telephone.twilio import TwilioDialect
from bargein.transports.telephone.vonage import VonageDialect

CODES = bytes(range(160))
START = '{"event":"start","stream":"S1"}'


class AcmeDialect(JsonDialect[JsonMessage]):
    """The smallest vendor."""

    name = "acme"
    returning = True
    acknowledges = False
    product = "Acme Streams"
    media_template = b'{"event":"media","stream":' + STREAM + b',"media":{"payload":"'
    mark_template = (b'{"event":"mark","stream":' + STREAM + b',"mark":{"name":"', b'"}}')
    clear_template = b'{"event":"clear","stream":' + STREAM + b"}"

    def __init__(self) -> None:
        super().__init__(msgspec.json.Decoder(JsonMessage))

    def start(self, message: JsonMessage) -> Started:
        return Started(message.stream, "C1")

    def other_event(self, message: JsonMessage) -> DialectEvent | None:
        if message.event == "connected":
            return None
        raise self.unknown_event(message.event)


@pytest.fixture
def acme() -> AcmeDialect:
    dialect = AcmeDialect()
    assert dialect.read(START) == Started("S1", "C1")
    return dialect


def media(payload: bytes = CODES, **fields: object) -> str:
    said = {"payload": base64.b64encode(payload).decode(), **fields}
    return json.dumps({"event": "media", "stream": "S1", "media": said})


def test_the_callers_audio_is_expanded_and_numbered(acme: AcmeDialect) -> None:
    heard = acme.read(media(chunk="7", track="inbound"))
    assert isinstance(heard, Media)
    assert heard.number == 7
    assert np.array_equal(heard.samples, from_mulaw(CODES))
    unnumbered = acme.read(media())
    assert isinstance(unnumbered, Media)
    assert unnumbered.number is None


def test_the_agents_own_track_is_no_audio_of_the_caller(acme: AcmeDialect) -> None:
    assert acme.read(media(track="outbound")) is None
    assert isinstance(acme.read(media(track="inbound_track")), Media)


def test_keys_and_the_end_are_events_and_a_vendors_own_go_to_the_vendor(acme: AcmeDialect) -> None:
    assert [acme.read(json.dumps({"event": "dtmf", "dtmf": {"digit": key}})) for key in "0*#D"] == [
        Pressed("0"),
        Pressed("*"),
        Pressed("#"),
        Pressed("D"),
    ]
    assert acme.read('{"event":"stop"}') == Stopped("the caller hung up")
    assert acme.read('{"event":"connected"}') is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "bad_message"),
        ("[]", "bad_message"),
        ("{}", "bad_message"),
        (b"\xff", "bad_message"),
        ('{"event":"x","a":' + "[" * 60_000, "bad_message"),
        ('{"event":"media","media":{"payload":"%"}}', "bad_message"),
        (media(b""), "bad_media"),
        (media(bytes(8001)), "bad_media"),
        ('{"event":"media"}', "unknown_event"),
        ('{"event":"dtmf"}', "unknown_event"),
        ('{"event":"dtmf","dtmf":{"digit":""}}', "bad_key"),
        ('{"event":"dtmf","dtmf":{"digit":"E"}}', "bad_key"),
        ('{"event":"stop","stream":"S2"}', "other_stream"),
        ('{"event":"dance"}', "unknown_event"),
    ],
)
def test_a_message_outside_the_protocol_is_refused_by_its_code(
    acme: AcmeDialect, message: str | bytes, code: str
) -> None:
    with pytest.raises(ProtocolError) as refused:
        acme.read(message)
    assert refused.value.code == code
    assert refused.value.advice


def test_errors_name_the_vendors_product(acme: AcmeDialect) -> None:
    with pytest.raises(ProtocolError, match="See Acme Streams's messages"):
        acme.read('{"event":"dance"}')
    with pytest.raises(ProtocolError, match="Send Acme Streams's JSON as text"):
        acme.read("dance")


def test_a_second_start_does_not_move_the_stream(acme: AcmeDialect) -> None:
    assert acme.read(START.replace("S1", "S2")) == Started("S2", "C1")
    assert json.loads(acme.clear())["stream"] == "S1"


@given(st.text(max_size=20), st.binary(min_size=1, max_size=400))
def test_what_goes_out_is_the_vendors_json_whatever_the_stream_is_called(stream: str, codes: bytes) -> None:
    dialect = AcmeDialect()
    dialect.read(json.dumps({"event": "start", "stream": stream}))
    sent: Any = json.loads(dialect.media(np.frombuffer(codes, np.uint8)))
    named = json.loads(json.dumps(stream))
    assert sent == {"event": "media", "stream": named, "media": {"payload": base64.b64encode(codes).decode()}}
    assert json.loads(dialect.mark("r1:160:0")) == {"event": "mark", "stream": named, "mark": {"name": "r1:160:0"}}
    assert json.loads(dialect.clear()) == {"event": "clear", "stream": named}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7),
        ("7", 7),
        ("007", 7),
        ("", None),
        ("-7", None),
        ("7.5", None),
        ("x", None),
        ("1" * 15, None),
        (None, None),
    ],
)
def test_numbers_come_as_numbers_or_as_strings(value: int | str | None, number: int | None) -> None:
    assert as_number(value) == number


# -------------------------------------------------------------------------------------------------- every dialect

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["media", "dtmf", "mark", "start", "payload", "name", "streamSid", "stream_id", "streamId", "extra_headers"]
EVENTS = ["start", "media", "mark", "dtmf", "stop", "error", "connected", "playedStream", "clearedAudio"]
EVENTS += [f"websocket:{name}" for name in ("connected", "notify", "dtmf", "cleared")]
PARTS = st.dictionaries(st.sampled_from(["payload", "track", "chunk", "digit", "name", "streamSid", "encoding"]), JSON)


@pytest.mark.parametrize("make", [AcmeDialect, TwilioDialect, TelnyxDialect, PlivoDialect, VonageDialect])
@given(
    st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60),
        st.builds(
            lambda event, fields: json.dumps({"event": event, **fields}),
            st.sampled_from(EVENTS),
            st.dictionaries(st.sampled_from(FIELDS), JSON | PARTS, max_size=4),
        ),
    )
)
def test_no_message_raises_another_error(make: Callable[[], TelephoneDialect], message: str | bytes) -> None:
    dialect = make()
    with suppress(ProtocolError):
        dialect.read(message)
