"""A vendor's word times, put on our own text: to the character, whatever the vendor did to spaces and signs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bargein.protocols import Word

_TOKEN = re.compile(r"\S+")
_SIGNS = re.compile(r"[\W_]+")
NEAR_CHARS = 8  # so far ahead a character is sought that the vendor left out something before
NEAR_WORDS = 4  # the same for words

Timed = tuple[str, float, float]  # a character or a word; ms from the reply's first sample to its start and end


class TimedText:
    """text: all that went to the vendor. What is aligned to its times grows from the front."""

    def __init__(self) -> None:
        self.text = ""
        self._at = 0  # aligned so far
        self._given = 0
        self._open: tuple[int, int, float, float] | None = None  # begin, end, start ms, end ms of a word under way

    def sent(self, text: str) -> None:
        """More went to the vendor."""
        self.text += text

    @property
    def owed(self) -> bool:
        """Whether words went out that no time came for yet."""
        return any(char.isalnum() for char in self.text[self._at :])

    def chars(self, timed: Iterable[Timed]) -> tuple[Word, ...]:
        """The next characters as they are spoken; the words that are whole by them."""
        whole: list[Word] = []
        for char, start_ms, end_ms in timed:
            at = self._find(char)
            if at is None:
                continue
            self._at = at + 1
            if char.isspace():
                whole += self._closed()
                continue
            if self._open is not None and at < self._open[1]:
                begin, end, began_ms, _ = self._open
                self._open = (begin, end, began_ms, max(self._open[3], end_ms))
            else:
                whole += self._closed()
                begin, end = self._token(at)
                self._open = (begin, end, start_ms, end_ms)
            if self._open[1] == self._at:
                whole += self._closed()
        return tuple(whole)

    def words(self, timed: Iterable[Timed]) -> tuple[Word, ...]:
        """The next words as they are spoken."""
        whole: list[Word] = []
        for spoken, start_ms, end_ms in timed:
            wanted = _bare(spoken)
            if not wanted:
                continue
            near = [m for m, _ in zip(_TOKEN.finditer(self.text, self._at), range(NEAR_WORDS), strict=False)]
            found = next((m for m in near if _bare(m.group()) == wanted), None)
            # A token that the vendor says as several words ("twenty-one"): its first is its start, its last its end.
            found = found or next((m for m in near[:1] if wanted in _bare(m.group())), None)
            if found is None:
                continue
            if _bare(found.group()) == wanted or _bare(found.group()).endswith(wanted):
                begin, began_ms = found.start(), start_ms
                if self._open is not None and self._open[0] == begin:
                    began_ms = self._open[2]
                self._open = None
                whole.append(Word(began_ms, end_ms, begin, found.end()))
                self._at = found.end()
            elif self._open is None or self._open[0] != found.start():
                self._open = (found.start(), found.end(), start_ms, end_ms)
        return tuple(whole)

    def finish(self) -> tuple[Word, ...]:
        """No more times come: the word under way, if there is one."""
        return tuple(self._closed())

    def take(self, *, all_of_it: bool = False) -> str:
        """What is newly aligned, with the signs and spaces behind it; all_of_it: whatever was sent."""
        end = len(self.text) if all_of_it else self._at
        while 0 < end < len(self.text) and end > self._given and not self.text[end].isalnum():
            end += 1
            if self.text[end - 1].isspace() and end < len(self.text) and not self.text[end].isspace():
                break
        end = max(end, self._given)
        taken = self.text[self._given : end]
        self._given = end
        return taken

    def _closed(self) -> Sequence[Word]:
        if self._open is None:
            return ()
        begin, end, start_ms, end_ms = self._open
        self._open = None
        return (Word(start_ms, max(start_ms, end_ms), begin, end),)

    def _find(self, char: str) -> int | None:
        at, text = self._at, self.text
        if char.isspace():
            return at if at < len(text) and text[at].isspace() else None
        while at < len(text) and text[at].isspace():
            at += 1
        for near in range(at, min(at + NEAR_CHARS, len(text))):
            if text[near].casefold() == char.casefold():
                return near
        return None

    def _token(self, at: int) -> tuple[int, int]:
        begin = at
        while begin > 0 and not self.text[begin - 1].isspace():
            begin -= 1
        found = _TOKEN.match(self.text, begin)
        return begin, found.end() if found else at + 1


def _bare(word: str) -> str:
    return _SIGNS.sub("", word).casefold()
