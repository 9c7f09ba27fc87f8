"""Reads a call's audio back, as far as it goes: also after a kill, which leaves a header without the length, and half a
frame at the end. Nothing here raises for a file that is broken; all of it waits for the disk.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bargein.recorder.audio_file import AUDIO_FILE, PEAK_MS, PEAKS_FILE, peaks_of
from bargein.recorder.audio_flac import FRAME, HEADER_BYTES, LANES, FrameHead, header, is_whole, read_head
from bargein.recorder.record_file import is_written

log = logging.getLogger(__name__)

TAIL = 256 * 1024  # bytes in which the last whole frame is sought: a frame has 4.6 kB at most
RATE_AT = 18  # of STREAMINFO's numbers in the file
DECODE_SAMPLES = 1 << 18  # at once


@dataclass(frozen=True, slots=True)
class RecordedAudio:
    """A call's `audio.flac`."""

    path: Path
    rate: int
    """Hz. 0 where the file cannot be read."""
    samples: int
    """Of each lane."""
    size: int
    """Bytes that can be decoded: header and whole frames."""
    header: bytes
    """The header as it is to be read, with the length. It stands in the file, too, unless the file is being written, or
    cannot be."""
    live: bool
    """A process of this machine still writes it."""
    fault: str | None = None
    """Why it cannot be read, or what of it is missing. None: it is whole."""

    @property
    def ms(self) -> float:
        """Its length."""
        return self.samples * 1000 / self.rate if self.rate else 0.0

    @property
    def readable(self) -> bool:
        return self.samples > 0


def read_audio(folder: Path) -> RecordedAudio | None:
    """The audio of a call, whose header is mended if it needs to be. folder: the call's. None: there is none."""
    path = folder / AUDIO_FILE
    if not path.is_file():
        return None
    live = is_written(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
            size = file.seek(0, os.SEEK_END)
            known = _known(head)
            if known is None:
                return RecordedAudio(path, 0, 0, 0, b"", live, "It is no recording of a call")
            rate, samples = known
            if samples and not live:
                return RecordedAudio(path, rate, samples, size, head, live)
            start = max(HEADER_BYTES, size - TAIL)
            file.seek(start)
            last, end = _last_frame(file.read(), start)
    except OSError as error:
        return RecordedAudio(path, 0, 0, 0, b"", live, f"It cannot be read: {error.strerror}")
    samples = 0 if last is None else last.number * FRAME + last.samples
    whole = header(rate, samples)
    fault = None if live else "The process that wrote it was killed: its last seconds may be missing"
    if not samples and not live:
        fault = "Nothing was written before the process was killed"
    elif not live:
        _mend(path, whole, end)
    return RecordedAudio(path, rate, samples, end, whole, live, fault)


def read_bytes(audio: RecordedAudio, first: int, count: int) -> bytes:
    """A part of the file, as it is with its header mended. Empty where it cannot be read any more."""
    try:
        with _Mended(audio) as file:
            file.seek(first)
            return file.read(count)
    except OSError as error:
        log.warning("%s cannot be read: %s", audio.path, error.strerror)
        return b""


def decode(audio: RecordedAudio, first: int = 0, count: int | None = None) -> NDArray[np.int16]:
    """Samples of both lanes, shape (n, 2): as many as can be read. first, count: which of them."""
    import soundfile  # noqa: PLC0415  # of the extra `record`

    if not audio.readable:
        return np.zeros((0, LANES), np.int16)
    try:
        with _Mended(audio) as file, soundfile.SoundFile(file) as flac:
            flac.seek(min(first, audio.samples))
            samples: NDArray[np.int16] = flac.read(-1 if count is None else count, dtype="int16", always_2d=True)
            return samples
    except (OSError, RuntimeError) as error:  # soundfile's errors are RuntimeErrors
        log.warning("%s cannot be decoded: %s", audio.path, error)
        return np.zeros((0, LANES), np.int16)


def peaks(folder: Path, per_s: float) -> NDArray[np.uint8]:
    """The loudest sample of each lane in every 1/per_s of a second, shape (n, 2): 255 is full scale. per_s: at most
    1000 / PEAK_MS. Of no audio, shape (0, 2)."""
    audio = read_audio(folder)
    if audio is None or not audio.readable:
        return np.zeros((0, LANES), np.uint8)
    wanted = audio.samples * 1000 // (audio.rate * PEAK_MS)
    try:
        fine = np.fromfile(folder / PEAKS_FILE, np.uint8)
    except OSError:
        fine = np.zeros(0, np.uint8)
    fine = fine[: len(fine) // LANES * LANES].reshape(-1, LANES)
    if len(fine) < wanted:
        fine = _decoded_peaks(audio)
    step = max(1.0, 1000 / (PEAK_MS * per_s))
    if not len(fine):
        return fine
    starts = np.unique((np.arange(int(np.ceil(len(fine) / step))) * step).astype(int))
    coarse: NDArray[np.uint8] = np.maximum.reduceat(fine, starts, axis=0)
    return coarse


def _decoded_peaks(audio: RecordedAudio) -> NDArray[np.uint8]:
    parts = []
    at, once = 0, DECODE_SAMPLES // (audio.rate * PEAK_MS // 1000) * (audio.rate * PEAK_MS // 1000)
    while at < audio.samples and len(block := decode(audio, at, once)):
        parts.append(peaks_of(block, audio.rate))
        at += len(block)
    return np.concatenate(parts) if parts else np.zeros((0, LANES), np.uint8)


def _known(head: bytes) -> tuple[int, int] | None:
    """Rate and samples of a header of ours. None: it is none."""
    if len(head) < HEADER_BYTES:
        return None
    numbers = int.from_bytes(head[RATE_AT : RATE_AT + 8], "big")
    rate, samples = numbers >> 44, numbers & (1 << 36) - 1
    return (rate, samples) if head == header(rate, samples) else None


def _last_frame(data: bytes, start: int) -> tuple[FrameHead | None, int]:
    """The last whole frame, and where it ends in the file. data: the file from `start` on."""
    ends = [len(data)]  # where a frame may end: at the end, or where another begins
    at = data.rfind(b"\xff\xf8")
    while at >= 0:
        if (head := read_head(data, at)) is not None:
            for end in ends:
                if is_whole(data[at:end]):
                    return head, start + end
        ends.append(at)
        at = data.rfind(b"\xff\xf8", 0, at + 1)
    return None, start


def _mend(path: Path, whole: bytes, end: int) -> None:
    try:
        with path.open("r+b") as file:
            file.write(whole)
            file.truncate(end)
    except OSError as error:
        log.info("The header of %s cannot be mended: %s", path, error.strerror)


class _Mended:
    """A file of audio, as it would be with its header mended."""

    def __init__(self, audio: RecordedAudio) -> None:
        self._audio = audio
        self._file = audio.path.open("rb")

    def __enter__(self) -> _Mended:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, count: int = -1) -> bytes:
        at, size = self._file.tell(), self._audio.size
        count = max(0, size - at) if count < 0 else min(count, max(0, size - at))
        data = self._file.read(count)
        head = self._audio.header[at:]
        return head[: len(data)] + data[len(head) :] if head else data

    def seek(self, offset: int, whence: int = 0) -> int:
        base = (0, self._file.tell(), self._audio.size)[whence]
        return self._file.seek(base + offset)

    def tell(self) -> int:
        return self._file.tell()
