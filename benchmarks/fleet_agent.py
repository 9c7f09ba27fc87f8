"""An agent whose every word is a tone of its own, so that the caller's ear can be read: which word, when, how often.

The greeting is a chain of $BARGEIN_FLEET_WORDS words. Each key that the caller presses is a turn: the LLM notes what it
was asked in the file $BARGEIN_FLEET_PROMPTS, runs a tool with effect `commit`, which writes a line into the file
$BARGEIN_FLEET_ORDERS and takes $BARGEIN_FLEET_TOOL_S more, and then tells a shorter chain.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np

from bargein.agent import Agent, Greeting
from bargein.audio.pcm import Pcm, Samples
from bargein.protocols import EndRequest, Prompt, SpeechChunk, TextDelta, ToolCall, ToolResult, UserSaid, Word
from bargein.tools import tool

RATE = 8_000
WORD_MS, TONE_MS = 200, 160
LOWEST_HZ, APART_HZ = 300, 50
_WORDS = """
    amber birch cedar dahlia elder fern ginger hazel iris juniper kale laurel maple nettle olive poppy quince rose
    sage thyme umbel violet willow yarrow zinnia aspen basil clover daisy endive fennel garlic heather indigo jasmine
    kelp lotus mint nutmeg oak
"""
STORY = _WORDS.split()
BRIDGE = ["sorry", "i", "lost", "you", "for", "a", "moment", "as", "was", "saying"]
WORDS = {word: LOWEST_HZ + n * APART_HZ for n, word in enumerate([*STORY, *BRIDGE])}
OTHER_HZ = LOWEST_HZ + len(WORDS) * APART_HZ  # of a word that is not in the list
TOKEN = re.compile(r"\S+\s*|\s+")
ORDERS, PROMPTS, WORD_COUNT, TOOL_S = (f"BARGEIN_FLEET_{name}" for name in ("ORDERS", "PROMPTS", "WORDS", "TOOL_S"))
REPLY_WORDS = 8


def plain(word: str) -> str:
    """A word as it is in the list."""
    return re.sub(r"[^a-z]", "", word.lower())


def tone(word: str) -> Samples:
    """WORD_MS of a word."""
    at = np.arange(TONE_MS * RATE // 1000)
    edge = np.minimum(1.0, np.minimum(at, at[::-1]) / 40)
    sound = np.sin(2 * np.pi * WORDS.get(plain(word), OTHER_HZ) * at / RATE) * edge * 9_000
    made: Samples = np.concatenate((sound, np.zeros((WORD_MS - TONE_MS) * RATE // 1000))).astype(np.int16)
    return made


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
    await asyncio.to_thread(_append, ORDERS, what)
    await asyncio.sleep(float(os.environ.get(TOOL_S, "0")))
    return f"ordered {what}"


def _append(variable: str, line: str) -> None:
    if path := os.environ.get(variable):
        with Path(path).open("a") as file:
            file.write(f"{line}\n")


def _told(item: object) -> list[str]:
    """An item of a conversation: its kind, and what it says."""
    said = getattr(item, "text", None) or getattr(item, "result", None) or ""
    return [type(item).__name__, str(said)]


class OrderingLLM:
    """Orders once for each turn of the user, and then tells a chain of words that begins elsewhere each time."""

    name = "ordering"

    async def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta | EndRequest | ToolCall]:
        told = json.dumps([_told(item) for item in prompt.items])
        await asyncio.to_thread(_append, PROMPTS, told)
        ordered = sum(isinstance(item, ToolResult) for item in prompt.items)
        turns = [n for n, item in enumerate(prompt.items) if isinstance(item, UserSaid)]
        if not any(isinstance(item, ToolResult) for item in prompt.items[turns[-1] :]):
            said = getattr(prompt.items[turns[-1]], "text", "")
            yield ToolCall(f"order-{ordered + 1}", "order", json.dumps({"what": f"{len(turns)}: {said}"}))
            return
        for word in story(7 * ordered, REPLY_WORDS).split():
            yield TextDelta(f"{word} ")


AGENT = Agent(
    name="tones",
    stt=None,
    llm=OrderingLLM(),
    tts=ToneAWordTTS(),
    tools=[order],
    scripted=True,
    description="Each word is a tone of its own, to be heard by a benchmark",
    greeting=Greeting(story(0, int(os.environ.get(WORD_COUNT, "400")))),
)
