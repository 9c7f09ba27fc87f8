"""The user's side of a session: where the server heard speech, what it made an item of, and the words it read there.

Its clock counts the sound that was sent up; here all of it is told on the clock of what the line was fed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from bargein.protocols import TurnUpdate, TurnUpdateKind
from bargein.vendors.common.openai_realtime.items import Json
from bargein.vendors.common.openai_realtime.settings import RealtimeSettings, TurnDetection

KEPT = 32  # items; older ones are known, or will never be
PAD_MS = 400  # how much wider than the speech in it an item may be: the server's padding, and its own idea of the onset
QUIET_MS = 1_500  # the same at its end: the silence that ended it


@dataclass(frozen=True, slots=True)
class InputRequest:
    """What of the model's configuration matters here. begins, ends: its beginnings and ends of turns are believed."""

    begins: bool
    ends: bool
    reads: bool
    prefix_padding_ms: int
    times: bool = True
    """The server says where speech begins and ends. False: where the audio sent so far ends."""

    @classmethod
    def of(cls, settings: RealtimeSettings, detection: TurnDetection, *, times: bool) -> InputRequest:
        """detection: who finds the turns in this call."""
        vendor = detection == "vendor"
        ends = vendor or detection == "semantic_vad"
        reads = settings.transcription_model is not None
        return cls(begins=vendor, ends=ends, reads=reads, prefix_padding_ms=settings.prefix_padding_ms, times=times)


@dataclass(slots=True)
class UserItem:
    """One item of the user's. Positions are counted in samples of the audio that was pushed."""

    turn: int
    """Our number for the item."""
    first: int
    """Position at which the item's audio begins."""
    begin: int
    """Position at which the speech in it begins."""
    end: int
    text: str = ""
    over: bool = False
    """The speech in it is over."""
    committed: bool = False
    mute: bool = False
    """The server will not transcribe it."""
    read: bool = False
    """All its words are known, or it was answered without them."""


