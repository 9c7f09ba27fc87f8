"""The send queue of a browser.

One bounded queue with two lanes holds everything that goes out. Control goes before audio, so a hold never waits
behind the audio that the hold is to stop. One writer takes from the queue.
"""

from __future__ import annotations

import asyncio
from collections import deque

from bargein.protocols import AudioOut


class BrowserSendQueue:
    """max_samples: bound of the audio lane; max_controls: bound of the control lane."""

    def __init__(self, max_samples: int, max_controls: int) -> None:
        self._max_samples = max_samples
        self._max_controls = max_controls
        self._controls: deque[str] = deque()
        self._audio: deque[AudioOut] = deque()
        self._samples = 0
        self._closed = False
        self._changed = asyncio.Event()

    def push_control(self, text: str) -> bool:
        """Add a message. False: the lane is full or closed, and the message is dropped."""
        if self._closed or len(self._controls) >= self._max_controls:
            return False
        self._controls.append(text)
        self._changed.set()
        return True

    def push_audio(self, frame: AudioOut) -> bool:
        """Add a frame. False: the lane is full or closed. A full lane may take the frame later."""
        if self._closed or self._samples + len(frame.samples) > self._max_samples:
            return False
        self._audio.append(frame)
        self._samples += len(frame.samples)
        self._changed.set()
        return True

    def discard_reply(self, reply: int) -> list[AudioOut]:
        """Remove every frame of a reply. Returns the removed frames in order."""
        removed = [frame for frame in self._audio if frame.reply == reply]
        if removed:
            self._audio = deque(frame for frame in self._audio if frame.reply != reply)
            self._samples -= sum(len(frame.samples) for frame in removed)
        return removed

    def close(self) -> None:
        """Take nothing more. Control messages in the queue still go out; audio is discarded."""
        self._closed = True
        self._audio.clear()
        self._samples = 0
        self._changed.set()

    async def next(self) -> str | AudioOut | None:
        """The next item to send. None: the queue is closed and empty."""
        while True:
            if self._controls:
                return self._controls.popleft()
            if self._audio:
                frame = self._audio.popleft()
                self._samples -= len(frame.samples)
                return frame
            if self._closed:
                return None
            self._changed.clear()
            await self._changed.wait()
