"""The spoken form of a text by a function of the user's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import SequenceMatcher

from bargein.audio.text_map import TextMap

_CLAUSE = re.compile(r"[,.!?…;:]+[\"'”’)\]]*\s+|[。！？、，；।။។]+\s*|\n\s*")
_TOKENS = re.compile(r"\s+|\w+|.", re.DOTALL)


class ClauseForm:
    """Gives the function a clause at a time, and keeps every position."""

    def __init__(self, written: TextMap, form: Callable[[str], str]) -> None:
        self._map, self._form = written, form
        self._rest = ""

    def add(self, piece: str) -> str:
        """What is spoken of the text that is certain now."""
        self._rest += piece
        ends = [match.end() for match in _CLAUSE.finditer(self._rest) if match.end() < len(self._rest)]
        spoken, begin = "", 0
        for end in ends:
            spoken += self._clause(self._rest[begin:end])
            begin = end
        self._rest = self._rest[begin:]
        return spoken

    def finish(self) -> str:
        """What is spoken of the rest."""
        rest, self._rest = self._rest, ""
        return self._clause(rest) if rest else ""

    def _clause(self, text: str) -> str:
        spoken = self._form(text)
        old, new = _TOKENS.findall(text), _TOKENS.findall(spoken)
        for kind, a, b, i, j in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if kind == "equal":
                self._map.keep("".join(old[a:b]))
            else:
                self._map.replace("".join(new[i:j]), "".join(old[a:b]))
        return spoken
