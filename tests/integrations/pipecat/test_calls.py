"""Our floor in a real pipeline of Pipecat: real aggregators and output, real VAD, recorded speech; the LLM, the TTS and
the words of the STT are scripted. The TTS counts its samples, so that a lost or a repeated one is seen."""

from __future__ import annotations

import pytest

from tests.integrations.pipecat.kit import WORD_MS, Json, Scene, onset_ms, run, said

pytestmark = pytest.mark.slow

LONG: Json = {"replies": [[32, "word"], [6, "next"]]}
WORDS = [[4000, "we had", False], [5100, "we had everything before us", True]]
INTERRUPTS = [(3000, "interruption-3.wav")]
COUGH = [(3000, "cough-1.wav")]

SCENES = {
    "cough": Scene(11_000, [*COUGH, (5500, "cough-2.wav")], {"replies": [[32, "word"]]}),
    "words": Scene(9_500, INTERRUPTS, {**LONG, "stt": WORDS}),
    "lasting": Scene(8_000, INTERRUPTS, LONG),
    "early words": Scene(9_500, INTERRUPTS, {**LONG, "vad": True, "stt": [[3500, "stop", False], *WORDS[1:]]}),
    "hum": Scene(11_000, [(3000, "backchannel-1.wav")], {"replies": [[32, "word"]], "stt": [[3600, "mm-hmm", True]]}),
    "late hum": Scene(11_000, COUGH, {"replies": [[32, "word"]], "stt": [[4600, "yeah", True]]}),
    "untimed": Scene(9_500, [(4500, "interruption-3.wav")], {**LONG, "timed": False, "stt": [[6600, "no wait", True]]}),
    "end": Scene(6_000, COUGH, {"replies": [[16, "word"]], "acts": {"end": 3300}, "stays": True}),
    "cancel": Scene(5_000, COUGH, {"replies": [[16, "word"]], "acts": {"cancel": 3300}, "stays": True}),
    "foreign": Scene(6_000, COUGH, {"replies": [[24, "word"]], "acts": {"interrupt": 3300}}),
    "undecided": Scene(9_500, COUGH, {"replies": [[20, "word"]], "forgets": 3000}),
    "broken": Scene(8_000, INTERRUPTS, {**LONG, "vad": True, "fails": 2500, "stt": WORDS}),
    "no hold": Scene(8_000, INTERRUPTS, {**LONG, "without": ["hold"], "stt": WORDS}),
    "no words": Scene(8_000, INTERRUPTS, {**LONG, "without": ["words"], "stt": WORDS}),
    "again": Scene(
        11_000,
        [(1500, "interruption-3.wav"), (6500, "interruption-6.wav")],
        {"replies": [[32, "word"], [20, "next"]], "stt": [[3300, "we had everything", True], [7000, "yeah", True]]},
    ),
    "operator": Scene(5_000, (), {"replies": [[24, "word"]], "acts": {"operator": 3000}}),
    "key": Scene(5_000, (), {"replies": [[24, "word"]], "acts": {"key": 3000}}),
    "protected": Scene(
        11_000, [(3000, "interruption-3.wav")], {"replies": [[6, "next"]], "opening": [20, "word"], "stt": WORDS}
    ),
    "rival": Scene(8_000, INTERRUPTS, {**LONG, "rival": True, "stt": WORDS}),
    "early": Scene(8_000, INTERRUPTS, {**LONG, "early": True, "stt": WORDS}),
    "turns": Scene(
        9_000,
        [(3000, "cough-1.wav"), (4500, "interruption-3.wav")],
        {
            **LONG,
            "turns": True,
            "hears turns": True,
            "stt": [[5300, "<", False], [5400, "we had", False], [6600, "we had everything", True], [6700, ">", True]],
        },
    ),
    "no ends": Scene(1_000, (), {"replies": [[2, "word"]], "hears turns": True}),
    "parts fail": Scene(8_000, (), {"replies": [[20, "word"]], "breaks": 2000}),
    "empty": Scene(
        9_000,
        [(1500, "interruption-7.wav"), (5500, "interruption-6.wav")],
        {"replies": [[2, "word"], [4, "next"]], "stop_s": 1.0, "stt": [[6700, "yes", True]]},
    ),
    "used": Scene(8_000, INTERRUPTS, {**LONG, "used": True, "stt": WORDS}),
    "mixer": Scene(9_000, COUGH, {"replies": [[20, "word"]], "mixer": True}),
    "stereo": Scene(8_000, COUGH, {"replies": [[20, "word"]], "channels": 2, "user channels": 2}),
    "in hold": Scene(5_000, COUGH, {"replies": [[24, "word"]], "at hold": ["interrupt"]}),
    "more": Scene(9_500, COUGH, {"replies": [[16, "word"], [6, "next"]], "at hold": ["respond", "speak"]}),
    "mutes": Scene(7_000, [(2000, "interruption-3.wav")], {"replies": [[16, "word"], [2, "next"]], "mutes": True}),
    "stalls": Scene(7_500, INTERRUPTS, {"replies": [[20, "word"]], "stalls": 7000}),
    "slow": Scene(4_000, (), {"replies": [[8, "word"]], "slow start": 300_000}),
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    return run(tmp_path_factory.mktemp("calls"), SCENES)


def assistant(call: Json) -> list[str]:
    """What the context says that the agent has said, an entry for each message."""
    return [message["content"] for message in call["messages"] if message["role"] == "assistant"]


def user(call: Json) -> list[str]:
    return [message["content"] for message in call["messages"] if message["role"] == "user"]


def played_words(call: Json) -> float:
    """How many words of the first reply had sounded when it was cut."""
    last = call["jumps"][0][0] + 1 if call["jumps"] else call["samples"]
    return float(last) / (16 * WORD_MS)


# ------------------------------------------------------------------------------------------------ hold and resume


def test_coughs_hold_the_agent_and_no_sample_is_lost_or_comes_twice(seen: dict[str, Json]) -> None:
    call = seen["cough"]
    assert call["counts"]["holds"] == call["counts"]["resumes"] >= 2
    assert (call["first"], call["jumps"], call["samples"]) == (0, [], 32 * WORD_MS * 16)
    assert call["interrupted"] == []
    assert assistant(call) == [" ".join(said(32)) + "."]


def test_a_hum_holds_goes_on_and_stays_out_of_the_context(seen: dict[str, Json]) -> None:
    for name in ("hum", "late hum"):
        call = seen[name]
        assert call["counts"]["cuts"] == 0, name
        assert call["counts"]["resumes"] >= 1, name
        assert call["jumps"] == [], name
        assert user(call) == [], name
        assert "UserBackchannelFrame" in [frame for _, frame in call["seen"]], name


def test_the_background_of_a_mixer_goes_on_in_a_hold(seen: dict[str, Json]) -> None:
    call = seen["mixer"]
    assert call["counts"]["resumes"] >= 1
    assert call["background"] >= 5
    assert (call["jumps"], call["samples"]) == ([], 20 * WORD_MS * 16)
    assert seen["cough"]["background"] == 0


def test_stereo_audio_is_held_and_paced_as_mono_is(seen: dict[str, Json]) -> None:
    call = seen["stereo"]
    assert call["counts"]["resumes"] >= 1
    assert (call["jumps"], call["samples"]) == ([], 20 * WORD_MS * 16)
    assert not any("chunks of 40 ms" in line for line in seen["log"]["lines"])


def test_what_is_said_behind_a_held_reply_follows_it(seen: dict[str, Json]) -> None:
    call = seen["more"]
    assert call["counts"]["resumes"] >= 1
    assert (call["jumps"], call["samples"]) == ([], 26 * WORD_MS * 16)
    assert assistant(call) == [" ".join(said(16)) + ".", "neaa neab neac nead neae neaf.", "spaa spab spac spad."]


def test_audio_that_stays_away_in_a_hold_is_silence(seen: dict[str, Json]) -> None:
    call = seen["stalls"]
    assert (call["counts"]["holds"], call["counts"]["cuts"]) == (call["counts"]["resumes"], 0)
    assert (call["jumps"], call["samples"]) == ([], 20 * WORD_MS * 16)


def test_a_muted_user_holds_nothing_and_is_not_told_as_missing(seen: dict[str, Json]) -> None:
    call = seen["mutes"]
    assert call["counts"]["holds"] == 0
    assert (call["jumps"], call["samples"]) == ([], 16 * WORD_MS * 16)
    assert not any("no audio of the user" in line for line in seen["log"]["lines"])


# ------------------------------------------------------------------------------------------------------------ cut


@pytest.mark.parametrize("name", ["words", "lasting", "early words", "no words", "no hold"])
def test_speech_cuts_as_pipecat_interrupts(seen: dict[str, Json], name: str) -> None:
    call = seen[name]
    assert call["counts"]["cuts"] == 1
    assert len(call["interrupted"]) >= 1
    assert [frame for _, frame in call["seen"]].count("UserStartedSpeakingFrame") == 1
    assert len(call["jumps"]) <= 1  # to the next reply, and to nothing of the first
    if "stt" in SCENES[name].facts:
        assert user(call) == ["we had everything before us"]
        assert assistant(call)[1].startswith("neaa neab")


def test_the_reply_after_a_cut_is_held_and_resumed_like_the_first(seen: dict[str, Json]) -> None:
    call = seen["again"]
    assert call["counts"]["cuts"] == 1
    assert call["counts"]["resumes"] >= 1
    assert len(call["jumps"]) == 1
    assert assistant(call)[1] == " ".join(said(20, "next"))


def test_an_stt_that_hears_turns_is_believed_by_the_floor(seen: dict[str, Json]) -> None:
    call = seen["turns"]
    assert (call["counts"]["cuts"], call["counts"]["resumes"] >= 1) == (1, True)
    assert user(call) == ["we had everything"]
    assert assistant(call)[1].startswith("neaa neab")
    advised = [line for line in seen["log"]["lines"] if "no stop strategy believes it" in line]
    assert len(advised) == 1


def test_an_operator_and_a_key_stop_the_agent_at_once(seen: dict[str, Json]) -> None:
    for name, opened in (("operator", 0), ("key", 1)):
        call = seen[name]
        assert (call["counts"]["cuts"], len(call["interrupted"])) == (1, 1), name
        assert [frame for _, frame in call["seen"]].count("UserStartedSpeakingFrame") == opened, name
        assert call["chunks"][-1] <= call["interrupted"][0] + 40, name
        assert abs(len(assistant(call)[0].split()) - played_words(call)) <= 1, name


def test_what_may_not_be_interrupted_is_not_held_and_is_answered_after(seen: dict[str, Json]) -> None:
    call = seen["protected"]
    assert call["counts"]["holds"] == call["counts"]["cuts"] == 0
    assert call["jumps"][0][0] == 20 * WORD_MS * 16 - 1 if call["jumps"] else call["samples"] >= 20 * WORD_MS * 16
    assert user(call) == ["we had everything before us"]
    assert assistant(call) == [" ".join(said(20)), "neaa neab neac nead neae neaf."]


@pytest.mark.parametrize("name", ["words", "lasting", "early words", "untimed"])
def test_the_context_has_the_words_heard(seen: dict[str, Json], name: str) -> None:
    call = seen[name]
    heard = assistant(call)[0].split()
    assert heard == said(len(heard))
    assert abs(len(heard) - played_words(call)) <= 1.0


def test_the_agent_falls_silent_before_the_verdict(seen: dict[str, Json]) -> None:
    """Not for a time, which the machine decides: only that the hold came first."""
    for name in ("words", "lasting", "cough"):
        (first, *_) = seen[name]["reasons"]
        assert first.startswith("hold"), name
    gaps = seen["cough"]["gaps"]
    assert any(abs(begin - 3000 - onset_ms("cough-1.wav")) < 500 for begin, _ in gaps)


# ------------------------------------------------------------------------------------------------------ bad input


def test_an_end_during_a_hold_lets_the_agent_finish(seen: dict[str, Json]) -> None:
    call = seen["end"]
    assert call["counts"]["holds"] >= 1
    assert call["jumps"] == []
    assert call["samples"] == 16 * WORD_MS * 16
    assert call["over"] < 12_000


def test_a_cancel_during_a_hold_ends_the_call(seen: dict[str, Json]) -> None:
    call = seen["cancel"]
    assert call["samples"] < 16 * WORD_MS * 16


def test_a_foreign_interruption_during_a_hold_drops_the_reply_and_no_stale_chunk_sounds(seen: dict[str, Json]) -> None:
    call = seen["foreign"]
    assert len(call["interrupted"]) == 1
    assert call["samples"] < 16 * WORD_MS * 16
    after = [at for at in call["chunks"] if at > call["interrupted"][0] + 5]
    assert after == []


def test_an_interruption_in_the_very_chunk_of_a_hold_drops_the_reply(seen: dict[str, Json]) -> None:
    call = seen["in hold"]
    assert (call["counts"]["holds"], len(call["interrupted"])) == (1, 1)
    assert call["jumps"] == []
    assert [at for at in call["chunks"] if at > call["interrupted"][0] + 5] == []
    assert abs(len(assistant(call)[0].split()) - played_words(call)) <= 1


def test_a_floor_that_does_not_start_holds_up_no_call(seen: dict[str, Json]) -> None:
    call = seen["slow"]
    assert call["samples"] == 8 * WORD_MS * 16
    assert any("no start within" in line for line in seen["log"]["lines"])


def test_a_hold_that_is_never_decided_is_bounded(seen: dict[str, Json]) -> None:
    call = seen["undecided"]
    assert (call["jumps"], call["samples"]) == ([], 20 * WORD_MS * 16)
    assert any("was not decided within" in line for line in seen["log"]["lines"])


def test_an_error_of_ours_leaves_the_call_to_pipecat(seen: dict[str, Json]) -> None:
    call = seen["broken"]
    assert len(call["interrupted"]) >= 1
    assert user(call) == ["we had everything before us"]
    assert any(line.startswith("ERROR Bargein: the floor decides nothing any more") for line in seen["log"]["lines"])
    assert sum("Silero hears the ends of turns from here on" in line for line in seen["log"]["lines"]) == 1


def test_a_turn_without_words_leaves_the_floor_free_for_a_yes(seen: dict[str, Json]) -> None:
    call = seen["empty"]
    assert user(call) == ["yes"]
    assert call["counts"]["holds"] == 0  # else the yes had to be more than a hum
    assert assistant(call)[-1] == "neaa neab neac nead."


def test_parts_of_ours_that_fail_leave_all_audio_and_all_words(seen: dict[str, Json]) -> None:
    call = seen["parts fail"]
    assert (call["jumps"], call["samples"]) == ([], 20 * WORD_MS * 16)
    assert assistant(call) == [" ".join(said(20))]
    lines = seen["log"]["lines"]
    assert sum("the agent is held no more in this call" in line for line in lines) == 1
    assert sum("the context of this call is Pipecat's own" in line for line in lines) == 1


def test_an_old_version_is_refused_and_a_floor_of_another_call_is_told(seen: dict[str, Json]) -> None:
    assert "cannot hold its output" in seen["version"]["told"]
    assert "Install pipecat-ai 1.14 or later" in seen["version"]["told"]
    assert any("the floor could not start" in line for line in seen["log"]["lines"])
    assert user(seen["used"]) == ["we had everything before us"]
    assert len(seen["used"]["interrupted"]) >= 1


def test_missing_parts_are_told_at_the_start_with_advice(seen: dict[str, Json]) -> None:
    warnings = [line for line in seen["log"]["lines"] if line.startswith("WARNING")]
    assert sum("no transport has our hold" in line for line in warnings) == 1
    assert sum("has no HeardWords" in line for line in warnings) == 1
    assert sum("stands before the output" in line for line in warnings) == 1
    assert sum("another start strategy opens turns" in line for line in warnings) == 1


def test_a_rival_strategy_and_a_misplaced_part_leave_a_call_that_goes_on(seen: dict[str, Json]) -> None:
    for name in ("rival", "early"):
        assert user(seen[name]) == ["we had everything before us"], name
        assert assistant(seen[name])[1].startswith("neaa neab"), name
