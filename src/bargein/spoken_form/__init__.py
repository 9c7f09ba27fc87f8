"""What is spoken of a written text: the words without marks of Markdown and pictures, an address by its host.

A language model writes for the eye, a TTS speaks each sign: "**Note**" becomes "asterisk asterisk note". The spoken
form is made of the pieces in which the text comes, and only a tail that may still become something else is held back.
`TextMap` keeps every position. Numbers and amounts are the TTS's own business.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from bargein.audio.text_map import TextMap
from bargein.spoken_form.clauses import ClauseForm
from bargein.spoken_form.markdown import MarkdownForm

SpokenForm = bool | Callable[[str], str]
"""True: without marks of Markdown and pictures, an address by its host. False: as it is written. A function: gets each
clause of the text, and returns what is spoken of it."""


def spoken_text(text: str) -> str:
    """What is spoken of a whole text."""
    form = MarkdownForm(TextMap())
    return form.add(text) + form.finish()


def as_spoken(text: AsyncIterator[str], written: TextMap, form: Callable[[str], str] | None) -> AsyncIterator[str]:
    """The spoken form of a text that comes in pieces. Closing the iterator leaves `text` to its owner.

    written: gets every position. form: makes the spoken form of a clause. None: Markdown and the like is left out.
    """
    return _spoken(text, MarkdownForm(written) if form is None else ClauseForm(written, form))


async def _spoken(text: AsyncIterator[str], form: MarkdownForm | ClauseForm) -> AsyncIterator[str]:
    async for piece in text:
        if spoken := form.add(piece):
            yield spoken
    if spoken := form.finish():
        yield spoken
