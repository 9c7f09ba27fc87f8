"""The formats in which simulated TTS sends its audio: raw samples, WAV, and what PyAV can compress.

PyAV comes with the extra "webrtc". Without it a compressed format is refused, with a message that says so.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from bargein.audio.alaw import to_alaw
from bargein.audio.mulaw import to_mulaw
from bargein.audio.pcm import Pcm, Samples

try:
    import av
except ImportError:  # without PyAV no compressed format is served
    av = None  # type: ignore[assignment]

NO_PYAV = "The simulator has no encoder for compressed audio: install bargein[webrtc]."
MUXERS = {"mp3": ("mp3", "libmp3lame"), "opus": ("ogg", "libopus"), "aac": ("adts", "aac"), "flac": ("flac", "flac")}
MUXER_OPTIONS = {"mp3": {"write_xing": "0", "id3v2_version": "0"}}  # both need a file that can be written again
OPUS_RATE = 48_000
MEDIA_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


class AudioEncoder(Protocol):
    """Encodes the audio of one reply, in the order in which it is made."""

    def push(self, samples: Samples) -> bytes:
        """The next samples. Returns what can be sent now, which may be empty."""
        ...

    def end(self) -> bytes:
        """What is still to be sent."""
        ...


@dataclass(frozen=True, slots=True)
class RawEncoder:
    """Samples without a header. encoding: "s16le", "f32le", "mulaw" or "alaw"."""

    encoding: str

    def push(self, samples: Samples) -> bytes:
        match self.encoding:
            case "mulaw":
                return to_mulaw(samples)
            case "alaw":
                return to_alaw(samples)
            case "f32le":
                return (samples.astype(np.float32) / 32_768).astype("<f4").tobytes()
            case _:
                return samples.astype("<i2").tobytes()

    def end(self) -> bytes:
        return b""


class WavEncoder:
    """A WAV of 16-bit samples and unknown length, as vendors stream it."""

    def __init__(self, rate: int) -> None:
        self._header = wav_header(rate)

    def push(self, samples: Samples) -> bytes:
        header, self._header = self._header, b""
        return header + samples.astype("<i2").tobytes()

    def end(self) -> bytes:
        header, self._header = self._header, b""
        return header


class CompressedEncoder:
    """MP3, Opus in Ogg, AAC or FLAC. rate: of the samples, and of the file but for Opus, which has 48 kHz."""

    def __init__(self, kind: str, rate: int, bit_rate: int | None = None) -> None:
        muxer, codec = MUXERS[kind]
        self._sink = _Sink()
        self._container = av.open(self._sink, "w", format=muxer, options=MUXER_OPTIONS.get(kind, {}))
        self._stream = cast("Any", self._container).add_stream(
            codec, rate=OPUS_RATE if kind == "opus" else rate, layout="mono"
        )
        if bit_rate is not None:
            self._stream.bit_rate = bit_rate
        self._rate, self._at = rate, 0

    def push(self, samples: Samples) -> bytes:
        if len(samples):
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts = self._rate, self._at
            self._at += len(samples)
            self._container.mux(self._stream.encode(frame))
        return self._sink.take()

    def end(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()


class _Sink:
    """A file that can only be written, so that nothing is written again."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


def can_compress() -> bool:
    """Whether PyAV is installed."""
    return av is not None


def file_encoder(kind: str, rate: int) -> AudioEncoder:
    """The encoder of a whole file: "mp3", "opus", "aac", "flac" or "wav". "pcm" has no header."""
    if kind == "wav":
        return WavEncoder(rate)
    return RawEncoder("s16le") if kind == "pcm" else CompressedEncoder(kind, rate)


def decoded(data: bytes) -> Pcm:
    """The audio of a file of any format that PyAV reads. Raises ValueError."""
    if av is None:
        raise ValueError(NO_PYAV)
    try:
        with cast("Any", av).open(io.BytesIO(data)) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
            frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
            parts = [part.to_ndarray().reshape(-1) for part in [*frames, *resampler.resample(None)]]
    except (av.FFmpegError, IndexError) as error:
        raise ValueError("The file has no audio") from error
    return Pcm(np.concatenate([*parts, np.zeros(0, np.int16)]).astype(np.int16), 16_000)


def wav_header(rate: int) -> bytes:
    """The header of a WAV of unknown length, as Groq streams it."""
    size = b"\xff\xff\xff\xff"
    form = b"".join(n.to_bytes(w, "little") for n, w in ((1, 2), (1, 2), (rate, 4), (rate * 2, 4), (2, 2), (16, 2)))
    extra = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    return b"RIFF" + size + b"WAVE" + b"fmt " + (16).to_bytes(4, "little") + form + extra + b"data" + size
