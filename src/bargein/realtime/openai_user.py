"""The user's side of a session: where the server heard speech, what it made an item of, and the words it read there.

Its clock counts the sound that was sent up; here all of it is told on the clock of what the line was fed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from bargein.contracts import HeardKind, TurnHeard
from bargein.realtime.openai_items import Json

KEPT = 32  # items; older ones are known, or will never be
PAD_MS = 400  # how much wider than the speech in it an item may be: the server's padding, and its own idea of the onset
QUIET_MS = 1_500  # the same at its end: the silence that ended it


@dataclass(frozen=True, slots=True)
class Wish:
    """What of the model's configuration matters here. begins, ends: its beginnings and ends of turns are believed."""

    begins: bool
    ends: bool
    reads: bool
    prefix_padding_ms: int


@dataclass(slots=True)
class UserItem:
    """One item of the user's, positions in samples of what was fed. turn: our number for it; over: its speech is;
    read: its words are all known, or never will be."""

    turn: int
    begin: int
    end: int
    text: str = ""
    over: bool = False
    committed: bool = False
    read: bool = False


class UserSide:
    """unread: the position from which on somebody's words are not known yet; None when all are."""

    def __init__(self, rate: int, wish: Wish) -> None:
        self._rate = rate
        self._wish = wish
        self._base = 0  # position of the present connection's first sample
        self._turns = 0
        self._items: dict[str, UserItem] = {}
        self._commits: deque[tuple[int, int]] = deque(maxlen=KEPT)  # that were ordered: from, to
        self._commit_from = 0  # where the next item begins, if we are to commit it
        self._rejected: deque[tuple[int, int]] = deque(maxlen=KEPT)
        self._gone: list[str] = []
        self._committed = asyncio.Event()
        self.unread: int | None = None

    # ---------------------------------------------------------------------------------------- what the line tells

    def begin(self, position: int) -> None:
        """A connection begins with the sound from there on."""
        self._base = self._commit_from = position

    def lost(self) -> None:
        """The connection is over: what it has not read, nobody has."""
        self._items = {name: item for name, item in self._items.items() if item.read}
        self._commits.clear()

    def turn(self, position: int) -> None:
        """The user's turn begins there."""
        self._commit_from = position
        if self._wish.reads and self.unread is None:
            self.unread = position

    def commits(self, position: int) -> None:
        """We say ourselves that the turn is over."""
        self._commits.append((self._commit_from, position))
        self._commit_from = position

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
        here = [item for item in self._items.values() if item.end > begin or not item.over]
        return bool(here) and all(item.committed for item in here)

    def reject(self, begin: int, end: int) -> list[str]:
        """What sounded there was no turn; the items that were made of it already."""
        self._rejected.append((begin, end))
        return [name for name, item in list(self._items.items()) if item.committed and self._reject(name, item)]

    def rejected(self) -> list[str]:
        """Items that came since, and that were rejected before."""
        gone, self._gone = self._gone, []
        return gone

    def _reject(self, name: str, item: UserItem) -> bool:
        pad, quiet = PAD_MS * self._rate // 1000, QUIET_MS * self._rate // 1000
        if not any(item.begin >= begin - pad and item.end <= end + quiet for begin, end in self._rejected):
            return False
        del self._items[name]
        self._look()
        return True

    # -------------------------------------------------------------------------------------- what the server tells

    def event(self, event: Json) -> list[TurnHeard]:
        """One of its events about the user's sound, or the words in it."""
        kind = event["type"].rsplit(".", 1)[1]
        if event["type"].startswith("input_audio_buffer."):
            return self._buffer(kind, event)
        return self._words(kind, event)

    def _buffer(self, kind: str, event: Json) -> list[TurnHeard]:
        match kind:
            case "speech_started":
                begin = self._position(event["audio_start_ms"] + self._wish.prefix_padding_ms)
                item = self._new(event["item_id"], begin, begin)
                return [self._heard("started" if self._wish.begins else "progress", item)]
            case "speech_stopped":
                stopped = self._items.get(event["item_id"])
                if stopped is None:
                    return []
                stopped.end, stopped.over = self._position(event["audio_end_ms"]), True
                return [self._heard("ended" if self._wish.ends else "progress", stopped)]
            case "committed":
                made = self._items.get(event["item_id"])
                if made is None:
                    begin, end = self._commits.popleft() if self._commits else (self._commit_from, self._commit_from)
                    made = self._new(event["item_id"], begin, end)
                    made.over = True
                made.committed = True
                made.read = made.read or not self._wish.reads
                if self._reject(event["item_id"], made):
                    self._gone.append(event["item_id"])
                self._look()
                self._committed.set()
            case _:
                pass
        return []

    def _words(self, kind: str, event: Json) -> list[TurnHeard]:
        item = self._items.get(event["item_id"])
        if item is None:
            return []
        match kind:
            case "delta":
                item.text += event.get("delta") or ""
            case "completed":
                item.text, item.read = event.get("transcript") or "", True
            case "failed":
                item.read = True
            case _:
                return []
        self._look()
        # Words that come when the speech is over are no evidence any more: on a cough, readers make some up.
        return [self._heard("progress" if item.over else "words", item)]

    def _new(self, name: str, begin: int, end: int) -> UserItem:
        item = self._items[name] = UserItem(self._turns, begin, end)
        self._turns += 1
        while len(self._items) > KEPT:
            del self._items[next(iter(self._items))]
        self._look()
        return item

    def _look(self) -> None:
        """Whose words are not known yet?"""
        if self._wish.reads:
            self.unread = min((item.begin for item in self._items.values() if not item.read), default=None)

    def _heard(self, kind: HeardKind, item: UserItem) -> TurnHeard:
        return TurnHeard(kind, item.turn, item.text.strip(), self._ms(item.begin), self._ms(item.end))

    def _position(self, ms: float) -> int:
        return self._base + int(ms * self._rate / 1000)

    def _ms(self, position: int) -> float:
        return position * 1000 / self._rate
