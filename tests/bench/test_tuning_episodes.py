"""Episodes: decided alone they come out as in their call, and their truth is what a person would have done."""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bargein.errors import UsageError
from bargein.floor import (
    Event,
    Floor,
    Judged,
    KeyPressed,
    Policy,
    PolicyChanged,
    ReplyEnded,
    ReplyProtected,
    ReplyStarted,
    SayRequested,
    SpeechWindow,
    State,
    STTChanged,
    Tick,
    TurnStarted,
)
from bargein.recorder.reading import read
from bargein_bench.tuning.episodes import CallEpisodes, Episode
from bargein_bench.tuning.outcome import Outcome
from bargein_bench.tuning.play import play
from bargein_bench.tuning.show import SAME_MS
from bargein_bench.tuning.space import STEPS, policy_of
from bargein_bench.tuning.splitting import split
from bargein_bench.tuning.truth import Label
from tests.bench.tuning_calls import record, sound, windows

BALANCED = Policy.balanced()


def episodes_of(
    root: Path,
    world: list[Event],
    *labels: Label,
    policy: Policy = BALANCED,
    reads: str | None = None,
    looks: float | None = None,
    stt: bool = False,
) -> CallEpisodes:
    return split(read(record(root, "c1", world, policy, reads=reads, looks=looks, stt=stt)), labels)


def only(
    root: Path,
    world: list[Event],
    *labels: Label,
    reads: str | None = None,
    looks: float | None = None,
    stt: bool = False,
) -> Episode:
    (episode,) = episodes_of(root, world, *labels, reads=reads, looks=looks, stt=stt).episodes
    return episode


def one(from_ms: float = 1000, lasts_ms: float = 1000, speech: float = 0.95) -> list[Event]:
    return sound((from_ms, from_ms + lasts_ms, speech), lasts_ms=5000)


def test_an_interruption_is_an_episode_and_silence_is_none(tmp_path: Path) -> None:
    episode = only(tmp_path, one())
    assert (episode.want, episode.why) == ("yield", "long")
    assert episode.onset_ms == pytest.approx(1000, abs=32)
    assert episode.was.held_ms == pytest.approx(1032, abs=32)
    assert episode.was.cut_ms == pytest.approx(1032 + BALANCED.verdict.alone_ms, abs=32)
    assert len(episode.seen) < 70  # of 157 windows


def test_while_the_user_has_the_floor_there_is_no_episode(tmp_path: Path) -> None:
    world = sound((1000, 2000, 0.95), (2500, 3200, 0.95), lasts_ms=3400)
    assert len(episodes_of(tmp_path, world).episodes) == 1


@pytest.mark.parametrize(
    ("lasts_ms", "reads", "want", "why"),
    [
        (600, "what about friday", "yield", "words"),
        (200, "stop", "yield", "words"),
        (800, "uh huh", "ignore", "backchannel"),
        (400, "", "ignore", "noise"),
        (900, "", None, ""),  # it sounds like speech, and nobody could read it
    ],
)
def test_what_was_read_says_what_was_wanted(
    tmp_path: Path, lasts_ms: float, reads: str, want: str | None, why: str
) -> None:
    episode = only(tmp_path, one(lasts_ms=lasts_ms), reads=reads, stt=True)
    assert (episode.want, episode.why) == (want, why)


def test_a_short_sound_that_nobody_read_is_not_scored(tmp_path: Path) -> None:
    assert only(tmp_path, one(lasts_ms=200)).want is None


def test_the_agents_own_sound_and_a_judges_word_are_to_be_ignored(tmp_path: Path) -> None:
    echo = [*sound(lasts_ms=1000), *windows(1000, 2000, 0.9, echo=0.9), *windows(2016, 4000, 0.01)]
    assert only(tmp_path / "a", echo).why == "echo"
    world = one(lasts_ms=1000)
    world.insert(40, Judged(1000, interrupts=False, confidence=0.9, why="television"))
    episode = only(tmp_path / "b", sorted(world, key=lambda e: e.at_ms))
    assert (episode.want, episode.why) == ("ignore", "judge")


