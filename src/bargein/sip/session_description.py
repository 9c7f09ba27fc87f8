"""SDP (RFC 8866, offer and answer of RFC 3264) as data: one audio stream is read, all streams are answered.

The room's own reader, and not aiosipua's: a stranger's SDP needs bounds on lines, streams and formats, and an answer
needs every offered `m=` line back with the payload numbers of the offer.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bargein.sip.errors import malformed_sdp

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")
ANSWERED: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
"""The widest direction of an answer, by the offer's direction."""

MOST_BYTES = 16_384
MOST_LINES = 400
MOST_STREAMS = 16
MOST_FORMATS = 64
SRTP_KEY_BYTES = {"AES_CM_128_HMAC_SHA1_80": 30, "AES_CM_128_HMAC_SHA1_32": 30}
"""Suites that are read, and the length of master key and salt (RFC 4568)."""

STATIC = {
    0: ("PCMU", 8000),
    8: ("PCMA", 8000),
    9: ("G722", 8000),
    13: ("CN", 8000),
    18: ("G729", 8000),
    3: ("GSM", 8000),
}
"""Payload numbers that need no rtpmap (RFC 3551). G722 runs an 8000 Hz clock for 16000 Hz audio."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One payload format of an audio stream, such as PCMU, G722, telephone-event or CN."""

    name: str
    """As registered, in capitals ("PCMU"); "telephone-event" in small letters."""
    rate: int
    """Hz of the RTP clock (G722: 8000)."""
    payload: int
    """Payload number, 0-127."""
    channels: int = 1
    parameters: str = ""
    """Text of `a=fmtp`."""

    def same(self, other: AudioFormat) -> bool:
        """True: the same encoding, whatever its payload number."""
        return (self.name, self.rate, self.channels) == (other.name, other.rate, other.channels)


@dataclass(frozen=True, slots=True)
class SrtpKey:
    """A key of SDES (`a=crypto`, RFC 4568)."""

    tag: int
    suite: str
    key: bytes
    """Master key, then master salt."""

    def __repr__(self) -> str:
        return f"SrtpKey(tag={self.tag}, suite={self.suite!r})"  # a key is in no log


@dataclass(frozen=True, slots=True)
class AudioDescription:
    """One side of the audio stream. The direction is from the point of view of the side that wrote it."""

    host: str
    """Address to send to. "0.0.0.0": the old way to ask for a hold (then direction is at most "recvonly")."""
    port: int
    """UDP port. 0: the stream is refused."""
    formats: tuple[AudioFormat, ...]
    direction: Direction = "sendrecv"
    ptime_ms: int = 20
    rtcp_port: int | None = None
    """None: port + 1, or `port` with rtcp_mux."""
    rtcp_mux: bool = False
    srtp: SrtpKey | None = None

    @property
    def held(self) -> bool:
        """True: the side that wrote this does not want to hear us."""
        return self.direction in ("sendonly", "inactive")


@dataclass(frozen=True, slots=True)
class _Stream:
    """One `m=` line and its attributes. host: its own `c=` line, else the session's."""

    media: str
    port: int
    profile: str
    payloads: tuple[str, ...]
    host: str
    direction: Direction
    attributes: tuple[tuple[str, str], ...]


def read_audio(sdp: bytes) -> AudioDescription:
    """The first audio stream over RTP that is not refused. ProtocolError (code "sdp"): there is none."""
    for stream in _streams(sdp):
        if _usable(stream):
            return _audio(stream)
    raise malformed_sdp("no audio stream over RTP is offered")


def write_offer(audio: AudioDescription, *, session: int, version: int) -> bytes:
    """An offer of one audio stream. session, version: the numbers of `o=`; version rises with each new text of ours."""
    return _write(audio, session, version, [_media_lines(audio)])


def write_answer(offer: bytes, audio: AudioDescription, *, session: int, version: int) -> bytes:
    """An answer: `audio` for the stream that `read_audio` read, port 0 for each other stream of the offer.

    audio.formats: those of `agree`, so that the offer's payload numbers stay."""
    blocks: list[list[str]] = []
    taken = False
    for stream in _streams(offer):
        if not taken and _usable(stream):
            taken = True
            blocks.append(_media_lines(audio, stream.profile))
        else:
            blocks.append([f"m={stream.media} 0 {stream.profile} {' '.join(stream.payloads)}"])
    if not taken:
        raise malformed_sdp("no audio stream over RTP is offered")
    return _write(audio, session, version, blocks)


