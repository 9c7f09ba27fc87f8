"""Making replies: one task each, from the model's first word to the last sample handed to the playout."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal

from bargein.call.playout import SLICE_MS, Playout
from bargein.call.replies import closing, slices
from bargein.contracts import Leaving, Meter, Voice, Word
from bargein.errors import BargeinError
from bargein.floor import Event, ReplyEnded, ReplyFailed, ReplyProtected
from bargein.notices import Notice, Problem, ReplyBegins, WordsAdded, WordTimes

log = logging.getLogger(__name__)

Kind = Literal["greeting", "reply", "say", "reprompt"]
Source = Callable[["Reply"], Awaitable[AsyncIterator[str] | None]]


@dataclass(slots=True)
class Reply:
    """A reply in the making. text: all that its model has written; protected: so many of its first characters may
    not be interrupted (None: all of it); asked_ms: when the floor asked for it; leaving: what is to happen once it
    was heard to its end."""

    id: int
    kind: Kind
    asked_ms: float
    protected: int | None = 0
    text: str = ""
    mind_lost: bool = False
    leaving: Leaving | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """What a speaker needs of its call: the time, its floor, its far end, and an owner for its tasks."""

    now_ms: Callable[[], float]
    feed: Callable[[Event], None]
    notify: Callable[[Notice], None]
    spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
    meter: Meter


class Speaker:
    """live: the reply that is being made or sounds; None when there is none."""

    def __init__(self, voice: Voice, playout: Playout, desk: Desk) -> None:
        self._voice = voice
        self._playout = playout
        self._desk = desk
        self._task: asyncio.Task[None] | None = None
        self.live: Reply | None = None

    def begin(self, reply: Reply, source: Source) -> None:
        """Start making a reply. source: gives its text; None when there is nothing to say after all."""
        self.live = reply
        if reply.protected != 0:
            self._desk.feed(ReplyProtected(self._desk.now_ms(), reply.id, protected=True))
        self._task = self._desk.spawn(self._make(reply, source, self._task), f"reply {reply.id}")

    def stop(self) -> None:
        """The live reply is over before its time: its task is cancelled here, and awaited by the next one's, or by
        the call's end."""
        self.live = None
        if self._task is not None:
            self._task.cancel()

    def ended(self) -> None:
        """The live reply has been heard to its end."""
        self.live = None

    async def _make(self, reply: Reply, source: Source, before: asyncio.Task[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        try:
            text = await source(reply)
            if text is None:
                self._desk.feed(ReplyEnded(self._desk.now_ms(), reply.id))
                return
            await self._speak(reply, text)
        except BargeinError as error:
            self._fail(reply, "model_lost" if reply.mind_lost else "voice_lost", error.message, error.advice)
        except Exception as error:
            log.exception("Reply %d failed", reply.id)
            advice = "Look into the server's log: this is a fault of ours or of the agent's own code"
            self._fail(reply, "internal", f"{type(error).__name__} while making a reply", advice)

    async def _speak(self, reply: Reply, text: AsyncIterator[str]) -> None:
        desk, playout = self._desk, self._playout
        playout.begin(reply.id, self._voice.rate)
        desk.notify(ReplyBegins(reply.id, reply.kind, interruptible=reply.protected == 0))
        # The text, too: a voice need not close what it was given, and the model behind it must stop with the cut.
        async with closing(text), closing(self._voice.speak(text)) as spoken:
            async for whole in spoken:
                # A call waits here for most of its life: it keeps what is still to be played, and nothing else.
                pieces = slices(whole, SLICE_MS)
                del whole
                while pieces:
                    piece = pieces.popleft()
                    words = playout.push(reply.id, piece)
                    if piece.text or words:
                        exact = piece.words is not None
                        desk.notify(WordsAdded(reply.id, piece.text, _times(words), exact))
                    await playout.room()
        if rest := playout.finish(reply.id):
            desk.notify(WordsAdded(reply.id, "", _times(rest), exact=False))

    def _fail(self, reply: Reply, code: str, message: str, advice: str) -> None:
        self._desk.meter.count("vendor_errors", cause=code)
        self._desk.notify(Problem(code, message, advice))
        track = self._playout.track
        if track is not None and track.reply == reply.id:
            self._playout.finish(reply.id, message)  # what it had made is played first
        else:
            self._desk.feed(ReplyFailed(self._desk.now_ms(), reply.id, message))


def _times(words: tuple[Word, ...]) -> tuple[WordTimes, ...]:
    return tuple((w.start_ms, w.end_ms, w.begin, w.end) for w in words)
