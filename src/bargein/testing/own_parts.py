"""The agent's own LLM and tools, watched: moved time stands still while they really work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from bargein.call.responders.llm_pieces import llm_pieces
from bargein.protocols import (
    LLM,
    AudioLLM,
    DigitRequest,
    EndRequest,
    HangUp,
    Prompt,
    RecordingRequest,
    TextDelta,
    Tool,
    ToolCall,
    Transfer,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 40  # of the event loop, in which every task that can go on does
PATIENCE_S = 5.0


class Work:
    """What the agent's own parts are doing at the moment, in real time.

    patience_s: how long moved time waits for a piece of it. A tool that waits on purpose (for an event that the test
    sets later) is passed by after that.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._pending: set[object] = set()
        self._passed_by: set[object] = set()
        self._done = asyncio.Event()

    @contextmanager
    def one(self) -> Iterator[None]:
        """A piece of work, as long as the block lasts."""
        piece = object()
        self._pending.add(piece)
        try:
            yield
        finally:
            self._pending.discard(piece)
            self._passed_by.discard(piece)
            self._done.set()

    async def settle(self) -> None:
        """Let every task run until it waits for moved time."""
        await _rounds()
        while self._pending - self._passed_by:
            self._done.clear()
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._done.wait()
            except TimeoutError:
                self._passed_by |= self._pending
            await _rounds()


async def _rounds() -> None:
    for _ in range(ROUNDS):
        await asyncio.sleep(0)


class WatchedLLM:
    """An LLM by shape: the agent's own."""

    def __init__(self, llm: LLM, work: Work) -> None:
        self.name = llm.name
        self.prepares: bool = getattr(llm, "prepares", True)
        if (tokens := getattr(llm, "context_tokens", None)) is not None:
            self.context_tokens: int = tokens
        self._llm = llm
        self._work = work

    async def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest | ToolCall]:
        pieces = llm_pieces(self._llm, prompt)
        try:
            while True:
                with self._work.one():
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                yield piece
        finally:
            close = getattr(pieces, "aclose", None)
            if close is not None:
                await close()


class WatchedAudioLLM(WatchedLLM):
    """An AudioLLM by shape: the agent's own."""

    hears_audio: Literal[True] = True


class WatchedTool:
    """A Tool by shape: the agent's own."""

    def __init__(self, tool: Tool, work: Work) -> None:
        self.spec = tool.spec
        self.effect = tool.effect
        if (limit_s := getattr(tool, "timeout_s", None)) is not None:
            self.timeout_s: float = limit_s
        self.hangs_up: bool = getattr(tool, "hangs_up", False)
        self._tool = tool
        self._work = work

    async def run(self, arguments: str) -> str | HangUp | Transfer | DigitRequest | RecordingRequest:
        with self._work.one():
            return await self._tool.run(arguments)


def watched_llm(llm: LLM, work: Work) -> LLM:
    return WatchedAudioLLM(llm, work) if isinstance(llm, AudioLLM) else WatchedLLM(llm, work)
