"""The example for LiveKit and a realtime model, on simulators."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import FastAPI

from bargein_simulators.cartesia import CartesiaSimulator, add_cartesia
from bargein_simulators.chat import ChatSimulator, add_chat
from bargein_simulators.deepgram_nova import NovaSimulator, add_nova
from bargein_simulators.openai_realtime import RealtimeSimulator, add_realtime
from bargein_simulators.speech import SimulatedSpeech
from tests.integrations.livekit.kit import told
from tests.simulators.serving import serving
from tests.strangers.clients_kit import Json

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Json]]:
    async def serve_and_run() -> dict[str, list[Json]]:
        app, speech = FastAPI(), SimulatedSpeech()
        add_nova(app, NovaSimulator())
        add_chat(app, ChatSimulator(models=()))
        add_cartesia(app, CartesiaSimulator(speech=speech))
        add_realtime(app, RealtimeSimulator())
        try:
            async with serving(app, ws=True) as url:
                return await told("example", tmp_path_factory.mktemp("example"), url)
        finally:
            await speech.aclose()

    return asyncio.run(serve_and_run())


def test_it_hears_a_question_and_its_answer_is_heard(scenes: dict[str, list[Json]]) -> None:
    (example,) = scenes["example"]
    assert example["roles"] == ["user", "assistant"]
    assert example["texts"][0].casefold().startswith("hello there")
    assert example["texts"][1]
    assert example["heard_ms"] > 500
    assert not example["interrupted"]


def test_a_realtime_model_is_held_and_cut_to_what_was_heard(scenes: dict[str, list[Json]]) -> None:
    assert len(scenes["realtime"]) == 3
    for call in scenes["realtime"]:
        if call["sound"] == "cough":  # with the model's turn detection off, and on: LiveKit turns it off
            assert call["counts"] == {"holds": 1, "resumes": 1, "cuts": 0, "drops": 0}
            assert call["interrupted"] == [False]
            assert not call["truncated"]
        else:  # its question's transcript comes while the answer sounds, and does not end it
            assert call["counts"] == {"holds": 1, "resumes": 0, "cuts": 1, "drops": 0}
            assert call["truncated"] == [pytest.approx(call["heard_ms"], abs=15)]
            assert call["commits"] == 1


def test_a_realtime_model_that_interrupts_itself_is_refused(scenes: dict[str, list[Json]]) -> None:
    refused = {each["why"]: each["text"] for each in scenes["refused"]}
    assert refused.keys() == {"own turns", "own interruptions"}
    for text in refused.values():
        assert "turn_detection to None" in text
