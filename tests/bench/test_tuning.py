"""`bargein tune`: of policies that are too eager or too slow it finds the one between, within the limits, each time."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bargein.cli import app
from bargein.errors import UsageError
from bargein.floor import Policy
from bargein.server.toml_config import read_toml
from bargein_bench.tuning import show
from bargein_bench.tuning.command import run
from bargein_bench.tuning.outcome import Outcome
from bargein_bench.tuning.page import page
from bargein_bench.tuning.records import gather
from bargein_bench.tuning.score import ScoreLimits, Tally
from bargein_bench.tuning.search import TriedPolicy, frontier, is_kept_back
from bargein_bench.tuning.space import STEPS, Candidate, Space, parse_fixed, policy_of, references
from bargein_bench.tuning.truth import Label, read_labels
from tests.bench.tuning_calls import coughs_and_interruptions, record, sound, write_labels

BALANCED = Policy.balanced()


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight calls, recorded under a policy that stops for every cough."""
    root = tmp_path_factory.mktemp("calls")
    coughs_and_interruptions(root, 8, Policy.instant())
    return root


@pytest.fixture(scope="module")
def report(calls: Path) -> show.TuningReport:
    return run(calls, ScoreLimits(), tries=30, fixed=[])


def label_of(report: show.TuningReport, label: str) -> Tally:
    return next(t for t in report.found.references if t.candidate.label == label).everywhere


def test_the_eager_policy_stops_for_coughs_and_the_proposal_does_not(report: show.TuningReport) -> None:
    recorded, proposal = label_of(report, "recorded"), report.found.proposal.everywhere
    assert recorded.false_stops.value == 1.0
    assert report.found.within
    assert proposal.false_stops.value == proposal.misses.value == 0.0
    assert proposal.ignored > 30
    assert proposal.yields > 30


def test_it_is_quicker_than_the_presets_that_keep_the_limit(report: show.TuningReport) -> None:
    limits = report.limits
    proposal = limits.latency(report.found.proposal.everywhere)
    presets = [label_of(report, name) for name in ("balanced", "patient")]
    assert all(limits.excess(preset) == 0 for preset in presets)
    assert 220 <= proposal < min(limits.latency(preset) for preset in presets)


def test_every_episode_decides_alone_as_it_did_in_its_call(report: show.TuningReport) -> None:
    same, of = report.faithful()
    assert same == of > 60


def test_a_looser_limit_buys_speed(calls: Path, report: show.TuningReport) -> None:
    loose = run(calls, ScoreLimits(false_stops=0.5), tries=30, fixed=[])
    assert loose.found.within
    assert loose.limits.latency(loose.found.proposal.chosen_by) < report.limits.latency(report.found.proposal.chosen_by)
    assert 0 < (loose.found.proposal.chosen_by.false_stops.value or 0) <= 0.5


def test_the_same_seed_finds_the_same_by_any_number_of_processes(calls: Path, report: show.TuningReport) -> None:
    again = run(calls, ScoreLimits(), tries=30, fixed=[], jobs=2)
    assert again.found.proposal == report.found.proposal
    assert again.found.tried == report.found.tried


def test_calls_kept_back_did_not_choose(report: show.TuningReport) -> None:
    kept = [call for call in report.gathered.calls if is_kept_back(call.call)]
    assert 0 < report.found.kept_back == len(kept) < 8
    scored = sum(e.want is not None for call in kept for e in call.episodes)
    assert report.found.proposal.kept_back.ignored + report.found.proposal.kept_back.yields == scored


def test_few_calls_are_all_used(tmp_path: Path) -> None:
    coughs_and_interruptions(tmp_path, 2, BALANCED)
    assert run(tmp_path, ScoreLimits(), tries=4, fixed=[]).found.kept_back == 0


def test_a_fixed_number_stays(calls: Path) -> None:
    found = run(calls, ScoreLimits(), tries=30, fixed=["confirm_ms=500", "min_words=2"]).found
    assert all(t.candidate.changes["confirm_ms"] == 500 for t in found.tried)
    assert found.proposal.candidate.changes["min_words"] == 2
    assert policy_of(found.base, found.proposal.candidate.changes).verdict.confirm_ms == 500


def test_the_proposal_names_no_more_numbers_than_matter(report: show.TuningReport) -> None:
    assert 0 < len(report.found.proposal.candidate.changes) <= 3


def test_when_none_keeps_the_limits_the_nearest_is_told(tmp_path: Path) -> None:
    """Coughs and words of one length: without STT they cannot be told apart."""
    labels = []
    for n in range(12):
        record(tmp_path, f"c{n}", sound((1000, 1400, 0.95), lasts_ms=4000), BALANCED)
        labels.append(Label(f"c{n}", 1000, 1400, "yield" if n % 2 else "ignore"))
    write_labels(tmp_path / "labels.jsonl", labels)
    result = CliRunner().invoke(app, ["tune", str(tmp_path), "--try", "10", "--jobs", "1"])
    assert result.exit_code == 1
    assert "The nearest" in result.output


