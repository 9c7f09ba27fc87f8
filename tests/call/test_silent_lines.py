"""Telephones that send nothing in silence (DTX, mute), lose frames, stand still, or count time in their own way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bargein import protocols as c
from bargein.floor import SpeechWindow
from tests.call.kit import ScriptedSTT
from tests.call.phone_kit import PhoneScene, phone_scene

STORY = " ".join(f"word{k}" for k in range(60))
SENTENCE = "I would like to book a room"
RESTART_MS = 4_000.0
Stamp = Callable[[float], object]


def restarted(ms: float) -> object:
    return str(round(ms if ms < RESTART_MS else ms - RESTART_MS))


# How a vendor gives times: as they should be, in no way, wrongly.
STAMPS: dict[str, Stamp] = {
    "milliseconds": lambda ms: str(round(ms)),
    "numbers": lambda ms: ms + 0.4,
    "unix time": lambda ms: round(1_795_000_000_000 + ms),
    "none": lambda ms: None,
    "zero": lambda ms: "0",
    "begins anew": restarted,
    "samples": lambda ms: str(round(8 * ms)),
    "seconds": lambda ms: round(ms / 1000),
    "microseconds": lambda ms: round(1000 * ms),
    "twice as fast": lambda ms: round(2 * ms),
    "words": lambda ms: {"at": [str(ms)]},
    "backward": lambda ms: str(round(10_000_000 - ms)),
}


def since_onset_ms(s: PhoneScene, kind: str) -> float:
    """From the onset that the newest hold or cut names until the agent was silent."""
    holds = [action for action in s.notes.actions if type(action).__name__ == kind]
    return float(s.call.now_ms() - s.phone.silent_ms - holds[-1].onset_ms)  # type: ignore[union-attr]


async def interrupted(s: PhoneScene, quiet: Callable[[float], object]) -> tuple[list[str], float, float]:
    """The agent tells a story; the line is quiet for 1.3 s, and then the caller speaks for 1.4 s. Returns what the
    floor did, how long the agent was heard from the first sound on, and how much audio the STT got of the turn."""
    await s.until(lambda: s.state == "speaking")
    await s.pass_ms(1_000)
    await quiet(1_300)  # type: ignore[misc]
    onset_ms = s.call.now_ms()
    await s.pass_ms(1_400, speech=0.9)
    audible_ms = s.call.now_ms() - s.phone.silent_ms - onset_ms
    await quiet(20)  # type: ignore[misc]
    await s.until(lambda: bool(s.llm.prompts), absent=quiet == s.absent)
    assert s.stt is not None
    return s.did(), audible_ms, s.stt.got[-1].ms


@pytest.mark.parametrize("stamp", list(STAMPS))
async def test_speech_after_silence_without_frames_is_one_barge_in_as_on_a_steady_line(stamp: str) -> None:
    async with phone_scene("fine", greeting=STORY, stt=ScriptedSTT(None, SENTENCE)) as s:
        steady, steady_ms, _ = await interrupted(s, s.pass_ms)
    async with phone_scene("fine", greeting=STORY, stt=ScriptedSTT(None, SENTENCE)) as s:
        s.phone.stamp = STAMPS[stamp]
        did, audible_ms, heard_ms = await interrupted(s, s.absent)
        said = s.llm.prompts[-1].items[-1]
    assert did == steady == ["Hold", "Cut"]
    assert audible_ms <= steady_ms + 20
    assert isinstance(said, c.UserSaid)
    assert said.text == SENTENCE
    assert heard_ms >= 1_400


@pytest.mark.parametrize("stamp", ["milliseconds", "none"])
async def test_a_turn_ends_in_the_usual_time_when_the_line_sends_nothing_after_it(stamp: str) -> None:
    took: list[float] = []
    for absent in (False, True):
        async with phone_scene("fine", stt=ScriptedSTT(SENTENCE)) as s:
            s.phone.stamp = STAMPS[stamp]
            await s.pass_ms(500)
            await s.pass_ms(1_000, speech=0.9)
            ended_ms = s.call.now_ms()
            await s.until(lambda: bool(s.llm.prompts), absent=absent)
            took.append(s.call.now_ms() - ended_ms)
    steady, silent = took
    assert abs(silent - steady) <= 40


@pytest.mark.parametrize("stamp", ["milliseconds", "none"])
async def test_comfort_noise_now_and_then_is_a_quiet_line(stamp: str) -> None:
    async with phone_scene("fine", greeting=STORY, stt=ScriptedSTT(None, SENTENCE)) as s:
        s.phone.stamp = STAMPS[stamp]

        async def noise(ms: float) -> None:
            for _ in range(int(ms // 160) or 1):
                await s.pass_ms(20)
                await s.absent(140)

        did, audible_ms, _ = await interrupted(s, noise)
        assert did == ["Hold", "Cut"]
        assert audible_ms <= 160


@pytest.mark.parametrize("stamp", ["milliseconds", "none"])
async def test_the_caller_is_mute_for_90_s_and_is_heard_at_once_after_it(stamp: str) -> None:
    async with phone_scene("fine", stt=ScriptedSTT(SENTENCE)) as s:
        s.phone.stamp = STAMPS[stamp]
        await s.pass_ms(500)
        most = 0
        for _ in range(90_000 // 20):
            before = len(s.notes.events)
            s.phone.spoken_ms += 20
            s.clock.advance(20)
            s.ticker.tick(s.clock.now_ms())
            most = max(most, len(s.notes.events) - before)
        await s.settle()
        assert most <= 2, "a burst of windows"
        assert s.call.over is None
        onset_ms = s.call.now_ms()
        await s.pass_ms(1_000, speech=0.9)
        await s.until(lambda: bool(s.llm.prompts))
        windows = [e for e in s.notes.events if isinstance(e, SpeechWindow) and e.speech > 0.5]
        assert abs(windows[0].at_ms - onset_ms) <= 40
        assert s.did() == []
        assert len(s.llm.prompts) == 1


@pytest.mark.parametrize("lost", [5, 20])
@pytest.mark.parametrize("counted", [True, False])
async def test_lost_frames_inside_words_hold_once_and_the_times_stay_true(lost: int, counted: bool) -> None:
    async with phone_scene("fine", greeting=STORY, stt=ScriptedSTT(None, SENTENCE)) as s:
        frames = 0

        async def speak(ms: float, speech: float = 0.0) -> None:
            nonlocal frames
            for _ in range(int(ms // 20)):
                frames += 1
                if frames * lost % 100 < lost:
                    s.phone.chunk += counted
                    await s.absent(20)
                else:
                    await s.pass_ms(20, speech)

        await s.until(lambda: s.state == "speaking")
        await speak(8_000)
        onset_ms = s.call.now_ms()
        await speak(1_400, speech=0.9)
        assert s.did() == ["Hold", "Cut"]
        held = [e for e in s.notes.events if isinstance(e, SpeechWindow) and e.speech > 0.5]
        assert abs(held[0].at_ms - onset_ms) <= 60
        await s.until(lambda: bool(s.llm.prompts))
        assert len(s.llm.prompts) == 1


@pytest.mark.parametrize("stamp", ["milliseconds", "none"])
@pytest.mark.parametrize("begin", [True, False])
async def test_a_backlog_of_five_seconds_does_not_deafen_the_call(stamp: str, begin: bool) -> None:
    async with phone_scene("fine", greeting=STORY, stt=ScriptedSTT(None, SENTENCE)) as s:
        s.phone.stamp = STAMPS[stamp]
        if not begin:
            await s.until(lambda: s.state == "speaking")
            await s.pass_ms(500)
            await s.absent(5_000, spoken=False)
        s.burst(5_000)
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(1_000)
        onset_ms = s.call.now_ms()
        await s.pass_ms(1_400, speech=0.9)
        assert s.did() == ["Hold", "Cut"]
        assert s.call.now_ms() - s.phone.silent_ms - onset_ms <= 160
        await s.until(lambda: bool(s.llm.prompts))
        assert s.stt is not None
        assert s.stt.got[-1].ms >= 1_400


@pytest.mark.parametrize("before_ms", [0, 20, 1_000])
async def test_words_in_a_backlog_are_read_whole(before_ms: int) -> None:
    """The caller has spoken for 3 s before the stream was taken, and all of it comes at once."""
    stt = ScriptedSTT(SENTENCE)
    async with phone_scene("fine", stt=stt) as s:
        await s.pass_ms(before_ms)
        s.burst(3_000, speech=0.9)
        await s.until(lambda: bool(s.llm.prompts))
        loud = int((abs(stt.got[-1].samples) > 500).sum())
        assert loud * 1000 / stt.got[-1].rate >= 2_950, "speech was lost"


async def test_words_on_both_sides_of_a_stall_of_the_network_are_one_turn() -> None:
    """The first half of a sentence was heard, the rest comes 600 ms late and all at once."""
    stt = ScriptedSTT("I would like", SENTENCE)
    async with phone_scene("fine", stt=stt) as s:
        await s.pass_ms(500)
        await s.pass_ms(600, speech=0.9)
        await s.absent(600, spoken=False)
        s.burst(600, speech=0.9)
        await s.pass_ms(400, speech=0.9)
        await s.until(lambda: bool(s.llm.prompts))
        assert len(s.llm.prompts) == 1
        loud = int((abs(stt.got[-1].samples) > 500).sum())
        assert loud * 1000 / stt.got[-1].rate >= 1_550, "speech was lost"


async def test_a_stall_of_ours_leaves_no_gap_in_what_was_said() -> None:
    """Our loop stood still for 1.5 s: the frames lay in the socket, and the ticker was late as well."""
    stt = ScriptedSTT(SENTENCE)
    async with phone_scene("fine", stt=stt) as s:
        await s.pass_ms(500)
        await s.pass_ms(600, speech=0.9)
        s.clock.advance(1_500)
        s.ticker.tick(s.clock.now_ms())
        s.burst(1_500, speech=0.9)
        await s.pass_ms(400, speech=0.9)
        await s.until(lambda: bool(s.llm.prompts))
        samples = abs(stt.got[-1].samples) > 500
        first, last = int(samples.argmax()), len(samples) - int(samples[::-1].argmax())
        assert samples[first:last].mean() > 0.99, "there is a hole in the speech"
        assert (last - first) * 1000 / stt.got[-1].rate >= 2_450
