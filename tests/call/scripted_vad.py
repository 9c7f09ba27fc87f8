"""A VAD that finds speech in whatever is not silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bargein.audio.pcm import Samples
from bargein.audio.vad import VADWindow

WINDOW = 512  # samples at 16 kHz: 32 ms


@dataclass
class _Stream:
    on_window: Callable[[VADWindow], None]
    at: int = 0
    dropped: int = 0
    closed: bool = False

    def push_audio(self, samples: Samples) -> None:
        """Speech is whatever is not silence: its probability is the first sample of a window over 1000."""
        for i in range(0, len(samples) - WINDOW + 1, WINDOW):
            first = self.at
            self.at += WINDOW
            if not self.closed:
                self.on_window(VADWindow(first, self.at, abs(int(samples[i])) / 1000))

    def skip(self, samples: int) -> None:
        self.at += samples

    def close(self) -> None:
        self.closed = True


class ScriptedVAD:
    def __init__(self) -> None:
        self.streams: list[_Stream] = []

    def open(self, rate: int, on_window: Callable[[VADWindow], None]) -> _Stream:
        self.streams.append(_Stream(on_window))
        return self.streams[-1]
