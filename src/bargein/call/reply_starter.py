"""Starts replies as the floor orders: an answer to a turn, an utterance that waited, a re-prompt, a filler."""

from __future__ import annotations

from bargein.agent import Agent
from bargein.call.context import CallContext
from bargein.call.input.machine_judge import MachineJudge
from bargein.call.input.sound_watch import SoundWatch
from bargein.call.input.speech_watch import SpeechWatch
from bargein.call.input.turns import Turns
from bargein.call.output.fillers import Fillers
from bargein.call.output.lost_words import LostWords
from bargein.call.output.reply import Reply, ReplyKind, ReplySource
from bargein.call.output.speaker import Speaker
from bargein.call.output.utterance_queue import UtteranceQueue
from bargein.call.responders.responder import Responder
from bargein.protocols import Transfer

AFTER_LOSS = ("back", "restored", "not_transferred")


class ReplyStarter:
    """Chooses what a new reply says, and hands it to the speaker."""

    def __init__(
        self,
        context: CallContext,
        agent: Agent,
        turns: Turns,
        speech: SpeechWatch,
        sounds: SoundWatch,
        responder: Responder,
        speaker: Speaker,
        utterances: UtteranceQueue,
        lost_words: LostWords,
        fillers: Fillers,
        machine: MachineJudge | None = None,
    ) -> None:
        self._context = context
        self._agent = agent
        self._turns = turns
        self._speech = speech
        self._sounds = sounds
        self._responder = responder
        self._speaker = speaker
        self._utterances = utterances
        self._fillers = fillers
        self._lost_words = lost_words
        self._machine = machine
        self.asks_again = False
        """The user's words were lost with the call's server, and the agent asks for them."""

    def prepare(self, turn: int, why: str) -> None:
        """The turn is probably over: begin its reply unheard."""
        self._context.decided("prepare", why)
        newest = self._turns.newest
        if newest is not None and newest.id == turn:
            newest.spoken_until_ms = self._speech.last_firm_ms
            self._responder.prepare(newest)

    def discard_prepared(self, why: str) -> None:
        """The turn goes on."""
        self._responder.discard_prepared("taken back")
        self._context.decided("forget", why)

    def answer(self, reply: int, turn: int, why: str) -> None:
        """The turn is over: make its reply."""
        self._context.decided("answer", why, reply)
        newest = self._turns.newest
        if newest is None or newest.id != turn:
            return
        if not newest.keys:
            self._context.digits.forget()
        newest.spoken_until_ms = self._speech.last_firm_ms
        spoken = self._speech.last_firm_ms > newest.from_ms
        if self._machine is not None:
            self._machine.turn_over(newest)
        if self._silent:
            self._begin(reply, "reply", self._responder.source_of(""))
            return
        made = self._responder.new_reply(reply, turn)
        self._speaker.begin(made, lambda r: self._responder.answer(r, newest, spoken=spoken))
        if spoken:
            self._sounds.turn_over(self._turns.audio(newest))

    def say(self, reply: int, why: str) -> None:
        """Say the oldest utterance that waits."""
        utterance = self._utterances.next()
        self._context.decided("say", why, reply)
        self._begin(reply, utterance.kind, utterance.source, utterance.protected)

    def reprompt(self, reply: int, cause: str, why: str) -> None:
        """Say the agent's words for this cause."""
        if cause == "gave_up" and isinstance(self._agent.on_failure, Transfer):
            cause = "handed_on"
        said = self._agent.reprompts
        text = said.get(cause, said.get("failed", "") if cause in ("late", "silence") else "")
        self._context.decided("reprompt", why, reply)
        bridge = said.get("resumed", "") if cause == "restored" else ""
        if self._machine is not None and cause == "machine" and self._machine.message is not None:
            text = self._machine.message
        elif self._silent and cause == "silence":
            text = ""
        if cause == "restored" and self.asks_again:
            text = f"{text} {said.get('repeat', '')}".strip()
        source = self._lost_words.source(text, bridge) if cause in AFTER_LOSS else self._responder.source_of(text)
        self._begin(reply, "reprompt", source, None if cause in ("goodbye", "machine") else 0)

    @property
    def _silent(self) -> bool:
        """A machine speaks, and no person."""
        return self._machine is not None and self._machine.waiting

    def filler(self, reply: int, why: str) -> None:
        """Say the next of the agent's fillers, before the reply that the caller waits for."""
        newest = self._turns.newest
        text = self._fillers.next(0 if newest is None else newest.id)
        if text:
            self._context.decided("filler", why, reply)
        self._speaker.begin_filler(Reply(reply, "filler", self._context.now_ms()), self._fillers.source(text))

    def continue_behind(self, reply: int, why: str) -> None:
        """The filler is over: the reply behind it may sound."""
        self._context.decided("continue", why, reply)
        behind = self._speaker.continue_behind(reply)
        if behind is not None:
            self._responder.tool_runner.announce(behind)

    def _begin(self, reply: int, kind: ReplyKind, source: ReplySource, protected: int | None = 0) -> None:
        self._speaker.begin(Reply(reply, kind, self._context.now_ms(), protected), source)
