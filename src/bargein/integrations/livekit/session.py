"""A LiveKit AgentSession whose floor is ours: LiveKit runs the STT, the LLM, the TTS and the room."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Literal

from livekit.agents import (
    AgentSession,
    AgentStateChangedEvent,
    CloseEvent,
    ConversationItemAddedEvent,
    UserInputTranscribedEvent,
    llm,
    stt,
)
from livekit.agents.utils import is_given
from livekit.agents.voice import io
from livekit.agents.voice.turn import EndpointingOptions

from bargein.floor import BargeIn
from bargein.integrations.floor import BargeinFloor
from bargein.integrations.livekit.checks import agent_decides, check_position, check_session, check_version
from bargein.integrations.livekit.heard import FloorText, HeardHistory
from bargein.integrations.livekit.input import FloorInput
from bargein.integrations.livekit.output import FloorOutput
from bargein.integrations.livekit.segment import OutputSegment

log = logging.getLogger(__name__)

FINAL_S = 1.5  # for the STT's last words, after the floor has ended the turn
LIVEKITS_ENDPOINTING: EndpointingOptions = {"min_delay": 0.5, "max_delay": 3.0}  # its own defaults
SETTLED_S = 0.05  # for LiveKit's own wait, where the last words are there


async def attach(floor: BargeinFloor, session: AgentSession[Any], *, empties: bool | None = None) -> FloorSession:
    """Let the floor decide who may speak in the session, until the session closes.

    Call it after `session.start(...)`; with input and output of your own, before or after. empties: a hold empties the
    output at once, and does not let it play the 45 ms that it has. The reply then goes on where the output says that it
    was, so the output has to know this to the sample. None: an output of your own is emptied, until it names a position
    that cannot be; LiveKit's own are not, because they estimate it. True is refused for LiveKit's room. Raises
    UsageError for a session in which the floor could not hold, and for a LiveKit that is too old.
    """
    check_version()
    check_session(session)
    chain = outputs_of(session)
    if empties is None:
        empties = not type(chain[-1]).__module__.startswith("livekit.")
    elif empties:
        check_position(chain)
    attached = FloorSession(floor, session, empties=empties)
    await floor.start(attached)
    attached.start()
    return attached


class FloorSession:
    """The floor's guest: turns its orders into LiveKit's calls. Make it with `attach`."""

    def __init__(self, floor: BargeinFloor, session: AgentSession[Any], *, empties: bool = False) -> None:
        self.floor, self.session = floor, session
        chain = outputs_of(session)
        # LiveKit's transcript synchronizer has to see the audio early: we go below it, right above the room.
        self._below = len(chain) > 1 and chain[-2].label == "AudioSinkProxy"
        self.output = FloorOutput(chain[-1] if self._below else chain[0], floor, self._over, empties=empties)
        self._input = FloorInput(session.input.audio, floor, self.output.awake)
        self._text = FloorText(session.output.transcription, lambda: self.output.idle)
        self._heard = HeardHistory()
        self._finals: list[str] = []  # what the STT has read since the newest turn or sound began
        self._interim = ""
        self._away = False  # our output is no longer the session's
        self._unread = False  # LiveKit keeps words that belong to no turn
        self._settled = asyncio.Event()  # there are words, and none are owed
        self._ending: asyncio.Task[None] | None = None  # of the user's turn
        self._closing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Stand between LiveKit and its audio."""
        session = self.session
        self.output.start()
        if reads_words(session):
            self.floor.expect_words()
        if self._below:
            session.output.replace_audio_tail(self.output)
        else:
            session.output.audio = self.output
        session.output.transcription = self._text
        session.input.audio = self._input
        session.on("user_input_transcribed", self._transcribed)
        session.on("conversation_item_added", self._item_added)
        session.on("agent_state_changed", self._agent_changed)
        session.on("close", self._closed)

    async def aclose(self) -> None:
        """End the floor. What waits in our output is played. May be called again."""
        session = self.session
        session.off("user_input_transcribed", self._transcribed)
        session.off("conversation_item_added", self._item_added)
        session.off("agent_state_changed", self._agent_changed)
        session.off("close", self._closed)
        if self._ending is not None:
            self._ending.cancel()
            await asyncio.gather(self._ending, return_exceptions=True)
        await self.floor.aclose()
        await self.output.aclose()

    # ------------------------------------------------------------------------------------- what the floor orders

    def hold(self, why: str) -> None:
        if self._uninterruptible():
            self.floor.protect(True)
            return
        if not self._ends():
            self._forget_words()
        self.output.hold()
        self._top("pause")

    def resume(self, why: str) -> None:
        self.output.release()
        self._top("resume")
        if self.floor.broken:
            self._give_up()

    def _give_up(self) -> None:
        """LiveKit decides about turns and interruptions itself, with its own waits."""
        log.error("LiveKit decides about turns and interruptions itself from here on")
        self.session.update_options(turn_detection=None, endpointing_opts=LIVEKITS_ENDPOINTING)
        if self.session.vad is None and not reads_words(self.session):
            log.error("LiveKit has neither a VAD nor an STT that tells words: no turn of the user's ends any more")

    def cut(self, barge_in: BargeIn, *, sounded: bool) -> None:
        if self._ends():
            assert self._ending is not None
            self._ending.cancel()  # the turn goes on: LiveKit has its words, and was not told of an end
            if self.output.idle:
                return
        self.output.hold()
        self._interrupt()

    def turn_began(self, why: str) -> None:
        """LiveKit keeps the words of the turn, and is told of its end."""

    def turn_over(self, why: str) -> None:
        self.output.hold()  # what waits there sounds only if this turn needs no answer
        if self._ending is not None:
            self._ending.cancel()
        self._ending = asyncio.create_task(self._end_turn(), name="end the user's turn")

    def backchannel(self, text: str, why: str) -> None:
        if not self.floor.floor.reply.sounding:
            return
        self._forget_words()
        if self._unread or self._hears_audio():
            self._unread = False
            self.session.clear_user_turn()  # or the hum would stand before the user's next words

    async def _end_turn(self) -> None:
        """Hand the user's turn to LiveKit, as soon as its words are there."""
        if not self._hears_audio():
            try:
                async with asyncio.timeout(FINAL_S):
                    await self._settled.wait()
            except TimeoutError:
                if not self._words():
                    log.debug("A sound without words is no turn")
                    self.output.release()
                    self.floor.stays_silent()
                    return
        if not self.output.idle:
            self._interrupt()  # it was no answer to this turn: LiveKit drops it, too
        self._forget_words()
        self._unread = False
        self.session.commit_user_turn(transcript_timeout=SETTLED_S, stt_flush_duration=SETTLED_S)

    def _interrupt(self) -> None:
        try:
            self.session.interrupt()
        except RuntimeError as error:
            log.warning("LiveKit refuses the interruption, and the agent goes on: %s", error)
            self.output.release()
            self._top("resume")

    def _top(self, order: Literal["pause", "resume"]) -> None:
        """Tell the outputs above ours, which time the transcript."""
        top = self.session.output.audio
        if top is not None and top is not self.output:
            getattr(top, order)()

    # ----------------------------------------------------------------------------------------- what LiveKit tells

    def _transcribed(self, event: UserInputTranscribedEvent) -> None:
        text = event.transcript.strip()
        if not text or event.item_id is not None:
            return  # a realtime model's words are of a turn that it has got, and come while it answers
        self._unread = True
        if event.is_final:
            self._finals.append(text)
            self._interim = ""
            self._settled.set()
        else:
            self._interim = text
            self._settled.clear()
        self.floor.words(self._words())

    def _item_added(self, event: ConversationItemAddedEvent) -> None:
        """A message of the agent that was cut holds the words that were heard, and no more."""
        item = event.item
        if not isinstance(item, llm.ChatMessage) or item.role != "assistant":
            return
        heard = self._heard.take()
        if item.interrupted and heard and item.text_content != heard:
            item.content = [heard]

    def _agent_changed(self, event: AgentStateChangedEvent) -> None:
        if event.new_state == "speaking":
            self.floor.protect(self._uninterruptible())
            if not self._away and self.output not in outputs_of(self.session):
                self._away = True
                log.warning("Another output has taken the place of the floor's: nothing is held there. Attach later")
            if agent_decides(self.session):
                log.warning("The agent's own turn_detection decides beside the floor: set it on the session only")
        elif event.old_state == "thinking" and event.new_state == "listening" and not self._ends():
            self.floor.stays_silent()

    def _closed(self, _: CloseEvent) -> None:
        self._closing = asyncio.create_task(self.aclose(), name="the end of the floor")

    def _over(self, segment: OutputSegment) -> str | None:
        text, times = self._text.text, segment.timed or self._text.timed
        self._text.reset()
        speech = self.session.current_speech
        if not text:
            return None  # LiveKit's transcription is off
        return self._heard.add(speech.id if speech is not None else "", segment, text, times)

    # ------------------------------------------------------------------------------------------------- plumbing

    def _words(self) -> str:
        return " ".join([*self._finals, self._interim]).strip()

    def _forget_words(self) -> None:
        self._finals, self._interim = [], ""
        self._settled.clear()

    def _ends(self) -> bool:
        return self._ending is not None and not self._ending.done()

    def _uninterruptible(self) -> bool:
        speech = self.session.current_speech
        return speech is not None and not speech.allow_interruptions

    def _hears_audio(self) -> bool:
        """The model hears the user itself."""
        return isinstance(model_of(self.session), llm.RealtimeModel)


def outputs_of(session: AgentSession[Any]) -> list[io.AudioOutput]:
    """The session's outputs, from LiveKit down to the sink."""
    chain, output = [], session.output.audio
    while output is not None:
        chain.append(output)
        output = output.next_in_chain
    return chain


def model_of(session: AgentSession[Any]) -> object:
    """The model that answers: the agent's own, or the session's."""
    try:
        own = session.current_agent.llm
    except RuntimeError:
        return session.llm  # the session has not started
    return own if isinstance(own, llm.LLM | llm.RealtimeModel) else session.llm


def reads_words(session: AgentSession[Any]) -> bool:
    """An STT of LiveKit's reads the user's words while the user speaks."""
    try:
        own = session.current_agent.stt
    except RuntimeError:
        own = None  # the session has not started
    model = model_of(session)
    if isinstance(model, llm.RealtimeModel) and model.capabilities.user_transcription:
        return False  # LiveKit drops the STT's words
    return isinstance(own if is_given(own) and own is not None else session.stt, stt.STT)