def agree(offered: AudioDescription, wanted: Iterable[AudioFormat]) -> tuple[AudioFormat, ...]:
    """Formats of an answer: those of `wanted` (best first) that the offer has, with the offer's payload numbers.

    Empty: no common format (answer 488). A format that only carries digits or noise makes no stream alone."""
    found = tuple(
        replace(theirs, parameters=theirs.parameters or ours.parameters)
        for ours in wanted
        for theirs in [next((each for each in offered.formats if each.same(ours)), None)]
        if theirs is not None
    )
    return found if any(each.name not in ("telephone-event", "CN") for each in found) else ()


def _usable(stream: _Stream) -> bool:
    secure = stream.profile in ("RTP/SAVP", "RTP/SAVPF")
    plain = stream.profile in ("RTP/AVP", "RTP/AVPF")
    return (
        stream.media == "audio"
        and stream.port > 0
        and bool(stream.host)
        and (plain or (secure and _key(stream) is not None))
    )


def _lines(sdp: bytes) -> list[tuple[str, str]]:
    if len(sdp) > MOST_BYTES:
        raise malformed_sdp(f"{len(sdp)} bytes")
    lines = sdp.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > MOST_LINES:
        raise malformed_sdp(f"{len(lines)} lines")
    found = [(line[0], line[2:].strip()) for line in lines if len(line) >= 2 and line[1] == "=" and line[0].isascii()]
    if not found or found[0] != ("v", "0"):
        raise malformed_sdp("no v=0 line")
    return found


def _streams(sdp: bytes) -> list[_Stream]:
    sections: list[list[tuple[str, str]]] = [[]]
    for kind, value in _lines(sdp):
        if kind == "m":
            sections.append([])
        sections[-1].append((kind, value))
    if len(sections) - 1 > MOST_STREAMS:
        raise malformed_sdp(f"{len(sections) - 1} streams")
    host = _host(sections[0], "")
    direction = _direction(sections[0], "sendrecv")
    return [_stream(section, host, direction) for section in sections[1:]]


def _stream(section: Sequence[tuple[str, str]], host: str, direction: Direction) -> _Stream:
    words = section[0][1].split()
    if len(words) < 4 or len(words) > 3 + MOST_FORMATS:
        raise malformed_sdp(f"m={section[0][1]}")
    attributes = tuple(
        (name.lower(), value.strip())
        for kind, text in section
        if kind == "a"
        for name, _, value in [text.partition(":")]
    )
    return _Stream(
        words[0].lower(),
        _number(words[1].partition("/")[0], 65_535, "port"),
        words[2].upper(),
        tuple(words[3:]),
        _host(section, host),
        _direction(section, direction),
        attributes,
    )


def _host(section: Sequence[tuple[str, str]], otherwise: str) -> str:
    for kind, value in section:
        if kind == "c":
            words = value.split()
            if len(words) != 3 or words[0] != "IN" or words[1] not in ("IP4", "IP6"):
                raise malformed_sdp(f"c={value}")
            host = words[2].partition("/")[0]
            if not _addressable(host):
                raise malformed_sdp(f"c={value}")
            return host
    return otherwise


