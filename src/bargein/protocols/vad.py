"""Voice activity detection, for all calls of a process at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from bargein.audio.pcm import Samples

if TYPE_CHECKING:
    from bargein.audio.vad import VADWindow


class VADStream(Protocol):
    """One call's stream into a VAD."""

    dropped: int
    """Windows that came faster than the VAD could judge them."""

    def push_audio(self, samples: Samples) -> None:
        """Take any number of samples. Never waits."""
        ...

    def skip(self, samples: int) -> None:
        """`samples` samples are missing here. Positions count them."""
        ...

    def close(self) -> None:
        """No window is given after this."""
        ...


class VAD(Protocol):
    """A detector for all calls of a process: `bargein.audio.vad.SileroVAD`, or another of this shape."""

    def open(self, rate: int, on_window: Callable[[VADWindow], None]) -> VADStream:
        """One call's stream. rate: Hz, 8000 or 16000; on_window: called on the event loop, in order."""
        ...
