"""FLAC as a call's record needs it: frames of one size that come block by block, silence in the place of frames that
were lost, and a header that can be made again from the frames.

libsndfile encodes. The header is ours: libsndfile's is right only after its end, and a kill leaves no end.
"""

from __future__ import annotations

import os
import struct
import tempfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bargein.errors import Unavailable

FRAME = 1152  # samples of each lane in a frame of FLAC, at libsndfile's lowest level
HEADER_BYTES = 42  # "fLaC", and the one block of metadata
LANES = 2
AT_ONCE = 64 * 1024  # bytes of frames that are read at once: two seconds of speech are less
EMPTY_BYTES = 256 * 1024  # that may lie in memory behind what was taken
FRAME_HEAD_BYTES = 16  # the longest head of a frame
_SILENT_LANE = b"\x00\x00\x00"  # a subframe of one constant: 0
_RATES = {8000: 4, 16000: 5, 22050: 6, 24000: 7, 32000: 8, 44100: 9, 48000: 10}
_RATE_OF = {code: rate for rate, code in _RATES.items()}


def demand_encoder() -> Any:
    """The module soundfile. Raises Unavailable where it is not installed."""
    try:
        import soundfile  # noqa: PLC0415  # of the extra `record`
    except (ImportError, OSError) as error:  # OSError: without libsndfile
        raise Unavailable(
            f"Audio cannot be recorded without the package soundfile: {error}",
            advice='Install it: pip install "bargein[record]"',
        ) from None
    return soundfile


class FlacEncoder:
    """Stereo int16 in, whole frames out. Raises Unavailable where the package soundfile is not installed.

    libsndfile writes into a file in memory: a file object of Python's would be called for every frame, each time with
    the interpreter's lock, for which the event loop would wait."""

    def __init__(self, rate: int) -> None:
        soundfile = demand_encoder()
        self.frames = 0
        """Frames that have come out."""
        self._fd = _memory_file()
        self._taken = self._emptied = 0
        self._file: Any = soundfile.SoundFile(
            self._fd, "w", rate, LANES, "PCM_16", format="FLAC", compression_level=0.0, closefd=False
        )
        self._samples = 0
        self._headed = False

    def encode(self, samples: NDArray[np.int16]) -> bytes:
        """samples: shape (n, 2). The newest frame may wait for the next call."""
        self._file.write(samples)
        self._samples += len(samples)
        self.frames = max(0, self._samples - 1) // FRAME
        return self._frames()

    def finish(self) -> bytes:
        """The last frame. Nothing can be encoded afterwards."""
        self._file.close()
        self.frames = -(-self._samples // FRAME)
        return self._frames()

    def close(self) -> None:
        """Nothing is encoded any more."""
        self._file.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _frames(self) -> bytes:
        # Each call of the system gives the interpreter's lock away, and waits for it afterwards: few of them.
        data = part = os.pread(self._fd, AT_ONCE, self._taken)
        while len(part) == AT_ONCE:
            part = os.pread(self._fd, AT_ONCE, self._taken + len(data))
            data += part
        self._taken += len(data)
        if self._taken - self._emptied > EMPTY_BYTES:
            self._emptied = self._taken
            os.ftruncate(self._fd, 0)  # libsndfile goes on at its place, and what lies before takes no memory
        if data and not self._headed:
            self._headed = True
            data = data[metadata_bytes(data) :]
        return data


def _memory_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("bargein-audio", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:  # it has no name, and goes with its last descriptor
        return os.dup(file.fileno())


def metadata_bytes(data: bytes) -> int:
    """Length of all that stands before the first frame. Raises ValueError for what is no FLAC."""
    if data[:4] != b"fLaC":
        message = "no FLAC"
        raise ValueError(message)
    at = 4
    while at + 4 <= len(data):
        last = data[at] & 0x80
        at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")
        if last:
            return at
    message = "a FLAC without an end of its metadata"
    raise ValueError(message)


def header(rate: int, samples: int) -> bytes:
    """ "fLaC" and STREAMINFO, of a file of so many samples (0: not known yet)."""
    numbers = rate << 44 | (LANES - 1) << 41 | (16 - 1) << 36 | samples
    info = struct.pack(">HH", FRAME, FRAME) + bytes(6) + numbers.to_bytes(8, "big") + bytes(16)
    return b"fLaC" + bytes((0x80, 0, 0, len(info))) + info


def silent_frame(number: int, rate: int) -> bytes:
    """One frame of silence."""
    head = bytes((0xFF, 0xF8, 0x30 | _RATES[rate], 0x18)) + _coded(number)
    frame = head + bytes((_crc8(head),)) + _SILENT_LANE * LANES
    return frame + struct.pack(">H", _crc16(frame))


@dataclass(frozen=True, slots=True)
class FrameHead:
    """Where a frame begins, and what of the whole it is."""

    at: int
    number: int
    samples: int
    rate: int


def read_head(data: bytes, at: int) -> FrameHead | None:
    """The head of the frame that begins at a byte. None: no frame begins there."""
    if data[at : at + 2] != b"\xff\xf8" or at + 6 > len(data) or data[at + 3] != 0x18:
        return None
    size, rate = data[at + 2] >> 4, _RATE_OF.get(data[at + 2] & 15)
    number, end = _decoded(data, at + 4)
    extra = {6: 1, 7: 2}.get(size, 0)
    if rate is None or number is None or end + extra >= len(data):
        return None
    if _crc8(data[at : end + extra]) != data[end + extra]:
        return None
    samples = int.from_bytes(data[end : end + extra], "big") + 1 if extra else _sizes(size)
    return None if samples is None else FrameHead(at, number, samples, rate)


def is_whole(frame: bytes) -> bool:
    """Whether the bytes are a frame from its head to its checksum."""
    return len(frame) > FRAME_HEAD_BYTES // 2 and _crc16(frame[:-2]) == int.from_bytes(frame[-2:], "big")


def _sizes(code: int) -> int | None:
    if code == 1:
        return 192
    if 2 <= code <= 5:
        return 576 << (code - 2)
    return 256 << (code - 8) if code >= 8 else None


def _coded(number: int) -> bytes:
    """A frame's number, as FLAC writes it: UTF-8, and further."""
    if number < 0x80:
        return bytes((number,))
    tail: list[int] = []
    room = 0x3F
    while number > room:
        tail.insert(0, 0x80 | number & 0x3F)
        number >>= 6
        room >>= 1
    return bytes((~(room << 1 | 1) & 0xFF | number, *tail))


def _decoded(data: bytes, at: int) -> tuple[int | None, int]:
    first = data[at]
    if first < 0x80:
        return first, at + 1
    more = 0
    while first & (0x40 >> more):
        more += 1
    end = at + 1 + more
    if not 1 <= more <= 6 or end > len(data):
        return None, at
    number = first & (0x3F >> more)
    for byte in data[at + 1 : end]:
        number = number << 6 | byte & 0x3F
    return number, end


def _table(polynomial: int, bits: int) -> tuple[int, ...]:
    values = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1 ^ polynomial if value >> (bits - 1) & 1 else value << 1) & ((1 << bits) - 1)
        values.append(value)
    return tuple(values)


_CRC8, _CRC16 = _table(0x07, 8), _table(0x8005, 16)


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


def _crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = crc << 8 & 0xFF00 ^ _CRC16[crc >> 8 ^ byte]
    return crc
