"""The words that the user has heard, behind the output: what comes by Pipecat's clock waits for the audio.

Pipecat passes a word on when its time has come by the clock. In a hold the clock goes on and the audio does not, so the
assistant's context would run ahead of the user. Here a word waits until the audio that has been played reaches it, and
what follows the word waits behind it.

A TTS without word times gives a text as a whole. Its words count as heard by the sound of the audio, which is known
from when it enters the output, ahead of its playback. So a reply that is cut leaves the words heard in the context, and
not a whole sentence, or none.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

import numpy as np
from loguru import logger
from pipecat.frames.frames import (
    AggregatedTextFrame,
    AggregatedTextProgressFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    LLMAssistantPushAggregationFrame,
    LLMFullResponseEndFrame,
    LLMServiceMetadataFrame,
    OutputAudioRawFrame,
    OutputTransportReadyFrame,
    SpeechOutputAudioRawFrame,
    StartFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.utils.text.base_text_aggregator import TextType

from bargein.audio.pcm import Samples
from bargein.integrations.floor import BargeinFloor
from bargein.integrations.pipecat import advice
from bargein.integrations.pipecat.hold import BargeinHold
from bargein.integrations.pipecat.realtime import RealtimeMemory, realtime_service
from bargein.integrations.untimed import UntimedText

TEXTS = (AggregatedTextFrame, AggregatedTextProgressFrame)  # TTSTextFrame is an AggregatedTextFrame
ENDS = (LLMFullResponseEndFrame, LLMAssistantPushAggregationFrame)
REMEMBERED = 20  # contexts whose audio is over


class HeardPartFrame(TTSTextFrame, SystemFrame):
    """The part of a text that was heard before a cut. A system frame: the interruption behind it would drop another."""


@dataclass(slots=True)
class Context:
    """One TTS context: what is known of its audio."""

    id: str | None = None
    played_ms: float = 0.0
    began_s: float = 0.0
    """When its first audio was played, by the monotonic clock."""
    base_ns: int | None = None
    """The time by Pipecat's clock for which its first sample was meant."""
    first_ns: int | None = None
    """When its first sample was played, had no hold been in its way."""


def mono(frame: OutputAudioRawFrame) -> Samples:
    """The first channel of a frame's audio."""
    return np.frombuffer(frame.audio, "<i2").astype(np.int16, copy=False)[:: frame.num_channels]


