"""An agent whose every word is a tone of its own, so that the caller's ear can be read: which word, when, how often.

The greeting is a chain of words that never repeats soon. Each key that the caller presses is a turn: the LLM runs a tool
with effect `commit`, which writes a line into the file $BARGEIN_FLEET_ORDERS, and tells another chain.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from bargein.agent import Agent, Greeting
from bargein.audio.pcm import Pcm, Samples
from bargein.protocols import EndRequest, Prompt, SpeechChunk, TextDelta, ToolCall, ToolResult, Word
from bargein.tools import tool

RATE = 8_000
WORD_MS, TONE_MS = 200, 160
LOWEST_HZ, APART_HZ = 300, 50
STORY = (
    "amber birch cedar dahlia elder fern ginger hazel iris juniper kale laurel maple nettle olive poppy quince rose "
    "sage thyme umbel violet willow yarrow zinnia aspen basil clover daisy endive fennel garlic heather indigo jasmine "
    "kelp lotus mint nutmeg oak"
).split()
BRIDGE = "sorry i lost you for a moment as was saying".split()
WORDS = {word: LOWEST_HZ + n * APART_HZ for n, word in enumerate([*STORY, *BRIDGE])}
OTHER_HZ = LOWEST_HZ + len(WORDS) * APART_HZ  # of a word that is not in the list
TOKEN = re.compile(r"\S+\s*|\s+")
ORDERS = "BARGEIN_FLEET_ORDERS"


def plain(word: str) -> str:
    """A word as it is in the list."""
    return re.sub(r"[^a-z]", "", word.lower())


def tone(word: str) -> Samples:
    """WORD_MS of a word."""
    at = np.arange(TONE_MS * RATE // 1000)
    edge = np.minimum(1.0, np.minimum(at, at[::-1]) / 40)
    sound = np.sin(2 * np.pi * WORDS.get(plain(word), OTHER_HZ) * at / RATE) * edge * 9_000
    return np.concatenate((sound, np.zeros((WORD_MS - TONE_MS) * RATE // 1000))).astype(np.int16)


def story(first: int, words: int) -> str:
    """A chain of words, in sentences of eight. It comes round after all of them."""
    chain = [STORY[(first + n) % len(STORY)] for n in range(words)]
    return " ".join(word + ("." if n % 8 == 7 or n == words - 1 else "") for n, word in enumerate(chain))


class ToneAWordTTS:
    """Speaks each word as its tone, with its exact time, as fast as the text comes."""

    name = "a tone a word"
    rate = RATE

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        at = count = 0
        async for token in _tokens(text):
            begin, word = at, token.strip()
            at += len(token)
            if not plain(word):
                continue
            yield SpeechChunk(
                Pcm(tone(word), RATE), token, (Word(count * WORD_MS, (count + 1) * WORD_MS, begin, begin + len(word)),)
            )
            count += 1


async def _tokens(text: AsyncIterator[str]) -> AsyncIterator[str]:
    rest = ""
    async for piece in text:
        tokens = TOKEN.findall(rest + piece)
        rest = tokens.pop() if tokens and not tokens[-1][-1].isspace() else ""
        for token in tokens:
            yield token
    if rest:
        yield rest


@tool("commit")
async def order(what: str) -> str:
    """Order something, which cannot be undone."""
    path = os.environ.get(ORDERS)
    if path:
        await asyncio.to_thread(_append, Path(path), what)
    return f"ordered {what}"


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(f"{line}\n")


class OrderingLLM:
    """Orders once for each turn of the user, and then tells a chain of words that begins elsewhere each time."""

    name = "ordering"

    async def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest | ToolCall]:
        results = [item for item in prompt.items if isinstance(item, ToolResult)]
        if not (prompt.items and isinstance(prompt.items[-1], ToolResult)):
            number = len(results) + 1
            yield ToolCall(f"order-{number}", "order", f'{{"what": "{os.environ.get("BARGEIN_NODE", "?")}-{number}"}}')
            return
        for word in story(7 * len(results), 60).split():
            yield TextDelta(f"{word} ")


AGENT = Agent(
    name="tones",
    stt=None,
    llm=OrderingLLM(),
    tts=ToneAWordTTS(),
    tools=[order],
    scripted=True,
    description="Each word is a tone of its own, to be heard by a benchmark",
    greeting=Greeting(story(0, 400)),
)
