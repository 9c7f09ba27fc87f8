"""A realtime model: it hears the user itself, answers with audio, and learns what of it was heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable

from bargein import protocols as c
from bargein.agent import Agent
from bargein.call.context import CallContext
from bargein.call.input.turns import Turn, Turns
from bargein.call.input.user_audio import UserAudio
from bargein.call.output.read_ahead import ReadSpeech, has_words
from bargein.call.output.reply import Reply, ReplyContent, ReplySource, SpeechSource
from bargein.call.output.text_streams import closing, one
from bargein.call.record.conversation import Conversation
from bargein.call.record.ledger import Ledger
from bargein.call.record.outages import Outages
from bargein.call.responders.late_words import LateWords
from bargein.call.responders.responder import PreparedStats, nothing_waits
from bargein.call.responders.tool_runner import CANCELLED, MOST_ROUNDS, ToolRunner
from bargein.errors import BargeinError, VendorLost

log = logging.getLogger(__name__)

AT_THE_END = "It is done once all of this reply was heard."


class KnownWords:
    """ReplyText's shape: the words that the model gave with its audio, or without any; else those it was to say."""

    def __init__(self, reply: Reply, given: str) -> None:
        self._reply = reply
        self._given = given

    @property
    def due(self) -> bool:
        return self.known

    @property
    def known(self) -> bool:
        return has_words(self._reply.text or self._given)

    async def read(self) -> AsyncIterator[str]:
        self._reply.text = self._reply.text or self._given
        yield self._reply.text

    async def aclose(self) -> None:
        """No model writes it."""


