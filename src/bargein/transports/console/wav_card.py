"""WAV files in the place of a sound card: one is the microphone, and what the loudspeaker plays goes into another."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.clock import Clock
from bargein.errors import UsageError
from bargein.foreign import printable

STEP_MS = 20


def read_wav(path: Path, rate: int) -> Samples:
    """The file's first channel at this rate. Raises UsageError."""
    try:
        with wave.open(str(path)) as file:
            if file.getsampwidth() != 2:
                raise UsageError(f"{path} has {8 * file.getsampwidth()} bits a sample", advice="Give 16-bit PCM")
            data = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            samples, own = data[:: file.getnchannels()].astype(np.int16), file.getframerate()
    except (OSError, wave.Error, EOFError) as error:
        raise UsageError(
            f"{path} cannot be read: {printable(str(error), 100) or 'it is empty'}",
            advice="Give a WAV file of 16-bit PCM",
        ) from None
    return samples if own == rate else resample(Pcm(samples, own), rate).samples


class WavCard:
    """A Card by shape, whose time is the clock's. heard: the file that is written. ended: called once the microphone's
    file is over, and `rest_ms` more have passed."""

    def __init__(
        self,
        spoken: Samples,
        rate_in: int,
        rate_out: int,
        clock: Clock,
        *,
        heard: Path | None = None,
        rest_ms: float = 3_000.0,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._spoken = spoken
        self._rate_in, self._rate_out = rate_in, rate_out
        self._clock = clock
        self._path = heard
        self._raw: BinaryIO | None = None
        self._file: wave.Wave_write | None = None
        self._rest_ms = rest_ms
        self.ended = ended
        self.failure = ""
        """Why the rest of what sounded could not be written. "": all of it was."""
        self._at_ms = 0.0
        self._captured: Callable[[Samples], None] | None = None
        self._pull: Callable[[int, float, float], Samples] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def length_ms(self) -> float:
        """Of the microphone's file."""
        return len(self._spoken) * 1000 / self._rate_in

    def open(self, captured: Callable[[Samples], None], pull: Callable[[int, float, float], Samples]) -> None:
        self._captured, self._pull = captured, pull
        if self._path is not None:
            try:
                self._raw = self._path.open("wb")
            except OSError as error:
                advice = "Choose another file for --out"
                raise UsageError(f"{self._path} cannot be written: {error.strerror}", advice=advice) from None
            self._file = wave.open(self._raw, "wb")  # noqa: SIM115  # closed by `close`
            self._file.setparams((1, 2, self._rate_out, 0, "NONE", ""))

    async def run(self) -> None:
        """Move the files with the clock, until cancelled."""
        began_ms = self._clock.now_ms()
        while True:
            passed_ms = self._clock.now_ms() - began_ms
            while self._at_ms <= passed_ms:
                self.step()
            await asyncio.sleep((self._at_ms - passed_ms) / 1000)

    def step(self) -> None:
        """20 ms pass."""
        if self._captured is None or self._pull is None:
            return
        now_s, size = self._at_ms / 1000, self._rate_in * STEP_MS // 1000
        at = round(self._at_ms * self._rate_in / 1000)
        spoken = self._spoken[at : at + size]
        if len(spoken) < size:
            spoken = np.concatenate((spoken, np.zeros(size - len(spoken), np.int16)))
        self._captured(spoken)
        heard = self._pull(self._rate_out * STEP_MS // 1000, now_s, now_s)
        self._write(heard)
        over_ms = self.length_ms + self._rest_ms
        self._at_ms += STEP_MS
        if self._at_ms - STEP_MS < over_ms <= self._at_ms:
            self.ended()

    def _write(self, heard: Samples) -> None:
        if self._file is None:
            return
        try:
            self._file.writeframesraw(heard.astype("<i2").tobytes())
        except OSError as error:  # a full disk, say: the call goes on
            self._finish(error)

    def close(self) -> None:
        self._captured = self._pull = None
        self._finish(None)

    def _finish(self, error: OSError | None) -> None:
        file, raw, self._file, self._raw = self._file, self._raw, None, None
        for each in (file, raw):
            try:
                if each is not None:
                    each.close()
            except OSError as another:
                error = error or another
        if error is not None:
            self.failure = f"{self._path} could not be written to its end: {error.strerror or error}"
