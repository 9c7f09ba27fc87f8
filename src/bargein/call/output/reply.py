"""A reply, from the floor's order to the client's last word on it; and which replies a call still has to do with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

from bargein.audio.text_map import TextMap
from bargein.call.output.read_ahead import ReadSpeech, ReplyText
from bargein.call.output.track import Track
from bargein.protocols import EndRequest, Response, SpeechChunk, ToolCall, ToolResult
from bargein.spoken_form import SpokenForm, as_spoken

ReplyKind = Literal["greeting", "reply", "say", "reprompt", "filler"]


@dataclass(frozen=True, slots=True)
class SpeechSource:
    """A reply that comes as audio and needs no TTS."""

    audio: AsyncIterator[SpeechChunk]
    rate: int
    """Hz of every chunk."""
    text: ReplyText | None = None
    """Its text, for the fallback TTS. None: it is not known."""
    name: str = ""
    """Of the part that makes it, for the record."""


ReplyContent = AsyncIterator[str] | SpeechSource | None
"""The text or the audio of a reply. None: there is nothing to say."""
ReplySource = Callable[["Reply"], Awaitable[ReplyContent]]


@dataclass(slots=True, eq=False)
class Reply:
    """One reply of the agent, and all that is known of it."""

    id: int
    """The floor's number. 0 while the reply is only being prepared."""
    kind: ReplyKind
    asked_ms: float
    """When the floor asked for it."""
    protected: int | None = 0
    """How many of its first characters nothing interrupts. None: all of them."""

    preface: int = 0
    """How many of its first characters only say that the line was cut."""

    # What its model has made of it.
    text: str = ""
    """All that the model has written so far."""
    written: TextMap | None = None
    """Where the spoken text stands in `text`. None: it is spoken as it is written."""
    shown: int = 0
    """How many characters of `text` the client was shown."""
    response: Response | None = None
    """The realtime model's own handle. None for an LLM's reply."""
    speech: ReadSpeech | None = None
    """The realtime model's audio that waits to be played. None for an LLM's reply."""
    busy: bool = False
    """The model waits for a tool."""
    owed_from: int | None = None
    """How long the text was when the newest results of tools came. None: no tool ran for it."""
    tools_until_ms: float = 0.0
    """When the last of the running tools has used up its own timeout. 0: no tool runs."""
    llm_lost: bool = False
    """The model has failed, not the TTS."""
    by_fallback: bool = False
    """The fallback TTS says it, because its own voice has failed."""
    used: list[ToolResult] = field(default_factory=list)
    """Tools that ran while the reply was being prepared."""
    calls: dict[str, ToolCall] = field(default_factory=dict)
    """Tool calls of the model that have not begun, by their ids. Each gets a result, also if the reply is cut first."""
    terminal: list[ToolCall] = field(default_factory=list)
    """Terminal tools. They run once the reply was heard whole."""
    end_request: EndRequest | None = None
    """How the call is to end once the reply was heard whole."""
    end_call: ToolCall | None = None
    """The tool call that asked for that end. None: no tool did."""

    # What has sounded of it.
    track: Track | None = None
    """Its audio. None until its TTS begins."""
    over_ms: float = float("inf")
    """When it stopped sounding."""
    heard_ms: float = 0.0
    """How much of its audio was heard, once it is over."""
    told: int = 0
    """How many of its words the record has."""
    tell_ms: float = float("inf")
    """When the record is told more of them."""
    cut: bool = False
    """It was stopped, or it never will sound."""
    confirm_by_ms: float = float("inf")
    """Until when the client's word on a cut is waited for."""
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is known what was heard of a cut reply."""
    waits: list[tuple[int, asyncio.Event]] = field(default_factory=list)
    """Tools that wait until this many characters were heard."""
    may_sound: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared while a filler takes the reply's place: the reply is made, and neither sounds nor ends."""
    first_sound: FirstSound | None = None
    """The wait for its first sound. None: nothing waits."""

    def __post_init__(self) -> None:
        self.may_sound.set()

    def spoken(self, text: AsyncIterator[str], form: SpokenForm) -> AsyncIterator[str]:
        """What the TTS is to speak of the reply's text. Once per reply, before its track is made."""
        if form is False:
            return text
        self.written, self.shown = TextMap(), 0
        return as_spoken(text, self.written, None if form is True else form)

    def show(self, chunk: str) -> str:
        """More of the text to show, now that the TTS has given this text of its own."""
        if self.written is None or self.track is None:
            return chunk
        text = self.track.words.text[self.shown :]
        self.shown += len(text)
        return text

    async def wait_heard(self, chars: int) -> None:
        """Wait until the first `chars` characters of the text were heard."""
        if chars > 0:
            heard = asyncio.Event()
            self.waits.append((chars, heard))
            await heard.wait()

    def mark_heard(self, chars: int) -> None:
        """The first `chars` characters were heard."""
        for entry in [entry for entry in self.waits if entry[0] <= chars]:
            self.waits.remove(entry)
            entry[1].set()


class FirstSound:
    """The wait for the first sound of a voice, which can be given up from outside the waiting task.

    Within the block a TimeoutError is raised when it is given up.
    """

    def __init__(self, text: ReplyText) -> None:
        self._text = text
        self._since_ms: float | None = None  # from when on the voice had enough text to begin
        self._limit = asyncio.timeout(None)

    async def __aenter__(self) -> FirstSound:
        await self._limit.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._limit.__aexit__(kind, error, trace)

    def tick(self, now_ms: float, most_ms: float) -> None:
        """Give up once the voice had its words for most_ms."""
        if not self._text.due:
            return
        if self._since_ms is None:
            self._since_ms = now_ms
        elif now_ms - self._since_ms >= most_ms and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())


class Replies:
    """The one place that knows which reply a call is at.

    Speaker, playout and ledger ask here. What names another reply is late and changes nothing.
    """

    __slots__ = ("behind", "live", "lost", "sounded", "unconfirmed")

    def __init__(self) -> None:
        self.live: Reply | None = None
        """The reply that is being made, sounds or is held."""
        self.behind: Reply | None = None
        """The reply that is being made, unheard, while a filler is the live one."""
        self.sounded: Reply | None = None
        """The newest reply that has begun to sound, also once it is over."""
        self.unconfirmed: Reply | None = None
        """The cut reply of which the client has yet to say how much was heard."""
        self.lost: Reply | None = None
        """The reply that the loss of the connection has ended, until the client is back."""

    def begin(self, reply: Reply) -> None:
        """The floor has asked for this reply."""
        self.live = reply

    def begin_filler(self, filler: Reply) -> None:
        """The floor has asked for a filler: the live reply goes on behind it."""
        self.behind = self.live
        if self.behind is not None:
            self.behind.may_sound.clear()
        self.live = filler

    def continue_behind(self, reply: int) -> Reply | None:
        """The filler is over: the reply behind it is the live one, under a new id. None: there is none."""
        self.live, self.behind = self.behind, None
        if self.live is not None:
            self.live.id = reply
            self.live.may_sound.set()
        return self.live

    def end(self, reply: int) -> Reply | None:
        """The live reply is over. None: `reply` is not the live one."""
        live = self.live
        if live is None or live.id != reply:
            return None
        self.live = None
        return live

    def live_track(self, reply: int) -> Track | None:
        """The audio of the live reply. None: `reply` is not the live one, or has no audio yet."""
        live = self.live
        return live.track if live is not None and live.id == reply else None

    def has_sounded(self, reply: Reply) -> bool:
        """Whether some of it has sounded."""
        return self.sounded is reply