def test_what_no_policy_decides_about_is_not_scored(tmp_path: Path) -> None:
    key: list[Event] = sorted([*one(), KeyPressed(1100, "5")], key=lambda e: e.at_ms)
    assert only(tmp_path / "a", key).why == "hand"
    guarded: list[Event] = sorted([*one(), ReplyProtected(500, 1, protected=True)], key=lambda e: e.at_ms)
    assert only(tmp_path / "b", guarded).why == "protected"


def test_late_words_of_an_earlier_turn_begin_nothing(tmp_path: Path) -> None:
    world: list[Event] = sorted([*sound(lasts_ms=4000), TurnStarted(-500, "hello there")], key=lambda e: e.at_ms)
    world.sort(key=lambda e: 2000.0 if isinstance(e, TurnStarted) else e.at_ms)
    assert episodes_of(tmp_path, world).episodes == ()


def test_a_label_is_believed_and_dates_the_onset(tmp_path: Path) -> None:
    episode = only(tmp_path, one(), Label("c1", 980, 2000, "ignore", "television"))
    assert (episode.want, episode.why, episode.scene, episode.onset_ms) == ("ignore", "label", "television", 980)


def test_a_label_that_nothing_was_heard_of_is_an_episode_too(tmp_path: Path) -> None:
    """Or every policy would look better than it is: that is what is missed, or rightly ignored."""
    missed = only(tmp_path, sound(lasts_ms=5000), Label("c1", 1500, 2500, "yield"))
    assert missed.was == Outcome()
    assert play(missed, Policy.instant()) == Outcome()


def test_labels_that_cannot_be_told_apart_are_not_scored(tmp_path: Path) -> None:
    cough, words = Label("c1", 1000, 1200, "ignore"), Label("c1", 1250, 2000, "yield")
    assert only(tmp_path / "a", one(), cough, words).why == "mixed"
    assert only(tmp_path / "b", one(), words, Label("c1", 1290, 2000, "yield")).want == "yield"
    late = only(tmp_path / "c", one(lasts_ms=300, speech=0.4), Label("c1", 1400, 1450, "ignore"))
    assert late.why == "mixed"  # it was held before, for something that nobody named


def test_a_label_while_the_user_has_the_floor_is_counted(tmp_path: Path) -> None:
    found = episodes_of(tmp_path, one(), Label("c1", 1000, 2000, "yield"), Label("c1", 2100, 2300, "ignore"))
    assert (len(found.episodes), found.unmatched) == (1, 1)


def test_a_reply_that_ended_by_itself_was_not_missed(tmp_path: Path) -> None:
    world = sorted([*sound((1000, 2000, 0.4), lasts_ms=4000), ReplyEnded(1300, 1)], key=lambda e: e.at_ms)
    episode = only(tmp_path, world, Label("c1", 1000, 2000, "yield"))
    assert episode.was.ended
    assert play(episode, Policy.patient()).ended


def test_a_floor_that_decides_otherwise_today_is_found_out(tmp_path: Path) -> None:
    path = record(tmp_path, "c1", one(), BALANCED)
    assert split(read(path)).same
    path.write_text(path.read_text().replace('"confirm_ms":300', '"confirm_ms":2000'))
    assert not split(read(path)).same


def test_a_killed_process_leaves_episodes(tmp_path: Path) -> None:
    path = record(tmp_path, "c1", one(), BALANCED, close=False)
    path.write_bytes(path.read_bytes()[:-40])
    found = split(read(path))
    assert found.same
    assert len(found.episodes) == 1


def test_a_look_that_the_record_has_no_answer_for_gets_none(tmp_path: Path) -> None:
    episode = only(tmp_path, one(lasts_ms=700), reads="uh huh", stt=True)
    assert play(episode, BALANCED).unanswered == 0
    assert play(episode, policy_of(BALANCED, {"look_ms": 60})).unanswered == 0  # the next later reading serves
    silent = only(tmp_path / "silent", one(lasts_ms=700), stt=True)
    assert play(silent, BALANCED).unanswered == 1


