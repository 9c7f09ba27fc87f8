"""All parts of one call, made together."""

from __future__ import annotations

from typing import Any

from loguru import logger
from pipecat.audio.mixers.base_audio_mixer import BaseAudioMixer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import OutputAudioRawFrame
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import BaseTransport
from pipecat.turns.user_stop import BaseUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from bargein.integrations.floor import BargeinFloor
from bargein.integrations.pipecat.heard_words import HeardWords
from bargein.integrations.pipecat.hold import BargeinHold
from bargein.integrations.pipecat.turn_start import BargeinTurnStart
from bargein.integrations.pipecat.vad import BargeinVAD

CHUNKS = 2  # of 10 ms: a hold waits for the end of the chunk that is being written


class BargeinPipecat:
    """The floor for one call of Pipecat: make one where you make the transport.

    floor: of this call alone. None: BargeinFloor(). Raises UsageError for a Pipecat that is too old.
    """

    def __init__(self, floor: BargeinFloor | None = None) -> None:
        self.floor = floor or BargeinFloor()
        self.hold = BargeinHold(self.floor)
        self.heard_words = HeardWords(self.floor, self.hold)
        """Goes right after `transport.output()`."""
        self.turn_start = BargeinTurnStart(self.floor, self.hold, heard=self.heard_words)

    def output(self) -> dict[str, Any]:
        """For the transport's params: `TransportParams(..., **bargein.output())`."""
        return {"audio_out_filter": self.hold, "audio_out_10ms_chunks": CHUNKS}

    def strategies(self, stop: list[BaseUserTurnStopStrategy] | None = None) -> UserTurnStrategies:
        """For `LLMUserAggregatorParams(user_turn_strategies=...)`. stop: your stop strategies; None: Pipecat's own.

        With an STT that hears turns itself (Flux), give `[ExternalUserTurnStopStrategy()]`."""
        strategies = UserTurnStrategies(start=[self.turn_start], stop=stop)
        self.turn_start.ends_turns = any(each.resolves_proposed_turn_stop_frames for each in strategies.stop or ())
        return strategies

    def vad(self, params: VADParams | None = None) -> BargeinVAD:
        """For `LLMUserAggregatorParams(vad_analyzer=...)`, in place of `SileroVADAnalyzer(params=...)`."""
        return BargeinVAD(self.floor, lambda: self.turn_start.failed, params)

    def mix(self, transport: BaseTransport, mixer: BaseAudioMixer) -> None:
        """Keep the background of `audio_out_mixer` going in a hold. Without this, it stops with the agent."""
        output = transport.output()
        if not isinstance(output, BaseOutputTransport):
            logger.warning(f"Bargein: {output} is no BaseOutputTransport, so its background stops in a hold.")
            return

        async def background(size: int) -> bool:
            audio = await mixer.mix(bytes(size))
            return await output.write_audio_frame(
                OutputAudioRawFrame(audio=audio, sample_rate=output.sample_rate, num_channels=1)
            )

        self.hold.background = background
