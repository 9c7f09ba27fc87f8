"""An LLM with a TTS: from the user's turns to replies, prepared ones included."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable

from bargein import notices as n
from bargein import protocols as c
from bargein.agent import Agent
from bargein.call.context import CallContext
from bargein.call.input.turns import Turn, Turns
from bargein.call.output.reply import Reply, ReplyContent, ReplySource, SpeechSource
from bargein.call.output.text_streams import one
from bargein.call.record.conversation import Conversation
from bargein.call.record.ledger import Ledger
from bargein.call.record.outages import Outages
from bargein.call.responders.late_words import LateWords
from bargein.call.responders.prepared import PreparedReply
from bargein.call.responders.responder import PreparedStats, nothing_waits
from bargein.call.responders.tool_runner import ToolRunner

log = logging.getLogger(__name__)


class ChatResponder:
    """Responder's shape. results_waiting: called when a tool has a result that the agent should say unasked."""

    def __init__(
        self,
        context: CallContext,
        agent: Agent,
        llm: c.LLM,
        tts: c.TTS,
        conversation: Conversation,
        ledger: Ledger,
        turns: Turns,
        results_waiting: Callable[[], None],
        outages: Outages | None = None,
    ) -> None:
        self._context = context
        self._agent = agent
        self._llm = llm
        self._tts = tts
        self._conversation = conversation
        self._ledger = ledger
        self._turns = turns
        self._results_waiting = results_waiting
        self._hears_audio = getattr(llm, "hears_audio", False) is True
        self._late_words = LateWords(context, conversation, turns)
        self._unsaid: set[str] = set()  # ids of tool calls whose results the agent has not said
        self._prepared: PreparedReply | None = None
        self.tool_runner = ToolRunner(
            context,
            agent.tools,
            conversation,
            self._on_late_result,
            hide_thoughts=agent.hide_thoughts,
            outages=outages,
            max_prompt_tokens=agent.max_prompt_tokens,
            summarize=agent.summarize,
        )
        self.prepared_stats = PreparedStats()

    # ------------------------------------------------------------------------------------------------ prepared

    def prepare(self, turn: Turn) -> None:
        """Begin to make the reply to a turn that is probably over, unless the LLM acts while it makes one."""
        if getattr(self._llm, "prepares", True) is False:
            return
        reply = Reply(0, "reply", self._context.now_ms())
        self._prepared = PreparedReply(turn.id, reply, self._tts, self._agent.spoken_form)
        self._prepared.start(lambda prepared: self._prepared_text(prepared, turn), self._context.spawn)

    def discard_prepared(self, cause: str) -> None:
        """Stop the prepared reply, and count what it cost."""
        prepared = self._prepared
        if prepared is None:
            return
        self._prepared = None
        prepared.discard()
        prepared.reply.cut = True
        chars, ms = len(prepared.reply.text), prepared.made_ms
        self.prepared_stats.forgotten += 1
        self.prepared_stats.wasted_chars += chars
        self.prepared_stats.wasted_ms += ms
        meter, journal = self._context.meter, self._context.journal
        meter.count("prepared", cause=cause)
        meter.count("prepared_waste_chars", chars)
        meter.count("prepared_waste_ms", round(ms))
        journal.note(self._context.now_ms(), "discarded", turn=prepared.turn, cause=cause, chars=chars, ms=round(ms))

    def new_reply(self, reply: int, turn: int) -> Reply:
        """The reply that was prepared for the turn, or a new one."""
        if self._prepared is not None and self._prepared.turn == turn:
            prepared = self._prepared.reply
            prepared.id, prepared.asked_ms = reply, self._context.now_ms()
            return prepared
        return Reply(reply, "reply", self._context.now_ms())

    async def _prepared_text(self, prepared: PreparedReply, turn: Turn) -> AsyncIterator[str] | None:
        text = self._turns.known(turn)
        if not text and not self._hears_audio:
            return None
        await self._ledger.wait_confirmed()
        prepared.prompt = self._prompt(self._conversation.with_user(turn.id, text or None, turn.over), turn)
        return self.tool_runner.reply_text(self._llm, prepared.prompt, prepared.reply, prepared.released)

    # -------------------------------------------------------------------------------------------------- answers

    async def answer(self, reply: Reply, turn: Turn, *, spoken: bool) -> ReplyContent:
        """Wait for the turn's words, and for what was heard of the reply that the turn cut; then ask the LLM."""
        text: str | None
        if self._hears_audio:
            text = self._turns.known(turn) or None
            silent = not spoken and not turn.typed
        else:
            text = await self._turns.words(turn, spoken=spoken)
            silent = text == ""
        if silent:
            self.discard_prepared("no words")
            return None  # a sound without words
        await self._ledger.wait_confirmed()
        prepared, self._prepared = self._prepared, None
        prompt = self._prompt(self._conversation.with_user(turn.id, text, turn.over), turn if spoken else None)
        self._write_down(turn, text, spoken=spoken)
        self._unsaid.clear()
        if prepared is not None:
            if prepared.prompt == prompt and prepared.reply is reply:
                return self._release(prepared)
            self._prepared = prepared
            self.discard_prepared("other words")
            _make_anew(reply)
        unreadable = text is None and not self._hears_audio and self._turns.expects_words
        if unreadable and (apology := self._agent.reprompts.get("deaf")):
            reply.text = apology
            return one(apology)
        return self.tool_runner.reply_text(self._llm, prompt, reply)

    async def say_tool_results(self, reply: Reply) -> ReplyContent:
        """Ask the LLM again, unless the results were in a prompt meanwhile."""
        if not self._unsaid:
            return None
        self._unsaid.clear()
        return self.tool_runner.reply_text(self._llm, self._prompt(tuple(self._conversation.items)), reply)

    async def answer_again(self, reply: Reply) -> ReplyContent:
        """Ask the LLM for what the conversation asks for. What the agent has said since then is no answer to it."""
        self._unsaid.clear()
        items = list(self._conversation.items)
        while items and isinstance(items[-1], c.AgentSaid):
            items.pop()
        return self.tool_runner.reply_text(self._llm, self._prompt(tuple(items)), reply) if items else None

    def source_of(self, text: str) -> ReplySource:
        """The TTS says it."""

        async def source(reply: Reply) -> ReplyContent:
            reply.text += text
            return one(text) if text else None

        return source

    def filler_of(self, text: str) -> ReplySource:
        """The TTS says it."""
        return self.source_of(text)

    def _release(self, prepared: PreparedReply) -> SpeechSource:
        self.prepared_stats.used += 1
        self._context.meter.count("prepared", cause="used")
        self._context.journal.note(
            self._context.now_ms(), "released", turn=prepared.turn, chars=len(prepared.reply.text)
        )
        for used in prepared.reply.used:
            self._conversation.tool(used)
        prepared.release()
        self.tool_runner.announce(prepared.reply)
        return SpeechSource(prepared.audio(), self._tts.rate, prepared, self._tts.name)

    def _on_late_result(self, result: c.ToolResult) -> None:
        self._unsaid.add(result.id)
        self._results_waiting()

    def _prompt(self, items: tuple[c.ConversationItem, ...], turn: Turn | None = None) -> c.Prompt:
        agent = self._agent
        audio = self._turns.audio(turn) if self._hears_audio and turn is not None else None
        call, tools = self._context.call_id, self.tool_runner.specs
        return c.Prompt(agent.instructions, items, agent.language, tools, audio, call=call)

    # ------------------------------------------------------------------------------------------- the user's side

    def turn_started(self, from_ms: float) -> None:
        """The LLM is asked when the turn is over."""

    def dismiss(self, onset_ms: float, until_ms: float, backchannel: c.UserBackchannel | None) -> None:
        """The conversation has it."""

    def words_came(self) -> None:
        """Words of a turn that was answered already enter the conversation."""
        if self._hears_audio:
            self._late_words.update()

    def completed(self, reply: Reply) -> None:
        """The conversation has it."""

    def stopped(self, reply: Reply, *, sounded: bool) -> None:
        """The conversation has what was heard of it; calls of tools that never began are put beside it."""
        self.tool_runner.abandon(reply)

    def release(self) -> None:
        """The call is over: hold none of the parts that hold this one."""
        self._results_waiting = nothing_waits
        self._prepared = None
        self.tool_runner.release()

    def _write_down(self, turn: Turn, text: str | None, *, spoken: bool) -> None:
        """The turn's words enter the conversation. For an LLM that hears audio they may come later."""
        if self._hears_audio:
            self._late_words.answered(turn)
            if spoken and not text:
                self._context.spawn(self._read_late(turn), "words")
            return
        said = self._conversation.user(turn.id, text, turn.over)
        over = said.over.text if said.over else None
        self._context.notify(n.Transcript("user", said.text, final=True, turn=turn.id, over=over))
        self._context.journal.note(self._context.now_ms(), "user", turn=turn.id, text=said.text, over=over)

    async def _read_late(self, turn: Turn) -> None:
        text = await self._turns.words(turn, spoken=True)
        if text:
            self._late_words.read(turn, text)


def _make_anew(reply: Reply) -> None:
    """Nothing that the discarded preparation has written or called belongs to the reply."""
    reply.text, reply.end_request, reply.llm_lost, reply.written = "", None, False, None
    reply.cut = reply.busy = False
    reply.tools_until_ms, reply.owed_from = 0.0, None
    reply.calls.clear()
    reply.terminal.clear()
    reply.used.clear()
