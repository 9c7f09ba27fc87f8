"""Our floor for another framework's call, in moved time: what it orders, and what it never may."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from bargein.audio.resample import resample
from bargein.errors import UsageError
from bargein.floor import Source
from bargein.integrations.floor import BargeinFloor
from bargein.recorder.reading import read
from bargein.recorder.replay import replay
from tests import sounds
from tests.integrations.floor_kit import RATE, Framework, scene, words

# ------------------------------------------------------------------------------------------------ hold, resume, cut


async def test_a_cough_holds_and_the_reply_goes_on_with_nothing_lost() -> None:
    async with scene() as call:
        call.says(2_000)
        await call.goes_on(800)
        await call.goes_on(160, loud=True)
        assert call.framework.told == ["hold"]
        played = call.framework.played_ms
        await call.goes_on(3_000)
        assert call.framework.told[:3] == ["hold", "backchannel", "resume"]
        assert call.framework.played_ms == 2_000
        assert played < 900
        assert call.floor.counts == {"holds": 1, "resumes": 1, "cuts": 0, "drops": 0}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mm-hmm", ["hold", "backchannel mm-hmm", "resume"]),
        ("what about Oslo", ["hold", "cut"]),
        ("stop", ["hold", "cut"]),
    ],
)
async def test_words_decide_by_our_stt(text: str, told: list[str]) -> None:
    async with scene(stt=words(text)) as call:
        call.says(5_000)
        await call.goes_on(1_000)
        await call.goes_on(400, loud=True)
        await call.goes_on(400)
        assert call.framework.told[: len(told)] == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mm-hmm", ["hold", "backchannel mm-hmm", "resume"]),
        ("what about Oslo", ["hold", "cut"]),
        ("stop", ["hold", "cut"]),
    ],
)
async def test_words_decide_by_the_frameworks_stt(text: str, told: list[str]) -> None:
    async with scene() as call:
        call.floor.words("hello")  # in an earlier turn: the framework reads words
        call.says(5_000)
        await call.goes_on(1_000)
        await call.goes_on(300, loud=True)
        call.floor.words(text)
        await call.goes_on(400)
        assert call.framework.told[: len(told)] == told


async def test_a_stop_phrase_cuts_a_reply_whose_sound_was_never_heard() -> None:
    async with scene() as call:
        call.says(5_000)
        await call.goes_on(1_000)
        call.floor.words("stop")
        assert call.framework.told == ["cut"]
        assert call.framework.cuts[0].source is Source.STOP_PHRASE


async def test_lasting_speech_cuts_without_any_words() -> None:
    async with scene() as call:
        call.says(5_000)
        await call.goes_on(1_000)
        await call.goes_on(1_200, loud=True)
        assert call.framework.told == ["hold", "cut"]
        await call.goes_on(1_500)
        assert call.framework.told == ["hold", "cut", "turn over"]


async def test_an_operator_and_a_key_cut_at_once() -> None:
    for act in (BargeinFloor.interrupt, lambda floor: floor.key("5")):
        async with scene() as call:
            call.says(5_000)
            await call.goes_on(1_000)
            act(call.floor)
            assert call.framework.told == ["cut"]


# ------------------------------------------------------------------------------------------------------ the turns


async def test_the_agent_waits_while_the_user_speaks_and_then_speaks() -> None:
    async with scene() as call:
        await call.goes_on(400, loud=True)
        call.says(1_000)
        await call.goes_on(400, loud=True)
        assert call.framework.played_ms == 0
        await call.goes_on(2_500)
        assert call.framework.played_ms == 1_000
        assert call.framework.told == ["turn over"]


async def test_the_frameworks_own_end_of_turn_is_believed() -> None:
    async with scene() as call:
        call.floor.turn_started()
        await call.goes_on(600, loud=True)
        await call.goes_on(200)
        call.floor.turn_ended("what is the time")
        assert call.framework.told == ["turn over"]
        call.says(400)
        await call.goes_on(500)
        assert call.framework.played_ms == 400


async def test_a_user_who_goes_on_before_the_agent_has_sounded_drops_what_was_made() -> None:
    async with scene(stt=words("and one more thing")) as call:
        await call.goes_on(600, loud=True)
        await call.goes_on(1_500)
        assert call.framework.told == ["turn over"]
        await call.goes_on(700, loud=True)
        assert call.framework.told[:3] == ["turn over", "hold", "drop"]


async def test_a_reply_that_is_ready_while_a_noise_holds_begins_after_the_noise() -> None:
    async with scene() as call:
        await call.goes_on(600, loud=True)
        await call.goes_on(1_500)
        assert call.framework.turns == 1
        await call.goes_on(100, loud=True)
        assert call.floor.held
        call.says(400)
        await call.goes_on(60, loud=True)
        assert call.framework.played_ms == 0
        await call.goes_on(2_500)
        assert call.framework.played_ms == 400


async def test_an_agent_may_speak_again_after_it_has_spoken_unasked() -> None:
    async with scene() as call:
        for _ in range(3):
            call.says(600)
            await call.goes_on(800)
        assert call.framework.played_ms == 1_800
        assert call.framework.told == []


async def test_no_hold_outlives_its_bound() -> None:
    async with scene("patient", stt=words("mm-hmm")) as call:
        call.says(20_000)
        await call.goes_on(1_000)
        for _ in range(40):
            await call.goes_on(100, loud=True)
            await call.goes_on(100)
        told = call.framework.told
        assert told.count("hold") == told.count("resume") + told.count("cut")


async def test_an_agent_that_answers_nothing_leaves_the_floor_free() -> None:
    async with scene(stt=words("yes")) as call:
        await call.goes_on(600, loud=True)
        await call.goes_on(1_500)
        call.floor.stays_silent()
        await call.goes_on(600, loud=True)
        await call.goes_on(1_500)
        assert call.framework.told == ["turn over", "turn over"]
        call.floor.stays_silent()
        call.floor.stays_silent()
        call.says(400)
        await call.goes_on(500)
        assert call.framework.played_ms == 400


async def test_speech_over_a_protected_reply_holds_nothing() -> None:
    async with scene() as call:
        call.says(2_000)
        await call.goes_on(400)
        call.floor.protect(True)
        await call.goes_on(700, loud=True)
        assert call.framework.told == []
        assert call.framework.played_ms == 1_100


# ------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("audio", [b"", b"\x01", bytes(3), bytes(50_001)])
async def test_odd_audio_is_taken_as_far_as_it_goes(audio: bytes) -> None:
    async with scene() as call:
        call.floor.push_audio(audio, RATE)
        call.floor.push_audio(bytes(640), 0)
        call.floor.push_audio(bytes(640), 8_000)
        call.floor.push_audio(bytes(960), 24_000)
        call.says(200)
        await call.goes_on(300)
        assert call.framework.played_ms == 200


async def test_a_framework_that_cannot_hold_goes_on_as_without_us(caplog: pytest.LogCaptureFixture) -> None:
    async with scene() as call:
        call.framework.broken = True
        call.says(2_000)
        await call.goes_on(800)
        await call.goes_on(1_000, loud=True)
        await call.goes_on(1_000)
        assert call.framework.played_ms == 2_000
        assert call.framework.told == ["hold", "resume"]
        assert "decides nothing any more" in caplog.text
        assert call.floor.broken
        assert call.floor.may_speak


async def test_a_wrong_policy_is_refused_and_a_floor_starts_once() -> None:
    for wrong in ("hasty", 5):
        with pytest.raises(UsageError):
            BargeinFloor(wrong)  # type: ignore[arg-type]  # a user's mistake
    async with scene() as call:
        with pytest.raises(UsageError, match="runs already"):
            await call.floor.start(call.framework)


async def test_its_end_in_a_hold_lets_the_agent_go_on_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with scene(stt=words("hm")) as call:
        call.says(5_000)
        await call.goes_on(1_000)
        await call.goes_on(200, loud=True)
        assert call.floor.held
        waiting = asyncio.create_task(call.floor.wait_change())
        await call.floor.aclose()
        await waiting
        assert call.floor.may_speak
        await call.floor.aclose()
    assert asyncio.all_tasks() == before


# ------------------------------------------------------------------------------------------------ record and sharing


async def test_the_record_replays_to_the_same_decisions(tmp_path: Path) -> None:
    async with scene(stt=words("what about Oslo"), record=tmp_path) as call:
        call.says(5_000)
        await call.goes_on(1_000)
        await call.goes_on(500, loud=True)
        await call.goes_on(2_000)
    (folder,) = tmp_path.iterdir()  # noqa: ASYNC240  # a test's own folder
    record = read(folder)
    assert record.complete
    assert not replay(record).differences


async def test_floors_of_one_process_share_a_ticker_and_a_vad() -> None:
    floors = [BargeinFloor() for _ in range(3)]
    await asyncio.gather(*(floor.start(Framework()) for floor in floors))
    names = [task.get_name() for task in asyncio.all_tasks()]
    assert names.count("the floors' ticker and VAD") == names.count("ticker") == 1
    await floors[0].aclose()
    assert "ticker" in [task.get_name() for task in asyncio.all_tasks()]
    await asyncio.gather(*(floor.aclose() for floor in floors))
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(("line_echo", "holds"), [(None, 0), (False, 1)])
async def test_the_agents_own_audio_that_a_telephone_line_brings_back_holds_nothing(
    line_echo: bool | None, holds: int
) -> None:
    """None: a line of 8000 Hz is a telephone's."""
    rate, frame, late = 8000, 160, 5
    agent = np.concatenate([resample(sounds.load(label.file), rate).samples for label in sounds.labels("interruption")])
    line = np.random.default_rng(3).normal(0, 3, len(agent) + late * frame)
    line[late * frame :] += agent * 0.2
    async with scene(line_echo=line_echo) as call:
        call.says(len(agent) * 1000 // rate)
        for at in range(0, len(agent) - frame, frame):
            call.clock.advance(20)
            call.floor.push_audio(line[at : at + frame].astype("<i2").tobytes(), rate)
            call.ticker.tick(call.clock.now_ms())
            if call.floor.wants_to_speak():
                call.floor.played(agent[at : at + frame].tobytes(), rate)
            await asyncio.sleep(0)
            if call.floor.counts["holds"]:
                break
        assert call.floor.counts["holds"] == holds
