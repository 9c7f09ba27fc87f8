"""What the report draws: nothing outside its plot, nothing over something else, and no figure beside its measure."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from bargein_bench.measures import measures
from bargein_bench.report.curves import latencies
from bargein_bench.report.drawing import Plane, ticks
from bargein_bench.report.figures import ms, seconds
from bargein_bench.report.moments import explained, of_event
from bargein_bench.report.timeline import LETTER, WIDTH, timeline
from bargein_bench.results import Results
from tests.bench.report_kit import run, stops, yields


def answering(*answers: float) -> Results:
    """One interruption for each of these answers, in ms after the caller's end."""
    rest = list(answers)
    return run(lambda e, rng: replace(stops(e, rng), answer_ms=rest.pop(0)), {"interruption": len(answers)})


def plot(results: Results, title: str) -> str:
    return next(str(drawn) for drawn in latencies(results) if f"<b>{title}</b>" in drawn)


def xs_of_curve(drawn: str) -> list[float]:
    (path,) = re.findall(r'class="curve" d="M([^"]+)"', drawn)
    return [float(place.split()[0]) for place in path.split("L")]


def test_the_axis_goes_below_nothing_where_a_value_does() -> None:
    assert ticks(1_080) == [0, 250, 500, 750, 1000, 1250]
    assert ticks(1_080, least=-2_374) == [-3000, -2000, -1000, 0, 1000, 2000]
    assert ticks(-100, least=-400) == [-400, -300, -200, -100]
    assert len(ticks(0)) > 1
    plane = Plane("ms", "", ticks(100, least=-100))
    assert plane.at(-100, 0)[0] < plane.at(0, 0)[0] < plane.at(100, 0)[0]


def test_an_answer_before_the_callers_end_is_drawn_within_the_plot() -> None:
    drawn = plot(answering(-2_000.0, 700.0, 800.0, 900.0), "Answer")
    left = Plane("", "", [0, 1]).at(0, 0)[0]
    assert left <= min(xs_of_curve(drawn)) < max(xs_of_curve(drawn)) <= 520
    assert "−2000" in drawn, "and the axis says so"


def test_what_comes_after_a_hold_is_no_answer() -> None:
    results = run(
        lambda e, rng: replace(
            yields(e, rng), answer_ms=700.0 + e.call, outcome="held" if e.call % 4 == 0 else "stopped"
        ),
        {"interruption": 12},
    )
    measure = next(m for m in measures(results) if m.name == "answer p50")
    drawn = plot(results, "Answer")
    assert f"p50 {ms(measure.value)} ms" in drawn
    assert f"n {measure.n} of 12" in drawn


def test_the_marks_of_the_percentiles_lie_on_the_curve() -> None:
    drawn = plot(answering(100.0, 200.0, 900.0), "Answer")
    (path,) = re.findall(r'class="curve" d="M([^"]+)"', drawn)
    curve = [tuple(float(n) for n in place.split()) for place in path.split("L")]
    marks = [(float(x), float(y)) for x, y in re.findall(r'<circle class="dot" cx="([\d.]+)" cy="([\d.]+)"', drawn)]
    assert len(marks) == 2
    for x, y in marks:
        assert min(abs(x - px) + abs(y - py) for px, py in curve) < 0.5


def test_a_label_in_a_crowd_stays_in_the_plot() -> None:
    plane = Plane("ms", "", ticks(100))
    for step in range(101):
        for share in range(11):
            plane.taken(step, share / 10)
    drawn = plane.label(100, 0.95, "p95 100 ms")
    (x,) = re.findall(r' x="([\d.]+)"', drawn)
    assert 'text-anchor="end"' in drawn
    assert float(x) <= plane.width


@pytest.mark.parametrize("hold_ms", [5.0, 60.0, 300.0])
def test_no_label_of_a_moment_meets_another_or_is_crossed(hold_ms: float) -> None:
    results = run(
        lambda e, rng: replace(e, outcome="held", hold_ms=hold_ms, gap_ms=900.0, answer_ms=4_400.0), {"interruption": 1}
    )
    (call,) = results.calls
    drawn = str(timeline(of_event(call, call.events[0]), "m"))
    found = re.findall(r'<text class="label" x="([\d.]+)" y="([\d.]+)">([^<]+)<', drawn)
    labels = [(float(y), float(x), float(x) + LETTER * len(said)) for x, y, said in found]
    assert len(labels) == 5
    assert all(right <= WIDTH for _, _, right in labels)
    for (row, _, right), (next_row, left, _) in pairwise(sorted(labels)):
        assert row != next_row or right <= left
    for x, top in re.findall(r'<line class="mark" x1="([\d.]+)" y1="([\d.]+)"', drawn):
        crossed = [label for label in labels if label[0] > float(top) + 5 and label[1] < float(x) < label[2]]
        assert crossed == []


def test_a_hold_is_told_with_all_its_silence() -> None:
    (call,) = run(yields, {"cough": 1}).calls
    held = replace(call.events[0], hold_ms=40.0, gap_ms=330.0, lost_ms=0.0)
    notes = explained(held).replace("\u00a0", " ")
    assert notes == "It fell silent after 0.04 s, for 0.33 s in all, and went on, with 0 ms of the reply lost."


def test_less_than_nothing_has_a_sign_that_is_seen() -> None:
    assert (ms(-42.0), ms(-0.2), ms(12_345.0)) == ("−42", "0", "12\u202f345")
    assert seconds(-894.0).startswith("−0.89")
