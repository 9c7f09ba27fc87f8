"""Our floor on Pipecat's real transports, serializers and services: what each caller hears, to the sample."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fastapi import FastAPI

from bargein_simulators.deepgram_flux import FluxSimulator, add_flux
from bargein_simulators.openai_realtime import RealtimeSimulator, add_realtime
from tests.integrations.pipecat.kit import Json, Scene, onset_ms, run
from tests.simulators.serving import serving

pytestmark = pytest.mark.slow

STORY = "This is a long story, which goes on and on, so that anybody can interrupt it in the middle of any word. " * 2
COUGH_MS, SPEECH_MS, LASTS_MS = 1_200, 3_200, 7_000
SOUNDS = [(COUGH_MS, "cough-1.wav"), (SPEECH_MS, "interruption-3.wav")]
RATES = {"vonage": 16_000, "protobuf": 16_000, "server": 16_000, "webrtc": 24_000, "ahead": 16_000}
CLEARS = ("twilio", "telnyx", "plivo", "vonage", "exotel", "genesys")  # Pipecat's own clients have no such message
WIRES = (*CLEARS, "protobuf", "server", "webrtc", "ahead")
AHEAD_MS = 60  # of the hold


def scene(wire: str, **facts: object) -> Scene:
    return Scene(LASTS_MS, SOUNDS, {"wire": wire, "rate": RATES.get(wire, 8_000), "replies": [[32, "word"]], **facts})


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    return asyncio.run(called(tmp_path_factory.mktemp("wires")))


async def called(folder: Path) -> dict[str, Json]:
    """What each call saw; "model": what a realtime server remembers of each story, and its errors."""
    app = FastAPI()
    model = RealtimeSimulator(respond=lambda _, items: "Oh, I see." if items else STORY, first_audio_ms=20)
    add_realtime(app, model)
    add_flux(app, FluxSimulator())
    try:
        async with serving(app, ws=True) as url:
            served = {"url": url, "rate": 24_000}
            scenes = {
                **{wire: scene(wire) for wire in WIRES},
                "pauses": scene("twilio", rate=24_000),
                "keeps": scene("twilio", rate=24_000, keeps=True),
                "realtime": scene("ahead", service="realtime", **served),
                "detects": scene("ahead", service="realtime", detects=True, **served),
                "flux": scene("ahead", service="flux", url=url),
                "eager": scene("ahead", service="flux", eager=True, url=url),
            }
            told = await asyncio.to_thread(run, folder, scenes, "wires")
        stories = [item for each in model.sessions for item in each.items.values() if item.spoken == STORY]
        errors = [
            event["error"]["code"] for each in model.sessions for _, event in each.sent if event["type"] == "error"
        ]
        return told | {"model": {"heard": sorted(item.truncated_ms or 0.0 for item in stories), "errors": errors}}
    finally:
        await model.speech.aclose()


def cut_at(call: Json) -> int:
    """The first sample that was never heard: the reply ends there, or the next one goes on."""
    [(at, _)] = call["jumps"] or [(round(call["ms"] * call["rate"] / 1000), 0)]
    return int(at)


@pytest.mark.parametrize("wire", [*WIRES, "keeps", "realtime", "flux", "eager"])
def test_every_wire_is_held_and_goes_on_with_the_next_sample(seen: dict[str, Json], wire: str) -> None:
    call = seen[wire]
    assert call["counts"]["holds"] >= 2
    assert call["counts"]["resumes"] >= 1
    assert call["counts"]["cuts"] == 1
    assert call["first"] == 0 or wire == "keeps"  # a resampler rounds in its own way
    assert [place for place, _ in call["jumps"]] == [cut_at(call)][: len(call["jumps"])]  # none but the cut
    onset = COUGH_MS + onset_ms("cough-1.wav")
    assert any(onset < begin < SPEECH_MS for begin, _ in call["gaps"])  # the agent was silent in the cough


@pytest.mark.parametrize("wire", CLEARS)
def test_a_cut_clears_what_the_telephone_network_has(seen: dict[str, Json], wire: str) -> None:
    call = seen[wire]
    [clear] = call["clears"]
    assert clear >= call["last_ms"]


@pytest.mark.parametrize("wire", WIRES)
def test_no_wire_has_more_than_the_lead_when_it_is_held(seen: dict[str, Json], wire: str) -> None:
    assert seen[wire]["sent_ahead_ms"] <= AHEAD_MS + 20  # and the chunk that begins then


def test_a_serializer_that_resamples_is_told_of(seen: dict[str, Json]) -> None:
    lines = [line for line in seen["log"]["lines"] if "resamples 24000 Hz to 8000 Hz" in line]
    assert len(lines) == 1  # of "pauses"; "keeps" has followed the advice
    assert "audio_out_sample_rate=8000" in lines[0]


def test_a_realtime_server_remembers_what_was_played_also_after_a_hold(seen: dict[str, Json]) -> None:
    heard_ms = cut_at(seen["realtime"]) / 24
    assert heard_ms in [pytest.approx(ms, abs=1) for ms in seen["model"]["heard"]]
    assert set(seen["model"]["errors"]) <= {"response_cancel_not_active"}
    assert any("hears turns itself and stops its response" in line for line in seen["log"]["lines"])


def test_flux_is_believed_by_the_floor_and_does_not_interrupt_by_itself(seen: dict[str, Json]) -> None:
    for name in ("flux", "eager"):
        call = seen[name]
        assert call["reasons"][-1].startswith("cut: the STT heard a turn begin"), name
        assert [each["role"] for each in call["messages"]][:2] == ["assistant", "user"], name
    assert not any("no stop strategy believes it" in line for line in seen["log"]["lines"])


def test_a_microphone_that_comes_late_is_not_told_as_missing(seen: dict[str, Json]) -> None:
    assert not any("no audio of the user" in line for line in seen["log"]["lines"])
