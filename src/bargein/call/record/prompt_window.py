"""How much of the conversation an LLM is given: instructions, tools and the newest turns, within a bound.

Turns are left out whole, the oldest first, and a tool's call never without its result. More is left out at once than
need be, so that prompts begin alike for some turns and the vendor's cache of them serves.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from bargein.agent import Summarize
from bargein.audio.pcm import Pcm
from bargein.call.context import Spawn
from bargein.protocols import LLM, AgentSaid, ConversationItem, Prompt, ToolResult, UserBackchannel, UserSaid

log = logging.getLogger(__name__)

PROMPT_TOKENS = 16_000  # of a prompt, also where the model takes more: a long prompt is a late and an expensive answer
SHARE = 0.8  # of the model's context: our estimate is coarse, and the answer needs room
REPLY_TOKENS = 500
KEPT = 0.7  # of the room is filled anew when turns are left out
LEAST_TOKENS = 300  # for the conversation, whatever the instructions take
BYTES_PER_TOKEN = 3  # UTF-8: four letters of English, one sign of Chinese or Thai; on the safe side
ITEM_TOKENS = 8  # around each item
NOTES_TOKENS = 250  # what we tell the model of being interrupted
AUDIO_TOKENS_PER_S = 13.0  # Voxtral: 12.5
CLIPS = (6_000, 1_500, 400)  # characters of one text, where a single turn is too much
SUMMARY_CHARS = 4_000


def tokens_of(text: str) -> int:
    """A coarse estimate, rather too many."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def item_tokens(item: ConversationItem) -> int:
    """Of one item, with what we write around it."""
    texts: tuple[str, ...]
    match item:
        case UserSaid() | UserBackchannel():
            texts = (item.text or "", item.over.text if item.over else "")
        case AgentSaid():
            texts = (item.text, item.unheard if item.ended in ("cut", "failed") else "")
        case ToolResult():
            texts = (item.tool, item.arguments, item.result or "")
        case _:
            assert_never(item)
    return ITEM_TOKENS + sum(tokens_of(text) for text in texts)


def newest(items: Sequence[ConversationItem], tokens: int) -> Sequence[ConversationItem]:
    """The newest turns that fit, whole. The last turn is always there."""
    return items[_cut(items, 0, tokens) :]


class PromptWindow:
    """One call's. most_tokens: the agent's own bound; None: PROMPT_TOKENS, or what the LLM takes if that is less.
    summarize: the agent's own; it runs as a task of the call."""

    def __init__(self, llm: LLM, most_tokens: int | None, summarize: Summarize | None, spawn: Spawn) -> None:
        self._llm = llm
        self._given = most_tokens
        self._learned: int | None = None  # what a server took no more of
        self._summarize = summarize
        self._spawn = spawn
        self._from = 0  # index of the first item that is given
        self._summary = ""
        self._unsummarized: list[ConversationItem] = []
        self._summarizing = False

    @property
    def most_tokens(self) -> int:
        """The bound of a prompt."""
        most = self._given
        if most is None:
            context: object = getattr(self._llm, "context_tokens", None)
            most = PROMPT_TOKENS
            if isinstance(context, int):
                most = min(most, max(int(context * SHARE) - REPLY_TOKENS, 2 * LEAST_TOKENS))
        return most if self._learned is None else min(most, self._learned)

    def fit(self, prompt: Prompt) -> Prompt:
        """The prompt as the LLM is given it."""
        audio = _newest_audio(prompt.audio, self.most_tokens // 2)
        room = max(self.most_tokens - self._fixed(prompt, audio), LEAST_TOKENS)
        items = prompt.items
        if _tokens(items[self._from :]) > room:
            first = _cut(items, self._from, int(room * KEPT))
            self._leave_out(items[self._from : first])
            self._from = first
        shown = _clipped(items[self._from :], room)
        return replace(prompt, items=shown, left_out=self._from > 0, summary=self._summary, audio=audio)

    def shorten(self, refused: Prompt) -> None:
        """A server took no prompt of this length: halve the bound, for the rest of the call."""
        self._learned = (self._fixed(refused, refused.audio) + _tokens(refused.items)) // 2

    def _fixed(self, prompt: Prompt, audio: Pcm | None) -> int:
        tools = sum(
            tokens_of(f"{tool.name}{tool.description}{json.dumps(dict(tool.parameters))}") for tool in prompt.tools
        )
        sound = int(audio.ms / 1000 * AUDIO_TOKENS_PER_S) if audio is not None else 0
        return tokens_of(prompt.instructions) + NOTES_TOKENS + tools + sound + tokens_of(self._summary)

    def _leave_out(self, items: Sequence[ConversationItem]) -> None:
        if self._summarize is None:
            return
        self._unsummarized += items
        if not self._summarizing:
            self._summarizing = True
            self._spawn(self._make_summary(self._summarize), "summary")

    async def _make_summary(self, summarize: Summarize) -> None:
        try:
            while self._unsummarized:
                items, self._unsummarized = self._unsummarized, []
                self._summary = str(await summarize(self._summary, items))[:SUMMARY_CHARS]
        except Exception:  # the agent's own code: the call goes on with what is known
            log.exception("The agent's summarize failed: the turns that are left out stay without a summary")
        finally:
            self._summarizing = False


def _tokens(items: Sequence[ConversationItem]) -> int:
    return sum(map(item_tokens, items))


def _cut(items: Sequence[ConversationItem], first: int, tokens: int) -> int:
    """The index, from `first` on, from which the rest fits: the beginning of a turn of the user."""
    left = _tokens(items[first:])
    for start in range(first + 1, len(items)):
        if left <= tokens:
            break
        if isinstance(items[start], UserSaid):
            left -= _tokens(items[first:start])
            first = start
    return first


def _clipped(items: Sequence[ConversationItem], room: int) -> tuple[ConversationItem, ...]:
    """The items, their texts shortened where even a single turn is too much."""
    shown = tuple(items)
    for chars in CLIPS:
        if _tokens(shown) <= room:
            break
        shown = tuple(_clip(item, chars) for item in items)
    return shown


def _clip(item: ConversationItem, chars: int) -> ConversationItem:
    match item:
        case UserSaid():
            return replace(item, text=None if item.text is None else _middle_out(item.text, chars))
        case AgentSaid():
            return replace(item, text=_middle_out(item.text, chars), unheard=_middle_out(item.unheard, chars))
        case ToolResult():
            arguments = item.arguments if len(item.arguments) <= chars else '{"left_out": "too long to be shown"}'
            result = None if item.result is None else _middle_out(item.result, chars)
            return replace(item, arguments=arguments, result=result)
        case UserBackchannel():
            return item


def _middle_out(text: str, chars: int) -> str:
    if len(text) <= chars:
        return text
    head, tail = chars * 2 // 3, chars // 3
    return f"{text[:head]} (... {len(text) - head - tail} characters are left out ...) {text[-tail:]}"


def _newest_audio(audio: Pcm | None, tokens: int) -> Pcm | None:
    """The end of the user's turn, where all of it is too much."""
    most = int(tokens / AUDIO_TOKENS_PER_S) * (audio.rate if audio is not None else 0)
    return audio if audio is None or len(audio) <= most else audio.part(len(audio) - most, len(audio))
