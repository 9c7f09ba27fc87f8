"""A part of a call as a sound file in a URI: caller left, agent right."""

from __future__ import annotations

import struct
from base64 import b64encode

import numpy as np

from bargein.audio.mulaw import mulaw_codes
from bargein.audio.pcm import Samples
from bargein_bench.record import RATE, Record

MULAW = 7  # WAVE's number of the format: half the bytes of PCM, and every browser plays it


def part(samples: Samples, begin: int, end: int) -> Samples:
    """The samples from begin to end; outside of the samples there is silence."""
    inside = samples[max(0, begin) : max(0, end)]
    before = max(0, min(end, 0) - begin)
    return np.pad(inside, (before, max(0, end - begin - before - len(inside)))).astype(np.int16)


def wav(record: Record, begin: int, end: int) -> bytes:
    """Stereo mu-law at 8000 Hz."""
    lanes = (mulaw_codes(part(record.caller, begin, end)), mulaw_codes(part(record.agent, begin, end)))
    return _file(np.stack(lanes, axis=1).tobytes(), 2)


def mono_wav(samples: Samples) -> bytes:
    """Mono mu-law at 8000 Hz."""
    return _file(mulaw_codes(samples).tobytes(), 1)


def _file(data: bytes, lanes: int) -> bytes:
    form = struct.pack("<HHIIHHH", MULAW, lanes, RATE, lanes * RATE, lanes, 8, 0)
    chunks = _chunk(b"fmt ", form) + _chunk(b"fact", struct.pack("<I", len(data) // lanes)) + _chunk(b"data", data)
    return _chunk(b"RIFF", b"WAVE" + chunks)


def uri(record: Record, begin: int, end: int) -> str:
    return "data:audio/wav;base64," + b64encode(wav(record, begin, end)).decode()


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
