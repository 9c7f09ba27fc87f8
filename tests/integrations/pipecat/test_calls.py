"""Our floor in a real pipeline of Pipecat: real aggregators and output, real VAD, recorded speech; the LLM, the TTS and
the words of the STT are scripted. The TTS counts its samples, so that a lost or a repeated one is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integrations.pipecat.kit import WORD_MS, Json, Scene, onset_ms, run

pytestmark = pytest.mark.slow

LONG: Json = {"replies": [[32, "word"], [6, "next"]]}
WORDS = [[4000, "we had", False], [5100, "we had everything before us", True]]
INTERRUPTS = [(3000, "interruption-3.wav")]
COUGH = [(3000, "cough-1.wav")]

SCENES = {
    "cough": Scene(11_000, [*COUGH, (5500, "cough-2.wav")], {"replies": [[32, "word"]]}),
    "words": Scene(9_500, INTERRUPTS, {**LONG, "stt": WORDS}),
    "lasting": Scene(8_000, INTERRUPTS, LONG),
    "early words": Scene(9_500, INTERRUPTS, {**LONG, "stt": [[3500, "stop", False], *WORDS[1:]]}),
    "hum": Scene(11_000, [(3000, "backchannel-1.wav")], {"replies": [[32, "word"]], "stt": [[3600, "mm-hmm", True]]}),
    "late hum": Scene(
        11_000, COUGH, {"replies": [[32, "word"]], "stt": [[1500, "hello", False], [4600, "yeah", True]]}
    ),
    "untimed": Scene(9_500, [(4500, "interruption-3.wav")], {**LONG, "timed": False, "stt": [[6600, "no wait", True]]}),
    "end": Scene(6_000, COUGH, {"replies": [[16, "word"]], "acts": {"end": 3300}, "stays": True}),
    "cancel": Scene(5_000, COUGH, {"replies": [[16, "word"]], "acts": {"cancel": 3300}, "stays": True}),
    "foreign": Scene(6_000, COUGH, {"replies": [[24, "word"]], "acts": {"interrupt": 3300}}),
    "undecided": Scene(12_000, COUGH, {"replies": [[24, "word"]], "forgets": 3000}),
    "broken": Scene(8_000, INTERRUPTS, {**LONG, "fails": 2500, "stt": WORDS}),
    "no hold": Scene(8_000, INTERRUPTS, {**LONG, "without": ["hold"], "stt": WORDS}),
    "no words": Scene(8_000, INTERRUPTS, {**LONG, "without": ["words"], "stt": WORDS}),
    "mixer": Scene(11_000, COUGH, {"replies": [[32, "word"]], "mixer": True}),
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
    assert assistant(call) == [" ".join(f"word{n}" + "." * (n % 10 == 9 or n == 31) for n in range(32))]


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
    assert call["gaps"] == []


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
        assert assistant(call)[1].startswith("next0 next1")


@pytest.mark.parametrize("name", ["words", "lasting", "early words", "untimed"])
def test_the_context_has_the_words_heard(seen: dict[str, Json], name: str) -> None:
    call = seen[name]
    heard = assistant(call)[0].split()
    assert heard == [f"word{n}" + "." * (n % 10 == 9) for n in range(len(heard))]
    assert abs(len(heard) - played_words(call)) <= 1.5 if name == "untimed" else 1.0


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


def test_a_hold_that_is_never_decided_is_bounded(seen: dict[str, Json]) -> None:
    call = seen["undecided"]
    assert (call["jumps"], call["samples"]) == ([], 24 * WORD_MS * 16)
    assert any("was not decided within" in line for line in seen["log"]["lines"])


def test_an_error_of_ours_leaves_the_call_to_pipecat(seen: dict[str, Json]) -> None:
    call = seen["broken"]
    assert len(call["interrupted"]) >= 1
    assert user(call) == ["we had everything before us"]
    assert any(line.startswith("ERROR Bargein: the floor decides nothing any more") for line in seen["log"]["lines"])


def test_missing_parts_are_told_at_the_start_with_advice(seen: dict[str, Json]) -> None:
    warnings = [line for line in seen["log"]["lines"] if line.startswith("WARNING")]
    assert sum("no transport has our hold" in line for line in warnings) == 1
    assert sum("has no HeardWords" in line for line in warnings) == 1
