"""Leaves a model's thoughts out of its text: what stands in <think>...</think> and the like is neither said nor kept.

The vendors' own marks count, too: Magistral's [THINK], Kimi's ◁think▷, Gemma's <|channel>thought, and the channels of
gpt-oss, of which only the final one is said. A server that knows its model's marks never sends them; many do not.

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

_NAMES = (
    *("think", "thinking", "thought", "thoughts", "reasoning", "reflection"),
    *("seed:think", "antthinking", "scratchpad", "analysis", "inner_monologue", "chain_of_thought"),
)
_FRAMES = ("channel", "message", "start", "end", "return", "call")  # <|channel|>analysis<|message|>...<|end|>
_ANY = "|".join(_NAMES)
_TAG = re.compile(
    rf"<(?P<tag>/?)(?i:{_ANY})(?:\s[^<>/]{{0,60}})?(?P<empty>/?)>|\[(?P<upper>/?)THINK\]|◁(?P<wide>/?)think▷|"
    rf"<\|(?P<of>begin|end)_of_thought\|>|(?P<gemma><\|channel>thought|<channel\|>)|<\|(?P<frame>{'|'.join(_FRAMES)})\|>"
)
_CLOSING = {"tag": "/", "upper": "/", "wide": "/", "of": "end", "gemma": "<channel|>"}
_TAGS = (
    *(f"<{slash}{name}{end}" for name in _NAMES for slash in ("", "/") for end in (">", "/>")),
    *("<|begin_of_thought|>", "<|end_of_thought|>", "<|channel>thought", "<channel|>"),
    *(f"<|{frame}|>" for frame in _FRAMES),
)
_SIGNS = ("[THINK]", "[/THINK]", "◁think▷", "◁/think▷")
_OPEN_TAG = re.compile(rf"</?(?:{_ANY})\s[^<>/]{{0,60}}/?", re.IGNORECASE)
_LONGEST = 90  # characters of a tag


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
        self._channel: str | None = None  # its name, as far as it is known, in an answer of channels

    def add(self, piece: str, *, final: bool = False) -> str:
        """The text that is certain now."""
        self._rest += piece
        out = ""
        while (tag := _TAG.search(self._rest)) is not None:
            out += self._take(self._rest[: tag.start()])
            self._rest = self._rest[tag.end() :]
            if (frame := tag["frame"]) is not None:
                self._on_frame(frame)
            elif not tag["empty"]:
                kind = tag.lastgroup if tag.lastgroup != "empty" else "tag"
                self._on_tag(closes=tag[kind or "tag"] == _CLOSING[kind or "tag"])
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

    def _on_frame(self, frame: str) -> None:
        """In an answer of channels all is hidden but the messages of the final one."""
        if self._held is not None and frame in ("end", "return", "call"):
            return  # the end of an answer without channels: what is held waits for a closing tag, as before
        self.hidden, self._held = True, None
        if frame == "channel":
            self._inside, self._channel = True, ""
        elif frame == "message":
            channel, self._channel = self._channel, None
            self._inside = channel is not None and not channel.strip().startswith("final")
            self._after_thought = not self._inside
        else:
            self._inside, self._channel = True, None

    def _take(self, text: str) -> str:
        if self._held is not None:
            self._held += text
            return ""
        if self._inside:
            if self._channel is not None:
                self._channel += text
            return ""
        if self._after_thought and not self._said:
            text = text.lstrip()  # the empty lines between thoughts and answer
        self._said = self._said or bool(text.strip())
        return text


def _certain(text: str) -> int:
    """How much of the text cannot be the begin of a tag."""
    for at in range(max(0, len(text) - _LONGEST), len(text)):
        if text[at] in "<[◁" and _may_be_tag(text[at:]):
            return at
    return len(text)


def _may_be_tag(rest: str) -> bool:
    if rest[0] != "<":
        return any(sign.startswith(rest) for sign in _SIGNS)
    return any(tag.startswith(rest.lower()) for tag in _TAGS) or _OPEN_TAG.fullmatch(rest) is not None