def test_other_numbers_decide_otherwise(tmp_path: Path) -> None:
    cough = only(tmp_path, one(lasts_ms=160), Label("c1", 1000, 1160, "ignore"))
    assert play(cough, BALANCED).cut_ms is None
    assert play(cough, BALANCED).gap_ms == pytest.approx(320, abs=64)
    assert play(cough, Policy.instant()).cut_ms is not None
    assert play(cough, policy_of(BALANCED, {"hold_threshold": 0.97, "loud_rise_db": 100})) == Outcome()


def test_a_softer_voice_is_somebody_elses_only_to_a_policy_that_minds_levels(tmp_path: Path) -> None:
    loud, soft = windows(1000, 2000, level_db=-18), windows(4000, 5400, level_db=-40)
    world = [*sound(lasts_ms=1000), *loud, *windows(2000, 4000, 0.01), *soft, *windows(5400, 7000, 0.01)]
    mine, theirs = episodes_of(
        tmp_path, world, Label("c1", 1000, 2000, "yield"), Label("c1", 4000, 5400, "ignore")
    ).episodes
    assert mine.floor.turn.own_level_db is None
    assert theirs.floor.turn.own_level_db == -18
    assert theirs.was.cut_ms is None
    assert play(theirs, BALANCED).like(theirs.was, SAME_MS)
    assert play(theirs, policy_of(BALANCED, {"far_db": 100})).cut_ms == pytest.approx(4772, abs=40)
    assert play(theirs, policy_of(BALANCED, {"far_ms": 700})).gap_ms > theirs.was.gap_ms + 300


def test_phrases_with_a_short_pause_are_one_interruption_to_a_policy_that_joins_them(tmp_path: Path) -> None:
    episode = only(tmp_path, sound((1000, 1450, 0.95), (1750, 2250, 0.95), lasts_ms=5000))
    assert episode.was.cut_ms == pytest.approx(2060, abs=64)
    assert play(episode, policy_of(BALANCED, {"join_ms": 0})).cut_ms is None
    alone = play(episode, policy_of(BALANCED, {"alone_ms": 0}))
    assert alone.cut_ms == pytest.approx(1032 + BALANCED.verdict.confirm_ms, abs=32)
    impatient = play(episode, policy_of(BALANCED, {"go_on_share": 0.0}))
    assert impatient.cut_ms == episode.was.cut_ms  # it goes on in the pause, and joins them all the same
    assert impatient.gap_ms > 0


def test_stt_that_is_lost_in_the_middle_of_a_hold_bring_its_end_nearer(tmp_path: Path) -> None:
    line = sound((1000, 1320, 0.95), (1750, 1900, 0.95), lasts_ms=5000)
    deaf = STTChanged(1550, words=False, turns=False)
    episode = only(tmp_path, sorted([*line, deaf], key=lambda e: e.at_ms), stt=True)
    assert play(episode, BALANCED).gap_ms == pytest.approx(episode.was.gap_ms, abs=SAME_MS)
    assert play(episode, BALANCED) == plainly(episode, BALANCED)


def test_looks_at_a_sound_are_answered_again_and_their_threshold_can_be_tuned(tmp_path: Path) -> None:
    laugh = sound((1000, 2000, 0.95), lasts_ms=5000)
    episode = only(tmp_path, laugh, stt=True, reads="you look up", looks=0.3)
    assert [look.words for look in episode.looks][:2] == [0.3, 0.3]
    assert episode.was.cut_ms is None
    assert play(episode, BALANCED) == plainly(episode, BALANCED)
    assert play(episode, BALANCED).cut_ms is None
    credulous = play(episode, policy_of(BALANCED, {"sound_threshold": 0.2}))
    assert credulous.cut_ms == pytest.approx(1032 + 300 + 90, abs=64)
    blind = play(episode, policy_of(BALANCED, {"sound_ms": 0}))
    assert blind.cut_ms == credulous.cut_ms


