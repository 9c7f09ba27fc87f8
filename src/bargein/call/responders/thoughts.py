"""Leaves a model's thoughts out of its text: what stands in <think>...</think> and the like is neither said nor kept.

A model that is served raw may begin inside its thoughts, and only close them: its template holds the opening tag. This
is seen when the closing tag comes. From then on, that model's replies are taken to begin inside, and wait for the tag.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from weakref import WeakSet

from bargein.call.output.text_streams import closing
from bargein.call.responders.llm_pieces import llm_pieces
from bargein.errors import VendorLost
from bargein.protocols import LLM, EndRequest, Prompt, TextDelta, ToolCall

_NAMES = ("think", "thinking", "thought", "thoughts", "reasoning", "reflection")
_TAG = re.compile(rf"<(/?)(?:{'|'.join(_NAMES)})>", re.IGNORECASE)
_TAGS = tuple(f"<{slash}{name}>" for name in _NAMES for slash in ("", "/"))


class ModelsWithOpenThoughts:
    """The models of this process that begin their replies inside their thoughts."""

    def __init__(self) -> None:
        self._models: WeakSet[LLM] = WeakSet()

    def has(self, llm: LLM) -> bool:
        try:
            return llm in self._models
        except TypeError:  # cannot be held
            return False

    def learn(self, llm: LLM, *, begins_inside: bool) -> None:
        try:
            if begins_inside:
                self._models.add(llm)
            else:
                self._models.discard(llm)
        except TypeError:
            return


OPEN_THOUGHTS = ModelsWithOpenThoughts()


async def answer(llm: LLM, prompt: Prompt, *, hide_thoughts: bool) -> AsyncIterator[TextDelta | EndRequest | ToolCall]:
    """The model's answer without its thoughts. Raises VendorLost for an answer of thoughts alone."""
    thoughts = ThoughtFilter(begins_inside=OPEN_THOUGHTS.has(llm))
    answered = False
    async with closing(llm_pieces(llm, prompt)) as deltas:
        async for delta in deltas:
            if not hide_thoughts or not isinstance(delta, TextDelta):
                answered = True
                yield delta
            elif text := thoughts.add(delta.text):
                answered = answered or bool(text.strip())
                yield TextDelta(text)
    if text := thoughts.finish():
        answered = answered or bool(text.strip())
        yield TextDelta(text)
    if thoughts.began_inside is not None:
        OPEN_THOUGHTS.learn(llm, begins_inside=thoughts.began_inside)
    if thoughts.hidden and not answered:
        raise VendorLost("The model wrote thoughts and no answer", advice="Allow it more tokens, or less thought")


class ThoughtFilter:
    """One answer of a model, without its thoughts. The result does not depend on how the text was cut into pieces.

    begins_inside: the text begins inside thoughts, unless no closing tag comes.
    """

    def __init__(self, *, begins_inside: bool = False) -> None:
        self.began_inside: bool | None = None
        """Whether the text began inside its thoughts. None: no tag has said so."""
        self.hidden = False
        """Some text was left out."""
        self._rest = ""
        self._held = "" if begins_inside else None  # all text so far, which may turn out to be no thought
        self._inside = begins_inside
        self._said = False
        self._after_thought = False

    def add(self, piece: str, *, final: bool = False) -> str:
        """The text that is certain now."""
        self._rest += piece
        out = ""
        while (tag := _TAG.search(self._rest)) is not None:
            out += self._take(self._rest[: tag.start()])
            self._rest = self._rest[tag.end() :]
            self._on_tag(closes=bool(tag.group(1)))
        certain = len(self._rest) if final else _certain(self._rest)
        out += self._take(self._rest[:certain])
        self._rest = self._rest[certain:]
        return out

    def finish(self) -> str:
        """The rest of the text, without thoughts that were never closed."""
        out = self.add("", final=True)
        if self._held is not None:
            held, self._held, self._inside, self.began_inside = self._held, None, False, False
            out = self._take(held) + out
        return out

    def _on_tag(self, *, closes: bool) -> None:
        if self.began_inside is None:
            self.began_inside = closes
        if self._held is not None and not closes:
            self._held += "\n"  # the tag opens thoughts inside thoughts
            self.began_inside = True
            return
        self.hidden = True
        self._held = None
        self._inside = not closes
        self._after_thought = closes

    def _take(self, text: str) -> str:
        if self._held is not None:
            self._held += text
            return ""
        if self._inside:
            return ""
        if self._after_thought and not self._said:
            text = text.lstrip()  # the empty lines between thoughts and answer
        self._said = self._said or bool(text.strip())
        return text


def _certain(text: str) -> int:
    """How much of the text cannot be the begin of a tag."""
    at = text.rfind("<")
    return at if at >= 0 and any(tag.startswith(text[at:].lower()) for tag in _TAGS) else len(text)
