"""Making replies: one task each, from the model's first word to the last sample handed to the playout."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal

from bargein.call.output.client_playout import ClientPlayout
from bargein.call.output.playout import SLICE_MS, Playout
from bargein.call.output.text_streams import closing, slices
from bargein.errors import BargeinError, Unavailable
from bargein.floor import Event, ReplyEnded, ReplyFailed, ReplyProtected
from bargein.notices import Notice, Problem, ReplyBegins, WordsAdded, WordTimes
from bargein.protocols import TTS, EndRequest, Meter, Response, SpeechChunk, ToolCall, ToolResult, Word

log = logging.getLogger(__name__)

Kind = Literal["greeting", "reply", "say", "reprompt"]


@dataclass(frozen=True, slots=True)
class SpeechSource:
    """A reply that is sound already. rate: Hz, of all of it."""

    sound: AsyncIterator[SpeechChunk]
    rate: int


Source = Callable[["Reply"], Awaitable[AsyncIterator[str] | SpeechSource | None]]


@dataclass(slots=True)
class Reply:
    """A reply in the making. id: 0 while it is only being prepared; text: all that its model has written; protected:
    so many of its first characters may not be interrupted (None: all of it); asked_ms: when the floor asked for it;
    leaving, terminal: what is to happen once it was heard to its end; used: tools that it used while it was being
    prepared; busy: its model waits for a tool; cut: it was, or was never to sound; take: a speech model's own part."""

    id: int
    kind: Kind
    asked_ms: float
    protected: int | None = 0
    text: str = ""
    mind_lost: bool = False
    leaving: EndRequest | None = None
    terminal: list[ToolCall] = field(default_factory=list)
    used: list[ToolResult] = field(default_factory=list)
    busy: bool = False
    cut: bool = False
    take: Response | None = None
    waits: list[tuple[int, asyncio.Event]] = field(default_factory=list)

    async def heard(self, chars: int) -> None:
        """Wait until so many characters of the text were heard."""
        if chars > 0:
            heard = asyncio.Event()
            self.waits.append((chars, heard))
            await heard.wait()

    def heard_to(self, chars: int) -> None:
        """So many were."""
        for entry in [entry for entry in self.waits if entry[0] <= chars]:
            self.waits.remove(entry)
            entry[1].set()


@dataclass(frozen=True, slots=True)
class SpeakerHooks:
    """What a speaker needs of its call: the time, its floor, its far end, an owner for its tasks; kick: sends what is
    due now, not at the next tick."""

    now_ms: Callable[[], float]
    feed: Callable[[Event], None]
    notify: Callable[[Notice], None]
    spawn: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
    meter: Meter
    kick: Callable[[], None]


class Speaker:
    """live: the reply that is being made or sounds; None when there is none. voice: None when the model has its own;
    spare: the voice that says so when the voice, or such a model, is lost."""

    def __init__(
        self, voice: TTS | None, playout: Playout | ClientPlayout, desk: SpeakerHooks, spare: TTS | None = None
    ) -> None:
        self._voice = voice
        self._spare = spare
        self._voice_lost = False
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
        if self.live is not None:
            self.live.cut = True
            if self.live.take is not None:
                self.live.take.cancel()  # now, and not when its task is cancelled
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
            elif isinstance(text, SpeechSource):
                await self._speak(reply, text.sound, text.rate)
            else:
                spare = self._spare if self._voice_lost and reply.kind == "reprompt" else None
                voice = spare or self._own_voice()
                # The text, too: a voice need not close what it was given, and its model must stop with the cut.
                async with closing(text):
                    await self._speak(reply, voice.speak(text), voice.rate)
                self._voice_lost = self._voice_lost and spare is not None
        except BargeinError as error:
            self._fail(reply, "model_lost" if reply.mind_lost else "voice_lost", error.message, error.advice)
        except Exception as error:
            log.exception("Reply %d failed", reply.id)
            advice = "Look into the server's log: this is a fault of ours or of the agent's own code"
            self._fail(reply, "internal", f"{type(error).__name__} while making a reply", advice)

    def _own_voice(self) -> TTS:
        voice = self._voice or self._spare
        if voice is None:
            raise Unavailable("Nobody can say it", advice="Give the agent a spare voice")
        return voice

    async def _speak(self, reply: Reply, sound: AsyncIterator[SpeechChunk], rate: int) -> None:
        desk, playout, begun = self._desk, self._playout, False
        playout.begin(reply.id, rate)
        desk.notify(ReplyBegins(reply.id, reply.kind, interruptible=reply.protected == 0))
        async with closing(sound) as spoken:
            async for whole in spoken:
                # A call waits here for most of its life: it keeps what is still to be played, and nothing else.
                pieces = slices(whole, SLICE_MS)
                del whole
                while pieces:
                    piece = pieces.popleft()
                    words = playout.push(reply.id, piece)
                    if piece.text or words:
                        exact = piece.words is not None and piece.exact
                        desk.notify(WordsAdded(reply.id, piece.text, _times(words), exact))
                    if not begun and len(piece.pcm):
                        begun = True
                        desk.kick()  # the first sound does not wait for the ticker
                    await playout.room()
        if rest := playout.finish(reply.id):
            desk.notify(WordsAdded(reply.id, "", _times(rest), exact=False))

    def _fail(self, reply: Reply, code: str, message: str, advice: str) -> None:
        self._voice_lost = code == "voice_lost"
        self._desk.meter.count("vendor_errors", cause=code)
        self._desk.notify(Problem(code, message, advice))
        track = self._playout.track
        if track is not None and track.reply == reply.id:
            self._playout.finish(reply.id, message)  # what it had made is played first
        else:
            self._desk.feed(ReplyFailed(self._desk.now_ms(), reply.id, message))


def _times(words: tuple[Word, ...]) -> tuple[WordTimes, ...]:
    return tuple((w.start_ms, w.end_ms, w.begin, w.end) for w in words)
