"""Where each position of a spoken text stands in the written text that the spoken one was made of.

A TTS gets the spoken text: without marks of Markdown, with a host's name for an address. What was heard is recorded
in the written text. The map grows with both.
"""

from __future__ import annotations


class TextMap:
    """Positions are code points. A position of the spoken text lies between two characters; all written text that was
    dropped there belongs either to the character before (`ahead=False`) or to the one after."""

    __slots__ = ("_at", "plain", "written")

    def __init__(self) -> None:
        self.written = ""
        """All written text so far."""
        self.plain = True
        """So far all text is spoken as it is written."""
        self._at = [0]  # position in `written`, for each position of the spoken text

    def __len__(self) -> int:
        """Length of the spoken text."""
        return len(self._at) - 1

    def keep(self, text: str) -> None:
        """This text is spoken as it is written."""
        begin = len(self.written)
        self.written += text
        self._at.extend(range(begin + 1, begin + 1 + len(text)))

    def drop(self, text: str, *, ahead: bool) -> None:
        """This text is not spoken. ahead: it belongs to the character that follows."""
        self.plain = self.plain and not text
        self.written += text
        if not ahead:
            self._at[-1] = len(self.written)

    def replace(self, spoken: str, written: str) -> None:
        """The text `written` is spoken as `spoken`. None of it was heard before all of `spoken` was."""
        if not spoken:
            self.drop(written, ahead=False)
            return
        self.plain = False
        begin = self._at[-1]
        self.written += written
        self._at.extend([begin] * (len(spoken) - 1))
        self._at.append(len(self.written))

    def at(self, position: int) -> int:
        """The position in the written text."""
        if position > len(self):
            return len(self.written)
        return self._at[max(position, 0)]
