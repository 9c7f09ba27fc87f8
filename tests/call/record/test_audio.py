"""A call's recording, to the sample: the caller as he sounded, the agent as it was heard."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bargein import notices as n
from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.call.record.audio import RecordingPlan
from bargein.recorder.audio_file import AUDIO_FILE
from bargein.recorder.audio_recorder import AudioRecorder
from tests.call.kit import LOUD, WORD_MS, Notes, ScriptedSTT, scene
from tests.call.phone_kit import RATE as PHONE_RATE
from tests.call.phone_kit import phone_scene

STORY = " ".join(f"word{k}" for k in range(40))


def plan(folder: Path, journal: Notes, mode: c.RecordAudio = "on", said: bool | None = None) -> RecordingPlan:
    return RecordingPlan(mode, partial(AudioRecorder, folder, journal), said)


def lanes(folder: Path) -> tuple[Samples, Samples, int]:
    """The user's lane, the agent's, and their rate."""
    audio, rate = soundfile.read(folder / AUDIO_FILE, dtype="int16", always_2d=True)
    return audio[:, 0], audio[:, 1], rate


def stretches(lane: Samples, above: int = 0, quiet: int = 160) -> list[tuple[int, Samples]]:
    """The parts of a lane between silences of so many samples. above: what is louder than this is no silence."""
    at = np.flatnonzero(np.abs(lane) > above)
    breaks = np.flatnonzero(np.diff(at) > quiet) + 1
    return [(int(part[0]), lane[part[0] : part[-1] + 1]) for part in np.split(at, breaks) if len(part)]


@pytest.mark.parametrize("way_ms", [0, 30, 150])
async def test_the_agents_side_is_what_the_telephone_played(way_ms: float, tmp_path: Path) -> None:
    notes = Notes()
    async with phone_scene(
        "fine fine fine",
        greeting=STORY,
        way_ms=way_ms,
        stt=ScriptedSTT(None, "tell me"),
        recording=plan(tmp_path, notes),
    ) as s:
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(1500)
        await s.pass_ms(100, speech=0.9)  # a cough: a hold, and a resume
        await s.until(lambda: "Resume" in s.did())
        await s.pass_ms(1500)
        await s.pass_ms(700, speech=0.9)  # a cut
        await s.until(lambda: bool(s.llm.prompts))
        await s.until(lambda: s.state == "idle")
        heard = np.array(s.phone.heard, np.int16)
        began_ms = s.call.now_ms()
    _, agent, rate = lanes(tmp_path)
    assert rate == PHONE_RATE
    truth, found = stretches(heard), stretches(agent)
    assert len(truth) == 3, "before the hold, after it, and the answer"
    for (_, real), (_, recorded) in zip(truth, found, strict=True):
        assert np.array_equal(recorded, real), "not a sample more, nor another"
    for (at, _), (mine, _) in zip(truth, found, strict=True):
        assert mine / 8 - at / 8 == pytest.approx(way_ms, abs=25), "it stands where the server learned of it"
    assert len(agent) * 1000 / rate == pytest.approx(began_ms, abs=40)


async def test_the_callers_side_stands_on_the_calls_clock(tmp_path: Path) -> None:
    notes = Notes()
    async with scene(greeting="one two three", recording=plan(tmp_path, notes)) as s:
        await s.until(lambda: s.state == "idle" and bool(s.call.conversation.items))
        await s.pass_ms(640)
        began_ms = s.call.now_ms()
        await s.pass_ms(320, speech=0.9)
        await s.pass_ms(3200)
    user, agent, rate = lanes(tmp_path)
    ((at, spoken),) = stretches(user)
    assert rate == 16_000
    assert at / 16 == pytest.approx(began_ms, abs=21)
    assert (spoken == 900).all()
    assert len(spoken) == 320 * 16
    assert ("recording", {"rate": 16_000, "file": "audio.flac", "agent": True, "from_ms": 0.0}) in notes.notes
    (_, said), _ = stretches(agent, LOUD // 2)
    middles = said[100 * 16 :: WORD_MS * 16] / LOUD
    assert middles == pytest.approx([1, 2, 3], abs=0.03)
    assert len(said) == pytest.approx(3 * WORD_MS * 16, abs=4)


async def test_a_hold_is_silence_and_a_cut_ends_at_the_sample_that_the_client_names(tmp_path: Path) -> None:
    notes = Notes()
    async with scene("fine", greeting=STORY, recording=plan(tmp_path, notes)) as s:
        await s.until(lambda: s.words(1) >= 5)
        await s.pass_ms(128, speech=0.9)
        held_ms = s.call.now_ms()
        await s.until(lambda: s.state == "speaking")
        resumed_ms = s.call.now_ms()
        await s.pass_ms(960)
        await s.pass_ms(960, speech=0.9)
        assert [type(a).__name__ for a in s.notes.actions if type(a).__name__ in ("Hold", "Resume", "Cut")][-1] == "Cut"
        played = s.client.position(1)
        await s.until(lambda: s.state == "idle" and len(s.client.order) == 2)
    _, agent, _ = lanes(tmp_path)
    first, second, answer = stretches(agent, LOUD // 2)
    assert held_ms - 140 < (first[0] + len(first[1])) / 16 < held_ms + 20
    assert resumed_ms - 60 < second[0] / 16 < resumed_ms + 60
    assert len(first[1]) + len(second[1]) == pytest.approx(played * 16 / 24, abs=4), "no sample more, and none less"
    assert len(answer[1]) == pytest.approx(WORD_MS * 16, abs=4)
    whole = np.concatenate((first[1], second[1]))
    middles = whole[WORD_MS * 8 :: WORD_MS * 16] / LOUD
    assert middles == pytest.approx(np.arange(1, len(middles) + 1), abs=0.03)


async def test_without_a_recording_nothing_is_told_of_audio(tmp_path: Path) -> None:
    for mode, said in (("off", True), ("consent", None), ("consent", False), ("on", False)):
        notes = Notes()
        async with scene(greeting="one", recording=plan(tmp_path, notes, mode, said)) as s:  # type: ignore[arg-type]
            await s.pass_ms(640)
            assert not s.call.status().recording
            assert not [x for x in s.client.notices if isinstance(x, n.RecordingNow)]
        assert not notes.notes
        assert not os.listdir(tmp_path)
