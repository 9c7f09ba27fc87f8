"""The floor's VAD in the place of Pipecat's: one run of the model for both.

Pipecat's aggregator waits for its VAD at each frame of the user's audio, in a thread, before the floor gets the frame.
The floor's scores are there already, so nothing is waited for.
"""

from __future__ import annotations

from collections.abc import Callable

from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADParams, VADState

from bargein.integrations.floor import BargeinFloor

WINDOW_MS = 32  # of Silero
UNSCORED_MS = 1_500  # of audio: windows of a calm line wait 256 ms at most


class BargeinVAD(VADAnalyzer):
    """`LLMUserAggregatorParams(vad_analyzer=bargein.vad())`. params: Pipecat's own, for the ends of turns. failed: an
    error of ours keeps audio from the floor.

    Where the floor scores nothing (it could not start, it is broken), Pipecat's Silero takes its place."""

    def __init__(self, floor: BargeinFloor, failed: Callable[[], bool], params: VADParams | None = None) -> None:
        super().__init__(params=params)
        self._floor, self._failed = floor, failed
        self._windows = 0
        self._unscored_ms = 0.0
        self._instead: VADAnalyzer | None = None

    def num_frames_required(self) -> int:
        """The samples of one window."""
        return self.sample_rate * WINDOW_MS // 1000

    def voice_confidence(self, buffer: bytes) -> float:
        """The floor's newest score; it heard the same audio."""
        return self._floor.user_speech

    async def analyze_audio(self, buffer: bytes) -> VADState:
        """Take the next audio. Pipecat's states."""
        if self._instead is not None:
            return await self._instead.analyze_audio(buffer)
        self._unscored_ms += len(buffer) / 2 / self.sample_rate * 1000
        if self._windows != self._floor.windows:
            self._windows, self._unscored_ms = self._floor.windows, min(self._unscored_ms, 0.0)
        if self._unscored_ms >= 0.0 and (self._failed() or self._floor.broken or self._unscored_ms > UNSCORED_MS):
            self._give_way()
        return self._run_analyzer(buffer)

    def set_params(self, params: VADParams) -> None:
        """Pipecat's own way to change them in a call."""
        super().set_params(params)
        if self._instead is not None:
            self._instead.set_params(params)

    async def cleanup(self) -> None:
        """The call is over."""
        await super().cleanup()
        if self._instead is not None:
            await self._instead.cleanup()

    def _give_way(self) -> None:
        self._unscored_ms = float("-inf")  # once
        try:
            instead = SileroVADAnalyzer(params=self.params)
            instead.set_sample_rate(self.sample_rate)
        except Exception as error:
            logger.opt(exception=error).error("Bargein: the floor scores no audio, and Silero cannot take its place.")
            return
        logger.warning("Bargein: the floor scores no audio. Pipecat's Silero hears the ends of turns from here on.")
        self._instead = instead