class HeardWords(FrameProcessor):
    """Stands right after `transport.output()`. One for each call."""

    def __init__(self, floor: BargeinFloor, hold: BargeinHold) -> None:
        super().__init__()
        self.placed = False
        """Whether a pipeline has it."""
        self._floor, self._hold = floor, hold
        self._off = False  # it stands before the output
        self._bot_speaking = False
        self._unpushed: Frame | None = None  # the frame that has come, until it is passed on or waits
        self._context = Context()
        self._untimed = UntimedText()
        self._entering = False  # what enters the output is seen there, ahead of its playback
        self._first_pts: dict[str | None, int] = {}  # of the words of a context that has not begun
        self._over: deque[str | None] = deque(maxlen=REMEMBERED)
        self._waiting: deque[Frame] = deque()  # texts, and the ends behind them, in their order
        self._memory: RealtimeMemory | None = None

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """A pipeline has it."""
        await super().setup(setup)
        self.placed = True
        output = self.previous
        while output is not None and not isinstance(output, BaseOutputTransport):
            output = output.previous
        if output is not None:
            output.add_event_handler("on_before_process_frame", self._enters)
            self._entering = True

    async def cleanup(self) -> None:
        """The call is over, and the floor with it."""
        await super().cleanup()
        await self._floor.aclose()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Pass everything on, in its order; texts when they have been heard."""
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM or self._off:
            if isinstance(frame, OutputTransportReadyFrame) and not self._off:
                self._off, self.placed = True, False
                advice.misplaced()
            await self.push_frame(frame, direction)
            return
        self._unpushed = frame
        try:
            await self._follow(frame, direction)
        except Exception as error:
            self._off = True
            self._hold.reset()
            logger.opt(exception=error).error("Bargein: the context of this call is Pipecat's own from here on.")
            owed = [*self._waiting, *([self._unpushed] if self._unpushed is not None else [])]
            self._waiting.clear()
            for each in owed:
                await self.push_frame(each, direction)

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        """Pass a frame on."""
        if frame is self._unpushed:
            self._unpushed = None
        await super().push_frame(frame, direction)

    async def _follow(self, frame: Frame, direction: FrameDirection) -> None:
        match frame:
            case TTSAudioRawFrame() | SpeechOutputAudioRawFrame():
                await self.push_frame(frame, direction)
                await self._played(frame)
            case TTSStartedFrame():
                await self._begin(frame.context_id)
                await self.push_frame(frame, direction)
            case TTSStoppedFrame():
                if not self._entering:
                    self._enters(self, frame)
                await self._finish()
                await self.push_frame(frame, direction)
            case BotStartedSpeakingFrame():
                self._bot_speaking = True
                await self.push_frame(frame, direction)
            case BotStoppedSpeakingFrame():
                self._bot_speaking = False
                self._hold.reset()
                if self._memory is not None:
                    self._memory.silent()
                await self.push_frame(frame, direction)
            case StartFrame():
                self._look_back()
                await self.push_frame(frame, direction)
            case LLMServiceMetadataFrame():
                if frame.user_turn_strategies is not None:
                    self._memory = None  # its server hears turns: it has been told before the verdict
                await self.push_frame(frame, direction)
            case InterruptionFrame():
                await self._interrupted()
                await self.push_frame(frame, direction)
            case EndFrame():
                await self._flush()
                await self.push_frame(frame, direction)
            case CancelFrame():
                await self._tell_part()
                await self.push_frame(frame, direction)
            case _ if isinstance(frame, (*TEXTS, *ENDS)):
                await self._text(frame)
            case _:
                await self.push_frame(frame, direction)

    def _look_back(self) -> None:
        """What stands before this processor in the pipeline."""
        if (found := realtime_service(self)) is not None:
            self._memory = RealtimeMemory(*found)
        advice.on_output(self, self._hold)

    # ------------------------------------------------------------------------------------------------- the audio

    def _enters(self, _: FrameProcessor, frame: Frame) -> None:
        """A frame enters the output."""
        match frame:
            case _ if self._off:
                pass
            case TTSAudioRawFrame() | SpeechOutputAudioRawFrame():
                self._untimed.made(mono(frame), frame.sample_rate)
            case TTSStoppedFrame():
                self._untimed.end_all()
            case TTSTextFrame() if frame.pts is None and frame.append_to_context:
                self._untimed.end(frame.text, joined=frame.includes_inter_frame_spaces)
            case AggregatedTextFrame() if frame.pts is None and frame.will_be_spoken:
                self._untimed.announce(frame.text, joined=frame.includes_inter_frame_spaces)

    async def _begin(self, context: str | None) -> None:
        if self._context.id != context or self._context.played_ms == 0.0:
            self._context = Context(context)

    async def _played(self, frame: OutputAudioRawFrame) -> None:
        self._hold.channels = frame.num_channels
        ms = len(frame.audio) / (2 * frame.num_channels) * 1000 / frame.sample_rate
        context = self._context
        if context.first_ns is None:
            context.began_s = time.monotonic()
            waited_ns = int((self._hold.waited_s * 1000 + ms) * 1e6)
            context.first_ns = self.get_clock().get_time() - waited_ns
        context.played_ms += ms
        self._protect(protected=not frame.interruptible)
        if not self._entering:
            self._enters(self, frame)
        for due in self._untimed.played(ms):
            await self._pass(due)
        await self._release()

    def _protect(self, *, protected: bool) -> None:
        if protected is not self._hold.protected:
            self._hold.protect(protected=protected)
            self._floor.protect(protected)

    async def _finish(self) -> None:
        """All of the context's audio has been played."""
        context = self._context
        if self._hold.protected:
            self._hold.protect(protected=False)
            self._floor.has_spoken()  # before the next reply may be cut by what was said over this one
        for due in self._untimed.finish():
            await self._pass(due)
        self._over.append(context.id)
        if self._memory is not None and context.played_ms:
            self._memory.finished()
        self._context = Context()
        self._first_pts.pop(context.id, None)
        await self._release()

    async def _interrupted(self) -> None:
        """What has not been heard is never said."""
        if self._hold.protected:
            self._hold.reset(drop=False)
            self._waiting = deque(frame for frame in self._waiting if not frame.interruptible)
            return
        self._hold.cut()
        self._floor.has_spoken()
        await self._tell_part()
        if self._memory is not None:
            await self._memory.cut(self._context.played_ms, (time.monotonic() - self._context.began_s) * 1000)
        self._untimed.drop()
        self._waiting = deque(frame for frame in self._waiting if not frame.interruptible)
        self._context = Context()
        self._first_pts.clear()
        if not self._bot_speaking:
            self._hold.reset()  # else the sender tells that it is silent once its queue is empty

    # ------------------------------------------------------------------------------------------------- the texts

    async def _text(self, frame: Frame) -> None:
        if frame.pts is None and isinstance(frame, AggregatedTextFrame) and await self._without_times(frame):
            return
        if frame.pts is None and not self._waiting:
            await self.push_frame(frame)
            return
        if frame.pts is not None and isinstance(frame, TTSTextFrame):
            self._first_pts.setdefault(frame.context_id, frame.pts)
        self._waiting.append(frame)
        self._unpushed = None
        await self._release()

    async def _without_times(self, frame: AggregatedTextFrame) -> bool:
        """A text of a TTS that gives no word times. Whether it has to wait, or has been passed on."""
        if not self._entering:
            self._enters(self, frame)
        if not isinstance(frame, TTSTextFrame) or self._waiting or not frame.append_to_context:
            return False
        self._unpushed = None
        for due in self._untimed.come(frame.text, frame):
            await self._pass(due)
        return True

    async def _release(self) -> None:
        """Pass on what has been heard, in its order."""
        while self._waiting and self._heard(self._waiting[0]):
            await self.push_frame(self._waiting.popleft())

    def _heard(self, frame: Frame) -> bool:
        if not isinstance(frame, TEXTS) or frame.pts is None:
            return True
        context = self._context
        if frame.context_id in self._over:
            return True
        if frame.context_id != context.id and None not in (frame.context_id, context.id):
            return False
        if context.first_ns is None:
            return False
        if context.base_ns is None:
            first = self._first_pts.get(frame.context_id, frame.pts)
            context.base_ns = min(first, context.first_ns)
        return (frame.pts - context.base_ns) / 1e6 <= context.played_ms

    async def _tell_part(self) -> None:
        """What has been heard of a text that is not passed on as a whole."""
        if text := self._untimed.heard():
            part = HeardPartFrame(text, TextType.SENTENCE)
            part.context_id = self._context.id
            await self.push_frame(part)

    async def _flush(self) -> None:
        """The pipeline ends after all audio: everything has been heard."""
        await self._finish()
        while self._untimed:
            await self._finish()
        while self._waiting:
            await self.push_frame(self._waiting.popleft())

    async def _pass(self, frame: object) -> None:
        if isinstance(frame, Frame):
            await self.push_frame(frame)