def _addressable(host: str) -> bool:
    """True: a unicast address. A name is refused: its look-up would wait, and a stranger would choose whom we ask."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not address.is_multicast and host != "255.255.255.255"


def _direction(section: Sequence[tuple[str, str]], otherwise: Direction) -> Direction:
    said = {value for kind, value in section if kind == "a"}
    return next((each for each in DIRECTIONS if each in said), otherwise)


def _number(text: str, most: int, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9) or int(text) > most:
        raise malformed_sdp(f"{name} {text!r}")
    return int(text)


def _audio(stream: _Stream) -> AudioDescription:
    attributes = stream.attributes
    names: dict[int, tuple[str, int, int]] = {number: (name, rate, 1) for number, (name, rate) in STATIC.items()}
    parameters: dict[int, str] = {}
    ptime, rtcp_port = 20, None
    for name, value in attributes:
        if name == "rtpmap":
            payload, mapped = _rtpmap(value)
            names[payload] = mapped
        elif name == "fmtp":
            number, _, text = value.partition(" ")
            parameters[_number(number, 127, "payload")] = text.strip()
        elif name == "ptime" and value.isascii() and value.isdigit() and len(value) < 4:
            ptime = int(value) or ptime
        elif name == "rtcp":
            rtcp_port = _number((value.split() or [""])[0], 65_535, "rtcp")
    formats = []
    for payload in dict.fromkeys(_number(each, 127, "payload") for each in stream.payloads):
        if payload in names:
            name, rate, channels = names[payload]
            formats.append(AudioFormat(name, rate, payload, channels, parameters.get(payload, "")))
    if not formats:
        raise malformed_sdp("no format of the audio stream has a name")
    direction = stream.direction
    if stream.host in ("0.0.0.0", "::"):  # the hold of RFC 2543  # noqa: S104
        direction = "sendonly" if direction == "sendrecv" else "inactive" if direction == "recvonly" else direction
    return AudioDescription(
        stream.host,
        stream.port,
        tuple(formats),
        direction,
        min(ptime, 200),
        rtcp_port or None,
        ("rtcp-mux", "") in attributes,
        _key(stream) if stream.profile.startswith("RTP/SAVP") else None,
    )


def _rtpmap(value: str) -> tuple[int, tuple[str, int, int]]:
    number, _, encoding = value.partition(" ")
    parts = encoding.strip().split("/")
    if len(parts) not in (2, 3) or not parts[0]:
        raise malformed_sdp(f"rtpmap {value!r}")
    name = parts[0].lower() if parts[0].lower() == "telephone-event" else parts[0].upper()
    channels = _number(parts[2], 8, "channels") if len(parts) == 3 else 1
    return _number(number, 127, "payload"), (name, _number(parts[1], 192_000, "rate"), channels)


def _key(stream: _Stream) -> SrtpKey | None:
    """The first key of a suite that is known, without a lifetime's end (`|2^31` is read over) and without an MKI."""
    for name, value in stream.attributes:
        words = value.split()
        if name != "crypto" or len(words) < 3 or words[1] not in SRTP_KEY_BYTES or not words[2].startswith("inline:"):
            continue
        text, *more = words[2].removeprefix("inline:").split("|")
        if any(":" in each for each in more):  # an MKI changes each packet's form
            continue
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
        if len(key) == SRTP_KEY_BYTES[words[1]]:
            return SrtpKey(_number(words[0], 999_999_999, "crypto"), words[1], key)
    return None


def _media_lines(audio: AudioDescription, profile: str = "") -> list[str]:
    profile = profile or ("RTP/SAVP" if audio.srtp else "RTP/AVP")
    lines = [f"m=audio {audio.port} {profile} {' '.join(str(each.payload) for each in audio.formats)}"]
    for each in audio.formats:
        channels = f"/{each.channels}" if each.channels > 1 else ""
        lines.append(f"a=rtpmap:{each.payload} {each.name}/{each.rate}{channels}")
        if each.parameters:
            lines.append(f"a=fmtp:{each.payload} {each.parameters}")
    lines.append(f"a=ptime:{audio.ptime_ms}")
    if audio.srtp:
        key = base64.b64encode(audio.srtp.key).decode()
        lines.append(f"a=crypto:{audio.srtp.tag} {audio.srtp.suite} inline:{key}")
    if audio.rtcp_mux:
        lines.append("a=rtcp-mux")
    elif audio.rtcp_port is not None and audio.rtcp_port != audio.port + 1:
        lines.append(f"a=rtcp:{audio.rtcp_port}")
    lines.append(f"a={audio.direction}")
    return lines


def _write(audio: AudioDescription, session: int, version: int, blocks: Sequence[list[str]]) -> bytes:
    address = f"IN IP{6 if ':' in audio.host else 4} {audio.host}"
    head = ["v=0", f"o=- {session} {version} {address}", "s=-", f"c={address}", "t=0 0"]
    return "".join(f"{line}\r\n" for line in [*head, *(line for block in blocks for line in block)]).encode()
