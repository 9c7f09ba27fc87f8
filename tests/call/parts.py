"""What a part of a call needs around it, when it is tested alone: a context, a clock and what the part did to them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np

from bargein import notices as n
from bargein import protocols as c
from bargein.audio.pcm import Pcm
from bargein.call.context import CallContext
from bargein.call.output.reply import Replies, Reply
from bargein.call.output.track import Track
from bargein.clock import ManualClock
from bargein.floor import Event
from tests.call.kit import LOUD, RATE, WORD_MS, Notes


class Parts:
    """A CallContext that keeps everything: notices, events, and in `notes` the record and the measurements."""

    def __init__(self) -> None:
        self.clock = ManualClock(0)
        self.notes = Notes()
        self.notices: list[n.Notice] = []
        self.events: list[Event] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.commits: list[asyncio.Task[None]] = []
        self.kicks = 0
        self.replies = Replies()
        self.context = CallContext(
            call_id="c1",
            now_ms=self.clock.now_ms,
            journal=self.notes,
            meter=self.notes,
            notify=self.notices.append,
            feed=self.events.append,
            spawn=self._spawn,
            spawn_commit=self._spawn_commit,
            kick=self._kick,
        )

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(work, name=name))
        return self.tasks[-1]

    def _spawn_commit(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        self.commits.append(asyncio.create_task(work, name=name))
        return self.commits[-1]

    def _kick(self) -> None:
        self.kicks += 1

    def decisions(self) -> list[tuple[str, str]]:
        """Kind and reason of every decision that reached the client."""
        return [(x.kind, x.why) for x in self.notices if isinstance(x, n.Decision)]

    async def end(self) -> None:
        """Cancel and await every task, so that none outlives the test."""
        for task in (*self.tasks, *self.commits):
            task.cancel()
        await asyncio.gather(*self.tasks, *self.commits, return_exceptions=True)


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(30):
        await asyncio.sleep(0)


def spoken(text: str, *, timed: bool = True) -> c.SpeechChunk:
    """Each word of the text as WORD_MS of audio, in one chunk; word k has the value (k+1) * LOUD."""
    words, at = [], 0
    for k, word in enumerate(text.split()):
        words.append(c.Word(k * WORD_MS, (k + 1) * WORD_MS, at, at + len(word)))
        at += len(word) + 1
    samples = np.repeat(np.arange(1, len(words) + 1), WORD_MS * RATE // 1000).astype(np.int16) * np.int16(LOUD)
    return c.SpeechChunk(Pcm(samples, RATE), text, tuple(words) if timed else None)


def sounding(reply: int, text: str, *, timed: bool = True) -> Reply:
    """A reply whose audio is made and sent."""
    made = Reply(reply, "reply", 0.0, text=text)
    made.track = Track(reply, RATE, RATE)
    made.track.push_audio(spoken(text, timed=timed))
    made.track.finish()
    while not made.track.done_sending and (frame := made.track.next_frame()) is not None:
        made.track.sent_frame(frame)
    return made
