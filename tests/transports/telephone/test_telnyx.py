"""Telnyx's messages, as its documentation gives them, and a call over them."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from bargein import protocols as c
from bargein.audio.mulaw import SILENCE, from_mulaw, to_mulaw
from bargein.audio.pcm import Samples
from bargein.errors import ProtocolError
from bargein.transports.telephone.dialect import MarkBack, Media, Pressed, Started, Stopped
from bargein.transports.telephone.telnyx import TelnyxDialect
from tests.transports.telephone.simulated_stream import Heard, SimulatedStream

CONNECTED = '{"event":"connected","version":"1.0.0"}'
START = (
    '{"event":"start","sequence_number":"1","stream_id":"S1","start":{"user_id":"U1","call_control_id":"v3:C1",'
    '"call_session_id":"X1","from":"+4930111","to":"+4930222","client_state":"aGk=",'
    '"custom_parameters":[{"name":"agent","value":"front"}],'
    '"media_format":{"encoding":"PCMU","sample_rate":8000,"channels":1}}}'
)
SOUND = np.arange(-80, 80, dtype=np.int16) * 100


def media(chunk: object, samples: Samples = SOUND, track: str = "inbound") -> str:
    payload = base64.b64encode(to_mulaw(samples)).decode()
    said = {"track": track, "chunk": chunk, "timestamp": "5", "payload": payload}
    return json.dumps({"event": "media", "sequence_number": "4", "stream_id": "S1", "media": said})


class Telnyx:
    """Its side of the messages."""

    returning = True
    silence = SILENCE

    def start(self) -> list[str]:
        return [CONNECTED, START]

    def heard(self, data: bytes, *, binary: bool) -> Heard:
        assert not binary
        message = json.loads(data)
        match message["event"]:
            case "media":
                assert list(message) == ["event", "media"]
                return list(base64.b64decode(message["media"]["payload"], validate=True))
            case "mark":
                return str(message["mark"]["name"])
            case event:
                assert event == "clear"
                return None

    def mark(self, name: str) -> str:
        return json.dumps({"event": "mark", "sequence_number": "9", "stream_id": "S1", "mark": {"name": name}})

    def cleared(self) -> str | None:
        return None

    def spoken(self, number: int, samples: Samples) -> str | bytes:
        return media(str(number), samples)

    def stop(self) -> str | None:
        return '{"event":"stop","sequence_number":"5","stream_id":"S1","stop":{"call_control_id":"v3:C1"}}'


@pytest.fixture
def stream() -> SimulatedStream:
    return SimulatedStream(Telnyx(), TelnyxDialect())


# ---------------------------------------------------------------------------------------------------- the dialect


def test_every_message_of_the_documentation_is_understood() -> None:
    dialect = TelnyxDialect()
    assert dialect.read(CONNECTED) is None
    parameters = {"agent": "front", "from": "+4930111", "to": "+4930222"}
    assert dialect.read(START) == Started("S1", "v3:C1", "U1", parameters, {"phone_session": "X1"})
    heard = dialect.read(media("2"))
    assert isinstance(heard, Media)
    assert heard.number == 2
    assert np.array_equal(heard.samples, from_mulaw(to_mulaw(SOUND)))
    assert dialect.read(Telnyx().mark("r3:1200")) == MarkBack("r3:1200")
    dtmf = '{"event":"dtmf","stream_id":"S1","occurred_at":"now","sequence_number":"5","dtmf":{"digit":"1"}}'
    assert dialect.read(dtmf) == Pressed("1")
    assert dialect.read(Telnyx().stop() or "") == Stopped("the caller hung up")


@pytest.mark.parametrize(
    ("given", "told"),
    [('{"agent":"front","n":7}', {"agent": "front"}), ("null", {}), ("[]", {}), ('[{"name":"a"}]', {"a": ""})],
)
def test_parameters_are_taken_as_a_list_and_as_a_mapping(given: str, told: dict[str, str]) -> None:
    start = START.replace('[{"name":"agent","value":"front"}]', given).replace('"from":"+4930111","to":"+4930222",', "")
    started = TelnyxDialect().read(start)
    assert isinstance(started, Started)
    assert started.parameters == told


@pytest.mark.parametrize("chunk", ["two", None, "", "9" * 30])
def test_a_frame_whose_number_makes_no_sense_is_heard_all_the_same(chunk: object) -> None:
    dialect = TelnyxDialect()
    dialect.read(START)
    heard = dialect.read(media(chunk))
    assert isinstance(heard, Media)
    assert heard.number is None


def test_what_telnyx_complains_of_is_told_with_what_to_set() -> None:
    dialect = TelnyxDialect()
    dialect.read(START)
    said = {"code": 100003, "title": "malformed_frame", "detail": "The frame was not formed correctly."}
    with pytest.raises(ProtocolError, match=r"malformed_frame \(100003\): The frame was not") as refused:
        dialect.read(json.dumps({"event": "error", "payload": said, "stream_id": "S1"}))
    assert refused.value.code == "vendor_error"
    assert '"rtp"' in refused.value.advice


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "bad_message"),
        pytest.param('{"event":"stop","more":' + "[" * 60_000, "bad_message", id="nested without end"),
        ("[]", "bad_message"),
        (b"\xff\xfe", "bad_message"),
        ('{"event":7}', "bad_message"),
        ('{"event":"media","stream_id":"S1","media":{"payload":"%%%"}}', "bad_message"),
        ('{"event":"media","stream_id":"S1","media":{"payload":""}}', "bad_media"),
        pytest.param(media("2", np.zeros(8001, np.int16)), "bad_media", id="too long"),
        ('{"event":"media","stream_id":"S2","media":{"payload":"/w=="}}', "other_stream"),
        ('{"event":"media","stream_id":"S1"}', "unknown_event"),
        ('{"event":"playedStream","stream_id":"S1"}', "unknown_event"),
        ('{"event":"dtmf","stream_id":"S1","dtmf":{"digit":"99"}}', "bad_key"),
        ('{"event":"error","stream_id":"S1"}', "vendor_error"),
        (START.replace("PCMU", "G722"), "bad_format"),
        (START.replace("8000", "16000"), "bad_format"),
        (START.replace('"channels":1', '"channels":2'), "bad_format"),
        ('{"event":"start","start":{}}', "bad_start"),
        ('{"event":"start","stream_id":"S1"}', "bad_start"),
    ],
)
def test_what_telnyx_would_never_say_is_refused_and_changes_nothing(message: str | bytes, code: str) -> None:
    dialect = TelnyxDialect()
    dialect.read(START)
    with pytest.raises(ProtocolError) as refused:
        dialect.read(message)
    assert refused.value.code == code
    assert refused.value.advice
    assert isinstance(dialect.read(media("2")), Media)


def test_another_codec_is_refused_with_the_settings_that_are_needed() -> None:
    with pytest.raises(ProtocolError, match=r"OPUS at 48000.*stream_bidirectional_codec"):
        TelnyxDialect().read(START.replace("PCMU", "OPUS").replace("8000", "48000"))


def test_our_own_sound_on_the_other_track_is_not_heard_as_the_callers() -> None:
    dialect = TelnyxDialect()
    dialect.read(START)
    assert dialect.read(media("2", track="outbound")) is None


def test_what_goes_out_is_what_the_documentation_gives_and_nothing_else() -> None:
    dialect = TelnyxDialect()
    dialect.read(START)
    codes = np.frombuffer(to_mulaw(SOUND), np.uint8)
    payload = base64.b64encode(codes.tobytes()).decode()
    assert json.loads(dialect.media(codes)) == {"event": "media", "media": {"payload": payload}}
    assert json.loads(dialect.mark("r3:1200")) == {"event": "mark", "mark": {"name": "r3:1200"}}
    assert json.loads(dialect.clear()) == {"event": "clear"}


# -------------------------------------------------------------------------------------------------- the transport


async def test_a_hold_says_where_the_caller_was_and_a_resume_goes_on_from_that_sample(
    stream: SimulatedStream,
) -> None:
    audio = stream.audio(8000)
    stream.speak(audio, ms=333)
    held = await stream.held()
    assert held.samples == len(stream.played) == 333 * 8
    stream.speak(audio, held.samples)
    stream.live(200)
    assert stream.played == audio.tolist()
    assert set(stream.chunks) == {160}  # Telnyx takes none that is shorter
    assert [item for item in await stream.told() if not isinstance(item, c.Played)] == [c.Finished(1, 8000)]


async def test_marks_that_the_clear_returned_were_not_played(stream: SimulatedStream) -> None:
    stream.speak(stream.audio(8000), ms=405)
    stream.telephone.flush(1)
    stream.live(60)
    told = await stream.told()
    assert max(item.samples for item in told if isinstance(item, c.Played)) == 2400
    assert told[-1] == c.Flushed(1, 405 * 8, 10.0)
    assert len(stream.played) == 405 * 8
    assert stream.marks[-1] == "c1"  # its way back says when the clear was done: Telnyx does not
    assert stream.telephone.faults == 0


async def test_frames_that_come_out_of_order_are_put_in_order(stream: SimulatedStream) -> None:
    for chunk in ("1", "3", "2", "4"):
        stream.telephone.incoming(media(chunk, SOUND + np.int16(int(chunk) * 4000)))
    heard = [item for item in await stream.told() if isinstance(item, c.AudioIn)]
    assert [item.first_sample for item in heard] == [0, 160, 320, 480]
    means = [int(item.samples.mean()) for item in heard]
    assert means == sorted(means)
