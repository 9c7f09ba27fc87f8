"""The seat of a speech model: it hears the user itself, answers with sound, and is told what of it was heard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from bargein import protocols as c
from bargein.agent import Agent
from bargein.call.input.turns import Turn, Turns
from bargein.call.input.user_audio import UserAudio
from bargein.call.output.late_words import LateWords
from bargein.call.output.speaker import Reply, SpeechSource
from bargein.call.output.text_streams import closing, one
from bargein.call.output.utterance_queue import UtteranceText
from bargein.call.record.conversation import Conversation
from bargein.call.record.ledger import Ledger
from bargein.call.responders.responder import PreparedStats, ResponderHooks
from bargein.call.responders.tool_runner import CANCELLED, MOST_ROUNDS
from bargein.errors import BargeinError

log = logging.getLogger(__name__)

AT_THE_END = "It is done once all of this reply was heard."


class RealtimeResponder:
    """See call.seat."""

    def __init__(
        self,
        agent: Agent,
        line: c.RealtimeConnection,
        conversation: Conversation,
        ledger: Ledger,
        turns: Turns,
        hearing: UserAudio,
        hands: ResponderHooks,
    ) -> None:
        self._line, self._conversation, self._ledger, self._turns, self._hearing = (
            line,
            conversation,
            ledger,
            turns,
            hearing,
        )
        self._hands = hands
        self.toolbox = hands.toolbox(agent.tools, conversation, self._late)
        self.ahead = PreparedStats()
        self._late_words = LateWords(conversation, turns, hands)
        self._telling: asyncio.Task[None] | None = None
        self._untold: set[str] = set()

    # -------------------------------------------------------------------------------------------------- answers

    def prepare(self, turn: Turn) -> None:
        """A speech model has one conversation, and cannot answer in it unheard."""

    def forget(self, cause: str) -> None:
        """Nothing is ever prepared."""

    def begin(self, reply: int, turn: int) -> Reply:
        return Reply(reply, "reply", self._hands.now_ms())

    async def answer(self, reply: Reply, turn: Turn, *, spoken: bool) -> AsyncIterator[str] | SpeechSource | None:
        """It has heard the turn: its words may come later, and go into the record then."""
        if not spoken and not turn.typed:
            return None  # a sound, and no word in it
        self._late_words.over(turn)
        await self._heard_told()
        self._untold.clear()
        return self._take(reply, self._line.answer(turn.typed, spoken=spoken))

    async def tell(self, reply: Reply) -> AsyncIterator[str] | SpeechSource | None:
        if not self._untold:
            return None
        self._untold.clear()
        await self._heard_told()
        return self._take(reply, self._line.say_tool_results())

    def known(self, text: str) -> UtteranceText:
        """The model's own voice says it; while that is away, the spare one."""

        async def give(reply: Reply) -> AsyncIterator[str] | SpeechSource | None:
            if not text:
                return None
            if self._line.connected:
                return self._take(reply, self._line.say(text))
            reply.text += text
            return one(text)

        return give

    def _take(self, reply: Reply, take: c.Response) -> SpeechSource:
        reply.take = take
        return SpeechSource(self._sound(reply, take), self._line.rate)

    async def _sound(self, reply: Reply, take: c.Response) -> AsyncIterator[c.SpeechChunk]:
        rounds = 0
        try:
            async with closing(take.audio()) as pieces:
                async for piece in pieces:
                    if isinstance(piece, c.SpeechChunk):
                        reply.text += piece.text
                        yield piece
                    else:
                        rounds += 1
                        await self._use(piece.calls, reply, take, last=rounds == MOST_ROUNDS)
        except BargeinError:
            reply.mind_lost = True
            raise

    async def _use(self, calls: tuple[c.ToolCall, ...], reply: Reply, take: c.Response, *, last: bool) -> None:
        """Run what the model calls. A call that nobody answers would make it wait for ever: each is told something.
        last: the model has called often enough, and does not go on."""
        left = list(calls)
        reply.busy = True
        try:
            for call in calls:
                used = await self.toolbox.run(call, reply)
                left.remove(call)
                if used is None:
                    used = c.ToolResult(call.id, call.tool, call.arguments, AT_THE_END)
                elif not last:
                    take.continue_response()
                self._line.push_tool_result(used)
            if last:
                log.warning("The model called tools %d times in a row", MOST_ROUNDS)
        finally:
            reply.busy = False
            for call in left:
                known = self._conversation.used(call.id)
                runs = known is not None and known.result is None
                result = None if runs else CANCELLED
                self._line.push_tool_result(c.ToolResult(call.id, call.tool, call.arguments, result, error=not runs))

    def _late(self, used: c.ToolResult) -> None:
        self._untold.add(used.id)
        self._line.push_tool_result(used)
        self._hands.again()

    # ------------------------------------------------------------------------------------------ what was heard

    def over(self, reply: Reply, *, sounded: bool) -> None:
        if reply.take is None:
            return
        if not sounded:
            reply.take.truncate(0.0, None)
        else:
            self._telling = self._hands.spawn(self._tell_heard(reply, reply.take), "heard")

    async def _tell_heard(self, reply: Reply, take: c.Response) -> None:
        """As soon as the far end has said where it really was."""
        await self._ledger.settled()
        take.truncate(self._ledger.heard_ms, self._conversation.agent(reply.id))

    async def _heard_told(self) -> None:
        if self._telling is not None and not self._telling.done():
            await asyncio.wait([self._telling])

    # ------------------------------------------------------------------------------------------- the user's side

    def turn(self, from_ms: float) -> None:
        self._line.turn_started(self._ago(from_ms))

    def dismiss(self, onset_ms: float, until_ms: float, backchannel: c.UserBackchannel | None) -> None:
        self._line.dismiss(self._ago(onset_ms), self._ago(until_ms), backchannel)

    def words(self) -> None:
        """More words of the user's have come."""
        self._late_words.came()

    def _ago(self, ms: float) -> float:
        return max(0.0, self._hearing.heard_ms - ms)
