"""The audio of a client of Deepgram: raw samples in the query's encoding, or a WAV that names its own."""

from __future__ import annotations

from bargein.audio.pcm import Samples
from bargein_simulators.connection import samples_of

ENCODINGS = {"linear16": "s16le", "linear32": "f32le", "mulaw": "mulaw", "alaw": "alaw"}
WAV_ENCODINGS = {(1, 16): "s16le", (3, 32): "f32le", (7, 8): "mulaw", (6, 8): "alaw"}  # by format tag and bits
MOST_HEADER_BYTES = 4_096
LOWEST_RATE, HIGHEST_RATE = 8_000, 48_000  # Hz
NO_CONTAINER = "The payload cannot be decoded as audio. The simulator reads WAV of 8 to 48 kHz, and no other container."


class UndecodableAudio(Exception):
    """The bytes are no audio that the simulator reads."""


class ClientAudio:
    """Decodes the audio of one connection. encoding: None, and the audio is a WAV, whose header tells the rest."""

    def __init__(self, encoding: str | None, rate: int | None) -> None:
        self.rate = rate or 0
        self._encoding = None if encoding is None else ENCODINGS[encoding]
        self._head = b""

    def push(self, data: bytes) -> Samples | None:
        """The next samples. None: the header is not complete yet. Raises UndecodableAudio."""
        if self._encoding is None:
            self._head += data
            found = _wav_header(self._head)
            if found is None:
                return None
            begin, self._encoding, self.rate = found
            data, self._head = self._head[begin:], b""
        return samples_of(data, self._encoding)


def _wav_header(data: bytes) -> tuple[int, str, int] | None:
    """Where the samples begin, their encoding, their rate. None: more must come. Raises UndecodableAudio."""
    if not b"RIFF".startswith(data[:4]) or (len(data) >= 12 and data[8:12] != b"WAVE"):
        raise UndecodableAudio(NO_CONTAINER)
    at, form = 12, b""
    while len(data) >= at + 8:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data":
            tag, channels = int.from_bytes(form[:2], "little"), int.from_bytes(form[2:4], "little")
            encoding = WAV_ENCODINGS.get((tag, int.from_bytes(form[14:16], "little")))
            rate = int.from_bytes(form[4:8], "little")
            if encoding is None or channels != 1 or not LOWEST_RATE <= rate <= HIGHEST_RATE:
                raise UndecodableAudio(NO_CONTAINER)
            return at + 8, encoding, rate
        if name == b"fmt ":
            form = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    if len(data) > MOST_HEADER_BYTES:
        raise UndecodableAudio(NO_CONTAINER)
    return None