class InputItems:
    """The user's items in the conversation, over all connections of a call."""

    def __init__(self, rate: int, wish: InputRequest) -> None:
        self._rate = rate
        self._wish = wish
        self._base = 0  # position of the present connection's first sample
        self._turns = 0
        self._items: dict[str, UserItem] = {}  # of this connection
        self._commits: deque[tuple[int, int]] = deque(maxlen=KEPT)  # that were ordered: from, to
        self._commit_from = 0  # where the next item begins, if we are to commit it
        self._open: int | None = None  # an open turn's position up to which all of it is in items
        self._owed: list[tuple[int, int]] = []  # what an earlier connection had as items, and this one has not yet
        self._known = 0  # position up to which earlier connections had items whose words are known
        self._rejected: deque[tuple[int, int]] = deque(maxlen=KEPT)
        self._gone: list[str] = []
        self._committed = asyncio.Event()
        self.unread: int | None = None
        """Position from which a new session still needs the user's audio. None: it has everything."""

    # ---------------------------------------------------------------------------------------- what the line tells

    def begin(self, position: int) -> None:
        """A connection begins with the sound from there on."""
        self._base = position
        self._commit_from = position if self._open is None else max(position, self._open)

    def lost(self) -> None:
        """The connection is over. Items that it has not transcribed are owed to the next one."""
        for item in self._items.values():
            if not item.read:
                self._owed.append((item.first, item.end))
            elif item.text:
                self._known = max(self._known, item.end)
        self._owed = [*self._owed, *self._commits][-KEPT:]
        self._items.clear()
        self._commits.clear()
        self._look()

    def parted(self, unsent: int) -> None:
        """The connection is over, but not the session. unsent: so many of our commits still wait; what became of the
        others is not known."""
        while len(self._commits) > unsent:
            self._commits.popleft()
        self._look()

    def turn(self, position: int) -> None:
        """The user's turn begins there."""
        self._commit_from = position
        if self._open is None:
            self._open = position
        self._look()

    def closed(self) -> None:
        """The turn is over, and what was said in it is in items, or will be without our doing."""
        self._open = None
        self._look()

    @property
    def open(self) -> bool:
        """Whether some of the turn is in no item, and in none that was ordered."""
        return self._open is not None

    def commits_again(self) -> list[int]:
        """We say ourselves where everything ends that is to be made items of once more: the positions."""
        owed, self._owed = sorted(self._owed), []
        self._commits.extend(owed)
        return [end for _, end in owed]

    def commits(self, position: int) -> None:
        """We say ourselves that the turn is over."""
        self._commits.append((self._commit_from, position))
        self._commit_from = position
        self._look()

    def empty(self) -> None:
        """The server had no sound to commit: it was quicker than we."""
        if self._commits:
            self._commits.popleft()
        self._look()

    def answered(self) -> None:
        """Whatever was said has its answer, and need not be said again."""
        for item in self._items.values():
            item.read = item.read or (item.mute and item.committed)
        self._look()

    async def committed(self, begin: int, most_s: float) -> bool:
        """Whether the server has made an item of what was said since then: it is waited for."""
        try:
            async with asyncio.timeout(most_s):
                while not self._done_since(begin):
                    self._committed.clear()
                    await self._committed.wait()
        except TimeoutError:
            return False
        return True

    def _done_since(self, begin: int) -> bool:
        here = self._since(begin)
        if not here:
            return self.known(begin)
        return not self._owed and all(item.committed for item in here)

    def known(self, begin: int) -> bool:
        """Whether what was said since then came to this session as words, which an earlier one had read."""
        return self._known > begin and self._open is None and not self._owed and not self._since(begin)

    def _since(self, begin: int) -> list[UserItem]:
        return [item for item in self._items.values() if item.end > begin or not item.over]

    def reject(self, begin: int, end: int) -> list[str]:
        """What sounded there was no turn; the items that were made of it already."""
        self._rejected.append((begin, end))
        return [name for name, item in list(self._items.items()) if item.committed and self._reject(name, item)]

    def rejected(self) -> list[str]:
        """Items that came since, and that were rejected before."""
        gone, self._gone = self._gone, []
        return gone

    def _reject(self, name: str, item: UserItem) -> bool:
        pad, quiet = self._samples(PAD_MS), self._samples(QUIET_MS)
        if not any(item.begin >= begin - pad and item.end <= end + quiet for begin, end in self._rejected):
            return False
        del self._items[name]
        self._look()
        return True

    # -------------------------------------------------------------------------------------- what the server tells

    def event(self, event: Json, sent: int = 0) -> list[TurnUpdate]:
        """One of its events about the user's sound, or the words in it. sent: position up to which audio was sent."""
        kind = event["type"].rsplit(".", 1)[1]
        if event["type"].startswith("input_audio_buffer."):
            return self._buffer(kind, event, sent)
        return self._words(kind, event)

    def _buffer(self, kind: str, event: Json, sent: int) -> list[TurnUpdate]:
        match kind:
            case "speech_started":
                padding = self._samples(self._wish.prefix_padding_ms)
                if self._wish.times:
                    first = self._position(event["audio_start_ms"])
                else:
                    first = max(sent - padding, self._base)
                item = self._new(event["item_id"], first, first + padding)
                return [self._heard("started" if self._wish.begins else "progress", item)]
            case "speech_stopped":
                stopped = self._items.get(event["item_id"])
                if stopped is None:
                    return []
                stopped.end = self._position(event["audio_end_ms"]) if self._wish.times else sent
                stopped.over = True
                return [self._heard("ended" if self._wish.ends else "progress", stopped)]
            case "committed":
                self._made(event["item_id"])
            case _:
                pass
        return []

    def _made(self, name: str) -> None:
        item = self._items.get(name)
        if item is None or not item.over:  # it is of our own committing
            here = self._commit_from if item is None else item.end
            begin, end = self._commits.popleft() if self._commits else (here, here)
            item = item or self._new(name, begin, begin)
            item.end, item.over = end, True
        item.committed = True
        item.mute = not self._wish.reads
        if self._reject(name, item):
            self._gone.append(name)
        elif self._open is not None:
            self._open = max(self._open, item.end)
        pad = self._samples(PAD_MS)
        self._owed = [(begin, end) for begin, end in self._owed if end > item.end + pad]
        self._look()
        self._committed.set()

    def _words(self, kind: str, event: Json) -> list[TurnUpdate]:
        item = self._items.get(event["item_id"])
        if item is None:
            return []
        match kind:
            case "delta":
                item.text += event.get("delta") or ""
            case "updated":  # all words so far
                item.text = event.get("transcript") or ""
            case "completed":
                item.text, item.read = event.get("transcript") or "", True
            case "failed":
                item.mute = True
            case _:
                return []
        self._look()
        # Words that come when the speech is over are no evidence any more: on a cough, readers make some up.
        return [self._heard("progress" if item.over else "words", item)]

    def _new(self, name: str, first: int, begin: int) -> UserItem:
        item = self._items[name] = UserItem(self._turns, first, begin, begin)
        self._turns += 1
        while len(self._items) > KEPT:
            del self._items[next(iter(self._items))]
        self._look()
        return item

    def _look(self) -> None:
        """What would be lost with the connection?"""
        begins = [item.first for item in self._items.values() if not item.read]
        begins += [begin for begin, _ in (*self._commits, *self._owed)]
        if self._open is not None:
            begins.append(self._open)
        self.unread = min(begins, default=None)

    def _heard(self, kind: TurnUpdateKind, item: UserItem) -> TurnUpdate:
        return TurnUpdate(kind, item.turn, item.text.strip(), self._ms(item.begin), self._ms(item.end))

    def _samples(self, ms: float) -> int:
        return int(ms * self._rate / 1000)

    def _position(self, ms: float) -> int:
        return self._base + self._samples(ms)

    def _ms(self, position: int) -> float:
        return position * 1000 / self._rate
