"""GET /readyz follows the vendors as they die and return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bargein import protocols as c
from bargein.errors import VendorLost
from bargein.server import readiness
from tests.call.kit import ScriptedLLM, ToneTTS
from tests.server.kit import World, tone_agent, world


class Voice(ToneTTS):
    """Can be made to fail, and counts how often it is asked."""

    asked = 0

    async def speak(self, text: AsyncIterator[str]) -> AsyncIterator[c.SpeechChunk]:
        self.asked += 1
        async for chunk in super().speak(text):
            yield chunk


class CheckedLLM(ScriptedLLM):
    """An LLM whose server can be asked for nothing."""

    gone = False

    async def check(self) -> None:
        if self.gone:
            raise VendorLost("The server is gone", advice="Look")


async def turns(here: World, status: int) -> dict[str, object]:
    """Ask until the answer has this status."""
    async with asyncio.timeout(10):
        while True:
            answer = await here.http.get("/readyz")
            if answer.status_code == status:
                found: dict[str, object] = answer.json()
                return found
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "READY_S", 0.02)
    monkeypatch.setattr(readiness, "AGAIN_S", 0.02)


async def test_readiness_follows_the_voice_and_the_model() -> None:
    llm, tts = CheckedLLM(), Voice()
    async with world(None, replace(tone_agent(), llm=llm, tts=tts)) as here:
        await turns(here, 200)
        tts.silent = True
        assert "tts" in str((await turns(here, 503))["waiting_for"])
        tts.silent = False
        await turns(here, 200)
        llm.gone = True
        assert "The server is gone" in str((await turns(here, 503))["waiting_for"])
        llm.gone = False
        await turns(here, 200)
        assert llm.prompts == [], "a model is asked nothing that it would remember"


async def test_nothing_is_tried_while_no_answer_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    tts = Voice()
    async with world(None, replace(tone_agent(), tts=tts)) as here:
        await turns(here, 200)
        await turns(here, 200)
        await asyncio.sleep(0.1)
        asked = tts.asked
        await asyncio.sleep(0.1)
        assert tts.asked == asked, "the vendor is not asked for ever"
        monkeypatch.setattr(readiness, "READY_S", 60.0)
        await turns(here, 200)
        await asyncio.sleep(0.05)
        for _ in range(20):
            await turns(here, 200)
        assert tts.asked <= asked + 1, "a bounded rate"
