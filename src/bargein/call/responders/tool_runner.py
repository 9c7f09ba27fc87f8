"""Runs the tools that the agent's model calls, by each tool's effect (design: tools and interruption).

A read runs at once, and a cut cancels it. A commit waits until the words before it were heard, and is never cancelled
once it runs; if its reply was cut meanwhile, its result is said as soon as the floor is free. A terminal runs once all
of its reply was heard.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from bargein.call.context import CallContext
from bargein.call.output.reply import Reply
from bargein.call.output.text_streams import closing
from bargein.call.record.conversation import Conversation
from bargein.errors import BargeinError
from bargein.protocols import (
    LLM,
    AgentSaid,
    EndRequest,
    HangUp,
    Prompt,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    Transfer,
)

log = logging.getLogger(__name__)

MOST_ROUNDS = 5  # of asking the model again with the results of its tools; a model that goes on is at fault
CANCELLED = "cancelled: the user interrupted before it was done"


def _untold(_: ToolResult) -> None:
    """The call is over."""


class ToolRunner:
    """on_late_result: gets the result of a commit whose reply was cut. The agent should say it."""

    def __init__(
        self,
        context: CallContext,
        tools: Sequence[Tool],
        conversation: Conversation,
        on_late_result: Callable[[ToolResult], None],
    ) -> None:
        self._context = context
        self._tools = {tool.spec.name: tool for tool in tools}
        self._conversation = conversation
        self._on_late_result = on_late_result
        self.specs = tuple(tool.spec for tool in tools)
        """What the model is told of the tools."""

    def release(self) -> None:
        """The call is over: no result is told any more."""
        self._on_late_result = _untold

    async def reply_text(
        self, llm: LLM, prompt: Prompt, reply: Reply, released: asyncio.Event | None = None
    ) -> AsyncIterator[str]:
        """The reply's text. Tools run where the LLM calls them, and the LLM is asked again with their results.

        released: until it is set the reply is only being prepared, and nothing but reads may run. Raises what the LLM
        raises; reply.llm_lost tells that from a TTS's failure.
        """
        for _ in range(MOST_ROUNDS):
            begun = len(reply.text)
            calls: list[ToolCall] = []
            try:
                async with closing(llm.reply(prompt)) as deltas:
                    async for delta in deltas:
                        if isinstance(delta, TextDelta):
                            reply.text += delta.text
                            yield delta.text
                        elif isinstance(delta, ToolCall):
                            calls.append(delta)
                        else:
                            reply.end_request = delta
            except BargeinError:
                reply.llm_lost = True
                raise
            if not calls:
                return
            said = reply.text[begun:].strip()
            if said:
                # The TTS must not wait for the rest of a clause: a commit waits until the clause was heard.
                reply.text += "\n"
                yield "\n"
            reply.busy = True
            ran = [await self.run(call, reply, released) for call in calls]
            reply.busy = False
            results = [result for result in ran if result is not None]
            if not results:
                return  # only terminals: they run when the reply was heard
            spoken = (AgentSaid(reply.id, said),) if said else ()
            prompt = replace(prompt, items=(*prompt.items, *spoken, *results))
        log.warning("Call %s: the model called tools %d times in a row", self._context.call_id, MOST_ROUNDS)

    async def run(self, call: ToolCall, reply: Reply, released: asyncio.Event | None = None) -> ToolResult | None:
        """The result of one call. None: the tool runs later."""
        tool = self._tools.get(call.tool)
        if tool is None:
            return self._write(reply, call, f"there is no tool {call.tool[:60]!r}", error=True)
        if tool.effect == "read":
            try:
                return await self._run_now(tool, call, reply)
            except asyncio.CancelledError:
                self._write(reply, call, CANCELLED, error=True)
                raise
        if released is not None:
            await released.wait()
        if tool.effect == "terminal":
            reply.terminal.append(call)
            return None
        await reply.wait_heard(len(reply.text.rstrip()))
        self._write(reply, call, None)
        done: list[ToolResult] = []
        task = self._context.spawn_commit(self._commit(tool, call, reply, done), f"tool {call.tool}")
        await asyncio.shield(task)
        return done[0]

    async def _commit(self, tool: Tool, call: ToolCall, reply: Reply, done: list[ToolResult]) -> None:
        done.append(await self._run_now(tool, call, reply))
        if reply.cut:
            self._on_late_result(done[0])

    async def finish(self, reply: Reply) -> EndRequest | None:
        """All of the reply was heard: run its terminals. Returns how the call is to end. None: it goes on."""
        request = reply.end_request
        for call in reply.terminal:
            result = await self._result(self._tools[call.tool], call)
            if isinstance(result, HangUp | Transfer):
                request = request or result
            else:
                self._on_late_result(self._write(reply, call, result.result, error=result.error))
        return request

    def hang_up_of(self, reply: Reply) -> HangUp | None:
        """The hang-up that the reply was to end in. None: there was to be none. No tool runs for the answer."""
        if isinstance(reply.end_request, HangUp):
            return reply.end_request
        tools = [self._tools.get(call.tool) for call in reply.terminal]
        return HangUp() if any(getattr(tool, "hangs_up", False) for tool in tools) else None

    async def _run_now(self, tool: Tool, call: ToolCall, reply: Reply) -> ToolResult:
        result = await self._result(tool, call)
        if isinstance(result, HangUp | Transfer):
            reply.end_request = result
            return self._write(reply, call, "done at the end of this reply")
        return self._write(reply, call, result.result, error=result.error)

    async def _result(self, tool: Tool, call: ToolCall) -> ToolResult | EndRequest:
        meter = self._context.meter
        try:
            result = await tool.run(call.arguments)
        except BargeinError as error:
            meter.count("tools", cause="failed")
            return ToolResult(call.id, call.tool, call.arguments, str(error), error=True)
        except Exception as error:
            log.exception("Call %s: the tool %s failed", self._context.call_id, call.tool)
            meter.count("tools", cause="failed")
            return ToolResult(call.id, call.tool, call.arguments, f"it failed ({type(error).__name__})", error=True)
        meter.count("tools", cause="done")
        if isinstance(result, HangUp | Transfer):
            return result
        return ToolResult(call.id, call.tool, call.arguments, result)

    def _write(self, reply: Reply, call: ToolCall, result: str | None, *, error: bool = False) -> ToolResult:
        """Put the call of a tool on record. A prepared reply keeps it to itself: it may never be heard of."""
        used = ToolResult(call.id, call.tool, call.arguments, result, error)
        if reply.id:
            self._conversation.tool(used)
        else:
            reply.used.append(used)
        self._context.journal.note(
            self._context.now_ms(), "tool", id=call.id, tool=call.tool, result=result, error=error
        )
        return used