class RealtimeResponder:
    """Responder's shape. results_waiting: called when a tool has a result that the agent should say unasked. fallback:
    the call has a TTS besides the model."""

    def __init__(
        self,
        context: CallContext,
        agent: Agent,
        connection: c.RealtimeConnection,
        conversation: Conversation,
        ledger: Ledger,
        turns: Turns,
        user_audio: UserAudio,
        results_waiting: Callable[[], None],
        *,
        outages: Outages | None = None,
        fallback: bool = False,
    ) -> None:
        self._context = context
        self._connection = connection
        self._name = agent.realtime.name if agent.realtime is not None else ""
        self._conversation = conversation
        self._ledger = ledger
        self._user_audio = user_audio
        self._results_waiting = results_waiting
        self._late_words = LateWords(context, conversation, turns)
        self._truncating: asyncio.Task[None] | None = None
        self._unsaid: set[str] = set()  # ids of tool calls whose results the agent has not said
        self._abandoned: set[str] = set()  # ids of tool calls that never began, which the model was told
        self._newest: Reply | None = None  # of those that the model made
        self._outages = outages or Outages(context)
        self._fallback = fallback
        self.tool_runner = ToolRunner(
            context,
            agent.tools,
            conversation,
            self._on_late_result,
            on_abandoned=self._on_abandoned,
            outages=self._outages,
        )
        self.prepared_stats = PreparedStats()

    # -------------------------------------------------------------------------------------------------- answers

    def prepare(self, turn: Turn) -> None:
        """A realtime model has one conversation, and cannot answer in it unheard."""

    def discard_prepared(self, cause: str) -> None:
        """Nothing is ever prepared."""

    def new_reply(self, reply: int, turn: int) -> Reply:
        """A new one."""
        return Reply(reply, "reply", self._context.now_ms())

    async def answer(self, reply: Reply, turn: Turn, *, spoken: bool) -> ReplyContent:
        """The model has the turn's audio. Its words may come later, and enter the conversation then."""
        if not spoken and not turn.typed:
            return None  # a sound without words
        self._late_words.answered(turn)
        await self._wait_truncated()
        self._unsaid.clear()
        return self._source(reply, self._connection.answer(turn.typed, spoken=spoken))

    async def say_tool_results(self, reply: Reply) -> ReplyContent:
        """Have the model say them, unless it answered meanwhile."""
        if not self._unsaid:
            return None
        self._unsaid.clear()
        await self._wait_truncated()
        return self._source(reply, self._connection.say_tool_results())

    async def answer_again(self, reply: Reply) -> ReplyContent:
        """The new session knows the conversation as it was heard, the user's words at its end."""
        self._unsaid.clear()
        return self._source(reply, self._connection.answer((), spoken=False))

    def source_of(self, text: str) -> ReplySource:
        """The model says it; the fallback TTS where the model is away, or has just failed."""

        async def source(reply: Reply) -> ReplyContent:
            if not text:
                return None
            failed = self._newest is not None and self._newest.llm_lost
            if self._connection.connected and not (failed and self._fallback and reply.kind == "reprompt"):
                return self._source(reply, self._connection.say(text), text)
            reply.text += text
            return one(text)

        return source

    def filler_of(self, text: str) -> ReplySource:
        """The fallback TTS says it: in the model's conversation it would stand as an answer."""

        async def source(reply: Reply) -> ReplyContent:
            if not text or not self._fallback:
                return None
            reply.text += text
            return one(text)

        return source

    def _source(self, reply: Reply, response: c.Response, text: str = "") -> SpeechSource:
        reply.response = response
        self._newest = reply
        return SpeechSource(self._audio(reply, response), self._connection.rate, KnownWords(reply, text), self._name)

    async def _audio(self, reply: Reply, response: c.Response) -> AsyncIterator[c.SpeechChunk]:
        """The reply's audio, read at once: a tool that is called in it need not wait for the audio to be played."""
        reply.speech = ReadSpeech(self._read(reply, response), self._context.spawn, f"speech of reply {reply.id}")
        try:
            async with closing(reply.speech.chunks()) as chunks:
                async for chunk in chunks:
                    yield chunk
        except BargeinError:
            reply.llm_lost = True
            raise

    async def _read(self, reply: Reply, response: c.Response) -> AsyncIterator[c.SpeechChunk]:
        rounds, came, audible = 0, False, False
        async with closing(response.audio()) as items:
            async for item in items:
                if isinstance(item, c.SpeechChunk):
                    audible = audible or bool(item.text.strip() or len(item.pcm))
                    reply.text += item.text
                    yield item
                else:
                    rounds += 1
                    came = True
                    await self._run_tools(item.calls, reply, response, last=rounds == MOST_ROUNDS)
        if not (came or audible):
            raise VendorLost("The model answered with nothing", advice="Ask again, or look at the vendor's status")
        self.tool_runner.demand_words(reply, audible=audible)
        self._outages.restored("model_lost")

    async def _run_tools(
        self, calls: tuple[c.ToolCall, ...], reply: Reply, response: c.Response, *, last: bool
    ) -> None:
        """Run the tools that the model calls. Every call gets a result, or the model would wait for ever.

        last: the model has called tools often enough, and does not go on.
        """
        reply.calls |= {call.id: call for call in calls}
        told: set[str] = set()
        try:
            for call, result in zip(calls, await self.tool_runner.run_all(calls, reply), strict=True):
                if result is None:
                    result = c.ToolResult(call.id, call.tool, call.arguments, AT_THE_END)
                elif not last:
                    response.continue_response()
                told.add(call.id)
                self._connection.push_tool_result(result)
            if last:
                log.warning("Call %s: the model called tools %d times in a row", self._context.call_id, MOST_ROUNDS)
        finally:
            for call in calls:
                if call.id not in told and call.id not in self._abandoned:
                    known = self._conversation.tool_result(call.id)
                    why = c.ToolResult(call.id, call.tool, call.arguments, CANCELLED, error=True)
                    self._connection.push_tool_result(known or why)

    def _on_late_result(self, result: c.ToolResult) -> None:
        self._unsaid.add(result.id)
        self._connection.push_tool_result(result)
        self._results_waiting()

    def _on_abandoned(self, result: c.ToolResult) -> None:
        self._abandoned.add(result.id)
        self._connection.push_tool_result(result)

    # ------------------------------------------------------------------------------------------ what was heard

    def completed(self, reply: Reply) -> None:
        """The model learns what the fallback TTS said in its place."""
        if reply.by_fallback and reply.response is not None and reply.track is not None:
            made_ms = reply.track.made * 1000 / reply.track.rate
            reply.response.truncate(made_ms, c.AgentSaid(reply.id, reply.text.strip()), by_fallback=True)

    def stopped(self, reply: Reply, *, sounded: bool) -> None:
        """The model must believe no more of its reply than was heard."""
        self.tool_runner.abandon(reply)
        if reply.response is None:
            return
        if not sounded:
            reply.response.truncate(0.0, None, by_fallback=reply.by_fallback)
        else:
            self._truncating = self._context.spawn(self._truncate(reply, reply.response), "truncate")

    def release(self) -> None:
        """The call is over: hold none of the parts that hold this one."""
        self._results_waiting = nothing_waits
        self._truncating = None
        self.tool_runner.release()

    async def _truncate(self, reply: Reply, response: c.Response) -> None:
        """As soon as the client has said where the cut caught it."""
        await self._ledger.wait_confirmed()
        said = self._conversation.agent(reply.id)
        response.truncate(reply.heard_ms, said, by_fallback=reply.by_fallback)

    async def _wait_truncated(self) -> None:
        if self._truncating is not None and not self._truncating.done():
            await asyncio.wait([self._truncating])

    # ------------------------------------------------------------------------------------------- the user's side

    def turn_started(self, from_ms: float) -> None:
        """The model is told how long ago."""
        self._connection.turn_started(self._ago(from_ms))

    def dismiss(self, onset_ms: float, until_ms: float, backchannel: c.UserBackchannel | None) -> None:
        """The model must not take it for a turn."""
        self._connection.dismiss(self._ago(onset_ms), self._ago(until_ms), backchannel)

    def words_came(self) -> None:
        """Words of a turn that was answered already enter the conversation."""
        self._late_words.update()

    def _ago(self, ms: float) -> float:
        return max(0.0, self._user_audio.newest_ms - ms)
