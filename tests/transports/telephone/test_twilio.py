"""Twilio's messages, as its documentation gives them."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.errors import ProtocolError
from bargein.transports.telephone.dialect import MarkBack, Media, Pressed, Started, Stopped
from bargein.transports.telephone.twilio import TwilioDialect

CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
START = (
    '{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{"accountSid":"AC1","callSid":"CA1",'
    '"streamSid":"MZ1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
    '"customParameters":{"agent":"front"}}}'
)
SOUND = np.arange(-80, 80, dtype=np.int16) * 100


def media(chunk: int, samples: np.ndarray[tuple[int], np.dtype[np.int16]] = SOUND, track: str = "inbound") -> str:
    payload = base64.b64encode(to_mulaw(samples)).decode()
    said = {"track": track, "chunk": str(chunk), "timestamp": str(chunk * 20), "payload": payload}
    return json.dumps({"event": "media", "sequenceNumber": str(chunk + 1), "streamSid": "MZ1", "media": said})


def mark(name: str) -> str:
    return json.dumps({"event": "mark", "sequenceNumber": "9", "streamSid": "MZ1", "mark": {"name": name}})


# ---------------------------------------------------------------------------------------------------- the dialect


def test_every_message_of_the_documentation_is_understood() -> None:
    dialect = TwilioDialect()
    assert dialect.read(CONNECTED) is None
    assert dialect.read(START) == Started("MZ1", "CA1", "AC1", {"agent": "front"})
    heard = dialect.read(media(1))
    assert isinstance(heard, Media)
    assert heard.number == 1
    assert np.array_equal(heard.samples, from_mulaw(to_mulaw(SOUND)))
    assert dialect.read(mark("r3:1200")) == MarkBack("r3:1200")
    dtmf = '{"event":"dtmf","sequenceNumber":"10","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"#"}}'
    assert dialect.read(dtmf) == Pressed("#")
    stop = '{"event":"stop","sequenceNumber":"99","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}'
    assert dialect.read(stop) == Stopped("the caller hung up")


def test_what_goes_out_is_what_the_documentation_gives_and_nothing_else() -> None:
    dialect = TwilioDialect()
    dialect.read(START)
    codes = np.frombuffer(to_mulaw(SOUND), np.uint8)
    payload = base64.b64encode(codes.tobytes()).decode()
    assert json.loads(dialect.media(codes)) == {"event": "media", "streamSid": "MZ1", "media": {"payload": payload}}
    assert json.loads(dialect.mark("r3:1200")) == {"event": "mark", "streamSid": "MZ1", "mark": {"name": "r3:1200"}}
    assert json.loads(dialect.clear()) == {"event": "clear", "streamSid": "MZ1"}


def test_a_stream_id_that_needs_quoting_is_quoted() -> None:
    dialect = TwilioDialect()
    dialect.read(START.replace("MZ1", 'M\\"Z'))
    assert json.loads(dialect.clear()) == {"event": "clear", "streamSid": 'M"Z'}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "bad_message"),
        ("[]", "bad_message"),
        ('{"event":"x","a":' + "[" * 60_000, "bad_message"),
        (b"\xff\xfe", "bad_message"),
        ('{"event":7}', "bad_message"),
        ('{"event":"media","streamSid":"MZ1","media":{"payload":"%%%"}}', "bad_message"),
        ('{"event":"media","streamSid":"MZ1","media":{"payload":"abc"}}', "bad_message"),
        ('{"event":"media","streamSid":"MZ1","media":{"payload":""}}', "bad_media"),
        ('{"event":"media","streamSid":"MZ2","media":{"payload":"/w=="}}', "other_stream"),
        ('{"event":"media","streamSid":"MZ1"}', "unknown_event"),
        ('{"event":"clear","streamSid":"MZ1"}', "unknown_event"),
        ('{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"99"}}', "bad_key"),
        (START.replace("audio/x-mulaw", "audio/l16"), "bad_format"),
        (START.replace("8000", "16000"), "bad_format"),
        ('{"event":"start","start":{}}', "bad_start"),
    ],
)
def test_what_twilio_would_never_say_is_refused_by_name(message: str | bytes, code: str) -> None:
    dialect = TwilioDialect()
    dialect.read(START)
    with pytest.raises(ProtocolError) as refused:
        dialect.read(message)
    assert refused.value.code == code
    assert refused.value.advice


def test_our_own_sound_on_the_other_track_is_not_heard_as_the_callers() -> None:
    dialect = TwilioDialect()
    dialect.read(START)
    assert dialect.read(media(1, track="outbound")) is None
