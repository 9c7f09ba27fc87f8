"""The floor as Pipecat's only start strategy: the user's audio, words and keys go in, turns and interruptions come out.

The floor's orders are carried out by one task of the strategy, in their order: opening a turn in Pipecat waits for
event handlers, and the floor waits for no handler. A hold needs no order: the output asks the floor at each chunk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import numpy as np
from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterimTranscriptionFrame,
    InterruptionFrame,
    ProposedUserStartedSpeakingFrame,
    ServiceMetadataFrame,
    StartFrame,
    STTMetadataFrame,
    TranscriptionFrame,
    UserBackchannelFrame,
    UserStartedSpeakingFrame,
    VADUserStartedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameProcessorSetup
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_start import BaseUserTurnStartStrategy

from bargein.floor import BargeIn, Source, State
from bargein.integrations.floor import BargeinFloor
from bargein.integrations.pipecat import advice
from bargein.integrations.pipecat.hold import BargeinHold

START_LIMIT_S = 5.0  # for a model from a slow disk; the call does not begin before
SILENT_S = 3.0  # without a chunk of audio: the reply is over, though no frame has said so
BY_HAND = (Source.BUTTON, Source.OPERATOR)  # these stop the agent, and open no turn
STARTS = (
    VADUserStartedSpeakingFrame,
    ProposedUserStartedSpeakingFrame,
    InterimTranscriptionFrame,
    TranscriptionFrame,
)
"""What starts a turn where the floor is broken: as with Pipecat's own strategies."""

Order = Callable[[], Awaitable[None]]


