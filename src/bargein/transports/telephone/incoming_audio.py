"""The caller's audio: frames in order, each at its position in the stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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

    def take(self, samples: Samples, number: int | None, at_ms: float | None) -> Iterable[AudioIn]:
        """Take a frame, with the vendor's number and time of it. Gives the audio that is in order now."""
        if self._order.is_next(number):  # 50 frames a second of each call
            return (self._placed(samples, 0, at_ms),)
        return [
            self._placed(frame.samples, frame.lost, frame.at_ms) for frame in self._order.take(number, samples, at_ms)
        ]

    def _placed(self, samples: Samples, lost: int, at_ms: float | None) -> AudioIn:
        """lost: frames that are missing before this one."""
        positions, stamps = self._positions, self._stamps
        stated = stamps.gap(at_ms, positions.end)
        gap = lost * self._frame_samples if stated is None else stated
        first, believed = positions.place(len(samples), gap)
        if not believed and stated is not None:
            stamps.doubt(at_ms, first)
        return AudioIn(samples, first)

    def faults(self, samples: int) -> Iterable[ClientFault]:
        """What is wrong with the stream, after a frame of so many samples. To be called for every frame."""
        in_pace = self._positions.in_pace(samples)
        known = self._counted == self._order.counted and self._stamped == self._stamps.useful
        return () if in_pace and known else self._new_faults(in_pace)

    def _new_faults(self, in_pace: bool) -> Iterator[ClientFault]:
        if not in_pace:
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
