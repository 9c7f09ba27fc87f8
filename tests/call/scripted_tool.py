"""A tool that a test plays by hand."""

from __future__ import annotations

import asyncio

from bargein import protocols as c


class ScriptedTool:
    """A protocols.Tool that waits until the test lets it go on."""

    def __init__(
        self, name: str, effect: c.Effect, result: str | c.HangUp | Exception = "done", *, waits: bool = False
    ) -> None:
        self.spec = c.ToolSpec(name, f"Does {name}", {"type": "object", "properties": {}})
        self.effect: c.Effect = effect
        self.result = result
        self.go = asyncio.Event()
        self.begun: list[str] = []
        self.done = self.cancelled = 0
        if not waits:
            self.go.set()

    async def run(self, arguments: str) -> str | c.HangUp | c.Transfer:
        self.begun.append(arguments)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.done += 1
        if isinstance(self.result, Exception):
            raise self.result
        return self.result