# ------------------------------------------------------------------------------------------------------ the words


def test_the_command_writes_what_it_says(tmp_path: Path) -> None:
    calls, facts, drawn = tmp_path / "calls", tmp_path / "out.json", tmp_path / "out.html"
    coughs_and_interruptions(calls, 2, Policy.instant())
    words = ["tune", str(calls), "--try", "10", "--jobs", "1", "--json", str(facts), "--report", str(drawn)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "calls/s" in result.output
    told = json.loads(facts.read_text())
    assert told["proposal"]["within"] is True
    assert told["proposal"]["false_stops"]["n"] == told["references"][0]["false_stops"]["n"]
    assert told["frontier"][0]["cut_ms"]["p50"] > 0
    assert "proposal</text>" in drawn.read_text("utf-8")


def test_the_page_holds_the_drawing_the_table_and_the_lines_to_paste(report: show.TuningReport) -> None:
    made = page(report)
    found = report.found
    assert made.count("<svg") == 1
    assert made.count('<tr class="this"') == 1
    assert made.count("<tr") == 1 + len(found.references) + len(report.line) + 1
    assert all(f"{name} " in made for name in found.proposal.candidate.changes)
    assert "preset = " in made
    assert "<script" not in made


def test_a_page_of_calls_in_which_nobody_yielded_has_no_drawing(tmp_path: Path) -> None:
    record(tmp_path, "c1", sound((1000, 1100, 0.95), lasts_ms=4000), BALANCED)
    write_labels(tmp_path / "labels.jsonl", [Label("c1", 1000, 1100, "ignore")])
    made = page(run(tmp_path, ScoreLimits(), tries=2, fixed=[]))
    assert "<svg" not in made
    assert "nothing to yield to" in made


def test_the_proposal_can_be_pasted(report: show.TuningReport, tmp_path: Path) -> None:
    found = report.found
    proposed = policy_of(found.base, found.proposal.candidate.changes)
    (tmp_path / "agent.toml").write_text(show.paste(found.base, proposed))
    agent = read_toml(tmp_path / "agent.toml")
    assert Policy.named(agent.preset or "").with_(agent.policy) == proposed


def test_words_of_the_language_are_pasted_and_the_phones_silence_is_not() -> None:
    base = BALANCED.with_({"stop_phrases": ["genug jetzt"], "user_silence_ms": 12000, "hang_up_on_silence": True})
    pasted = tomllib.loads(show.paste(base, base.with_({"confirm_ms": 250})))
    assert pasted == {"preset": "balanced", "policy": {"confirm_ms": 250, "stop_phrases": ["genug jetzt"]}}


@pytest.mark.parametrize("wrong", [["confirm_ms"], ["confirm=2"], ["confirm_ms=soon"], ["sure_threshold=2"]])
def test_numbers_that_no_policy_has_are_refused(wrong: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_fixed(wrong)


def test_an_empty_folder_is_refused_with_advice(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        result = CliRunner().invoke(app, ["tune", str(folder)])
        assert result.exit_code == 2
        assert "--record" in result.output + (result.stderr or "")


def test_a_folder_without_anything_to_score_is_refused(tmp_path: Path) -> None:
    record(tmp_path, "c1", sound(lasts_ms=3000), BALANCED)
    with pytest.raises(UsageError, match="labels"):
        run(tmp_path, ScoreLimits(), fixed=[])


# --------------------------------------------------------------------------------------------------- what is read


def test_torn_and_foreign_records_are_skipped_and_counted(tmp_path: Path) -> None:
    coughs_and_interruptions(tmp_path, 3, BALANCED)
    for name, text in (("foreign", "hello\n"), ("binary", "\x00\xff" * 40), ("empty", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "events.jsonl").write_text(text)
    torn = tmp_path / "call-0" / "events.jsonl"
    lines = torn.read_text().splitlines()
    torn.write_text("\n".join(line for line in lines if not (line.startswith('{"at":') and '"Hold"' in line)))
    again = tmp_path / "copy"
    again.mkdir()
    (again / "events.jsonl").write_text((tmp_path / "call-1" / "events.jsonl").read_text())
    found = gather(tmp_path, {}, 1)
    assert {call.call for call in found.calls} == {"call-1", "call-2"}
    assert found.skipped == {
        "no record of ours": 3,
        "decided by another floor": 1,
        "a second record of the same call": 1,
    }


def test_a_folder_of_nothing_usable_says_why(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("hello\n")
    with pytest.raises(UsageError, match="1 no record of ours"):
        gather(tmp_path, {}, 1)


def test_labels_are_read_as_far_as_they_are_labels(tmp_path: Path) -> None:
    good = {"call": "c1", "onset_ms": 5, "end_ms": 9, "want": "yield", "scene": "clear", "onset_clock": "call"}
    bad = [
        good | {"want": "stop"},
        good | {"onset_clock": "caller"},
        good | {"end_ms": 1},
        {"call": "c1"},
    ]
    lines = [json.dumps(row) for row in [good, *bad]]
    (tmp_path / "labels.jsonl").write_text("\n".join([*lines, '{"call": "c', "", json.dumps(good | {"onset_ms": 1})]))
    labels, unreadable = read_labels(tmp_path / "labels.jsonl")
    assert [label.onset_ms for label in labels["c1"]] == [1, 5]
    assert unreadable == 5
    with pytest.raises(UsageError):
        read_labels(tmp_path / "none.jsonl")


def test_a_call_by_phone_is_labelled_by_its_stream_or_by_its_id(tmp_path: Path) -> None:
    """Who calls from outside knows no more than the name it gave its stream."""
    record(tmp_path, "c1", sound((1000, 2000, 0.95), (4000, 5000, 0.95), lasts_ms=8000), BALANCED, stream="MZ1")
    mine = {"MZ1": [Label("MZ1", 4015, 5015, "yield")], "c1": [Label("c1", 1015, 2015, "ignore")]}
    found = gather(tmp_path, mine | {"MZ2": [Label("MZ2", 0, 1, "yield")]}, 1)
    assert [(e.want, e.why, e.onset_ms) for e in found.calls[0].episodes] == [
        ("ignore", "label", 1015),
        ("yield", "label", 4015),
    ]
    assert found.lost_labels == 1


def test_labels_of_calls_that_are_not_here_are_counted(tmp_path: Path) -> None:
    coughs_and_interruptions(tmp_path, 1, BALANCED)
    lost = {"elsewhere": [Label("elsewhere", 0, 1, "yield")]}
    assert gather(tmp_path, lost, 1).lost_labels == 1


# ------------------------------------------------------------------------------------------------------ properties


@given(st.integers(0, 1000), st.sampled_from(list(STEPS)), st.sampled_from(["instant", "balanced", "patient"]))
def test_whatever_is_drawn_is_a_policy(seed: int, name: str, preset: str) -> None:
    base = Policy.named(preset)
    fixed = {name: STEPS[name][0]}
    space = Space(base, fixed, seed)
    drawn = list(space.draw(6))
    for candidate in [*space.starts(), *drawn, *space.beside(drawn[0]), *space.plainer(drawn[0])]:
        policy = policy_of(base, candidate.changes)
        if name != "decide_threshold":
            assert policy.numbers()[name] == fixed[name]
    assert [c.key for c in Space(base, fixed, seed).draw(6)] == [c.key for c in drawn]


def test_the_presets_are_tried_as_they_are() -> None:
    for candidate in references()[1:]:
        policy, preset = policy_of(BALANCED, candidate.changes), Policy.named(candidate.label)
        assert all(policy.numbers()[name] == preset.numbers()[name] for name in STEPS)


tallies = st.builds(
    lambda stopped, missed, cuts: Tally(10, stopped, 0, [], 10, missed, 0, [], [float(cuts)] * 10),
    st.integers(0, 10),
    st.integers(0, 2),
    st.integers(30, 900),
)


@given(st.lists(tallies, max_size=20))
def test_nothing_beats_the_frontier(found: list[Tally]) -> None:
    limits = ScoreLimits(missed=0.1)
    tried = [TriedPolicy(Candidate(f"#{n}", {}), tally, Tally()) for n, tally in enumerate(found)]
    line = [t.everywhere for t in frontier(tried, limits)]
    assert all((t.misses.value or 0) <= 0.1 for t in line)
    for t in tried:
        if t.everywhere.missed <= 1:
            assert any(
                limits.latency(best) // 10 <= limits.latency(t.everywhere) // 10
                and best.stopped <= t.everywhere.stopped
                for best in line
            )
    assert [best.stopped for best in line] == sorted({best.stopped for best in line}, reverse=True)


@pytest.mark.parametrize(("cut_ms", "missed"), [(1299.0, 0), (3000.0, 1), (None, 1)])
def test_a_miss_counts_as_two_seconds(report: show.TuningReport, cut_ms: float | None, missed: int) -> None:
    episode = next(e for e in report.episodes if e.want == "yield")
    tally = Tally()
    tally.add(episode, Outcome(cut_ms=None if cut_ms is None else episode.onset_ms + cut_ms))
    assert tally.missed == missed
    assert tally.cut_ms == pytest.approx([1299.0 if not missed else 2000.0])
    tally.add(episode, Outcome(ended=True))
    assert (tally.yields, tally.ended) == (1, 1)
