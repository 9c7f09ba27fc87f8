"""A vendor's times, put on our own text: to the unit, whatever the vendor did to spaces, signs and spelling."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable

from bargein.protocols import Word
from bargein.units import Span, is_unspaced, spans
from bargein.vendors.common.told_times import SAME_MS, Timed, ToldHistory, ToldLetter, letters, of_chars, of_words

WINDOW = 64  # letters ahead in which the text is found again after other spelling
FREE, FIRM = 4, 10  # letters that must agree there: behind what is often spelled out, and behind other words
SYLLABLE = 2  # letters for which a character of a script without spaces counts
WAITING = 400  # letters that were told and not found yet
# What is often told in other letters: numbers, amounts, abbreviations, single letters.
_SPELLED_OUT = re.compile(r"[\d$€£¥%&+=@#/°]|^\W*\w\W*$|^\W*\w{1,5}\.|\w\.\w|^[^a-z]*[A-Z][^a-z]*$")


class TimedText:
    """text: all that went to the vendor. What has times grows from the front."""

    def __init__(self) -> None:
        self.text = ""
        self._letters = ""
        self._index: list[int] = []  # position in the text of each letter
        self._units: list[Span] = []
        self._unit = 0  # units whose times were given
        self._starts: list[float] = []  # of letters whose times are known
        self._ends: list[float] = []
        self._signs: dict[int, float] = {}  # letter -> end of the signs after it
        self._ended = False  # the vendor says that a word ends here
        self._told = ToldHistory()
        self._waiting: list[ToldLetter] = []  # told, and not found in the text yet
        self._taken = 0
        self._end = 0  # of the last unit whose times were given

    def sent(self, text: str) -> None:
        """More went to the vendor."""
        for at, char in enumerate(text, len(self.text)):
            for letter in letters(char):
                self._letters += letter
                self._index.append(at)
        self.text += text
        begin = self._units.pop()[0] if self._unit < len(self._units) else self._end  # the last one may go on
        self._units += [(begin + first, begin + last) for first, last in spans(self.text[begin:])]

    @property
    def owed(self) -> bool:
        """Whether words went out that no time came for yet."""
        return self.letters_owed > 0

    @property
    def letters_owed(self) -> int:
        """How many letters those words have."""
        return sum(char.isalnum() for char in self.text[self._at :])

    @property
    def spelled_out(self) -> bool:
        """Whether times came for words that are not found in the text yet."""
        return bool(self._waiting)

    def chars(self, timed: Iterable[Timed], *, sounding: bool = True) -> tuple[Word, ...]:
        """Characters as they are spoken. Returns the units that are whole by them. sounding: audio came with them."""
        timed = list(timed)
        self._add_signs(timed)
        closed = self._closed()
        return closed + self._add(of_chars(timed), sounding=sounding)

    def words(self, timed: Iterable[Timed], *, sounding: bool = True) -> tuple[Word, ...]:
        """Words as they are spoken. Returns the units that are whole by them."""
        return self._add(of_words(timed), sounding=sounding)

    def finish(self) -> tuple[Word, ...]:
        """No more times come. Returns the units that are whole only now."""
        self._advance(final=True)
        left = len(self._letters) - self._place
        if self._waiting and left and left <= 2 * len(self._waiting) + FREE and self._free(self._unit_of(self._place)):
            self._skip(left, self._waiting)  # the last words were spelled out
        self._waiting = []
        return self._closed(final=True)

    def take(self, *, all_of_it: bool = False) -> str:
        """The text that has times now, with the signs and spaces after it; all_of_it: all that was sent."""
        end = len(self.text) if all_of_it else max(self._at, self._end)
        while 0 < end < len(self.text) and end > self._taken and not self.text[end].isalnum():
            end += 1
            if self.text[end - 1].isspace() and end < len(self.text) and not self.text[end].isspace():
                break
        end = max(end, self._taken)
        taken = self.text[self._taken : end]
        self._taken = end
        return taken

    # ------------------------------------------------------------------------------------------ letters and times

    @property
    def _place(self) -> int:
        """Letters whose times are known."""
        return len(self._starts)

    @property
    def _at(self) -> int:
        """Position in the text after those letters."""
        return self._index[self._place - 1] + 1 if self._place else 0

    def _add_signs(self, timed: list[Timed]) -> None:
        """Signs with which a passage begins belong to the last letter of the passage before."""
        if not self._starts or self._waiting:
            return
        for char, start_ms, end_ms in timed:
            if letters(char) or self._ended or start_ms < self._ends[-1] - SAME_MS:
                return
            if char.isspace():
                self._ended = True
                return
            self._signs[self._place] = end_ms
        self._ended = self._ended or bool(timed)

    def _add(self, told: list[ToldLetter], *, sounding: bool) -> tuple[Word, ...]:
        following = self._letters[self._place : self._place + len(told) + WINDOW]
        told = self._told.new(told, following, in_step=not self._waiting, sounding=sounding)
        if not told:
            return ()
        self._told.add(told)
        self._waiting = [*self._waiting, *told][-WAITING:]
        self._advance()
        return self._closed()

    def _advance(self, *, final: bool = False) -> None:
        """Find what was told in the text, as far as is sure."""
        told, n = self._waiting, 0
        plain = "".join(letter.char for letter in told)
        while n < len(told) and self._place < len(self._letters):
            if plain[n] == self._letters[self._place]:
                letter = told[n]
                self._know(letter.start_ms, letter.end_ms)
                self._ended = letter.ends or letter.signs_ms > 0
                if letter.signs_ms:
                    self._signs[self._place] = letter.signs_ms
                n += 1
                continue
            found = self._found_again(told, plain, n, final=final)
            if found is None:
                break
            self._skip(found[1], told[n : n + found[0]])
            n += found[0]
        self._waiting = told[n:]
        if self._place == len(self._letters) and final:
            self._waiting = []

    def _know(self, start_ms: float, end_ms: float) -> None:
        """The next letter's time. Times never go back."""
        start_ms = max(start_ms, self._starts[-1] if self._starts else 0.0)
        self._starts.append(start_ms)
        self._ends.append(max(start_ms, end_ms, self._ends[-1] if self._ends else 0.0))

    def _skip(self, count: int, instead: list[ToldLetter]) -> None:
        """The next letters were told in other letters, or not at all."""
        now = self._ends[-1] if self._ends else 0.0
        start_ms, end_ms = (instead[0].start_ms, instead[-1].end_ms) if instead else (now, now)
        each = (end_ms - start_ms) / max(count, 1)
        for n in range(count):
            self._know(start_ms + each * n, start_ms + each * (n + 1))
        self._ended = True

    def _found_again(self, told: list[ToldLetter], plain: str, n: int, *, final: bool) -> tuple[int, int] | None:
        """How many told letters, and how many of the text's, to leave out until both agree. None: not known yet."""
        place, need = self._place, FREE
        first = self._unit_of(place)
        begun = self._index[place] > self._units[first][0]  # some of its letters agreed, and the others did not
        for unit in range(first, len(self._units)):
            begin = max(place, bisect_left(self._index, self._units[unit][0]))
            if begin > place + WINDOW:
                return None
            if unit > first + begun and not self._free(unit - 1):
                need = FIRM
            wanted = self._wanted(begin, need, final=final)
            at = plain.find(wanted, n) if wanted else -1
            while at >= 0 and not told[at].begins:
                at = plain.find(wanted, at + 1)
            if at >= 0:
                return at - n, begin - place
        return None

    def _wanted(self, begin: int, need: int, *, final: bool) -> str:
        """The letters that must be told for the text to go on here. "": the text is too short to be sure."""
        weight = 0
        for end in range(begin, len(self._letters)):
            weight += SYLLABLE if is_unspaced(self._letters[end]) else 1
            if weight >= need:
                return self._letters[begin : end + 1]
        return self._letters[begin:] if final or (need == FREE and weight >= 2) else ""

    def _unit_of(self, letter: int) -> int:
        return bisect_left(self._units, self._index[letter], key=lambda unit: unit[1] - 1)

    def _free(self, unit: int) -> bool:
        """Whether the unit is often spelled out."""
        text = self.text[slice(*self._units[unit])]
        return not is_unspaced(text) and _SPELLED_OUT.search(text) is not None

    # ---------------------------------------------------------------------------------------------------- units

    def _closed(self, *, final: bool = False) -> tuple[Word, ...]:
        """The units that are whole, and were not given."""
        words: list[Word] = []
        while self._unit < len(self._units):
            begin, end = self._units[self._unit]
            first, last = bisect_left(self._index, begin), bisect_left(self._index, end)
            if self._place < last or (first == last and self._place <= last and not final):
                break
            if first == last:  # signs alone: they last until the next letter
                start_ms = self._ends[first - 1] if first else 0.0
                end_ms = self._starts[last] if self._place > last else start_ms
            else:
                apart = is_unspaced(self.text[begin:end])
                signs = self._index[last - 1] + 1 < end
                if self._place == last and signs and not (apart or self._ended or final):
                    break  # the time of its signs may come
                start_ms, end_ms = self._starts[first], self._ends[last - 1]
                if not apart:
                    end_ms = max(end_ms, self._signs.get(last, 0.0))
            words.append(Word(start_ms, max(start_ms, end_ms), begin, end))
            self._unit += 1
            self._end = end
        return tuple(words)
