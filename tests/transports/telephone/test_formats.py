"""The formats that networks announce: taken both ways with holds and marks as ever, or refused at once by name."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable

import numpy as np
import pytest

from bargein import protocols as c
from bargein.audio.alaw import from_alaw, to_alaw
from bargein.audio.mulaw import from_mulaw, to_mulaw
from bargein.audio.pcm import Samples
from bargein.clock import ManualClock
from bargein.errors import ProtocolError
from bargein.transports.telephone.dialect import Media, Started, TelephoneDialect
from bargein.transports.telephone.formats import VOTES, WireFormat
from bargein.transports.telephone.plivo import PlivoDialect
from bargein.transports.telephone.telnyx import TelnyxDialect
from bargein.transports.telephone.transport import TelephoneTransport
from bargein.transports.telephone.twilio import TwilioDialect
from bargein.transports.telephone.vonage import VonageDialect
from tests.transports.telephone.simulated_stream import Heard, SimulatedStream
from tests.transports.telephone.test_plivo import START as PLIVO_START
from tests.transports.telephone.test_telnyx import START as TELNYX_START
from tests.transports.telephone.test_telnyx import Telnyx
from tests.transports.telephone.test_twilio import START as TWILIO_START
from tests.transports.telephone.test_vonage import CONNECTED as VONAGE_START


def l16(samples: Samples) -> bytes:
    return samples.astype("<i2").tobytes()


def telnyx_start(encoding: str, rate: int) -> str:
    return TELNYX_START.replace("PCMU", encoding).replace("8000", str(rate))


def plivo_start(encoding: str, rate: int | str) -> str:
    return PLIVO_START.replace("audio/x-mulaw", encoding).replace("8000", str(rate))


Codec = Callable[[Samples], bytes]
TAKEN: dict[str, tuple[Callable[[], TelephoneDialect], str, int, Codec]] = {
    "telnyx PCMU": (TelnyxDialect, TELNYX_START, 8000, to_mulaw),
    "telnyx PCMA": (TelnyxDialect, telnyx_start("PCMA", 8000), 8000, to_alaw),
    "telnyx L16 8": (TelnyxDialect, telnyx_start("L16", 8000), 8000, l16),
    "telnyx L16 16": (TelnyxDialect, telnyx_start("L16", 16000), 16000, l16),
    "telnyx L16 24": (TelnyxDialect, telnyx_start("L16", 24000), 24000, l16),
    "plivo mulaw": (PlivoDialect, PLIVO_START, 8000, to_mulaw),
    "plivo L16 8": (PlivoDialect, plivo_start("audio/x-l16", 8000), 8000, l16),
    "plivo L16 16": (PlivoDialect, plivo_start("audio/x-l16", 16000), 16000, l16),
    "vonage L16 8": (VonageDialect, VONAGE_START.replace("16000", "8000"), 8000, l16),
    "vonage L16 16": (VonageDialect, VONAGE_START, 16000, l16),
    "vonage L16 24": (VonageDialect, VONAGE_START.replace("16000", "24000"), 24000, l16),
}
EXPAND: dict[Codec, Callable[[bytes], Samples]] = {
    to_mulaw: from_mulaw,
    to_alaw: from_alaw,
    l16: lambda data: np.frombuffer(data, "<i2"),
}


def speech(rate: int, ms: int = 20) -> Samples:
    at = np.arange(rate * ms // 1000) / rate
    return (8000 * np.sin(2 * np.pi * 300 * at)).astype(np.int16)


class Socket:
    unsent = 0

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed: list[tuple[int, str]] = []

    def text(self, data: bytes) -> None:
        self.sent.append(data)

    def binary(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


def payload(message: bytes, dialect: TelephoneDialect) -> bytes:
    return message if dialect.binary else base64.b64decode(json.loads(message)["media"]["payload"])


@pytest.mark.parametrize("name", list(TAKEN))
async def test_a_format_is_taken_both_ways(name: str) -> None:
    make, start, rate, codec = TAKEN[name]
    dialect, socket = make(), Socket()
    transport = TelephoneTransport(socket, dialect, ManualClock(1000))
    transport.incoming(start)
    assert await transport.handshake() is not None
    assert (transport.rate_in, transport.rate_out) == (rate, rate)
    assert transport.capabilities.mulaw is (codec is to_mulaw)

    sound = speech(rate)
    data = codec(sound)
    said = {"event": "media", "media": {"payload": base64.b64encode(data).decode(), "chunk": "1", "timestamp": "20"}}
    heard = dialect.read(data if dialect.binary else json.dumps(said))
    assert isinstance(heard, Media)
    assert np.array_equal(heard.samples, EXPAND[codec](data))

    out = np.frombuffer(to_mulaw(sound), np.uint8) if codec is to_mulaw else sound
    transport.send(c.AudioOut(1, 0, 0, out, last=True))
    assert payload(socket.sent[0], dialect) == data
    if "plivo" in name:
        told = json.loads(socket.sent[0])["media"]
        kind = "audio/x-mulaw" if codec is to_mulaw else "audio/x-l16"
        assert (told["contentType"], told["sampleRate"]) == (kind, rate)
    short = payload(dialect.media(out[:7]), dialect)
    assert len(short) == len(data) or "plivo" in name, "a short chunk is filled up to 20 ms"
    assert short.endswith(codec(sound[:7]))


class OtherTelnyx(Telnyx):
    """Plays what is not mu-law, as int16."""

    silence = 0

    def __init__(self, codec: str, rate: int) -> None:
        self._start = telnyx_start(codec, rate)
        self._expand = EXPAND[to_alaw if codec == "PCMA" else l16]

    def start(self) -> list[str]:
        return [self._start]

    def heard(self, data: bytes, *, binary: bool) -> Heard:
        message = json.loads(data)
        if message["event"] == "media":
            return [int(sample) for sample in self._expand(base64.b64decode(message["media"]["payload"]))]
        return super().heard(data, binary=binary)


@pytest.mark.parametrize(("codec", "rate"), [("PCMA", 8000), ("L16", 8000), ("L16", 16000), ("L16", 24000)])
async def test_a_hold_and_a_resume_are_exact_in_every_format(codec: str, rate: int) -> None:
    stream = SimulatedStream(OtherTelnyx(codec, rate), TelnyxDialect())
    audio = stream.audio(rate)
    stream.speak(audio, ms=333)
    held = await stream.held()
    assert held.samples == 333 * rate // 1000
    stream.speak(audio, held.samples)
    stream.live(200)
    samples = audio.astype(np.int16)
    wanted = from_alaw(to_alaw(samples)) if codec == "PCMA" else samples
    played = [sample for sample in stream.played if sample not in (8,)]  # A-law's silence
    assert played == [sample for sample in wanted.tolist() if sample not in (8,)]
    assert set(stream.chunks) == {rate // 50}
    assert [item for item in await stream.told() if not isinstance(item, c.Played)] == [c.Finished(1, rate)]


# ------------------------------------------------------------------------------------------------------- refused


REFUSED = [
    (TelnyxDialect, telnyx_start("OPUS", 48000), "OPUS at 48000", "Use PCMU, PCMA or L16"),
    (TelnyxDialect, telnyx_start("G722", 8000), "G722 at 8000", "Use PCMU, PCMA or L16"),
    (TelnyxDialect, telnyx_start("AMR-WB", 16000), "AMR-WB at 16000", "Use PCMU, PCMA or L16"),
    (TelnyxDialect, telnyx_start("PCMU", 16000), "PCMU at 16000", "Use PCMU, PCMA or L16"),
    (TelnyxDialect, telnyx_start("L16", 44100), "L16 at 44100", "Use PCMU, PCMA or L16"),
    (TelnyxDialect, telnyx_start("x\\n\\u001b[31m" + "y" * 50_000, 8000), "x\\n\\x1b[31m", "Use PCMU, PCMA or L16"),
    (
        TwilioDialect,
        TWILIO_START.replace("audio/x-mulaw", "audio/x-alaw"),
        "audio/x-alaw at 8000",
        "Stream mono mu-law",
    ),
    (PlivoDialect, plivo_start("audio/x-opus", 48000), "audio/x-opus at 48000", "Set contentType"),
    (PlivoDialect, plivo_start("audio/x-mulaw", 16000), "audio/x-mulaw at 16000", "Set contentType"),
    (VonageDialect, VONAGE_START.replace("16000", "44100"), "44100", 'Set "content-type"'),
    (VonageDialect, VONAGE_START.replace("l16", "opus"), "audio/opus", 'Set "content-type"'),
    (TelnyxDialect, '{"event":"start","stream_id":"S1"}', "A start has no stream_id", "Send what Telnyx sends"),
]


@pytest.mark.parametrize(("make", "start", "what", "remedy"), REFUSED)
async def test_what_cannot_be_taken_is_refused_at_once_with_the_true_reason(
    make: Callable[[], TelephoneDialect], start: str, what: str, remedy: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock, socket = ManualClock(1000), Socket()
    transport = TelephoneTransport(socket, make(), clock)
    with caplog.at_level(logging.WARNING):
        transport.incoming(start)
        assert await transport.handshake() is None, "no time passes"
    await transport.close("ended")
    ((code, reason),) = socket.closed
    assert code == 1003
    assert what in reason
    assert remedy in reason
    assert len(reason.encode()) <= 123
    (record,) = caplog.records
    assert what in record.getMessage()
    assert remedy in record.getMessage()
    assert record.getMessage().isprintable()
    assert len(record.getMessage()) < 500


@pytest.mark.parametrize(
    ("make", "start"),
    [
        (TwilioDialect, '{"event":"start","streamSid":"MZ1","start":{"callSid":7}}'),
        (TelnyxDialect, '{"event":"start","stream_id":"S1","start":{"media_format":"PCMA"}}'),
        (PlivoDialect, '{"event":"start","streamId":"S1","start":[]}'),
        (VonageDialect, '{"event":"websocket:connected","payload":7}'),
    ],
)
async def test_a_start_that_cannot_be_read_ends_the_stream_at_once_and_says_where(
    make: Callable[[], TelephoneDialect], start: str
) -> None:
    socket = Socket()
    transport = TelephoneTransport(socket, make(), ManualClock(1000))
    transport.incoming(start)
    assert await transport.handshake() is None, "no time passes"
    await transport.close("ended")
    ((code, reason),) = socket.closed
    assert code == 1003
    assert "`$." in reason


NULLS: list[tuple[Callable[[], TelephoneDialect], dict[str, object], tuple[str, ...]]] = [
    (TwilioDialect, {"streamSid": "S1"}, ("callSid", "accountSid", "customParameters", "mediaFormat")),
    (TelnyxDialect, {"stream_id": "S1"}, ("call_control_id", "user_id", "custom_parameters", "media_format")),
    (PlivoDialect, {"streamId": "S1", "extra_headers": None}, ("callId", "accountId")),
]


@pytest.mark.parametrize(("make", "message", "unknown"), NULLS)
def test_what_a_network_does_not_know_may_be_null(
    make: Callable[[], TelephoneDialect], message: dict[str, object], unknown: tuple[str, ...]
) -> None:
    start: dict[str, object] = dict.fromkeys(unknown)
    if make is PlivoDialect:
        start["mediaFormat"] = {"encoding": "audio/x-mulaw", "sampleRate": 8000}
    assert make().read(json.dumps({"event": "start", "start": start} | message)) == Started("S1", "")


def test_parameters_of_a_kind_that_cannot_be_cost_no_call() -> None:
    given = {"customParameters": {"a": "b", "n": None, "o": {"x": 1}, "l": [1]}}
    start = json.dumps({"event": "start", "streamSid": "S1", "start": given})
    assert TwilioDialect().read(start) == Started("S1", "", parameters={"a": "b"})
    listed = {"custom_parameters": [{"name": "a", "value": "b"}, {"name": "n", "value": None}]}
    start = json.dumps({"event": "start", "stream_id": "S1", "start": listed})
    assert TelnyxDialect().read(start) == Started("S1", "", parameters={"a": "b"})


@pytest.mark.parametrize(
    ("make", "start", "rate"),
    [
        (TwilioDialect, TWILIO_START.replace("audio/x-mulaw", "audio/x-MULAW"), 8000),
        (PlivoDialect, plivo_start("audio/x-mulaw;rate=8000", 8000), 8000),
        (PlivoDialect, plivo_start("audio/x-l16; rate=16000", "null"), 16000),
        (VonageDialect, VONAGE_START.replace("rate=16000", "channels=1; rate=8000"), 8000),
        (VonageDialect, VONAGE_START.replace("rate=16000", "rate=24000;channels=1"), 24000),
    ],
)
def test_a_content_type_may_be_written_in_every_way(
    make: Callable[[], TelephoneDialect], start: str, rate: int
) -> None:
    dialect: TelephoneDialect = make()
    assert isinstance(dialect.read(start), Started)
    assert dialect.rate == rate


def test_a_second_start_changes_no_format() -> None:
    for make, start, other in (
        (TelnyxDialect, TELNYX_START, telnyx_start("L16", 16000)),
        (PlivoDialect, PLIVO_START, plivo_start("audio/x-l16", 16000)),
        (VonageDialect, VONAGE_START, VONAGE_START.replace("16000", "8000")),
    ):
        dialect: TelephoneDialect = make()
        dialect.read(start)
        before = dialect.rate, dialect.mulaw, dialect.media(np.zeros(480, np.uint8))
        dialect.read(other)
        assert (dialect.rate, dialect.mulaw, dialect.media(np.zeros(480, np.uint8))) == before


def test_telnyx_may_take_another_codec_than_it_sends() -> None:
    given = '{"bidirectional_codec":"PCMU"}'
    start = telnyx_start("PCMA", 8000).replace('[{"name":"agent","value":"front"}]', given)
    dialect = TelnyxDialect()
    dialect.read(start)
    codes = np.frombuffer(to_mulaw(speech(8000)), np.uint8)
    assert dialect.mulaw
    assert payload(dialect.media(codes), dialect) == codes.tobytes()
    heard = dialect.read(json.dumps({"event": "media", "media": {"payload": base64.b64encode(b"\x00").decode()}}))
    assert isinstance(heard, Media)
    assert np.array_equal(heard.samples, from_alaw(b"\x00"))


# ---------------------------------------------------------------------------------------------------- byte order


def test_l16_in_network_byte_order_is_found_out_and_answered_in_it() -> None:
    form, sound = WireFormat("L16", 16000), speech(16000)
    swapped = sound.astype(">i2").tobytes()
    assert form.expand(bytes(640)).tolist() == [0] * 320, "silence has no order"
    assert np.array_equal(form.expand(swapped), sound)
    for _ in range(VOTES):
        form.expand(swapped)
    assert bytes(form.compress(sound)) == swapped
    noise = np.random.default_rng(1).integers(-30000, 30000, 320).astype(np.int16)
    assert np.array_equal(form.expand(noise.astype(">i2").tobytes()), noise), "decided once"


def test_noise_alone_decides_no_byte_order() -> None:
    form = WireFormat("L16", 16000)
    for seed in range(20):
        noise = np.random.default_rng(seed).integers(-30000, 30000, 320).astype(np.int16)
        assert np.array_equal(form.expand(noise.astype("<i2").tobytes()), noise)


def test_half_a_sample_is_named() -> None:
    with pytest.raises(ProtocolError, match="whole number"):
        WireFormat("L16", 16000).expand(b"abc")
