"""The scripts and the tables of `python -m benchmarks --only verdicts`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bargein.errors import Unavailable, UsageError
from bargein.floor import Policy
from bargein.floor.actions import BargeIn, Cut, Source
from bargein.recorder.journal import FileJournal
from bargein_bench.results import CallResult, Event, Results
from bargein_bench.scenarios.clips import Clip, Library
from benchmarks import verdicts, verdicts_agent, verdicts_calls, verdicts_endings, verdicts_turns
from benchmarks.rows import row
from tests.bench.agent_audio import speech_like

WIDE = 16


def clip(kind: str, name: str, ms: int = 900, *, speaker: str = "", source: str = "recorded") -> Clip:
    samples = np.concatenate((np.repeat(speech_like(len(name), ms), 2), np.zeros(150 * WIDE, np.int16)))
    pause_ms = ms / 2 if kind == "pause" else None
    return Clip(kind, name, samples, 0.0, float(ms), source, speaker=speaker, pause_ms=pause_ms)


SOUNDS = Library(
    [
        *(clip("interruption", f"{who} {n}", 1_700, speaker=who) for who in ("ann", "bob") for n in range(4)),
        clip("wait", "wait", speaker="ann"),
        *(clip("laugh", f"laugh {n}") for n in range(6)),
        *(clip("cough", f"cough {n}", 400) for n in range(6)),
        clip("television", "news", 6_000),
        clip("whole", "whole", source="espeak"),
        clip("pause", "pausing", 2_000, source="espeak"),
    ]
)


def event(scene: str, want: str, outcome: str, onset_ms: float = 2_000.0, **more: object) -> Event:
    return Event(scene, "s", want, 0, onset_ms, onset_ms + 900, outcome, **more)  # type: ignore[arg-type]


def run(events: Sequence[Event], call_id: str = "") -> Results:
    return Results("x", "twilio", 1, "", "", (CallResult(0, "call", tuple(events), call_id=call_id),))


# ------------------------------------------------------------------------------------------------------------- calls


def test_every_call_is_of_one_caller_who_begins_with_words() -> None:
    calls = verdicts_calls.scripts(SOUNDS, 1.0)
    assert sum(scored.want == "yield" for call in calls for scored in call.scored) >= 9
    for call in calls:
        yields = [scored.sound.split()[0] for scored in call.scored if scored.want == "yield"]
        assert call.scored[0].want == "yield"
        assert len({"ann" if name == "wait" else name for name in yields}) == 1
        assert call.steps[0].after_agent  # type: ignore[union-attr]
        assert all(step.after_step for step in call.steps[1:])  # type: ignore[union-attr]
    kinds = [scored.scene for call in calls for scored in call.scored]
    assert kinds.count("laugh") == 12
    assert kinds.count("silence") == 20
    assert len(verdicts_calls.scripts(SOUNDS, 0.3)) < len(calls)


def test_the_rows_count_yields_and_false_cuts_of_each_kind() -> None:
    events = [
        event("interruption", "yield", "stopped", hold_ms=50.0, stop_ms=50.0),
        event("interruption", "yield", "through"),
        event("interruption", "yield", "unheard"),
        event("laugh", "ignore", "stopped"),
        event("laugh, made", "ignore", "held", gap_ms=200.0),
        event("cough", "ignore", "through"),
    ]
    rows = {each.name: each for each in verdicts_calls.rows_of(run(events))}
    assert rows["interruption: yielded to"] == row("interruption: yielded to", 1, 2, ">= 99 %")
    assert (rows["laugh: ended the reply"].hits, rows["laugh, made: ended the reply"].n) == (1, 1)
    assert rows["laughs and backchannels together: ended the reply"].n == 2
    assert rows["silence: ended the reply"].share is None
    times = {each.name: each for each in verdicts_calls.spreads_of(run(events), [420.0])}
    assert (times["onset to silence p50"].value, times["onset to silence p50"].n) == (50.0, 1)
    assert times["verdict of true interruptions p50"].value == 420.0


def test_the_time_of_a_verdict_is_that_of_the_servers_cut(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, "c1", agent="a", policy=Policy(), language="en")
    journal.note(0.0, "call", stream="MZ1")
    for at_ms in (2_450.0, 9_000.0):
        barge_in = BargeIn(1, at_ms - 400, at_ms, Source.WORDS, 1.0, "words")
        journal.action(at_ms, Cut(1, barge_in))
    journal.close()
    yields = [event("x", "yield", "stopped"), event("x", "yield", "stopped", 20_000.0), event("x", "yield", "held")]
    results = run([*yields, event("y", "ignore", "stopped", 8_800.0)], "MZ1")
    times, (words, others) = verdicts_calls.verdict_times(tmp_path, results.calls)
    assert times == (450.0,)
    assert (words.hits, words.n) == (1, 3), "one without a cut, and one that was cut though it sounds like a hold"
    assert (others.hits, others.n) == (1, 1)
    (call,) = verdicts_calls.settled(tmp_path, results.calls)
    assert [each.outcome for each in call.events] == ["stopped", "held", "stopped", "stopped"], "as the record says"
    times, (words, others) = verdicts_calls.verdict_times(tmp_path, run(yields, "another").calls)
    assert (times, words.n, others.n) == ((), 0, 0)


# ------------------------------------------------------------------------------------------------------------- turns


def test_turns_end_where_their_last_sample_is_and_pause_inside() -> None:
    calls = verdicts_turns.scripts(SOUNDS, 1.0)
    scored = [each for call in calls for each in call.scored]
    assert {each.scene for each in scored} >= {"whole, made", "whole, recorded", "pause, made"}
    for each in scored:
        assert not each.in_reply
        assert ("pausing for" in each.sound) == (each.scene in verdicts_turns.PAUSES)
    assert [c.steps[0].at_ms for c in calls] == [c.steps[0].at_ms for c in verdicts_turns.scripts(SOUNDS, 1.0)]  # type: ignore[union-attr]


def test_the_figures_of_turns_leave_out_what_was_cut_into() -> None:
    events = (
        event("pause, made", "yield", "through", cut_ins=1, answer_ms=100.0),
        event("pause, recorded", "yield", "stopped", answer_ms=800.0),
        event("whole, made", "yield", "stopped", answer_ms=400.0),
        event("whole, made", "yield", "stopped", answer_ms=5_000.0),  # of the next turn
        event("whole, recorded", "yield", "through", cut_ins=1, answer_ms=300.0),
    )
    found = verdicts_turns.TurnFigures("now", events)
    assert (found.cut_ins.hits, found.cut_ins.n) == (1, 2)
    assert found.answers() == [400.0]
    assert found.rows()[-1] == row("now: such turns answered", 1, 3)


def test_a_fixed_quiet_is_the_same_after_any_words_and_every_number_is_known() -> None:
    numbers = Policy.balanced().with_(verdicts_turns.fixed(550.0)).numbers()
    assert {numbers[name] for name in verdicts_turns.QUIETS if name in numbers} == {550.0}
    assert verdicts_turns.scaled(2.0)["end_of_turn_ms"] == 2 * verdicts_agent.POLICY.endpointing.end_of_turn_ms


def test_the_curve_is_drawn_with_both_ways(tmp_path: Path) -> None:
    figures = [
        verdicts_turns.TurnFigures("x", (event("whole, made", "yield", "stopped", answer_ms=ms), pause))
        for ms, pause in (
            (300.0, event("pause, made", "yield", "through", cut_ins=1)),
            (800.0, event("pause, made", "yield", "stopped")),
        )
    ]
    verdicts_turns.draw(tmp_path / "none.svg", figures, [])  # no point of the other way is known yet
    assert "by evidence" not in (tmp_path / "none.svg").read_text()
    verdicts_turns.draw(tmp_path / "x.svg", figures, figures[:1])
    drawn = (tmp_path / "x.svg").read_text()
    assert "fixed quiet" in drawn
    assert "by evidence" in drawn


# ----------------------------------------------------------------------------------------------------------- command


def test_the_looks_are_printed_and_written_with_their_intervals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verdicts, "LOOKS", {"tests.bench.test_verdicts_benchmark": "Looks"})
    monkeypatch.setattr(verdicts_calls, "library", lambda _: SOUNDS)
    path = tmp_path / "x.json"
    verdicts.measure(Console(width=120), None, parts=("looks",), as_json=path)
    assert "9 of 10" in capsys.readouterr().out
    (written,) = json.loads(path.read_text())["rows"]["Looks"]
    assert (written["n"], written["hits"], written["note"]) == (10, 9, "of none")
    assert written["low"] < 0.9 < written["high"]


def rows(folder: Path | None) -> list[object]:
    """As a part of the section has them."""
    return [row("seen", 9, 10, f"of {folder or 'none'}")]


def test_a_part_that_is_not_there_is_named_and_one_that_is_not_installed_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError, match="'sound'"):
        verdicts.measure(Console(), None, parts=("looks", "sound"))

    def missing(_: Path | None) -> list[object]:
        raise Unavailable("No front end", advice="Install it")

    monkeypatch.setattr(verdicts, "LOOKS", {"tests.bench.test_verdicts_benchmark": "Looks"})
    monkeypatch.setattr(verdicts_calls, "library", lambda _: SOUNDS)
    monkeypatch.setattr("tests.bench.test_verdicts_benchmark.rows", missing)
    verdicts.measure(Console(width=120), None, parts=("looks",))
    assert "Left out: No front end" in capsys.readouterr().out


def test_the_offline_table_has_the_waits_of_the_floor() -> None:
    policy = Policy().endpointing
    assert verdicts_endings.wait_ms("What time do you open?", Policy()) == policy.end_sure_ms
    assert verdicts_endings.wait_ms("and then I", Policy()) == policy.end_hang_ms
