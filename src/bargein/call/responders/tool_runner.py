"""Running what the agent's model calls, by what each tool says of its effect (design: tools and interruption).

A read runs at once and goes with a cut. A commit waits until the words before it were heard, and once begun is never
cancelled: if its reply was cut meanwhile, its result is told as soon as there is room. A terminal waits for the reply's
end, and only runs when all of it was heard.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bargein.call.output.text_streams import closing
from bargein.call.record.conversation import Conversation
from bargein.errors import BargeinError
from bargein.protocols import (
    LLM,
    AgentSaid,
    EndRequest,
    HangUp,
    Journal,
    Meter,
    Prompt,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    Transfer,
)

if TYPE_CHECKING:
    from bargein.call.output.speaker import Reply

log = logging.getLogger(__name__)

MOST_ROUNDS = 5  # of asking the model again with what its tools told; one that never ends is a fault of its own
CANCELLED = "cancelled: the user interrupted before it was done"


class ToolRunner:
    """spawn: makes a task that is not cancelled when the call ends, but awaited; late: told of a commit that is done
    though its reply was cut: the agent should say so."""

    def __init__(
        self,
        tools: tuple[Tool, ...],
        conversation: Conversation,
        *,
        spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        late: Callable[[ToolResult], None],
        journal: Journal,
        meter: Meter,
        now_ms: Callable[[], float],
    ) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        self._conversation = conversation
        self._spawn, self._late = spawn, late
        self._journal, self._meter, self._now_ms = journal, meter, now_ms
        self.specs = tuple(tool.spec for tool in tools)

    async def answered(
        self, mind: LLM, prompt: Prompt, reply: Reply, released: asyncio.Event | None = None
    ) -> AsyncIterator[str]:
        """The reply's text, its tools run where the model calls them. released: until it is set the reply is only
        being prepared, and nothing but reads may run. Raises what the model raises; reply.mind_lost says so."""
        for _ in range(MOST_ROUNDS):
            begun = len(reply.text)
            calls: list[ToolCall] = []
            try:
                async with closing(mind.reply(prompt)) as deltas:
                    async for delta in deltas:
                        if isinstance(delta, TextDelta):
                            reply.text += delta.text
                            yield delta.text
                        elif isinstance(delta, ToolCall):
                            calls.append(delta)
                        else:
                            reply.leaving = delta
            except BargeinError:
                reply.mind_lost = True
                raise
            if not calls:
                return
            said = reply.text[begun:].strip()
            if said:
                # The voice must not wait for the rest of a clause while we wait for its being heard.
                reply.text += "\n"
                yield "\n"
            reply.busy = True
            used = [await self.run(call, reply, released) for call in calls]
            reply.busy = False
            if all(result is None for result in used):
                return  # only terminal ones: they run when the reply was heard
            spoken = (AgentSaid(reply.id, said),) if said else ()
            results = [result for result in used if result is not None]
            prompt = replace(prompt, items=(*prompt.items, *spoken, *results))
        log.warning("The model called tools %d times in a row", MOST_ROUNDS)

    async def run(self, call: ToolCall, reply: Reply, released: asyncio.Event | None = None) -> ToolResult | None:
        """One call's result; None: it runs later."""
        tool = self._tools.get(call.tool)
        if tool is None:
            return self._told(reply, call, f"there is no tool {call.tool[:60]!r}", error=True)
        if tool.effect == "read":
            try:
                return await self._told_of(tool, call, reply)
            except asyncio.CancelledError:
                self._told(reply, call, CANCELLED, error=True)
                raise
        if released is not None:
            await released.wait()
        if tool.effect == "terminal":
            reply.terminal.append(call)
            return None
        await reply.heard(len(reply.text.rstrip()))
        self._told(reply, call, None)
        done: list[ToolResult] = []
        task = self._spawn(self._commit(tool, call, reply, done), f"tool {call.tool}")
        await asyncio.shield(task)
        return done[0]

    async def _commit(self, tool: Tool, call: ToolCall, reply: Reply, done: list[ToolResult]) -> None:
        done.append(await self._told_of(tool, call, reply))
        if reply.cut:
            self._late(done[0])

    async def finish(self, reply: Reply) -> EndRequest | None:
        """All of the reply was heard: run what waited for that. How the call is to end, if it is."""
        leaving = reply.leaving
        for call in reply.terminal:
            result = await self._result(self._tools[call.tool], call, reply)
            if isinstance(result, HangUp | Transfer):
                leaving = leaving or result
            else:
                self._late(self._told(reply, call, result.result, error=result.error))
        return leaving

    async def _told_of(self, tool: Tool, call: ToolCall, reply: Reply) -> ToolResult:
        result = await self._result(tool, call, reply)
        if isinstance(result, HangUp | Transfer):
            reply.leaving = result
            return self._told(reply, call, "done at the end of this reply")
        return self._told(reply, call, result.result, error=result.error)

    async def _result(self, tool: Tool, call: ToolCall, reply: Reply) -> ToolResult | EndRequest:
        try:
            result = await tool.run(call.arguments)
        except BargeinError as error:
            self._meter.count("tools", cause="failed")
            return ToolResult(call.id, call.tool, call.arguments, str(error), error=True)
        except Exception as error:
            log.exception("The tool %s failed", call.tool)
            self._meter.count("tools", cause="failed")
            return ToolResult(call.id, call.tool, call.arguments, f"it failed ({type(error).__name__})", error=True)
        self._meter.count("tools", cause="done")
        if isinstance(result, HangUp | Transfer):
            return result
        return ToolResult(call.id, call.tool, call.arguments, result)

    def _told(self, reply: Reply, call: ToolCall, result: str | None, *, error: bool = False) -> ToolResult:
        """Put it on record. What is only being prepared has none: it may never have been."""
        used = ToolResult(call.id, call.tool, call.arguments, result, error)
        if reply.id:
            self._conversation.tool(used)
        else:
            reply.used.append(used)
        self._journal.note(self._now_ms(), "tool", id=call.id, tool=call.tool, result=result, error=error)
        return used
