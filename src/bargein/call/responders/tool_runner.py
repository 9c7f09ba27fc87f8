"""Runs the tools that the agent's model calls, by each tool's effect (design: tools and interruption).

A read runs as soon as it is called, while the words before it are still being said, and a cut cancels it. A commit
waits until the words before it were heard, and is never cancelled once it runs; if its reply was cut meanwhile, its
result is said as soon as the floor is free. A terminal runs once all of its reply was heard.

Every call gets a result: one that never began, because its reply was cut or lost, gets a result that says so.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from uuid import uuid4

from bargein.agent import Summarize
from bargein.call.context import CallContext
from bargein.call.output.read_ahead import has_words
from bargein.call.output.reply import Reply
from bargein.call.output.text_streams import closing, own_cancellation
from bargein.call.record.conversation import Conversation
from bargein.call.record.outages import Outages
from bargein.call.record.prompt_window import PromptWindow
from bargein.call.record.tool_notes import note_result, tool_runs
from bargein.call.record.vendor_call import VendorCall
from bargein.call.responders.thoughts import answer
from bargein.errors import BargeinError, PromptTooLong, VendorLost
from bargein.floor import ToolsEnded, ToolsStarted
from bargein.protocols import (
    LLM,
    AgentSaid,
    DigitRequest,
    Effect,
    EndRequest,
    HangUp,
    Prompt,
    RecordingRequest,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    Transfer,
)

log = logging.getLogger(__name__)

MOST_ROUNDS = 5  # of asking the model again with the results of its tools; a model that goes on is at fault
SHORTENINGS = 5  # of a prompt that the LLM refuses: a thirty-second of it is left
CANCELLED = "cancelled: the user interrupted before it was done"
UNKNOWN = (
    "unknown: this was begun, and the server that ran it was lost before a result came. It may have been done or not."
    " It is not done again in this call: tell the caller that you cannot be sure, or look it up with another tool"
)
AT_THE_END = "done at the end of this reply"
NEVER_BEGAN = "not done: the reply was interrupted before this began"
TIMEOUT_S = 30.0  # of a tool that names no timeout of its own
GRACE_S = 0.5  # a tool ends itself at its timeout, with words of its own
LATE_MS = 1_000.0  # so much later than its timeout a tool's result may reach the floor


def timeout_s(tool: Tool) -> float:
    """How long a tool may take. One that names no time, or None, gets TIMEOUT_S."""
    given: float | None = getattr(tool, "timeout_s", None)
    return TIMEOUT_S if given is None else float(given)


def _untold(_: ToolResult) -> None:
    """The call is over."""


class ToolRunner:
    """on_late_result: gets the result of a commit whose reply was cut. The agent should say it. on_abandoned: gets the
    result of each call that never began, because its reply was cut or lost. hide_thoughts: as in Agent."""

    def __init__(
        self,
        context: CallContext,
        tools: Sequence[Tool],
        conversation: Conversation,
        on_late_result: Callable[[ToolResult], None],
        *,
        on_abandoned: Callable[[ToolResult], None] = lambda _: None,
        hide_thoughts: bool = True,
        max_prompt_tokens: int | None = None,
        summarize: Summarize | None = None,
        outages: Outages | None = None,
    ) -> None:
        self._context = context
        self._hide_thoughts = hide_thoughts
        self._tools = {tool.spec.name: tool for tool in tools}
        self._conversation = conversation
        self._on_late_result = on_late_result
        self._on_abandoned = on_abandoned
        self._max_prompt_tokens, self._summarize = max_prompt_tokens, summarize
        self._window: PromptWindow | None = None  # of the LLM, once it is asked
        self._outages = outages or Outages(context)
        self.specs = tuple(tool.spec for tool in tools)
        """What the model is told of the tools."""

    def release(self) -> None:
        """The call is over: no result is told any more."""
        self._on_late_result = self._on_abandoned = _untold

    async def reply_text(
        self, llm: LLM, prompt: Prompt, reply: Reply, released: asyncio.Event | None = None
    ) -> AsyncIterator[str]:
        """The reply's text. Tools run where the LLM calls them, and the LLM is asked again with their results.

        released: until it is set the reply is only being prepared, and nothing but reads may run. Raises what the LLM
        raises, and VendorLost for an answer that holds nothing to be said; reply.llm_lost tells that from a TTS's
        failure.
        """
        known = len(prompt.items)
        for _ in range(MOST_ROUNDS):
            begun = len(reply.text)
            calls: list[ToolCall] = []
            try:
                with VendorCall(self._context, "llm", llm.name, reply) as told:
                    async with closing(self._deltas(llm, prompt)) as deltas:
                        async for delta in deltas:
                            told.came(len(delta.text) if isinstance(delta, TextDelta) else 0)
                            if isinstance(delta, TextDelta):
                                reply.text += delta.text
                                yield delta.text
                            elif isinstance(delta, ToolCall):
                                call = self._with_own_id(delta, reply, prompt)
                                calls.append(call)
                                reply.calls[call.id] = call
                            else:
                                reply.end_request = delta
            except BargeinError:
                reply.llm_lost = True
                raise
            self._outages.restored("model_lost")
            if not calls:
                break
            said = reply.text[begun:].strip()
            if said:
                # The TTS must not wait for the rest of a clause: a commit waits until the clause was heard.
                reply.text += "\n"
                yield "\n"
            ran = await self.run_all(calls, reply, released)
            results = [result for result in ran if result is not None]
            if not results:
                return  # only terminals: they run when the reply was heard
            spoken = (AgentSaid(reply.id, said),) if said else ()
            prompt = replace(prompt, items=(*prompt.items, *spoken, *results))
        else:
            log.warning("Call %s: the model called tools %d times in a row", self._context.call_id, MOST_ROUNDS)
        if reply.text.strip() or len(prompt.items) > known:
            self.demand_words(reply)

    def demand_words(self, reply: Reply, *, audible: bool = False) -> None:
        """The model has given all of the reply. Raises VendorLost where the caller would hear nothing of it, and no
        other end of the reply is to follow.

        audible: the model has spoken by itself.
        """
        follows = reply.terminal or reply.end_request is not None or self._context.digits.expected
        if not (audible or follows or has_words(reply.text)):
            reply.llm_lost = True
            raise VendorLost("The model answered with nothing to say", advice="Ask again, or look at what it writes")

    def _with_own_id(self, call: ToolCall, reply: Reply, prompt: Prompt) -> ToolCall:
        """The call, by an id that no other call of the conversation has: some servers count anew in each answer."""
        before = [item.id for item in prompt.items if isinstance(item, ToolResult)]
        if call.id and call.id not in (*before, *reply.calls, *(used.id for used in reply.used)):
            return call
        return replace(call, id=uuid4().hex[:9])  # Mistral takes nine letters and digits, and others take them too

    async def _deltas(self, llm: LLM, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest | ToolCall]:
        """The pieces of one answer. A prompt that is too long for the LLM is shortened, and given again at once."""
        if self._window is None:
            self._window = PromptWindow(llm, self._max_prompt_tokens, self._summarize, self._context.spawn)
        window, spoke = self._window, False
        shown = window.fit(prompt)
        for last in (False,) * SHORTENINGS + (True,):
            try:
                async with closing(answer(llm, shown, hide_thoughts=self._hide_thoughts)) as pieces:
                    async for piece in pieces:
                        spoke = True
                        yield piece
            except PromptTooLong as error:
                window.shorten(shown)
                before, shown = shown, window.fit(prompt)
                if spoke or last or before == shown:
                    raise
                log.info("Call %s: %s; a shorter one is tried", self._context.call_id, error.message)
            else:
                return

    async def run_all(
        self, calls: Sequence[ToolCall], reply: Reply, released: asyncio.Event | None = None
    ) -> list[ToolResult | None]:
        """The results of all calls of one round, in their order. None: the tool runs later.

        Reads run at once, beside each other; commits one after the other.
        """
        reply.busy = True
        try:
            async with asyncio.TaskGroup() as group:
                reads = {
                    index: group.create_task(self.run(call, reply, released), name=f"tool {call.tool}")
                    for index, call in enumerate(calls)
                    if self._effect(call) == "read"
                }
                others = {
                    index: await self.run(call, reply, released)
                    for index, call in enumerate(calls)
                    if index not in reads
                }
            return [reads[index].result() if index in reads else others[index] for index in range(len(calls))]
        finally:
            reply.busy, reply.owed_from = False, len(reply.text)
            self._tools_end(reply)

    def announce(self, reply: Reply) -> None:
        """The reply has its place on the floor now: the floor learns that it waits for tools."""
        if reply.busy and reply.tools_until_ms:
            self._context.feed(ToolsStarted(self._context.now_ms(), reply.id, reply.tools_until_ms))

    def abandon(self, reply: Reply) -> None:
        """The reply is over before its time: calls that have not begun never will, and the model is told so."""
        calls = {**reply.calls, **{call.id: call for call in reply.terminal}}
        reply.calls.clear()
        for call in calls.values():
            if reply.id and self._conversation.tool_result(call.id) is None:
                self._on_abandoned(self._write(reply, call, NEVER_BEGAN, error=True))

    def _effect(self, call: ToolCall) -> Effect | None:
        tool = self._tools.get(call.tool)
        return None if tool is None else tool.effect

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
        if self._may_be_done(call):
            return self._write(reply, call, UNKNOWN, error=True)
        if tool.effect == "terminal":
            reply.calls.pop(call.id, None)
            reply.terminal.append(call)
            return None
        await reply.wait_heard(len(reply.text.rstrip()))
        self._write(reply, call, None)
        done: list[ToolResult] = []
        task = self._context.spawn_commit(self._commit(tool, call, reply, done), f"tool {call.tool}")
        await asyncio.shield(task)
        return done[0]

    def _may_be_done(self, call: ToolCall) -> bool:
        """Whether the very same was begun on a server that was lost, so that its result is not known."""
        return any(
            isinstance(item, ToolResult)
            and item.result == UNKNOWN
            and item.tool == call.tool
            and _same_json(item.arguments, call.arguments)
            for item in self._conversation.items
        )

    async def _write_ahead(self, tool: str) -> None:
        """Before a tool begins that must not run twice, every server can know that it was begun."""
        if not await self._context.durable():
            log.warning(
                "Call %s: the tool %s begins, and no other server can know of it yet: if this one is lost now, it may"
                " be done twice",
                self._context.call_id,
                tool,
            )

    def _tools_begin(self, reply: Reply, tool: Tool) -> None:
        now_ms = self._context.now_ms()
        until_ms = now_ms + timeout_s(tool) * 1000 + LATE_MS
        if until_ms > reply.tools_until_ms:
            reply.tools_until_ms = until_ms
            if reply.id:
                self._context.feed(ToolsStarted(now_ms, reply.id, until_ms))

    def _tools_end(self, reply: Reply) -> None:
        if reply.tools_until_ms:
            reply.tools_until_ms = 0.0
            if reply.id:
                self._context.feed(ToolsEnded(self._context.now_ms(), reply.id))

    async def _commit(self, tool: Tool, call: ToolCall, reply: Reply, done: list[ToolResult]) -> None:
        await self._write_ahead(call.tool)
        done.append(await self._run_now(tool, call, reply))
        if reply.cut:
            self._on_late_result(done[0])

    async def finish(self, reply: Reply) -> EndRequest | None:
        """All of the reply was heard: run its terminals. Returns how the call is to end. None: it goes on."""
        request = reply.end_request
        terminals, reply.terminal = reply.terminal, []
        for call in terminals:
            if not getattr(self._tools[call.tool], "hangs_up", False):
                self._write(reply, call, None)
            await self._write_ahead(call.tool)
            result = await self._result(self._tools[call.tool], call, reply)
            if isinstance(result, HangUp | Transfer):
                if request is None:
                    request, reply.end_call = result, call
                if self._conversation.tool_result(call.id) is not None:
                    self._write(reply, call, AT_THE_END)
            else:
                self._on_late_result(self._write(reply, call, result.result, error=result.error))
        return request

    def fail_late(self, call: ToolCall, why: str) -> None:
        """What a tool asked for at the end of its reply has failed."""
        used = ToolResult(call.id, call.tool, call.arguments, why, error=True)
        self._conversation.tool(used)
        note_result(self._context, used)
        self._on_late_result(used)

    def hang_up_of(self, reply: Reply) -> HangUp | None:
        """The hang-up that the reply was to end in. None: there was to be none. No tool runs for the answer."""
        if isinstance(reply.end_request, HangUp):
            return reply.end_request
        tools = [self._tools.get(call.tool) for call in reply.terminal]
        return HangUp() if any(getattr(tool, "hangs_up", False) for tool in tools) else None

    async def _run_now(self, tool: Tool, call: ToolCall, reply: Reply) -> ToolResult:
        reply.calls.pop(call.id, None)
        self._tools_begin(reply, tool)
        result = await self._result(tool, call, reply)
        if isinstance(result, HangUp | Transfer):
            reply.end_request, reply.end_call = result, call
            return self._write(reply, call, AT_THE_END)
        return self._write(reply, call, result.result, error=result.error)

    async def _result(self, tool: Tool, call: ToolCall, reply: Reply) -> ToolResult | EndRequest:
        meter = self._context.meter
        limit = asyncio.timeout(timeout_s(tool) + GRACE_S)
        try:
            async with limit:
                running = tool_runs(self._context, call, tool.effect, reply)
                with own_cancellation(f"The tool {call.tool}"), running:
                    result = await tool.run(call.arguments)
        except BargeinError as error:
            meter.count("tools", cause="failed")
            return ToolResult(call.id, call.tool, call.arguments, str(error), error=True)
        except Exception as error:
            if limit.expired():
                meter.count("tools", cause="failed")
                why = f"it took longer than {timeout_s(tool):g} s"
                return ToolResult(call.id, call.tool, call.arguments, why, error=True)
            log.exception("Call %s: the tool %s failed", self._context.call_id, call.tool)
            meter.count("tools", cause="failed")
            return ToolResult(call.id, call.tool, call.arguments, f"it failed ({type(error).__name__})", error=True)
        meter.count("tools", cause="done")
        if isinstance(result, HangUp | Transfer):
            return result
        if isinstance(result, DigitRequest):
            result = self._context.digits.expect(result)
        elif isinstance(result, RecordingRequest):
            result = self._context.consent(result.on)
        return ToolResult(call.id, call.tool, call.arguments, result)

    def _write(self, reply: Reply, call: ToolCall, result: str | None, *, error: bool = False) -> ToolResult:
        """Put the call of a tool on record. A prepared reply keeps it to itself: it may never be heard of."""
        reply.calls.pop(call.id, None)
        used = ToolResult(call.id, call.tool, call.arguments, result, error)
        if reply.id:
            self._conversation.tool(used)
        else:
            reply.used.append(used)
        note_result(self._context, used, reply)
        return used


def _same_json(one: str, other: str) -> bool:
    """Whether two arguments are the same, however they are written."""
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return one == other
