"""A realtime model that a test plays by hand: it answers as the test says, and keeps every call of its methods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import numpy as np

from bargein import protocols as c
from bargein.audio.pcm import Pcm, Samples
from tests.call.kit import LOUD, RATE, WORD_MS


class ScriptedRealtime:
    """A protocols.RealtimeModel and its one connection.

    texts: its answers; a word "!name" in one calls that tool. waits: an answer begins only when `go` is set.
    """

    name = "scripted speech"
    turns = False
    transcribes_user = True

    def __init__(self, *texts: str, waits: bool = False) -> None:
        self.texts = list(texts)
        self.go = asyncio.Event()
        if not waits:
            self.go.set()
        self.rate = RATE
        self.connected = True
        self.pushed = 0
        self.responses: list[ScriptedResponse] = []
        self.calls: list[tuple[object, ...]] = []  # in order: what the call did with the connection
        self.inbox: asyncio.Queue[c.STTEvent | Exception] = asyncio.Queue()
        self.config: c.SessionConfig | None = None
        self.items: Callable[[], Sequence[c.ConversationItem]] = list
        self.error: Exception | None = None
        self.closed = 0

    def open(self, config: c.SessionConfig, items: Callable[[], Sequence[c.ConversationItem]]) -> ScriptedRealtime:
        self.config, self.items = config, items
        return self

    def push_audio(self, samples: Samples) -> None:
        self.pushed += len(samples)

    async def events(self) -> AsyncIterator[c.STTEvent]:
        try:
            while True:
                item = await self.inbox.get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.closed += 1

    def recognize(self, kind: c.TurnUpdateKind, text: str, *, turn: int = 0, ago_ms: float = 300) -> None:
        now_ms = self.pushed / 16
        self.inbox.put_nowait(c.TurnUpdate(kind, turn, text, now_ms - ago_ms, now_ms))

    def turn_started(self, ago_ms: float) -> None:
        self.calls.append(("turn_started", round(ago_ms)))

    def dismiss(self, from_ago_ms: float, until_ago_ms: float, backchannel: c.UserBackchannel | None) -> None:
        self.calls.append(("dismiss", backchannel.text if backchannel else ""))

    def answer(self, typed: Sequence[str], *, spoken: bool) -> ScriptedResponse:
        self.calls.append(("answer", *typed, "spoken" if spoken else "typed"))
        return self._respond(self.texts.pop(0) if self.texts else "fine")

    def say(self, text: str) -> ScriptedResponse:
        self.calls.append(("say", text))
        return self._respond(text)

    def say_tool_results(self) -> ScriptedResponse:
        self.calls.append(("say_tool_results",))
        return self._respond(self.texts.pop(0) if self.texts else "done")

    def push_tool_result(self, used: c.ToolResult) -> None:
        self.calls.append(("tool_result", used.tool, used.result, used.error))

    def _respond(self, text: str) -> ScriptedResponse:
        self.responses.append(ScriptedResponse(self, text))
        return self.responses[-1]


class ScriptedResponse:
    """Each word is WORD_MS of one value; its text comes with it, its time when all of it is there."""

    def __init__(self, model: ScriptedRealtime, text: str) -> None:
        self.model, self.rounds = model, text.split("|")
        self.started = False
        self.cuts = 0
        self.heard_ms: float | None = None
        self.said: c.AgentSaid | None = None
        self.by_fallback: bool | None = None
        self._more = False

    async def audio(self) -> AsyncIterator[c.SpeechChunk | c.ToolCalls]:
        await self.model.go.wait()
        if self.model.error is not None:
            raise self.model.error
        self.started = True
        count = at = 0
        words: list[c.Word] = []
        for text in self.rounds:
            calling = []
            for word in text.split():
                if word.startswith("!"):
                    tool, _, arguments = word[1:].partition(":")
                    calling.append(c.ToolCall(f"call-{tool}", tool, arguments or "{}"))
                    continue
                pcm = Pcm(np.full(WORD_MS * RATE // 1000, (count + 1) * LOUD, np.int16), RATE)
                words.append(c.Word(count * WORD_MS, (count + 1) * WORD_MS, at, at + len(word)))
                at += len(word) + 1
                count += 1
                yield c.SpeechChunk(pcm, word + " ", ahead=True)
            if words:
                yield c.SpeechChunk(Pcm(np.zeros(0, np.int16), RATE), "", tuple(words), exact=False, ahead=True)
                words = []
            if calling:
                self._more = False
                yield c.ToolCalls(tuple(calling))
                if not self._more:
                    return

    def continue_response(self) -> None:
        self._more = True

    def cancel(self) -> None:
        self.cuts += 1

    def words(self) -> tuple[c.Word, ...]:
        return ()

    def truncate(self, ms: float, said: c.AgentSaid | None, *, by_fallback: bool = False) -> None:
        self.heard_ms, self.said, self.by_fallback = ms, said, by_fallback
        self.model.calls.append(("truncate", round(ms), said.text if said else None))
