"""The shared JSON dialect: what holds for Twilio, Telnyx and Plivo alike."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.errors import ProtocolError
from bargein.transports.telephone.json_dialect import Number, as_number, pressed
from bargein.transports.telephone.plivo import PlivoDialect
from bargein.transports.telephone.telnyx import TelnyxDialect
from bargein.transports.telephone.transport import KEYS, Media, Pressed, TelephoneDialect
from bargein.transports.telephone.twilio import TwilioDialect
from tests.transports.telephone import test_plivo, test_telnyx, test_twilio

DIALECTS: dict[str, tuple[Callable[[], TelephoneDialect], str, Callable[[int], str]]] = {
    "twilio": (TwilioDialect, test_twilio.START, test_twilio.media),
    "telnyx": (TelnyxDialect, test_telnyx.START, test_telnyx.media),
    "plivo": (PlivoDialect, test_plivo.START, test_plivo.media),
}
EVENTS = ("start", "media", "mark", "dtmf", "stop", "error", "playedStream", "clearedAudio", "connected")
FIELDS = ("event", "start", "media", "mark", "dtmf", "payload", "name", "extra_headers", "digit", "chunk", "track")

values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(EVENTS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
messages = st.dictionaries(st.sampled_from(FIELDS), values, max_size=5).flatmap(
    lambda fields: st.sampled_from(EVENTS).map(lambda event: json.dumps({**fields, "event": event}))
)


@pytest.mark.parametrize("name", DIALECTS)
@given(message=st.binary(max_size=200) | st.text(max_size=200) | messages, started=st.booleans())
def test_any_message_raises_nothing_but_a_protocol_error(name: str, message: str | bytes, started: bool) -> None:
    make, start, media = DIALECTS[name]
    dialect = make()
    if started:
        dialect.read(start)
    with contextlib.suppress(ProtocolError):
        dialect.read(message)
    if started:
        assert isinstance(dialect.read(media(1)), Media), "the stream goes on"


@pytest.mark.parametrize("name", DIALECTS)
def test_the_first_start_names_the_stream(name: str) -> None:
    make, start, media = DIALECTS[name]
    dialect = make()
    dialect.read(start)
    clear = dialect.clear()
    dialect.read(start.replace("MZ1", "Z2").replace("S1", "Z2"))
    assert dialect.clear() == clear
    with pytest.raises(ProtocolError, match="is of stream 'Z2'") as refused:
        dialect.read(media(1).replace("MZ1", "Z2").replace("S1", "Z2"))
    assert refused.value.code == "other_stream"


@pytest.mark.parametrize("name", DIALECTS)
@given(data=st.binary(min_size=1, max_size=400))
def test_every_message_of_audio_is_json(name: str, data: bytes) -> None:
    make, start, _ = DIALECTS[name]
    dialect = make()
    dialect.read(start)
    codes = np.frombuffer(data, np.uint8)
    assert json.loads(dialect.media(codes))["media"]["payload"]
    assert json.loads(dialect.mark("r1:800:0"))["event"] in ("mark", "checkpoint")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        ("3", 3),
        ("", None),
        ("x", None),
        ("-3", None),
        (None, None),
        ("9" * 15, None),
        ("9" * 14, int("9" * 14)),
    ],
)
def test_a_number_may_be_a_string(value: Number, number: int | None) -> None:
    assert as_number(value) == number


def test_a_key_is_one_of_a_telephones() -> None:
    assert [pressed(key) for key in sorted(KEYS)] == [Pressed(key) for key in sorted(KEYS)]
    for wrong in ("", "10", "E", "\u0661"):
        with pytest.raises(ProtocolError) as refused:
            pressed(wrong)
        assert refused.value.code == "bad_key"
