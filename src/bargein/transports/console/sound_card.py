"""The sound card of this machine, by the package sounddevice (PortAudio)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from bargein.audio.pcm import Samples
from bargein.errors import Unavailable

BLOCK_MS = 20
INSTALL = "Install it with pip install 'bargein[console]', or use --wav in.wav --out out.wav"


class Card(Protocol):
    """Where a console's audio comes from and goes to."""

    def open(self, captured: Callable[[Samples], None], pull: Callable[[int, float, float], Samples]) -> None:
        """Begin. captured: gets the microphone's audio, as it comes, in any thread. pull(count, sounds_s, now_s): gives
        the loudspeaker's. Raises Unavailable."""
        ...

    def close(self) -> None: ...


class SoundCard:
    """A Card by shape. rate_in, rate_out: Hz. microphone, loudspeaker: names or numbers of devices; None: the
    machine's own."""

    def __init__(
        self, rate_in: int, rate_out: int, *, microphone: str | None = None, loudspeaker: str | None = None
    ) -> None:
        self._rate_in, self._rate_out = rate_in, rate_out
        self._microphone, self._loudspeaker = microphone, loudspeaker
        self._streams: list[Any] = []

    def open(self, captured: Callable[[Samples], None], pull: Callable[[int, float, float], Samples]) -> None:
        sd = load()

        def on_input(data: Any, frames: int, time: Any, status: Any) -> None:
            captured(np.frombuffer(data, np.int16).copy())

        def on_output(data: Any, frames: int, time: Any, status: Any) -> None:
            # Some hosts do not know the DAC's time, and say 0.
            sounds_s = max(time.outputBufferDacTime, time.currentTime)
            data[:] = pull(frames, sounds_s, time.currentTime).tobytes()

        try:
            for kind, device, rate, callback in (
                (sd.RawOutputStream, self._loudspeaker, self._rate_out, on_output),
                (sd.RawInputStream, self._microphone, self._rate_in, on_input),
            ):
                stream = kind(
                    samplerate=rate,
                    channels=1,
                    dtype="int16",
                    blocksize=rate * BLOCK_MS // 1000,
                    device=_device(device),
                    latency="low",
                    callback=callback,
                )
                self._streams.append(stream)
                stream.start()
        except (sd.PortAudioError, ValueError) as error:
            self.close()
            raise Unavailable(
                f"The sound card cannot be used: {error}",
                advice="Look at `bargein console --devices`, choose with --microphone and --loudspeaker, or use "
                "--wav in.wav --out out.wav",
            ) from None

    def close(self) -> None:
        streams, self._streams = self._streams, []
        for stream in streams:
            stream.close()


def load() -> Any:
    """The module sounddevice. Raises Unavailable where it, or PortAudio, is not installed."""
    try:
        import sounddevice  # type: ignore[import-untyped]  # noqa: PLC0415  # an extra
    except ImportError:
        raise Unavailable("The package sounddevice is not installed", advice=INSTALL) from None
    except OSError:
        advice = "Install it (Debian, Ubuntu: apt install libportaudio2), or use --wav in.wav --out out.wav"
        raise Unavailable("PortAudio, which sounddevice needs, is not installed", advice=advice) from None
    return sounddevice


def devices() -> list[str]:
    """The machine's devices, one line each. Raises Unavailable."""
    return [
        f"{number}: {each['name']} ({each['max_input_channels']} in, {each['max_output_channels']} out)"
        for number, each in enumerate(load().query_devices())
    ]


def _device(name: str | None) -> int | str | None:
    return int(name) if name is not None and name.isdecimal() else name