def test_a_copy_goes_its_own_way() -> None:
    floor = Floor(BALANCED)
    spoken = [*windows(1000, 1800, level_db=-20), *windows(1800, 2600, 0.01), Tick(2600), ReplyStarted(2650, 2)]
    for event in (SayRequested(0), ReplyStarted(10, 1), *spoken, *windows(3500, 3600, level_db=-21)):
        floor.handle(event)
    before, other = deepcopy(floor), copy(floor)
    assert floor.turn.own_level_db == -20
    assert before == other == floor
    for event in windows(3600, 4400, level_db=-19):
        other.handle(event)
    assert floor.state is State.BARGE_IN
    assert other.state is State.LISTENING
    assert floor == before


# ---------------------------------------------------------------------------------------------------- properties

stretch = st.tuples(
    st.floats(100, 1500), st.floats(40, 1600), st.sampled_from([0.06, 0.1, 0.2, 0.35, 0.55, 0.85, 0.96])
)


@st.composite
def worlds(draw: st.DrawFn) -> list[Event]:
    """A line with stretches of sound of all kinds, echo in some of it, and softer from somewhere on."""
    stretches, at_ms = [], 400.0
    for gap, lasts, p in draw(st.lists(stretch, min_size=1, max_size=6)):
        stretches.append((at_ms + gap, at_ms + gap + lasts, p))
        at_ms += gap + lasts
    echo = draw(st.floats(500, 4000))
    softer_from = draw(st.floats(500, 6000))
    line = sound(*stretches, lasts_ms=at_ms + 1500)
    return [
        replace(
            w,
            echo=0.9 if echo < w.at_ms < echo + 200 else 0.0,
            level_db=(-20.0 if w.at_ms < softer_from else -31.0) if w.speech > 0.05 else None,
        )
        for w in line
        if isinstance(w, SpeechWindow)
    ]


policies = st.fixed_dictionaries({}, optional={name: st.sampled_from(steps) for name, steps in STEPS.items()}).map(
    lambda changes: policy_of(BALANCED, changes)
)
stt = st.sampled_from([(False, None), (True, None), (True, "uh huh"), (True, "no thanks"), (True, "")])


def plainly(episode: Episode, policy: Policy) -> Outcome:
    """As `play`, with every event handed in and every deadline asked for: the definition."""
    from bargein_bench.tuning.play import _Replay  # noqa: PLC0415

    replay = _Replay(episode, policy)
    for at_ms, event in episode.seen:
        if not replay.watch.over:
            replay._due_ms = float("-inf")
            replay.run([(at_ms, event)])
    replay.end()
    return replay.watch.outcome


few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(world=worlds(), policy=policies, hears=stt)
def test_decided_alone_an_episode_comes_out_as_in_its_call(
    tmp_path_factory: pytest.TempPathFactory, world: list[Event], policy: Policy, hears: tuple[bool, str | None]
) -> None:
    found = episodes_of(tmp_path_factory.mktemp("calls"), world, policy=policy, stt=hears[0], reads=hears[1])
    assert found.same
    for episode in found.episodes:
        assert play(episode, policy).like(episode.was, SAME_MS), (episode.was, play(episode, policy))


@few
@given(world=worlds(), recorded=policies, tried=policies, hears=stt)
def test_what_is_skipped_for_speed_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    world: list[Event],
    recorded: Policy,
    tried: Policy,
    hears: tuple[bool, str | None],
) -> None:
    found = episodes_of(tmp_path_factory.mktemp("calls"), world, policy=recorded, stt=hears[0], reads=hears[1])
    for episode in found.episodes:
        assert play(episode, tried) == plainly(episode, tried)


def test_a_change_of_policy_in_the_call_is_followed(tmp_path: Path) -> None:
    world: list[Event] = sorted([*one(3000), PolicyChanged(500, Policy.patient()), Tick(400)], key=lambda e: e.at_ms)
    episode = only(tmp_path, world)
    assert episode.floor.policy == Policy.patient()
    assert play(episode, Policy.patient()).like(episode.was, SAME_MS)


def test_a_foreign_file_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("hello\n")
    with pytest.raises(UsageError):
        read(tmp_path)
