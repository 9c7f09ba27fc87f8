"""What the code of a tool finds around it: the context of its call, and the span of the tool where calls are traced."""

from __future__ import annotations

import contextvars

from bargein.protocols import HangUp, Transfer
from tests.call.kit import SOON, ScriptedLLM, scene
from tests.call.scripted_tool import ScriptedTool

CALLER = contextvars.ContextVar("CALLER", default="nobody")
INSIDE = contextvars.ContextVar("INSIDE", default="")


class Asking(ScriptedTool):
    """Keeps what it finds when it runs."""

    def __init__(self) -> None:
        super().__init__("ask", "read")
        self.found: list[tuple[str, str]] = []

    async def run(self, arguments: str) -> str | HangUp | Transfer:
        self.found.append((CALLER.get(), INSIDE.get()))
        return await super().run(arguments)


class Spans:
    """A protocols.CallTrace."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def enter_tool(self, at_ms: float, call: str, tool: str, reply: int) -> object:
        self.seen.append(f"enter {call} {tool} {reply}")
        return INSIDE.set(call)

    def leave_tool(self, at_ms: float, entered: object) -> None:
        assert isinstance(entered, contextvars.Token)
        INSIDE.reset(entered)
        self.seen.append("leave")


async def test_a_tool_runs_in_the_context_of_its_call_and_in_its_own_span() -> None:
    tool, spans = Asking(), Spans()
    before = CALLER.set("the call's owner")
    async with scene(llm=ScriptedLLM("wait !ask", "done"), tools=(tool,), policy=SOON, trace=spans) as s:
        CALLER.reset(before)
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: bool(tool.found))
    assert tool.found == [("the call's owner", "call-1-ask")], "whoever makes the reply's task"
    assert spans.seen == ["enter call-1-ask ask 1", "leave"]
