"""The page's "AI options" in a real Chromium, against `bargein serve` on a machine without keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.chromium import page, spoken
from benchmarks.process import server
from benchmarks.sounds import room

if TYPE_CHECKING:
    from playwright.async_api import Page

KEY = "a-key-that-no-page-may-see"
# Groq has a key, and an address where nobody answers; nobody else has one.
ENV = {
    "DEEPGRAM_API_KEY": "",
    "OPENAI_API_KEY": "",
    "OPENAI_BASE_URL": "",
    "ELEVENLABS_API_KEY": "",
    "ELEVEN_API_KEY": "",
    "CARTESIA_API_KEY": "",
    "GROQ_API_KEY": KEY,
    "BARGEIN_GROQ_URL": "http://127.0.0.1:9",
}
MOST_MS = 20_000


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Page]:
    """The page, with its AI options unfolded, in a quiet room."""
    wav = spoken(folder / "microphone.wav", np.clip(room(12_000), -32768, 32767).astype(np.int16))
    async with server(name="guide", env=ENV) as address, page(wav) as shown:
        complaints: list[str] = []
        shown.on("console", lambda m: complaints.append(m.text) if "Content Security" in m.text else None)
        await shown.goto(f"http://{address}/?record=1&localhold=0")
        await shown.click("#options summary")
        yield shown
        assert complaints == []


async def result(shown: Page, kind: str, how: str) -> str:
    """What the test of that kind's part said."""
    await shown.click(f"#row-{kind} button")
    await shown.wait_for_selector(f"#row-{kind} .result.{how}", timeout=MOST_MS)
    return await shown.inner_text(f"#row-{kind} .result")


async def test_parts_are_chosen_tried_and_called(tmp_path: Path) -> None:
    async with opened(tmp_path) as shown:
        assert KEY not in await shown.content()

        # The badges say which keys are set, and the list what each part wants.
        for kind, part, badge in (
            ("stt", "deepgram-flux", "key not set"),
            ("llm", "groq", "key set"),
            ("stt", "moonshine", "no key needed"),
        ):
            await shown.select_option(f"#part-{kind}", part)
            assert await shown.inner_text(f"#row-{kind} .badge") == badge
        listed = await shown.inner_text("#part-stt")
        assert "Deepgram Flux (no DEEPGRAM_API_KEY)" in listed

        # Each part is tried alone: how long it took, or what would make it work.
        await shown.select_option("#part-stt", "deepgram-flux")
        assert await result(shown, "stt", "bad") == "Deepgram Flux has no key. Set DEEPGRAM_API_KEY."
        await shown.select_option("#part-stt", "moonshine")
        await shown.select_option("#part-tts", "espeak")
        assert (await result(shown, "tts", "good")).startswith("First sound after ")
        await shown.select_option("#part-llm", "guide")
        assert "First word after " in await result(shown, "llm", "good")
        assert "hear me" in (await result(shown, "stt", "good")).lower()
        await shown.select_option("#part-llm", "groq")
        assert KEY not in await result(shown, "llm", "bad")

        # A call with these parts, these words and this preset.
        await shown.select_option("#part-llm", "guide")
        await shown.fill("#option-tts-words_per_minute", "300")
        await shown.fill("#greeting", "Welcome to the tea house.")
        await shown.select_option("#preset", "patient")
        assert await shown.get_attribute("#presets button:has-text('patient')", "aria-checked") == "true"
        await shown.click("#start-chosen")
        await shown.wait_for_function("() => bargein.transcript().some(t => t.text.includes('tea house'))")
        welcome = await shown.evaluate("bargein.call.messages.find(m => m.type === 'welcome')")
        assert (welcome["agent"]["llm"], welcome["agent"]["tts"]) == ("guide", "espeak-ng")
        assert welcome["policy"]["preset"] == "patient"
        await shown.click("#hangup")
        await shown.wait_for_function("() => bargein.state === 'off'")

        # The choice outlives the page; a key never reaches it.
        await shown.reload()
        await shown.wait_for_selector("#choose:not([hidden])")
        kept = await shown.evaluate("localStorage.getItem('bargein-choice')")
        assert KEY not in kept
        await shown.click("#options summary")
        assert await shown.input_value("#part-tts") == "espeak"
        assert await shown.input_value("#option-tts-words_per_minute") == "300"
        assert await shown.input_value("#greeting") == "Welcome to the tea house."


async def test_a_call_that_lacks_a_key_says_so_and_the_page_can_call_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as shown:
        await shown.select_option("#part-llm", "guide")
        await shown.select_option("#part-tts", "espeak")
        await shown.select_option("#part-stt", "deepgram-flux")
        await shown.click("#start-chosen")
        await shown.wait_for_selector("#errors p")
        assert await shown.inner_text("#errors p") == "Deepgram Flux has no key Set DEEPGRAM_API_KEY"
        await shown.wait_for_function("() => bargein.state === 'off'")
        await shown.select_option("#part-stt", "")
        await shown.click("#start-chosen")
        await shown.wait_for_function("() => bargein.state === 'speaking'")
