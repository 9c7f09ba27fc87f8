"""The line to a browser.

Everything that goes out stands in one bounded line with two lanes, control before audio, so that a hold never waits
behind the sound that it is to stop. One writer takes from it.
"""

from __future__ import annotations

import asyncio
from collections import deque

from bargein.protocols import AudioOut


class BrowserSendQueue:
    """audio_samples: bound of the audio lane; controls: bound of the other."""

    def __init__(self, audio_samples: int, controls: int) -> None:
        self._most_samples = audio_samples
        self._most_controls = controls
        self._controls: deque[str] = deque()
        self._audio: deque[AudioOut] = deque()
        self._samples = 0
        self._ended = False
        self._wake = asyncio.Event()

    def control(self, text: str) -> bool:
        """Put a message in. False: the lane is full, and the message dropped."""
        if self._ended or len(self._controls) >= self._most_controls:
            return False
        self._controls.append(text)
        self._wake.set()
        return True

    def audio(self, frame: AudioOut) -> bool:
        """Put a frame in. False: the lane is full; offer it again later."""
        if self._ended or self._samples + len(frame.samples) > self._most_samples:
            return False
        self._audio.append(frame)
        self._samples += len(frame.samples)
        self._wake.set()
        return True

    def take_back(self, reply: int) -> list[AudioOut]:
        """Every frame of a reply that has not left, in order; they are in the line no more."""
        taken = [frame for frame in self._audio if frame.reply == reply]
        if taken:
            self._audio = deque(frame for frame in self._audio if frame.reply != reply)
            self._samples -= sum(len(frame.samples) for frame in taken)
        return taken

    def end(self) -> None:
        """Nothing more comes in. What the control lane holds still goes out; audio does not."""
        self._ended = True
        self._audio.clear()
        self._samples = 0
        self._wake.set()

    async def next(self) -> str | AudioOut | None:
        """The next to be written; None: the line has ended."""
        while True:
            if self._controls:
                return self._controls.popleft()
            if self._audio:
                frame = self._audio.popleft()
                self._samples -= len(frame.samples)
                return frame
            if self._ended:
                return None
            self._wake.clear()
            await self._wake.wait()