class BargeinTurnStart(BaseUserTurnStartStrategy):
    """Give it to UserTurnStrategies as the only start strategy. One for each call.

    floor, hold: of the same call. heard: the processor behind the output that keeps the words heard, if there is one.
    """

    def __init__(self, floor: BargeinFloor, hold: BargeinHold, *, heard: advice.Placed | None = None) -> None:
        super().__init__()
        self.floor = floor
        self.ends_turns = False
        """Whether a stop strategy beside it believes the ends of turns that a service hears."""
        self.failed = False
        """An error of ours has left the call to Pipecat."""
        self._hears_audio = False
        self._unheard = 0  # times that the agent has spoken, and no audio of the user had come
        self._hold, self._heard = hold, heard
        self._started = self._ended = False
        self._starting: asyncio.Task[None] | None = None
        self._orders: deque[Order] = deque()  # bounded by the floor: a few for each onset
        self._ordered = asyncio.Event()
        self._carrying: asyncio.Task[None] | None = None
        self._turn_open = self._opening = False
        self._interrupting = 0  # interruptions of ours that come back to us
        self._said = ""  # final words since the last onset or turn
        self._dismissed = False  # the newest sound was no turn: its words come too late
        self._told_rival = False

    @property
    def resolves_proposed_turn_start_frames(self) -> bool:
        """A service that hears turns itself proposes them to the floor."""
        return True

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Start the floor. Pipecat may clean up a strategy and set it up again: the floor goes on."""
        await super().setup(setup)
        self._carrying = self.create_task(self._carry_out(), f"{self}::orders")
        if self._started:
            return
        self._started = True
        try:
            starting = self._starting = asyncio.create_task(self.floor.start(self), name="start of a floor")
            if not (await asyncio.wait({starting}, timeout=START_LIMIT_S))[0]:
                raise TimeoutError(f"no start within {START_LIMIT_S:g} s")  # noqa: TRY301
            starting.result()
        except Exception as error:  # a model that cannot be loaded, a floor of another call
            self.failed = self._ended = True
            self._hold.open("the floor could not start")
            logger.opt(exception=error).error("Bargein: the floor could not start. Pipecat interrupts as without it.")

    async def cleanup(self) -> None:
        """End the task, and the floor if the call is over."""
        if self._carrying is not None:
            await self.cancel_task(self._carrying)
            self._carrying = None
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()  # it ends the floor, when it can
        elif self._ended:
            await self.floor.aclose()
        await super().cleanup()

    # ---------------------------------------------------------------------------------------- what Pipecat tells

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        """Tell the floor. Any error of ours leaves the call to Pipecat's own way."""
        if self._ended or self.floor.broken:
            return await self._without_floor(frame)
        try:
            await self._tell(frame)
        except Exception as error:
            self.failed = self._ended = True
            self._hold.open("an error of ours")
            logger.opt(exception=error).error("Bargein: the floor decides nothing any more in this call.")
            return await self._without_floor(frame)
        return ProcessFrameResult.CONTINUE

    async def _tell(self, frame: Frame) -> None:
        match frame:
            case InputAudioRawFrame():
                self._hear(frame)
            case TranscriptionFrame():
                await self._read(frame.text, final=True)
            case InterimTranscriptionFrame():
                await self._read(frame.text, final=False)
            case ProposedUserStartedSpeakingFrame():
                self.floor.turn_started()
            case UserStartedSpeakingFrame():
                await self._adopt()
            case InterruptionFrame():
                self._interrupted()
            case BotStartedSpeakingFrame():
                self._bot_started()
            case BotStoppedSpeakingFrame():
                self._bot_stopped()
            case InputDTMFFrame():
                self.floor.key(str(frame.button.value))
            case StartFrame():
                advice.at_start(self._hold, self._heard)
            case ServiceMetadataFrame():
                if isinstance(frame, STTMetadataFrame):
                    self.floor.expect_words()
                advice.on_service(frame, ends_turns=self.ends_turns)
            case EndFrame() | CancelFrame():
                # EndFrame waits for the sender, and the sender for the hold.
                self._ended = True
                self._hold.open("the call ends")
            case _:
                pass

    def _hear(self, frame: InputAudioRawFrame) -> None:
        self._hears_audio = True
        audio: bytes = frame.audio
        if frame.num_channels > 1:
            whole = np.frombuffer(audio[: len(audio) // (2 * frame.num_channels) * 2 * frame.num_channels], "<i2")
            audio = whole.reshape(-1, frame.num_channels).mean(axis=1).astype("<i2").tobytes()
        self.floor.push_audio(audio, frame.sample_rate)
        if self.floor.floor.state is State.SPEAKING and self._hold.started and self._hold.idle_s > SILENT_S:
            self.floor.has_spoken()  # of audio that is no speech, Pipecat tells no end

    async def _read(self, text: str, *, final: bool) -> None:
        said = f"{self._said} {text}".strip()
        if final:
            self._said = said
        if not said:
            return
        floor = self.floor
        floor.words(said)
        if not final or self._turn_open or self._orders or self._opening or floor.held:
            return
        if self._dismissed or floor.floor.state is State.SPEAKING:
            await self._drop(text)  # a hum whose words come late, or one that nothing heard but the STT
        elif floor.floor.state in (State.IDLE, State.LISTENING):
            floor.turn_started(said)  # words that only the STT has heard
            self.turn_began("the STT has read words")

    async def _adopt(self) -> None:
        """Another part of the pipeline has opened the turn, and told every processor."""
        self.floor.turn_started()
        await self._open_turn(enable_interruptions=False, enable_user_speaking_frames=False)

    def _interrupted(self) -> None:
        """Another part of the pipeline has interrupted the agent, or ours comes back."""
        if self._interrupting:
            self._interrupting -= 1
            return
        if self._heard is None or not self._heard.placed:  # else it does this where the sender's queue is emptied
            self._hold.cut()
            self.floor.has_spoken()

    def _bot_started(self) -> None:
        if not self._hold.started:
            self.floor.wants_to_speak()

    def _bot_stopped(self) -> None:
        self._unheard += not self._hears_audio
        if self._unheard == 2:  # in the first, a browser's microphone may come late, and the user be muted
            advice.no_audio()
        self._interrupting = 0
        self.floor.has_spoken()
        if self.floor.floor.state is State.LISTENING and not self._turn_open and not self._orders:
            self.floor.turn_ended()  # of a turn that was spoken over a protected reply, and has ended since
        self._hold.reset()

    async def handle_user_turn_started(self) -> None:
        """A turn has begun in Pipecat."""
        self._turn_open, self._dismissed = True, False
        if not self._opening and not self._told_rival and not self._ended:
            self._told_rival = True
            advice.rival()
        if not self._opening:
            self.floor.turn_started()

    async def handle_user_turn_stopped(self) -> None:
        """Pipecat's stop strategy takes the turn as over."""
        said, self._turn_open, self._said = self._said, False, ""
        self.floor.turn_ended()
        if not said:
            self.floor.stays_silent()  # Pipecat answers no turn without words; a reply all the same is said unasked

    async def _without_floor(self, frame: Frame) -> ProcessFrameResult:
        """As Pipecat's own start strategies do."""
        self._hold.open("there is no floor")
        if isinstance(frame, STARTS) and not isinstance(frame, EndFrame):
            await self.trigger_user_turn_started()
            return ProcessFrameResult.STOP
        return ProcessFrameResult.CONTINUE

    # ---------------------------------------------------------------------------------------- what the floor orders

    def hold(self, why: str) -> None:
        """The output asks the floor at each chunk, and waits."""
        self._said, self._dismissed = "", False
        logger.debug(f"Bargein: hold, {why}")

    def resume(self, why: str) -> None:
        """The output goes on by itself."""
        logger.debug(f"Bargein: resume, {why}")

    def cut(self, barge_in: BargeIn, *, sounded: bool) -> None:
        """As Pipecat interrupts: a turn that begins, or an interruption alone."""
        logger.debug(f"Bargein: cut, {barge_in.why}")
        if self._ended:
            return
        self._hold.cut()
        opens = barge_in.source not in BY_HAND

        async def interrupt() -> None:
            if opens and not self._turn_open:
                await self._open_turn()
            else:
                self._interrupting += 1
                await self.broadcast_frame(InterruptionFrame)

        self._order(interrupt)

    def turn_began(self, why: str) -> None:
        """Open a turn in Pipecat, if none is open."""

        async def begin() -> None:
            if not self._turn_open:
                await self._open_turn(enable_interruptions=not self._hold.protected)

        self._order(begin)

    def turn_over(self, why: str) -> None:
        """Pipecat's own stop strategy ends its turns."""

    def backchannel(self, text: str, why: str) -> None:
        """Keep the words out of the context, and tell the pipeline."""
        self._said, self._dismissed = "", True

        async def drop() -> None:
            if not self._turn_open:
                await self._drop(text)

        self._order(drop)

    def _order(self, order: Order) -> None:
        if not self._ended:
            self._orders.append(order)
            self._ordered.set()

    async def _carry_out(self) -> None:
        while True:
            await self._ordered.wait()
            self._ordered.clear()
            while self._orders:
                try:
                    await self._orders[0]()
                except Exception as error:
                    logger.opt(exception=error).error("Bargein: Pipecat could not do what the floor ordered.")
                finally:
                    self._orders.popleft()

    async def _open_turn(self, **options: bool) -> None:
        self._opening = True
        try:
            await self.trigger_user_turn_started(**options)
        finally:
            self._opening = False

    async def _drop(self, text: str) -> None:
        self._said = ""
        await self.trigger_reset_aggregation()
        if text:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            await self.push_frame(UserBackchannelFrame(text=text, user_id="", timestamp=now))
