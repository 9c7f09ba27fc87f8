"""The example for LiveKit, on simulators."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI

from bargein_simulators.cartesia import CartesiaSimulator, add_cartesia
from bargein_simulators.chat import ChatSimulator, add_chat
from bargein_simulators.deepgram_nova import NovaSimulator, add_nova
from bargein_simulators.speech import SimulatedSpeech
from tests.integrations.livekit.kit import told
from tests.simulators.serving import serving

pytestmark = pytest.mark.slow


async def test_it_hears_a_question_and_its_answer_is_heard(tmp_path: Path) -> None:
    app, speech = FastAPI(), SimulatedSpeech()
    add_nova(app, NovaSimulator())
    add_chat(app, ChatSimulator(models=()))
    add_cartesia(app, CartesiaSimulator(speech=speech))
    try:
        async with serving(app, ws=True) as url:
            scenes = await told("example", tmp_path, url)
    finally:
        await speech.aclose()
    (example,) = scenes["example"]
    assert example["roles"] == ["user", "assistant"]
    assert example["texts"][0].casefold().startswith("hello there")
    assert example["texts"][1]
    assert example["heard_ms"] > 500
    assert not example["interrupted"]
