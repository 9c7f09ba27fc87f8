"""`audio.flac` of one call, as the disk takes it: frames that could not be written are silence once others can be.

All of it runs in the disk's thread, but for `faults`, which the call reads."""

from __future__ import annotations

import errno
import logging
import os
from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bargein.errors import BargeinError
from bargein.recorder.audio_flac import FRAME, HEADER_BYTES, LANES, FlacEncoder, header, silent_frame
from bargein.recorder.record_file import hold

log = logging.getLogger(__name__)

AUDIO_FILE = "audio.flac"
PEAKS_FILE = "audio.peaks"
PEAKS_AT_ONCE = 2000  # bytes: 24 s
PEAK_MS = 24  # of audio for each pair of peaks: a third of a frame of 16 kHz
SILENCE_AT_ONCE = 64 * FRAME  # samples of silence that are encoded in one go


class AudioFile:
    """Raises nothing. path: in the call's folder, which is made; max_bytes: bound of the file."""

    def __init__(self, path: Path, rate: int, max_bytes: int) -> None:
        self.path = path
        self.faults: deque[dict[str, object]] = deque(maxlen=64)
        """What went wrong, and what was right again: facts for the journal."""
        self.over = False
        """Nothing more is written."""
        self.samples = 0
        """Of each lane, so far."""
        self._rate = rate
        self._left = max_bytes - HEADER_BYTES
        self._encoder: FlacEncoder | None = None
        self._fd: int | None = None
        self._tells_peaks = True
        self._peaks = b""  # that are not written
        self._size = 0  # of the file's whole frames
        self._lost_from: int | None = None  # first frame that is not in the file

    def open(self) -> None:
        """Make the file, readable by the owner only. A file that exists stays as it is."""
        try:
            self._encoder = FlacEncoder(self._rate)
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            hold(self._fd)
            os.pwrite(self._fd, header(self._rate, 0), 0)
            self._size = HEADER_BYTES
        except BargeinError as error:
            self._end(error.message)
        except OSError as error:
            self._end(error.strerror or "no reason given")

    def write(self, block: NDArray[np.int16], skipped: int = 0) -> None:
        """The next block, shape (n, 2). skipped: samples of silence before it."""
        if self.over or self._encoder is None:
            return
        while skipped > 0:
            part = min(skipped, SILENCE_AT_ONCE)
            self._take(np.zeros((part, LANES), np.int16))
            skipped -= part
        self._take(block)

    def close(self) -> None:
        """The last frame, and the length in the header."""
        if self._encoder is None or self._fd is None:
            return
        first = self._encoder.frames
        self._put(self._encoder.finish(), first)
        self._end(None)

    def _take(self, block: NDArray[np.int16]) -> None:
        encoder = self._encoder
        if encoder is None or not len(block):
            return
        first = encoder.frames
        try:
            data = encoder.encode(block)
        except (OSError, RuntimeError) as error:  # soundfile's errors are RuntimeErrors
            self._end(f"the encoder failed ({error})")
            return
        self.samples += len(block)
        self._put(data, first)
        self._tell_peaks(block)

    def _put(self, data: bytes, first: int) -> None:
        """Frames from number `first` on. What cannot be written leaves the file as it was."""
        if self._fd is None or not data:
            return
        if self._lost_from is not None:
            data = b"".join(silent_frame(number, self._rate) for number in range(self._lost_from, first)) + data
        if len(data) > self._left:
            log.error("%s is as large as it may become; the rest of the call's audio is not recorded", self.path)
            self._lost_from = first if self._lost_from is None else self._lost_from
            self._end("the file is as large as it may become")
            return
        try:
            done = os.pwrite(self._fd, data, self._size)
            if done < len(data):  # a disk that is almost full takes a part
                os.ftruncate(self._fd, self._size)
        except OSError as error:
            self._lost(first, error.strerror or "no reason given")
            return
        if done < len(data):
            self._lost(first, os.strerror(errno.ENOSPC))
            return
        self._size += len(data)
        self._left -= len(data)
        self._found(first)

    def _lost(self, first: int, why: str) -> None:
        if self._lost_from is None:
            self._lost_from = first
            log.error("Audio of %s is lost: %s", self.path, why)
            self.faults.append({"kind": "recording_lost", "from_ms": self._ms(first), "why": why})

    def _found(self, first: int) -> None:
        if self._lost_from is not None:
            self._lost_from = None
            self.faults.append({"kind": "recording_again", "until_ms": self._ms(first)})

    @property
    def _length(self) -> int:
        """Samples of each lane in the file."""
        return self.samples if self._lost_from is None else min(self.samples, self._lost_from * FRAME)

    def _ms(self, frame: int) -> float:
        return frame * FRAME * 1000 / self._rate

    def _tell_peaks(self, block: NDArray[np.int16]) -> None:
        """The loudest sample of each lane in every PEAK_MS, for a waveform without decoding."""
        self._peaks += peaks_of(block, self._rate).tobytes()
        if len(self._peaks) >= PEAKS_AT_ONCE:
            self._write_peaks()

    def _write_peaks(self) -> None:
        peaks, self._peaks = self._peaks, b""
        if not self._tells_peaks or not peaks:
            return
        try:
            fd = os.open(self.path.with_name(PEAKS_FILE), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, peaks)
            finally:
                os.close(fd)
        except OSError:
            self._tells_peaks = False  # the waveform is made of the audio instead

    def _end(self, why: str | None) -> None:
        """why: what has gone wrong; None: nothing has."""
        if why is not None:
            log.warning("The audio of call %s is not recorded: %s", self.path.parent.name, why)
            self.faults.append({"kind": "recording_ended", "why": why, "ms": self.samples * 1000 / self._rate})
        self.over = True
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None
        if self._fd is None:
            return
        self._write_peaks()
        try:
            os.pwrite(self._fd, header(self._rate, self._length), 0)
            os.close(self._fd)
        except OSError as error:
            log.warning("%s was not closed properly: %s", self.path, error.strerror)
        self._fd = None


def peaks_of(block: NDArray[np.int16], rate: int) -> NDArray[np.uint8]:
    """The loudest sample of each lane in every PEAK_MS: 255 is full scale. block: shape (n, 2)."""
    size = rate * PEAK_MS // 1000
    whole = len(block) // size * size
    parts = np.ascontiguousarray(block[:whole].T).reshape(LANES, -1, size)  # a row of memory is ten times as fast
    # The negative extreme has no positive twin in int16.
    high = np.maximum(parts.max(axis=2), -1 - parts.min(axis=2))
    peaks: NDArray[np.uint8] = np.ascontiguousarray((high >> 7).astype(np.uint8).T)
    return peaks
