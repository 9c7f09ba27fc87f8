"""Plivo's messages, as its documentation gives them, and a call over them."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from bargein import protocols as c
from bargein.audio.mulaw import SILENCE, from_mulaw, to_mulaw
from bargein.audio.pcm import Samples
from bargein.errors import ProtocolError
from bargein.transports.telephone.dialect import ClearDone, MarkBack, Media, Pressed, Started, Stopped
from bargein.transports.telephone.plivo import PlivoDialect
from tests.transports.telephone.simulated_stream import Heard, SimulatedStream

START = (
    '{"sequenceNumber":0,"event":"start","start":{"callId":"C1","streamId":"S1","accountId":"500025",'
    '"tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000}},'
    '"extra_headers":"{X-PH-agent: front, from: +4930111}"}'
)
SOUND = np.arange(-80, 80, dtype=np.int16) * 100
UNIX_MS = 1_711_216_222_735


def media(chunk: object, samples: Samples = SOUND, track: str = "inbound") -> str:
    payload = base64.b64encode(to_mulaw(samples)).decode()
    said = {"track": track, "chunk": chunk, "timestamp": str(UNIX_MS), "payload": payload}
    return json.dumps({"event": "media", "sequenceNumber": 3, "streamId": "S1", "media": said, "extra_headers": "{}"})


class Plivo:
    """Its side of the messages."""

    returning = False
    silence = SILENCE

    def start(self) -> list[str]:
        return [START]

    def heard(self, data: bytes, *, binary: bool) -> Heard:
        assert not binary
        message = json.loads(data)
        match message["event"]:
            case "playAudio":
                assert message["media"]["contentType"] == "audio/x-mulaw"
                return list(base64.b64decode(message["media"]["payload"], validate=True))
            case "checkpoint":
                assert message["streamId"] == "S1"
                return str(message["name"])
            case event:
                assert (event, message["streamId"]) == ("clearAudio", "S1")
                return None

    def mark(self, name: str) -> str:
        return json.dumps({"event": "playedStream", "streamId": "S1", "name": name})

    def cleared(self) -> str | None:
        return '{"sequenceNumber":7,"event":"clearedAudio","streamId":"S1"}'

    def spoken(self, number: int, samples: Samples) -> str | bytes:
        return media(number, samples)

    def stop(self) -> str | None:
        return '{"event":"stop","streamId":"S1"}'


@pytest.fixture
def stream() -> SimulatedStream:
    return SimulatedStream(Plivo(), PlivoDialect())


# ---------------------------------------------------------------------------------------------------- the dialect


def test_every_message_of_the_documentation_is_understood() -> None:
    dialect = PlivoDialect()
    assert dialect.read(START) == Started("S1", "C1", "500025", {"agent": "front", "from": "+4930111"})
    for chunk in ("2", 2):
        heard = dialect.read(media(chunk))
        assert isinstance(heard, Media)
        assert heard.number == 2  # and not the time, which is that of the world
        assert np.array_equal(heard.samples, from_mulaw(to_mulaw(SOUND)))
    assert dialect.read(Plivo().mark("r3:1200")) == MarkBack("r3:1200")
    assert dialect.read(Plivo().cleared() or "") == ClearDone()
    dtmf = '{"sequenceNumber":5,"event":"dtmf","streamId":"S1","dtmf":{"track":"inbound","digit":"*"}}'
    assert dialect.read(dtmf) == Pressed("*")
    assert dialect.read(Plivo().stop() or "") == Stopped("the caller hung up")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ('"{}"', {}),
        ('""', {}),
        ("null", {}),
        ('"{\\"X-PH-agent\\": \\"front\\", \\"n\\": 7}"', {"agent": "front"}),
        ('{"agent":"front"}', {"agent": "front"}),
        ('"agent=front;policy=patient"', {"agent": "front", "policy": "patient"}),
        ('"{nothing}"', {}),
        pytest.param('"%s"' % ("[" * 60_000), {}, id="nested without end"),
    ],
)
def test_headers_are_taken_in_every_shape_in_which_they_come(given: str, told: dict[str, str]) -> None:
    started = PlivoDialect().read(START.replace('"{X-PH-agent: front, from: +4930111}"', given))
    assert isinstance(started, Started)
    assert started.parameters == told


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "bad_message"),
        pytest.param('{"event":"stop","more":' + "[" * 60_000, "bad_message", id="nested without end"),
        ("[]", "bad_message"),
        (b"\xff\xfe", "bad_message"),
        ('{"event":7}', "bad_message"),
        ('{"event":"media","streamId":"S1","media":{"payload":"%%%"}}', "bad_message"),
        ('{"event":"media","streamId":"S1","media":{"payload":""}}', "bad_media"),
        pytest.param(media(2, np.zeros(8001, np.int16)), "bad_media", id="too long"),
        ('{"event":"media","streamId":"S2","media":{"payload":"/w=="}}', "other_stream"),
        ('{"event":"media","streamId":"S1"}', "unknown_event"),
        ('{"event":"playedStream","streamId":"S1"}', "unknown_event"),
        ('{"event":"mark","streamId":"S1"}', "unknown_event"),
        ('{"event":"dtmf","streamId":"S1","dtmf":{"digit":"99"}}', "bad_key"),
        (START.replace("audio/x-mulaw", "audio/x-opus"), "bad_format"),
        (START.replace("8000", "16000"), "bad_format"),
        ('{"event":"start","start":{"streamId":"S1"}}', "bad_format"),
        ('{"event":"start","start":{}}', "bad_start"),
        ('{"event":"start"}', "bad_start"),
    ],
)
def test_what_plivo_would_never_say_is_refused_and_changes_nothing(message: str | bytes, code: str) -> None:
    dialect = PlivoDialect()
    dialect.read(START)
    with pytest.raises(ProtocolError) as refused:
        dialect.read(message)
    assert refused.value.code == code
    assert refused.value.advice
    assert isinstance(dialect.read(media(2)), Media)


def test_another_format_is_refused_with_what_the_stream_must_say() -> None:
    with pytest.raises(ProtocolError, match=r"audio/x-opus at 8000.*contentType=\"audio/x-mulaw;rate=8000\""):
        PlivoDialect().read(START.replace("audio/x-mulaw", "audio/x-opus"))


def test_our_own_sound_on_the_other_track_is_not_heard_as_the_callers() -> None:
    dialect = PlivoDialect()
    dialect.read(START)
    assert dialect.read(media(2, track="outbound")) is None


def test_what_goes_out_is_what_the_documentation_gives_and_nothing_else() -> None:
    dialect = PlivoDialect()
    dialect.read(START.replace("S1", 'S\\"1'))
    codes = np.frombuffer(to_mulaw(SOUND), np.uint8)
    payload = base64.b64encode(codes.tobytes()).decode()
    played = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": payload}
    assert json.loads(dialect.media(codes)) == {"event": "playAudio", "media": played}
    assert json.loads(dialect.mark("r3:1200")) == {"event": "checkpoint", "streamId": 'S"1', "name": "r3:1200"}
    assert json.loads(dialect.clear()) == {"event": "clearAudio", "streamId": 'S"1'}


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
    assert [item for item in await stream.told() if not isinstance(item, c.Played)] == [c.Finished(1, 8000)]


async def test_checkpoints_that_never_come_back_were_not_heard(stream: SimulatedStream) -> None:
    stream.speak(stream.audio(4000), ms=495)  # all of it has left, and one frame of it did not sound
    stream.telephone.flush(1)
    stream.live(300)
    told = await stream.told()
    assert max(item.samples for item in told if isinstance(item, c.Played)) == 3200
    assert told[-1] == c.Flushed(1, 495 * 8, 10.0)
    assert len(stream.played) == 495 * 8
    assert not any(isinstance(item, c.Finished) for item in told)


async def test_a_checkpoint_whose_news_was_under_way_as_the_clear_came_was_heard(stream: SimulatedStream) -> None:
    stream.speak(stream.audio(8000), ms=402)
    stream.telephone.flush(1)
    stream.live(300)
    assert (await stream.told())[-1] == c.Flushed(1, 402 * 8, 10.0)
    assert not any(name.startswith("c") for name in stream.marks)  # Plivo itself says that it has cleared
    assert stream.telephone.faults == 0


async def test_frames_that_come_out_of_order_are_put_in_order(stream: SimulatedStream) -> None:
    for chunk in (1, 3, 2, 4):
        stream.telephone.incoming(media(chunk, SOUND + np.int16(chunk * 4000)))
    heard = [item for item in await stream.told() if isinstance(item, c.AudioIn)]
    assert [item.first_sample for item in heard] == [0, 160, 320, 480]
    means = [int(item.samples.mean()) for item in heard]
    assert means == sorted(means)
