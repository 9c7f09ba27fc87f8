"""Voice activity detection, for all calls of a process at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from bargein.audio.pcm import Samples

if TYPE_CHECKING:
    from bargein.audio.vad import VADWindow


class VADStream(Protocol):
    """One call's stream into a detector. dropped: windows that it could not judge in time."""

    dropped: int

    def push_audio(self, samples: Samples) -> None:
        """Take any number of samples. Never waits."""
        ...

    def skip(self, samples: int) -> None:
        """So many samples are missing here."""
        ...

    def close(self) -> None:
        """No window is told after this."""
        ...


class VAD(Protocol):
    """Voice activity for all calls of a process (audio.vad.Vad, or your own)."""

    def open(self, rate: int, on_window: Callable[[VADWindow], None]) -> VADStream: ...
