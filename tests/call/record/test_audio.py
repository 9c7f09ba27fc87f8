"""A call's recording, to the sample: the caller as he sounded, the agent as it was heard."""

from __future__ import annotations

import gc
import os
import weakref
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bargein import notices as n
from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.call.record.audio import RecordingPlan
from bargein.errors import UsageError
from bargein.recorder.audio_file import AUDIO_FILE
from bargein.recorder.audio_recorder import AudioRecorder
from bargein.recorder.spoken_digits import SpokenDigits
from bargein.tools import tool
from tests.call.kit import LOUD, WORD_MS, Notes, ScriptedSTT, scene
from tests.call.phone_kit import RATE as PHONE_RATE
from tests.call.phone_kit import phone_scene

STORY = " ".join(f"word{k}" for k in range(40))


def plan(folder: Path, journal: Notes, mode: c.RecordAudio = "on") -> RecordingPlan:
    return RecordingPlan(mode, partial(AudioRecorder, folder, journal))


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


@pytest.mark.parametrize("mode", ["off", "consent"])
async def test_a_call_is_not_recorded_unless_the_caller_agrees(mode: c.RecordAudio, tmp_path: Path) -> None:
    notes = Notes()
    async with scene(greeting="one", recording=plan(tmp_path, notes, mode)) as s:
        await s.pass_ms(640)
        assert not s.call.status().recording
        assert not [x for x in s.client.notices if isinstance(x, n.RecordingNow)]
        if mode == "off":
            with pytest.raises(UsageError):
                s.call.record_audio(on=True)
            s.client.inbox.put_nowait(c.RecordingWished(on=True))
            await s.pass_ms(64)
    assert not notes.notes
    assert not os.listdir(tmp_path)


async def test_a_client_that_comes_back_is_told_again_whether_it_is_recorded(tmp_path: Path) -> None:
    async with scene(greeting="one", recording=plan(tmp_path, Notes())) as s:
        await s.pass_ms(320)
        s.client.inbox.put_nowait(c.ConnectionLost("gone", 5_000))
        await s.pass_ms(64)
        assert s.call.record_audio(on=False)
        s.client.inbox.put_nowait(c.ConnectionBack())
        await s.pass_ms(64)
        assert [x.on for x in s.client.notices if isinstance(x, n.RecordingNow)] == [True, False, False]


async def test_the_caller_agrees_refuses_and_agrees_again(tmp_path: Path) -> None:
    notes = Notes()
    async with scene(recording=plan(tmp_path, notes, "consent")) as s:
        await s.pass_ms(3200, speech=0.25)
        s.client.inbox.put_nowait(c.RecordingWished(on=True))
        await s.pass_ms(1600, speech=0.2)
        assert s.call.status().recording
        assert s.call.record_audio(on=False)
        await s.pass_ms(1600, speech=0.22)
        assert not s.call.record_audio(on=False)
        s.client.inbox.put_nowait(c.RecordingWished(on=True))
        await s.pass_ms(3200, speech=0.25)
        assert [x.on for x in s.client.notices if isinstance(x, n.RecordingNow)] == [True, False, True]
    user, _, _ = lanes(tmp_path)
    (first, agreed), (second, again) = stretches(user)
    assert first / 16 == pytest.approx(3200, abs=40)
    assert len(agreed) / 16 == pytest.approx(1600, abs=64)
    assert second / 16 == pytest.approx(6400, abs=64)
    assert set(agreed.tolist()) <= {200, 220}
    assert set(again.tolist()) == {250}
    kinds = [kind for kind, _ in notes.notes]
    assert kinds == ["recording", "recording_paused", "recording_resumed", "recording_ended"]


async def test_a_tool_tells_that_the_caller_agrees(tmp_path: Path) -> None:
    @tool("read")
    async def agree() -> c.RecordingRequest:
        """The caller agrees to a recording."""
        return c.RecordingRequest()

    notes = Notes()
    async with scene("!agree", "thank you", tools=(agree,), recording=plan(tmp_path, notes, "consent")) as s:
        s.client.inbox.put_nowait(c.Typed("you may"))
        await s.until(lambda: s.call.status().recording)
        await s.until(lambda: s.state == "idle")
        (_, facts) = next(note for note in s.notes.notes if note[0] == "tool")
        assert facts["result"] == "The call is recorded from now on."
    _, agent, _ = lanes(tmp_path)
    assert agent.any(), "the answer is recorded"


@pytest.mark.parametrize("hides", [False, True])
async def test_an_ended_call_leaves_nothing_of_its_recording(hides: bool, tmp_path: Path) -> None:
    """Without the collector, which would stop every other call for a moment."""
    notes = Notes()
    left: list[weakref.ref[object]] = []

    def opened(**given: Any) -> AudioRecorder:
        made = AudioRecorder(tmp_path, notes, digits=SpokenDigits(notes) if hides else None, **given)
        left.append(weakref.ref(made))
        return made

    async def called() -> None:
        async with scene("fine", greeting="one two three", recording=RecordingPlan("on", opened)) as s:
            await s.until(lambda: s.words(1) >= 1)
            track = s.call._parts.playout.track
            assert track is not None
            assert track.record is not None
            left.extend(map(weakref.ref, (s.call, track, track.record)))

    gc.collect()
    gc.disable()
    try:
        await called()
        assert [each() for each in left] == [None] * 4
    finally:
        gc.enable()


async def test_a_call_whose_audio_goes_to_the_page_by_itself_says_so(tmp_path: Path) -> None:
    notes = Notes()
    recorder = AudioRecorder(tmp_path, notes, rate=16_000, agent_rate=None, at=lambda sample: sample / 16)
    recorder.user(0, np.full(1600, 7, np.int16))
    recorder.close(100.0)
    assert notes.notes[0][1]["agent"] is False
    user, agent, _ = lanes(tmp_path)
    assert (user == 7).all()
    assert not agent.any()
