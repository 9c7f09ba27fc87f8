"""The caller's audio: frames in order, each at its position in the stream."""

from __future__ import annotations

from collections.abc import Iterator

from bargein.audio.pcm import FRAME_MS, Samples
from bargein.clock import Clock
from bargein.protocols import AudioIn, ClientFault
from bargein.transports.positions import IncomingPositions
from bargein.transports.telephone.reorder import MediaReorderer
from bargein.transports.telephone.stamps import Stamps


class IncomingAudio:
    """rate: Hz. ahead_ms: audio that may come ahead of real time without being noted as a burst."""

    def __init__(self, clock: Clock, rate: int, ahead_ms: float) -> None:
        self._ahead_ms = ahead_ms
        self._frame_samples = rate * FRAME_MS // 1000
        self._order = MediaReorderer()
        self._stamps = Stamps(rate, self._frame_samples)
        self._positions = IncomingPositions(clock, rate, ahead_ms)
        self._counted = True  # the frames' numbers give their order
        self._stamped = True  # the frames' times tell the gaps

    @property
    def lost(self) -> int:
        """Frames that did not come in time."""
        return self._order.lost

    @property
    def late(self) -> int:
        """Frames that came after they counted as lost, or twice."""
        return self._order.late

    def take(self, samples: Samples, number: int | None, at_ms: float | None) -> Iterator[AudioIn]:
        """Take a frame, with the vendor's number and time of it. Gives the audio that is in order now."""
        positions, stamps = self._positions, self._stamps
        for frame in self._order.take(number, samples, at_ms):
            stated = stamps.gap(frame.at_ms, positions.end)
            gap = frame.lost * self._frame_samples if stated is None else stated
            first, believed = positions.place(len(frame.samples), gap)
            if not believed and stated is not None:
                stamps.doubt(frame.at_ms, first)
            yield AudioIn(frame.samples, first)

    def faults(self, samples: int) -> Iterator[ClientFault]:
        """What is wrong with the stream, after a frame of so many samples."""
        if not self._positions.in_pace(samples):
            what = f"More than {self._ahead_ms / 1000:g} s of audio came at once"
            yield ClientFault("audio_ahead", what, "Send the audio as it is spoken")
        if self._counted and not self._order.counted:
            self._counted = False
            advice = "Count the frames up; they are taken as they come"
            yield ClientFault("bad_numbers", "The frames' numbers give no order", advice)
        if self._stamped and not self._stamps.useful:
            self._stamped = False
            advice = "Give each frame's time in milliseconds; gaps are told by the frames' arrival now"
            yield ClientFault("bad_times", "The frames' times are no milliseconds", advice)
