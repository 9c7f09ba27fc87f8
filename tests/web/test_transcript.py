"""The page's transcript in a real Chromium: positions on the wire are code points, and units are the server's."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from bargein.agent import Agent
from bargein.server.settings import Settings
from bargein.units import last_units, spans
from benchmarks.chromium import page
from tests.server.kit import Echo, ToneVoice, world
from tests.vendors.common.test_timed_text import SENTENCES

if TYPE_CHECKING:
    from playwright.async_api import Page

TEXTS = {
    "emoji": "Hello 👋 there 👨‍👩‍👧 my 🇩🇪 friend 1️⃣ of 👍🏽 all.",
    "marks": "Cafe\u0301 cre\u0300me bru\u0302le\u0301e, นํ้า नमस्ते.",
    "beyond": "𝒜lpha 𝒷eta 𠮷野家で 𐍈 𝟙 end.",
    "mixed": "我用iPhone 15。👍 他说：“好”。OK?",
}
MS = 100


@asynccontextmanager
async def shown(greeting: str = "") -> AsyncIterator[Page]:
    agent = Agent(name="teller", llm=Echo(), tts=ToneVoice(), scripted=True, greeting=greeting)
    async with world(Settings(record=None, port=0), agent) as here, page() as opened:
        await opened.goto(f"{here.url}/?localhold=0")
        yield opened


MAKE = """async () => {
  const { Transcript } = await import('/web/js/transcript.js');
  const list = document.createElement('ol');
  document.body.append(list);
  window.list = list;
  window.shown = new Transcript(list);
}"""
UNITS = """async (texts) => {
  const { spans, lastUnits } = await import('/web/js/units.js');
  return texts.map((text) => [spans(text), lastUnits(text, 3)]);
}"""
NOW = "() => [...list.querySelectorAll('.w.now')].map(e => e.textContent)"
HEARD = "() => [...list.querySelectorAll('.w.heard')].map(e => e.textContent)"


async def test_units_are_the_same_on_the_page_and_on_the_server() -> None:
    chance = random.Random(5)
    letters = "ab1 ,.“”(€\n-$#你好、。กำ้ក្ត👍\u200d\u0301がｶﾞ한국नमस्ते𠮷𝒜…—「」②½"
    texts = [*TEXTS.values(), *SENTENCES.values(), "", "  ", "...", "— yes"]
    texts += ["".join(chance.choices(letters, k=chance.randint(1, 30))) for _ in range(600)]
    async with shown() as opened:
        found = await opened.evaluate(UNITS, texts)
    for text, (places, last) in zip(texts, found, strict=True):
        assert [tuple(place) for place in places] == spans(text), text
        assert last.split() == last_units(text, 3).split(), text


async def check(opened: Page, text: str, size: int) -> None:
    """Each word is the one that is shown while it sounds, whatever the pieces in which the text came."""
    places = spans(text)
    await opened.evaluate(MAKE)
    told = 0
    for at in range(0, len(text), size):
        part = text[at : at + size]
        words = [
            [n * MS, (n + 1) * MS, *place] for n, place in enumerate(places) if told <= n and place[1] <= at + len(part)
        ]
        told += len(words)
        await opened.evaluate("m => shown.words(m)", {"reply_id": 1, "text": part, "words": words})
    for n, (begin, end) in enumerate(places):
        await opened.evaluate("ms => shown.sounding(1, ms)", n * MS + MS / 2)
        assert await opened.evaluate(NOW) == [text[begin:end]]
        assert await opened.evaluate(HEARD) == [text[b:e] for b, e in places[:n]]
    written: str = await opened.evaluate("() => list.querySelector('.agent').textContent")
    assert text[places[0][0] : places[-1][1]] in written


async def test_the_word_that_sounds_is_the_one_that_is_shown() -> None:
    async with shown() as opened:
        for text in TEXTS.values():
            for size in (1, 5, 100):
                await check(opened, text, size)


async def test_other_words_with_times_replace_those_without_and_the_record_is_written_as_it_is() -> None:
    async with shown() as opened:
        await opened.evaluate(MAKE)
        tell = "m => shown.words(m)"
        await opened.evaluate(tell, {"reply_id": 1, "text": "👍 one two-three four", "words": []})
        words = [[0, 100, 2, 5], [100, 200, 6, 9], [200, 300, 10, 15], [300, 400, 16, 20]]
        await opened.evaluate(tell, {"reply_id": 1, "text": "", "words": words})
        await opened.evaluate("ms => shown.sounding(1, ms)", 250)
        assert await opened.evaluate(NOW) == ["three"]
        assert (await opened.evaluate("() => list.querySelector('.agent').textContent")).endswith("one two-three four")
        heard, unheard = "我用iPhone", "15。👍 他说：“好”。"
        said: dict[str, Any] = {"role": "agent", "reply_id": 1, "text": heard, "unheard": unheard}
        await opened.evaluate("m => shown.transcript(m)", said)
        (fact,) = await opened.evaluate("() => shown.facts()")
    assert (fact["heard"], fact["never"]) == (heard, unheard)


async def test_in_a_call_the_words_of_a_text_beyond_the_bmp_light_up_as_they_sound() -> None:
    words = [f"𝒜{n}𝒷" for n in range(30)]
    async with shown(" ".join(words)) as opened:
        await opened.click("#main")
        await opened.wait_for_function("() => document.querySelectorAll('.agent .w.heard').length >= 5")
        now = "() => [...document.querySelectorAll('.agent .w.heard')].map(e => e.textContent)"
        heard = await opened.evaluate(now)
        await opened.keyboard.press("Escape")
    assert heard == words[: len(heard)]
