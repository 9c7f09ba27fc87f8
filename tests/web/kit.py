"""One server and one Chromium for many tests of the page, each in a context of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bargein.agent import Agent, Greeting
from bargein.server.builder import AgentBuilder
from bargein.server.catalogue import Catalogue
from benchmarks.chromium import page
from tests.server.kit import Echo, ToneVoice, World, bare, settings, world

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

GREETING = " ".join(f"word{i}" for i in range(60))  # 6 s of tone


@dataclass(frozen=True, slots=True)
class Pages:
    """A server, and a browser to open its page in."""

    here: World
    browser: Browser

    @asynccontextmanager
    async def page(self, query: str = "", script: str = "", **context: object) -> AsyncIterator[Page]:
        """The page, fully set up. script: runs before the page's own. An error that no code caught fails the test."""
        made = await self.browser.new_context(**context)  # type: ignore[arg-type]  # options by name
        thrown: list[str] = []
        try:
            shown = await made.new_page()
            shown.on("pageerror", lambda error: thrown.append(str(error)))
            if script:
                await shown.add_init_script(script)
            await shown.goto(f"{self.here.url}/{query}")
            await shown.wait_for_selector("#presets button")
            yield shown
        finally:
            await made.close()
        assert thrown == []

    @asynccontextmanager
    async def calling(self, query: str = "", script: str = "", **context: object) -> AsyncIterator[Page]:
        """The page in a call, while the agent greets."""
        async with self.page(query, script, **context) as shown:
            await shown.click("#main")
            await shown.wait_for_function("() => bargein.state === 'speaking'")
            yield shown


@asynccontextmanager
async def pages(*, everything: bool = False) -> AsyncIterator[Pages]:
    """The browser's microphone is a beep that the agent is not to hear: see `QUIET`. everything: parts can be chosen,
    and faults be injected."""
    agent = Agent(name="teller", llm=Echo(), tts=ToneVoice(), scripted=True, greeting=Greeting(GREETING))
    builder, url = (AgentBuilder(bare(GROQ_API_KEY="a-key")), "http://127.0.0.1:9") if everything else (None, None)
    catalogue = Catalogue({"teller": agent}, builder=builder, simulator_url=url)
    async with world(settings(max_calls=40), catalogue=catalogue) as here, page() as first:
        browser = first.context.browser
        assert browser is not None
        yield Pages(here, browser)


# A microphone that hears nothing, and devices that come and go as a test likes.
QUIET = """
{
  const context = new AudioContext();
  window.mic = { fails: null, inputs: ['one'], opened: [], context };
  navigator.mediaDevices.getUserMedia = async ({ audio }) => {
    const id = audio.deviceId?.exact ?? mic.inputs[0];
    mic.opened.push(id);
    if (mic.fails) throw new DOMException('for the test', mic.fails);
    return mic.stream = context.createMediaStreamDestination().stream;
  };
  navigator.mediaDevices.enumerateDevices = async () =>
    mic.inputs.map((id) => ({ kind: 'audioinput', deviceId: id, label: `Microphone ${id}` }));
  mic.change = (inputs, fails = null) => {
    mic.inputs = inputs;
    mic.fails = fails;
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  };
  mic.event = (kind) => mic.stream.getAudioTracks()[0].dispatchEvent(new Event(kind));
}
"""
