"""Vonage's messages, as its documentation gives them, and a call over them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.errors import ProtocolError
from bargein.transports.telephone.dialect import ClearDone, MarkBack, Media, Pressed, Started
from bargein.transports.telephone.vonage import VonageDialect
from tests.transports.telephone.simulated_stream import Heard, SimulatedStream

CONNECTED = (
    '{"event":"websocket:connected","content-type":"audio/l16;rate=16000","uuid":"C1","agent":"front","from":"4930111"}'
)
SOUND = np.arange(-160, 160, dtype=np.int16) * 100


class Vonage:
    """Its side of the messages."""

    silence = 0

    def __init__(self, *, returning: bool = True) -> None:
        self.returning = returning

    def start(self) -> list[str]:
        return [CONNECTED]

    def heard(self, data: bytes, *, binary: bool) -> Heard:
        if binary:
            return [int(sample) for sample in np.frombuffer(data, "<i2")]
        message = json.loads(data)
        if message["action"] == "notify":
            return str(message["payload"]["name"])
        assert message == {"action": "clear"}
        return None

    def mark(self, name: str) -> str:
        return json.dumps({"event": "websocket:notify", "payload": {"name": name}})

    def cleared(self) -> str | None:
        return '{"event":"websocket:cleared"}'

    def spoken(self, number: int, samples: Samples) -> str | bytes:
        return samples.astype("<i2").tobytes()

    def stop(self) -> str | None:
        return None  # it just closes


@pytest.fixture(params=[True, False], ids=["returning", "silent"])
def stream(request: pytest.FixtureRequest) -> SimulatedStream:
    """Whether a clear gives notifies back is not documented: it must not matter."""
    return SimulatedStream(Vonage(returning=request.param), VonageDialect())


# ---------------------------------------------------------------------------------------------------- the dialect


def test_every_message_of_the_documentation_is_understood() -> None:
    dialect = VonageDialect()
    parameters = {"uuid": "C1", "agent": "front", "from": "4930111"}
    assert dialect.read(CONNECTED) == Started("", "C1", parameters=parameters)
    heard = dialect.read(SOUND.astype("<i2").tobytes())
    assert isinstance(heard, Media)
    assert heard.number is None
    assert heard.samples.dtype == np.int16
    assert np.array_equal(heard.samples, SOUND)
    assert dialect.read('{"event":"websocket:notify","payload":{"name":"r3:1200"}}') == MarkBack("r3:1200")
    assert dialect.read('{"event":"websocket:cleared"}') == ClearDone()
    assert dialect.read('{"event":"websocket:dtmf","digit":"5","duration":260}') == Pressed("5")
    assert dialect.read('{"event":"websocket:dtmf","dtmf":{"digit":"#"}}') == Pressed("#")


def test_what_the_ncco_gave_along_is_found_beside_the_other_fields_and_under_headers() -> None:
    said: dict[str, object] = {
        "event": "websocket:connected",
        "content-type": "audio/l16; rate=16000",
        "headers": {"agent": "front"},
    }
    assert VonageDialect().read(json.dumps(said)) == Started("", "", parameters={"agent": "front"})
    said |= {"headers": "none", "retries": 3}
    assert VonageDialect().read(json.dumps(said)) == Started("", "", parameters={})


def test_sound_that_looks_like_text_is_sound() -> None:
    said = b'{"event":"websocket:cleared" }'
    assert isinstance(VonageDialect().read(said), Media)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "bad_message"),
        pytest.param('{"event":"stop","more":' + "[" * 60_000, "bad_message", id="nested without end"),
        ("[]", "bad_message"),
        ('{"event":7}', "bad_message"),
        ("\udcff", "bad_message"),
        ('{"event":"websocket:notify","payload":{}}', "bad_message"),
        ('{"event":"websocket:notify"}', "unknown_event"),
        ('{"event":"websocket:dtmf","digit":"99"}', "bad_key"),
        ('{"event":"websocket:dtmf","digit":""}', "bad_key"),
        ('{"event":"websocket:dtmf"}', "bad_key"),
        ('{"event":"media"}', "unknown_event"),
        ('{"event":"websocket:connected"}', "bad_format"),
        (CONNECTED.replace("16000", "11025"), "bad_format"),
        (b"", "bad_media"),
        (b"\x00", "bad_media"),
        pytest.param(bytes(641), "bad_media", id="half a sample"),
        pytest.param(bytes(32_002), "bad_media", id="too long"),
    ],
)
def test_what_vonage_would_never_say_is_refused_and_changes_nothing(message: str | bytes, code: str) -> None:
    dialect = VonageDialect()
    dialect.read(CONNECTED)
    with pytest.raises(ProtocolError) as refused:
        dialect.read(message)
    assert refused.value.code == code
    assert refused.value.advice
    assert isinstance(dialect.read(bytes(640)), Media)


def test_another_rate_is_refused_with_what_the_ncco_must_say() -> None:
    with pytest.raises(ProtocolError, match=r"rate=44100.*audio/l16;rate=16000"):
        VonageDialect().read(CONNECTED.replace("16000", "44100"))


def test_what_goes_out_is_what_the_documentation_gives_and_nothing_else() -> None:
    dialect = VonageDialect()
    assert dialect.media(SOUND) == SOUND.astype("<i2").tobytes()
    assert json.loads(dialect.mark("r3:1200")) == {"action": "notify", "payload": {"name": "r3:1200"}}
    assert json.loads(dialect.clear()) == {"action": "clear"}


# -------------------------------------------------------------------------------------------------- the transport


async def test_a_hold_says_where_the_caller_was_and_a_resume_goes_on_from_that_sample(
    stream: SimulatedStream,
) -> None:
    audio = stream.audio(16_000)
    stream.speak(audio, ms=333)
    held = await stream.held()
    assert held.samples == len(stream.played) == 333 * 16
    stream.speak(audio, held.samples)
    stream.live(200)
    assert stream.played == audio.tolist()
    assert set(stream.chunks) == {320}  # Vonage plays messages of 20 ms
    assert [item for item in await stream.told() if not isinstance(item, c.Played)] == [c.Finished(1, 16_000)]


async def test_a_cut_ends_with_what_was_heard(stream: SimulatedStream) -> None:
    stream.speak(stream.audio(16_000), ms=405)
    stream.telephone.flush(1)
    stream.live(60)
    assert (await stream.told())[-1] == c.Flushed(1, 405 * 16, 10.0)
    assert len(stream.played) == 405 * 16
    assert not any(name.startswith("c") for name in stream.marks)  # Vonage itself says that it has cleared
    assert stream.telephone.faults == 0


async def test_sound_comes_in_as_it_is_and_in_the_order_in_which_it_comes(stream: SimulatedStream) -> None:
    for k in range(3):
        stream.telephone.incoming((SOUND + np.int16(k)).astype("<i2").tobytes())
    heard = [item for item in await stream.told() if isinstance(item, c.AudioIn)]
    assert [item.first_sample for item in heard] == [0, 320, 640]
    assert all(np.array_equal(item.samples, SOUND + np.int16(k)) for k, item in enumerate(heard))
    assert stream.telephone.rate_in == stream.telephone.rate_out == 16_000


async def test_the_closing_socket_is_the_hang_up(stream: SimulatedStream) -> None:
    stream.telephone.gone("the network closed the stream")
    assert await stream.told() == [c.ClientHangUp("the network closed the stream")]
