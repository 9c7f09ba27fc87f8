"""The record's word on one call of a vendor: when it was asked, when the first of its answer came, and how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Literal

from bargein.call.context import CallContext
from bargein.call.output.reply import Reply
from bargein.call.output.text_streams import closing
from bargein.errors import BargeinError
from bargein.protocols import COUNTED, TokenUsage

Part = Literal["llm", "tts", "realtime"]


class VendorCall:
    """A block in which a vendor answers. Its end writes the note `vendor`, whatever ends the block.

    name: the part's own. reply: what the answer belongs to; its id is 0 while the reply is only prepared.
    """

    def __init__(self, context: CallContext, part: Part, name: str, reply: Reply) -> None:
        self._context = context
        self._part = part
        self._name = name
        self._reply = reply
        self._asked_ms = context.now_ms()
        self._given = False
        self._first_ms: float | None = None
        self._chars = 0
        self._tokens = TokenUsage()

    async def watched(self, text: AsyncIterator[str]) -> AsyncIterator[str]:
        """The text that the vendor is given. It is asked when the first of that comes, not when the block begins."""
        async with closing(text):
            async for piece in text:
                if not self._given:
                    self._given, self._asked_ms = True, self._context.now_ms()
                yield piece

    def came(self, chars: int) -> None:
        """More of the answer came. chars: of text in it."""
        if self._first_ms is None:
            self._first_ms = self._context.now_ms()
        self._chars += chars

    def __enter__(self) -> VendorCall:
        if self._part == "llm":
            COUNTED.set(self._tokens)  # for the task that reads the answer, until it reads another
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        why = None
        if isinstance(error, BargeinError):
            why = error.message
        elif isinstance(error, Exception):
            why = type(error).__name__
        self._context.journal.note(
            self._context.now_ms(),
            "vendor",
            part=self._part,
            name=self._name,
            reply=self._reply.id,
            asked_ms=self._asked_ms,
            first_ms=self._first_ms,
            chars=self._chars,
            stopped=isinstance(error, asyncio.CancelledError | GeneratorExit),
            why=why,
            **self._tokens.known(),
        )
