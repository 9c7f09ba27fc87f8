"""The floor in sessions of LiveKit Agents, without a server. Each script plays its scenes at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from bargein.recorder.reading import read
from bargein.recorder.replay import replay
from tests.integrations.livekit.kit import told
from tests.strangers.clients_kit import Json

pytestmark = pytest.mark.slow

Told = Mapping[str, list[Json]]
Folders = Callable[[str], Path]

SCRIPTS = ("holds", "trouble", "room", "fallback")
NO_CUT = {"holds": 1, "resumes": 1, "cuts": 0, "drops": 0}
ONE_CUT = {"holds": 1, "resumes": 0, "cuts": 1, "drops": 0}
WHOLE_S = 4.8


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return cache(tmp_path_factory.mktemp)


@pytest.fixture(scope="module")
def scenes(folders: Folders) -> Told:
    async def all_of_them() -> Told:
        found: dict[str, list[Json]] = {}
        for each in await asyncio.gather(*(told(script, folders(script)) for script in SCRIPTS)):
            for kind, told_of_it in each.items():
                found.setdefault(kind, []).extend(told_of_it)
        return found

    return asyncio.run(all_of_them())


def within_a_word(text: str, heard_words: int) -> bool:
    return (
        text.split() == [f"word{n}" for n in range(1, len(text.split()) + 1)]
        and abs(len(text.split()) - heard_words) <= 1
    )


def test_a_cough_holds_and_no_sample_is_lost_or_said_twice(scenes: Told) -> None:
    (cough,) = scenes["cough"]
    assert cough["whole"]
    assert cough["heard"] == WHOLE_S
    assert cough["counts"] == NO_CUT
    assert cough["text"].split()[-1] == "word16"
    assert not cough["interrupted"]
    (again,) = scenes["again"]
    assert again["whole"]
    assert again["heard"] == WHOLE_S
    assert again["counts"]["holds"] == again["counts"]["resumes"] >= 2


def test_words_cut_and_livekit_answers_them(scenes: Told) -> None:
    assert len(scenes["words"]) == 2
    for words in scenes["words"]:  # with times of the TTS, and without
        assert words["whole"]
        assert words["counts"] == ONE_CUT
        assert words["interrupted"]
        assert within_a_word(words["text"], words["heard_words"])
        assert words["asked"][-2:] == [f"assistant: {words['text']}", "user: What about Oslo?"]
        assert words["later"] > 0


def test_a_hum_resumes_and_is_no_part_of_the_next_turn(scenes: Told) -> None:
    (hum,) = scenes["hum"]
    assert hum["whole"]
    assert hum["counts"] == NO_CUT
    assert hum["asked"] == "user: and Oslo?"


def test_speech_that_lasts_cuts_and_without_words_asks_for_no_answer(scenes: Told) -> None:
    (lasting,) = scenes["lasting"]
    assert lasting["counts"] == ONE_CUT
    assert within_a_word(lasting["text"], lasting["heard_words"])
    assert lasting["asked"] == 1
    assert lasting["state"] == "idle"


def test_speech_that_allows_no_interruption_is_not_held(scenes: Told) -> None:
    (said,) = scenes["said"]
    assert said["whole"]
    assert said["counts"]["cuts"] == 0


def test_speech_that_is_asked_for_over_the_user_waits(scenes: Told) -> None:
    said, dropped = sorted(scenes["waits"], key=lambda scene: bool(scene["words"]))
    for scene in (said, dropped):
        assert scene["early"] == 0
        assert scene["whole"]  # the ear has heard one speech, from its first sample on
    assert said["text"] == "One two three four five."
    assert said["heard"] == 5 * 7_200
    assert dropped["text"].strip() == "Oslo is far."
    assert dropped["heard"] == 3 * 7_200


def test_an_interruption_or_an_end_during_a_hold_leaves_nothing_behind(scenes: Told) -> None:
    (foreign,) = scenes["foreign_interruption"]
    assert within_a_word(foreign["text"], foreign["heard_words"])
    assert foreign["more"] == 0
    (closed,) = scenes["closed_in_a_hold"]
    assert closed["whole"]
    (drained,) = scenes["drained_in_a_hold"]
    assert drained["whole"]
    assert drained["heard"] == WHOLE_S


def test_a_hold_without_an_end_and_our_own_errors_cost_no_sample(scenes: Told) -> None:
    assert scenes["undecided"][0]["whole"]
    (floor,) = scenes["broken_floor"]
    assert floor["whole"]
    assert floor["broken"]
    assert floor["detection"] == "None"  # LiveKit chooses
    (output,) = scenes["broken_output"]
    assert output["whole"]
    assert output["again"] == pytest.approx(0.9)


def test_what_livekits_users_do_in_a_hold_costs_no_sample(scenes: Told) -> None:
    (handed,) = scenes["handed_over"]
    assert handed["whole"]
    assert handed["heard"] == pytest.approx(WHOLE_S + 0.9)
    assert handed["counts"] == {"holds": 2, "resumes": 2, "cuts": 0, "drops": 0}
    (muted,) = scenes["muted_in_a_hold"]
    assert muted["whole"]
    assert muted["heard"] == WHOLE_S
    for name in ("said_in_a_hold", "switched_off_in_a_hold"):
        assert scenes[name][0]["heard"] == pytest.approx(WHOLE_S + 0.9)
        assert scenes[name][0]["interrupted"] == [False, False]
    (tool,) = scenes["tool"]
    assert tool["heard"] == pytest.approx(WHOLE_S + 1.5)
    assert tool["counts"]["cuts"] == tool["counts"]["drops"] == 0


def test_after_an_error_of_ours_livekit_interrupts_and_answers(scenes: Told) -> None:
    (broken,) = scenes["broken_then_words"]
    assert broken["interrupted"] == [True, False]
    assert broken["delay"] == 0.5  # LiveKit's own wait for the end of a turn


def test_another_output_in_the_place_of_ours_plays_on(scenes: Told) -> None:
    (taken,) = scenes["taken_away"]
    assert taken["heard"] == WHOLE_S
    assert taken["other"] == pytest.approx(0.9)


def test_an_stt_of_ours_decides_and_the_record_replays_without_differences(scenes: Told, folders: Folders) -> None:
    hum, words = sorted(scenes["own_stt"], key=lambda scene: str(scene["words"]))
    assert hum["counts"] == NO_CUT
    assert words["counts"] == ONE_CUT
    assert "what about Oslo" in words["reasons"][-1]
    records = list((folders("trouble") / "records").iterdir())
    assert len(records) == 2
    for record in map(read, records):
        assert record.complete
        assert not replay(record).differences


def test_what_cannot_work_is_refused_with_advice(scenes: Told) -> None:
    refused = {each["why"]: each["text"] for each in scenes["refused"]}
    assert refused.keys() == {
        "two decide",
        "two resume",
        "two floors",
        "no output",
        "old",
        "stubborn",
        "taken",
        "agent",
        "room emptied",
    }
    assert "turn_handling=turn_handling()" in refused["two decide"]
    assert "livekit-agents>=1.8" in refused["old"]
    assert "after session.start" in refused["no output"]


def test_holds_that_empty_an_output_go_on_where_it_says_that_it_was(scenes: Told) -> None:
    (emptied,) = scenes["emptied"]
    assert emptied["whole"]
    assert emptied["heard"] == WHOLE_S
    assert emptied["segments"] >= 8  # each hold ended one


def test_an_output_that_does_not_know_its_position_is_emptied_once(scenes: Told) -> None:
    part, nothing = sorted(scenes["guessed"], key=lambda scene: bool(scene["nothing"]))
    for guessed in (part, nothing):
        assert guessed["holds"] == ["EMPTIED", "PLAYS_OUT"]
        assert guessed["told"] == 1
    assert part["whole"]
    assert part["heard"] == WHOLE_S
    assert nothing["heard"] == pytest.approx(WHOLE_S, abs=0.1)  # it goes on by our clock


def test_an_output_that_can_pause_is_paused_and_loses_nothing(scenes: Told) -> None:
    keeps, drops = sorted(scenes["paused"], key=lambda scene: bool(scene["drops"]))
    assert keeps["whole"]
    assert keeps["heard"] == WHOLE_S
    assert keeps["holds"] == ["PAUSED", "PAUSED"]
    assert keeps["interrupted"] == [False, True, False]
    assert within_a_word(keeps["cut"], 4)
    assert drops["holds"] == ["PAUSED", "PLAYS_OUT"]
    (below,) = scenes["paused_below"]
    assert below["whole"]
    assert below["holds"] == ["PAUSED", "PAUSED"]
    assert below["last"] > below["before"], "the answer sounds: the cut leaves no output paused"


def test_ten_holds_of_livekits_own_room_lose_nothing(scenes: Told) -> None:
    (holds,) = scenes["room_holds"]
    assert holds["exact"]
    assert holds["heard"] == WHOLE_S
    assert holds["words_ahead"] <= 2  # LiveKit shows a word before it sounds
    assert holds["shown"].split()[-1] == "word16"
    (cut,) = scenes["room_cut"]
    assert within_a_word(cut["text"], cut["heard_words"])
    assert cut["more"] > 0


def test_in_the_automatic_mode_only_the_filter_saves_a_reply_from_a_hum(scenes: Told) -> None:
    without, filtered = sorted(scenes["automatic"], key=lambda scene: bool(scene["filtered"]))
    assert filtered["resumed"] == [True]
    assert not filtered["interrupted"]
    assert without["interrupted"]  # LiveKit's own rule, for which the filter is there
    assert "hasty" in scenes["refused_vad"][0]["text"]


def test_in_the_automatic_mode_a_room_resumes_after_a_cough_or_a_laugh_and_answers_words(scenes: Told) -> None:
    calls = {each["sound"]: each for each in scenes["automatic_room"]}
    for name in ("cough", "hum"):
        assert calls[name]["resumed"] == [True]
        assert not calls[name]["interrupted"]
    assert calls["interruption"]["interrupted"]
