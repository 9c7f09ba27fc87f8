"""From the user's turns to replies: the words of a turn, the prompt, and replies that are prepared ahead."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

from bargein import notices as n
from bargein import protocols as c
from bargein.agent import Agent
from bargein.call.input.turns import Turn, Turns
from bargein.call.output.late_words import LateWords
from bargein.call.output.speaker import Reply, SpeechSource
from bargein.call.output.text_streams import one
from bargein.call.output.utterance_queue import UtteranceText, known
from bargein.call.record.conversation import Conversation
from bargein.call.record.ledger import Ledger
from bargein.call.responders.prepared import PreparedReply
from bargein.call.responders.responder import PreparedStats, ResponderHooks

log = logging.getLogger(__name__)


class ChatResponder:
    """The seat of a mind with a voice (call.seat)."""

    def __init__(
        self,
        agent: Agent,
        mind: c.LLM,
        voice: c.TTS,
        conversation: Conversation,
        ledger: Ledger,
        turns: Turns,
        hands: ResponderHooks,
    ) -> None:
        self._mind, self._voice = mind, voice
        self._agent, self._conversation, self._ledger, self._turns = agent, conversation, ledger, turns
        self._hands = hands
        self.toolbox = hands.toolbox(agent.tools, conversation, self._late)
        self._hears = getattr(mind, "hears_audio", False) is True
        self._late_words = LateWords(conversation, turns, hands)
        self._untold: set[str] = set()
        self._prepared: PreparedReply | None = None
        self.ahead = PreparedStats()

    # ------------------------------------------------------------------------------------------------ made ahead

    def prepare(self, turn: Turn) -> None:
        """Begin to make the reply to a turn that is probably over."""
        self._prepared = PreparedReply(turn.id, Reply(0, "reply", self._hands.now_ms()), self._voice)
        self._prepared.start(lambda made: self._ahead(made, turn), self._hands.spawn)

    def forget(self, cause: str) -> None:
        """What was prepared is not wanted."""
        prepared = self._prepared
        if prepared is None:
            return
        self._prepared = None
        prepared.forget()
        prepared.reply.cut = True
        chars, ms = len(prepared.reply.text), prepared.made_ms
        self.ahead.forgotten += 1
        self.ahead.wasted_chars += chars
        self.ahead.wasted_ms += ms
        self._hands.meter.count("prepared", cause=cause)
        self._hands.meter.count("prepared_waste_chars", chars)
        self._hands.meter.count("prepared_waste_ms", round(ms))
        self._hands.journal.note(
            self._hands.now_ms(), "forgotten", turn=prepared.turn, cause=cause, chars=chars, ms=round(ms)
        )

    def begin(self, reply: int, turn: int) -> Reply:
        """The reply to a turn that is over: the one that was prepared for it, or a new one."""
        if self._prepared is not None and self._prepared.turn == turn:
            made = self._prepared.reply
            made.id, made.asked_ms = reply, self._hands.now_ms()
            return made
        return Reply(reply, "reply", self._hands.now_ms())

    async def _ahead(self, prepared: PreparedReply, turn: Turn) -> AsyncIterator[str] | None:
        text = self._turns.known(turn)
        if not text and not self._hears:
            return None
        await self._ledger.settled()
        prepared.prompt = self._prompt(self._conversation.with_user(turn.id, text or None, turn.over), turn)
        return self.toolbox.answered(self._mind, prepared.prompt, prepared.reply, prepared.released)

    # -------------------------------------------------------------------------------------------------- answers

    async def answer(self, reply: Reply, turn: Turn, *, spoken: bool) -> AsyncIterator[str] | SpeechSource | None:
        """The reply to a turn: first its words, and what was heard of the reply that it cut; then the model."""
        if self._hears:
            text = self._turns.known(turn) or None
            silent = not spoken and not turn.typed
        else:
            text = await self._turns.words(turn, spoken=spoken)
            silent = text == ""
        if silent:
            self.forget("no words")
            return None  # a sound, and no word in it
        await self._ledger.settled()
        prepared, self._prepared = self._prepared, None
        prompt = self._prompt(self._conversation.with_user(turn.id, text, turn.over), turn if spoken else None)
        self._write_down(turn, text, spoken=spoken)
        self._untold.clear()
        if prepared is not None:
            if prepared.prompt == prompt and prepared.reply is reply:
                return self._release(prepared)
            self._prepared = prepared
            self.forget("other words")
            fresh = Reply(reply.id, reply.kind, reply.asked_ms)  # what the forgotten one wrote is not said
            reply.text, reply.leaving, reply.mind_lost = fresh.text, None, False
            reply.cut = reply.busy = False
            reply.terminal.clear()
            reply.used.clear()
        if text is None and not self._hears and self._turns.deaf and (deaf := self._agent.reprompts.get("deaf")):
            reply.text = deaf
            return one(deaf)
        return self.toolbox.answered(self._mind, prompt, reply)

    def _write_down(self, turn: Turn, text: str | None, *, spoken: bool) -> None:
        """The turn's words, for the record; for a model that hears they may still come."""
        if self._hears:
            self._late_words.over(turn)
            if spoken and not text:
                self._hands.spawn(self._read_late(turn), "words")
            return
        said = self._conversation.user(turn.id, text, turn.over)
        over = said.over.text if said.over else None
        self._hands.notify(n.Transcript("user", said.text, final=True, turn=turn.id, over=over))
        self._hands.journal.note(self._hands.now_ms(), "user", turn=turn.id, text=said.text, over=over)

    async def _read_late(self, turn: Turn) -> None:
        text = await self._turns.words(turn, spoken=True)
        if text:
            self._late_words.read(turn, text)

    def words(self) -> None:
        """More words of the user's have come."""
        if self._hears:
            self._late_words.came()

    def _release(self, prepared: PreparedReply) -> SpeechSource:
        self.ahead.used += 1
        self._hands.meter.count("prepared", cause="used")
        self._hands.journal.note(self._hands.now_ms(), "released", turn=prepared.turn, chars=len(prepared.reply.text))
        for used in prepared.reply.used:
            self._conversation.tool(used)
        prepared.release()
        return SpeechSource(prepared.spoken(), self._voice.rate)

    def known(self, text: str) -> UtteranceText:
        """Words that are known already."""
        return known(text)

    def turn(self, from_ms: float) -> None:
        """Its words are read by others."""

    def dismiss(self, onset_ms: float, until_ms: float, backchannel: c.UserBackchannel | None) -> None:
        """The conversation has it."""

    def over(self, reply: Reply, *, sounded: bool) -> None:
        """The conversation has what was heard of it."""

    async def tell(self, reply: Reply) -> AsyncIterator[str] | None:
        """Say what a tool has come to, unless that was in a prompt meanwhile."""
        if not self._untold:
            return None
        self._untold.clear()
        return self.toolbox.answered(self._mind, self._prompt(tuple(self._conversation.items)), reply)

    def _late(self, used: c.ToolResult) -> None:
        self._untold.add(used.id)
        self._hands.again()

    def _prompt(self, items: tuple[c.ConversationItem, ...], heard: Turn | None = None) -> c.Prompt:
        agent = self._agent
        sound = self._turns.sound(heard) if self._hears and heard is not None else None
        return c.Prompt(agent.instructions, items, agent.language, self.toolbox.specs, sound)
