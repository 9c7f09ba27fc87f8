"""What became of an onset, on lines that are known to the sample."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.pcm import Samples
from bargein_bench.judging.outcome import Known, ListeningTimeline
from bargein_bench.judging.resumption import moved_samples
from bargein_bench.record import Record
from bargein_bench.results import Event, Want
from tests.bench.agent_audio import MS, AgentAudio, speech_like

REPLY = speech_like(1, 9_000)
OTHER = speech_like(2, 4_000)
SPOKEN = (2_000, 3_000)


def judge(record: Record, want: Want = "yield", known: Known | None = None) -> Event:
    return ListeningTimeline(record, known or Known()).judge(
        "a scene", "a sound", want, 0, record.spoken[0], len(record.agent)
    )


def part(samples: Samples, begin_ms: float, end_ms: float | None = None) -> Samples:
    return samples[int(begin_ms * MS) : None if end_ms is None else int(end_ms * MS)]


def test_a_reply_that_goes_on_undisturbed_was_not_stopped() -> None:
    event = judge(AgentAudio().says(REPLY).record(SPOKEN))
    assert (event.outcome, event.right, event.hold_ms) == ("through", False, None)
    assert event.overlap_ms == pytest.approx(1_000, abs=250)


def test_a_reply_that_ends_at_an_onset_was_stopped_and_the_next_one_is_the_answer() -> None:
    line = AgentAudio().says(part(REPLY, 0, 2_070)).discards(part(REPLY, 2_070, 2_170)).quiet(1_630).says(OTHER)
    event = judge(line.record(SPOKEN))
    assert (event.outcome, event.right) == ("stopped", True)
    assert event.hold_ms == 70
    assert event.stop_ms == pytest.approx(70, abs=30)
    assert event.answer_ms == pytest.approx(700, abs=30)


@pytest.mark.parametrize("moved_ms", [0, 40, -300])
@pytest.mark.parametrize("tail_ms", [100, 0])
def test_a_reply_that_goes_on_was_held_and_what_it_lost_is_known(moved_ms: int, tail_ms: int) -> None:
    """By what was thrown away, the same samples; and where nothing was, by the words, said undisturbed elsewhere."""
    line = AgentAudio().says(part(REPLY, 0, 2_070))
    if tail_ms:
        line.discards(part(REPLY, 2_070, 2_070 + tail_ms + moved_ms))
    line.quiet(600).says(part(REPLY, 2_070 + moved_ms, 6_000))
    event = judge(line.record(SPOKEN), "ignore", Known([OTHER, speech_like(1, 9_000, breath=1)]))
    assert (event.outcome, event.right) == ("held", True)
    assert event.gap_ms == 600
    assert event.lost_ms == pytest.approx(max(0, moved_ms), abs=1)
    assert event.repeated_ms == pytest.approx(max(0, -moved_ms), abs=1)


def test_held_twice_and_heard_a_little_between_is_one_gap_less_what_was_heard() -> None:
    line = AgentAudio().says(part(REPLY, 0, 2_070)).discards(part(REPLY, 2_070, 2_170)).quiet(200)
    line.says(part(REPLY, 2_070, 2_120)).discards(part(REPLY, 2_120, 2_220)).quiet(300).says(part(REPLY, 2_120, 6_000))
    event = judge(line.record(SPOKEN), "ignore")
    assert event.outcome == "held"
    assert event.gap_ms == 500
    assert (event.lost_ms, event.repeated_ms) == (0, 0)


def test_the_wire_is_believed_about_which_reply_it_is() -> None:
    line = (
        AgentAudio().says(part(REPLY, 0, 2_070), "r1", 0).quiet(600).says(part(REPLY, 2_070, 6_000), "r1", 2_070 * MS)
    )
    assert judge(line.record(SPOKEN)).outcome == "held"
    line = AgentAudio().says(part(REPLY, 0, 2_070), "r1", 0).quiet(600).says(part(REPLY, 2_070, 6_000), "r2", 0)
    assert judge(line.record(SPOKEN)).outcome == "stopped"


def test_a_line_that_ran_dry_for_a_moment_has_ended_no_reply() -> None:
    """Nothing was discarded, and the words are unknown: the frames came late."""
    line = AgentAudio().says(part(REPLY, 0, 2_070)).quiet(180).says(part(REPLY, 2_070, 6_000))
    assert judge(line.record(SPOKEN), "ignore").outcome == "held"
    longer = AgentAudio().says(part(REPLY, 0, 2_070)).quiet(900).says(OTHER)
    assert judge(longer.record(SPOKEN), "ignore").outcome == "stopped"
    flushed = AgentAudio().says(part(REPLY, 0, 2_070)).discards(part(REPLY, 2_070, 2_170)).quiet(180).says(OTHER)
    assert judge(flushed.record(SPOKEN), "ignore").outcome == "stopped"


def test_another_reply_that_takes_over_without_a_silence_has_stopped_the_first() -> None:
    line = AgentAudio().says(part(REPLY, 0, 2_500), "r1", 0).says(OTHER, "r2", 0)
    event = judge(line.record(SPOKEN))
    assert (event.outcome, event.hold_ms) == ("stopped", 500)


def test_a_stop_after_two_seconds_is_none() -> None:
    line = AgentAudio().says(part(REPLY, 0, 4_100)).quiet(3_000)
    assert judge(line.record(SPOKEN)).outcome == "through"


def test_nothing_is_said_of_an_onset_in_silence_nor_of_a_reply_that_was_at_its_end() -> None:
    silent = AgentAudio().says(part(REPLY, 0, 1_500)).quiet(4_000)
    assert judge(silent.record(SPOKEN)).outcome == "unheard"
    ended = AgentAudio().says(part(REPLY, 0, 2_300)).quiet(4_000).record(SPOKEN)
    assert judge(ended).outcome == "stopped"
    assert judge(ended, known=Known(reply_ms=2_250)).outcome == "unheard"


def test_a_pause_that_a_server_sends_as_silence_is_a_pause() -> None:
    pausing = REPLY.copy()
    pausing[2_200 * MS : 2_650 * MS] = 0
    assert judge(AgentAudio().says(pausing).record(SPOKEN)).outcome == "through"
    stopping = REPLY.copy()
    stopping[2_200 * MS : 3_700 * MS] = 0
    assert judge(AgentAudio().says(stopping).record(SPOKEN)).outcome == "stopped"
    # An agent that always pauses there has not been stopped by anybody.
    assert judge(AgentAudio().says(stopping).record(SPOKEN), known=Known([stopping])).outcome == "through"


def test_words_while_it_is_silent_must_not_be_talked_over() -> None:
    def quiet(line: AgentAudio) -> Event:
        record = line.record(SPOKEN)
        return ListeningTimeline(record, Known()).judge_quiet("a scene", "a sound", "yield", 0, record.spoken[0])

    good = quiet(AgentAudio().quiet(3_700).says(OTHER))
    assert good.outcome == "stopped"
    assert good.answer_ms == pytest.approx(700, abs=60)
    brief = quiet(AgentAudio().quiet(1_900).says(part(OTHER, 0, 300)).quiet(2_000).says(OTHER))
    assert brief.outcome == "stopped"
    assert quiet(AgentAudio().quiet(2_300).says(OTHER)).outcome == "through"


def test_a_question_is_answered_only_by_one_who_gives_way_to_it() -> None:
    def answers(line: AgentAudio) -> bool:
        record = line.record(SPOKEN)
        return ListeningTimeline(record, Known()).answers(record.spoken[0])

    assert answers(AgentAudio().quiet(3_700).says(OTHER))
    assert answers(AgentAudio().says(part(REPLY, 0, 2_100)).quiet(1_800).says(OTHER))
    assert not answers(AgentAudio().says(REPLY))
    assert not answers(AgentAudio().says(part(REPLY, 0, 2_100)).quiet(7_000))


@given(stop=st.integers(1_000, 6_000), moved=st.integers(-2_000, 1_500), seed=st.integers(3, 40))
def test_where_a_reply_goes_on_is_found_wherever_it_stopped(stop: int, moved: int, seed: int) -> None:
    reply = speech_like(seed, 9_000)
    begins = max(0, stop + moved)
    agent = AgentAudio().says(part(reply, 0, stop)).quiet(500).says(part(reply, begins)).record((0, 1)).agent
    found = moved_samples(
        agent, stop * MS, (stop + 500) * MS, len(agent), agent[:0], [speech_like(seed, 9_000, breath=1)]
    )
    assert found == pytest.approx((begins - stop) * MS, abs=MS)


@given(stop=st.integers(1_000, 6_000), seed=st.integers(3, 40))
def test_another_reply_is_never_taken_for_the_same(stop: int, seed: int) -> None:
    reply, other = speech_like(seed, 7_000), speech_like(seed + 100, 2_000)
    agent = AgentAudio().says(part(reply, 0, stop)).quiet(500).says(other).record((0, 1)).agent
    thrown = part(reply, stop, stop + 100)
    assert (
        moved_samples(
            agent, stop * MS, (stop + 500) * MS, len(agent), thrown, [reply, speech_like(seed, 7_000, breath=1)]
        )
        is None
    )
