"""AudioSocket's messages: one byte of kind, two of length (big endian), and so many bytes. Pure.

Asterisk sends its UUID first, then audio and keys. It takes audio and a hang-up, and ends the call at anything else.
(Facts: asterisk/asterisk, res/res_audiosocket.c.)
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from bargein.audio.pcm import Samples
from bargein.errors import ProtocolError
from bargein.transports.telephone.dialect import KEYS

HEADER = struct.Struct(">BH")
HANG_UP, ID, KEY, FAILED = 0x00, 0x01, 0x03, 0xFF
RATES = {0x10: 8_000, 0x12: 16_000, 0x13: 24_000}
KINDS = {rate: kind for kind, rate in RATES.items()}
OTHER_RATES = (0x11, 0x14, 0x15, 0x16, 0x17, 0x18)  # 12, 32, 44.1, 48, 96, 192 kHz


@dataclass(frozen=True, slots=True)
class SocketId:
    """The call's UUID."""

    id: UUID


@dataclass(frozen=True, slots=True)
class SocketAudio:
    """The caller's audio."""

    samples: Samples
    rate: int


@dataclass(frozen=True, slots=True)
class SocketKey:
    """The caller pressed a key."""

    key: str


@dataclass(frozen=True, slots=True)
class SocketEnd:
    """The call is over."""

    reason: str


SocketMessage = SocketId | SocketAudio | SocketKey | SocketEnd


class AudioSocketReader:
    """Takes bytes as they come. A message has at most 65,535 bytes, so no more than one is ever kept."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def push(self, data: bytes) -> None:
        """Bytes came."""
        self._kept += data

    def next(self) -> SocketMessage | None:
        """The next message. None: it has not come whole. Raises ProtocolError, after which the next one may be read."""
        kept = self._kept
        if len(kept) < HEADER.size:
            return None
        kind, size = HEADER.unpack_from(kept)
        end = HEADER.size + size
        if len(kept) < end:
            return None
        payload = bytes(kept[HEADER.size : end])
        del kept[:end]
        return _message(kind, payload)


def _message(kind: int, payload: bytes) -> SocketMessage:
    if kind in RATES:
        if not payload or len(payload) % 2:
            what = f"A message of audio has {len(payload)} bytes"
            raise ProtocolError(what, advice="Send whole samples of 16 bits", code="bad_media")
        return SocketAudio(np.frombuffer(payload, "<i2"), RATES[kind])
    if kind == HANG_UP:
        return SocketEnd("the caller hung up")
    if kind == FAILED:
        return SocketEnd(f"Asterisk told the error {payload[:4].hex() or 'of no number'}")
    if kind == ID:
        if len(payload) != 16:
            what = f"The id has {len(payload)} bytes"
            raise ProtocolError(what, advice="Send the UUID's 16 bytes", code="bad_start")
        return SocketId(UUID(bytes=payload))
    if kind == KEY:
        key = payload.decode("ascii", "replace")
        if key not in KEYS or not key:
            raise ProtocolError(f"Key {payload[:10]!r} is unknown", advice="Send 0-9, *, # or A-D", code="bad_key")
        return SocketKey(key)
    if kind in OTHER_RATES:
        advice = "Dial with c(slin), c(slin16) or c(slin24)"
        raise ProtocolError(f"Audio of kind {kind:#x} cannot be taken", advice=advice, code="bad_format")
    raise ProtocolError(f"Kind {kind:#x} is unknown", advice="Send AudioSocket's messages", code="unknown_event")


def audio_message(samples: Samples, rate: int) -> bytes:
    """Audio for Asterisk, as one frame."""
    payload = samples.astype("<i2", copy=False).tobytes()
    return HEADER.pack(KINDS[rate], len(payload)) + payload


HANG_UP_MESSAGE = HEADER.pack(HANG_UP, 0)
