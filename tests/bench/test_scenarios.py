"""Sounds, scenes and the scripts that are made of them; and a run's figures."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bargein.errors import UsageError
from bargein_bench.callers.caller_audio import SayLine
from bargein_bench.files import labels, lines, read_measures
from bargein_bench.measures import measures, share, spread
from bargein_bench.results import CallResult, Event, Results
from bargein_bench.scenarios import synthetic
from bargein_bench.scenarios.clips import RATE, Clip, Library, read_folder
from bargein_bench.scenarios.scenes import SCENES, NotPlayed, Opening, Scene, Staged, chosen
from bargein_bench.scenarios.stage import Stage
from tests.bench.agent_audio import speech_like

KINDS = (
    *("interruption", "command", "question", "ask", "hesitation", "backchannel", "cough", "sneeze", "television"),
    *("wait", "laugh", "noise", "whole", "pause"),
)
GREETS = Opening(20.0, 4_000.0, 800.0, None)
AT_LENGTH = Opening(20.0, None)


def clip(kind: str, ms: int = 1_500, seed: int = 1) -> Clip:
    samples = np.repeat(speech_like(seed, ms), 2)
    return Clip(kind, f"{kind} {seed}", samples, 0.0, float(ms), pause_ms=ms / 2 if kind == "pause" else None)


@cache
def library() -> Library:
    return Library([*(clip(kind, seed=n) for kind in KINDS for n in (1, 2)), *synthetic.noises()])


def write(path: Path, samples: object, rate: int = RATE, channels: int = 1) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, "<i2").tobytes())


def folder(at: Path, entries: object, samples: object = None) -> Path:
    write(at / "a.wav", np.ones(RATE) if samples is None else samples)
    (at / "manifest.json").write_text(json.dumps(entries))
    return at


# ------------------------------------------------------------------------------------------------------------- sounds


def test_a_folder_says_what_its_sounds_are_and_where_they_begin(tmp_path: Path) -> None:
    entries = [
        {"file": "a.wav", "kind": "interruption", "onset_ms": 100, "end_ms": 900},
        {"file": "a.wav", "kind": "interruption", "speech_ms": [[200, 500]]},
        {"file": "a.wav", "kind": "noise", "what": "person-sneeze", "active_ms": [[0, 300], [400, 600]]},
        {"file": "a.wav", "kind": "conversation"},
        {"file": "a.wav", "kind": "noise", "what": "rooster"},
        {"file": "a.wav", "kind": "interruption", "speech_ms": [[0, 900]], "onset_quality": "C"},
    ]
    clips = read_folder(folder(tmp_path, entries))
    assert [(c.kind, c.onset_ms, c.end_ms) for c in clips] == [
        ("interruption", 100, 900),
        ("command", 200, 500),  # shorter than anybody addresses anybody
        ("sneeze", 0, 600),
        ("television", 0, 1000),
        ("noise", 0, 1000),
    ]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"file": "a.wav"}, "no list"),
        ([{"file": "b.wav", "kind": "cough"}], "cannot be read"),
        ([{"file": "a.wav", "kind": "cough", "onset_ms": 900, "end_ms": 100}], "ends before it begins"),
        ([{"file": "a.wav", "kind": "cough", "onset_ms": "soon"}], "cannot be read"),
        ([{"file": "a.wav", "kind": "whistle"}], "no sound of a known kind"),
    ],
)
def test_a_folder_that_is_wrong_is_told_what_is(tmp_path: Path, entries: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_folder(folder(tmp_path, entries))


def test_a_folder_without_a_list_is_told_to_have_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="manifest"):
        read_folder(tmp_path)


def test_a_clip_is_as_loud_as_it_is_told_and_never_beyond_full_scale() -> None:
    quiet = clip("cough").at_level(-30.0)
    assert quiet.level_db == pytest.approx(-30.0, abs=0.1)
    assert np.abs(clip("cough").at_level(0.0).samples.astype(int)).max() <= 32_000


def test_the_made_noises_are_the_same_each_time_and_none_is_silent() -> None:
    first, again = synthetic.noises(3), synthetic.noises(3)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(first, again, strict=True))
    assert {c.kind for c in first} == {"door", "keyboard", "traffic", "music", "line noise"}
    assert all(c.level_db > -40 for c in first)


# ------------------------------------------------------------------------------------------------------------- scenes


PLAYED = [(scene, GREETS) for scene in SCENES]
PLAYED += [(scene, AT_LENGTH) for scene in SCENES if scene.when not in ("last_word", "thinking", "turn")]


@pytest.mark.parametrize(("scene", "opening"), PLAYED, ids=lambda x: getattr(x, "name", ""))
def test_every_scene_has_its_script(scene: Scene, opening: Opening) -> None:
    staged = Stage(library(), 8000, opening, 1).set(scene, 0)
    assert staged.question in staged.steps
    assert all(scored.step in staged.steps for scored in staged.scored)
    assert 5_000 < staged.lasts_ms < 60_000
    again = Stage(library(), 8000, opening, 1).set(scene, 0)
    assert [s.at_ms for s in said(again)] == [s.at_ms for s in said(staged)]
    other = Stage(library(), 8000, opening, 2).set(scene, 0)
    assert any(
        a.at_ms != b.at_ms or not np.array_equal(a.samples, b.samples)
        for a, b in zip(said(staged), said(other), strict=True)
    )


def said(staged: Staged) -> list[SayLine]:
    return [step for step in staged.steps if isinstance(step, SayLine)]


def test_a_scene_that_cannot_be_played_says_why() -> None:
    silent = Opening(None, None, 900.0, None)
    by_name = {scene.name: scene for scene in SCENES}
    with pytest.raises(NotPlayed, match="has no greeting"):
        Stage(library(), 8000, silent, 1).set(by_name["greeting"], 0)
    with pytest.raises(NotPlayed, match="no clip of kind cough"):
        Stage(Library([clip("ask")]), 8000, silent, 1).set(by_name["cough"], 0)
    with pytest.raises(NotPlayed, match="300 ms only"):
        Stage(library(), 8000, replace(GREETS, answer_ms=300.0), 1).set(by_name["thinking"], 0)
    with pytest.raises(KeyError):
        chosen(["no such"])


def test_the_noise_of_a_scene_is_so_far_below_its_speech() -> None:
    by_name = {scene.name: scene for scene in SCENES}
    for name, snr in (("noise 20 dB", 20), ("noise 0 dB", 0)):
        staged = Stage(library(), 8000, GREETS, 1).set(by_name[name], 0)
        *_, bed = staged.steps
        speech = staged.scored[0].step.samples.astype(float)
        loud, soft = (10 * np.log10(np.mean(x**2)) for x in (speech, bed.samples.astype(float)))  # type: ignore[union-attr]
        assert loud - soft == pytest.approx(snr, abs=2.5)


# ------------------------------------------------------------------------------------------------------------ figures


def event(scene: str, want: str, outcome: str, **more: object) -> Event:
    return Event(scene, "s", want, 0, 1_000.0, 2_000.0, outcome, **more)  # type: ignore[arg-type]


def run(*events: Event) -> Results:
    return Results("ws://x", "twilio", 1, "2026-11-21T00:00:00+00:00", "a machine", (CallResult(0, "s", events),))


def test_the_measures_say_what_the_definitions_say() -> None:
    results = run(
        event("interruption", "yield", "stopped", hold_ms=60.0, stop_ms=100.0, answer_ms=700.0),
        event("interruption", "yield", "stopped", hold_ms=140.0, stop_ms=600.0),
        event("interruption", "yield", "through"),
        event("interruption", "yield", "unheard"),
        event("command", "yield", "held", hold_ms=50.0),
        event("noise 0 dB", "yield", "through"),
        event("backchannel", "ignore", "held", gap_ms=400.0, lost_ms=0.0, repeated_ms=20.0),
        event("backchannel", "ignore", "stopped", stop_ms=50.0),
        event("cough", "ignore", "through"),
        event("television", "ignore", "stopped"),
    )
    found = {m.name: m for m in measures(results)}
    assert found["R_Y"].value == pytest.approx(2 / 3)
    assert found["R_Y"].n == 3
    assert found["L_Y"].value == pytest.approx(0.35)
    assert [found[name].value for name in ("S_BC", "S_VT", "S_ND")] == [0.5, 1.0, 0.0]
    assert found["held within 120 ms"].value == pytest.approx(1 / 3)
    assert found["cut within 500 ms"].value == pytest.approx(1 / 3)
    assert found["commands yielded to"].value == 0
    assert found["false cuts, all"].value == pytest.approx(0.5)
    assert (found["false holds"].value, found["gap p50"].value) == (0.25, 400)
    assert found["said again on resume"].value == 20


def test_nothing_measured_is_nothing_said() -> None:
    assert all(m.value in (None, 0.0) for m in measures(run()))


def test_intervals_hold_their_value_and_shrink_with_what_was_seen() -> None:
    few, many = share("x", 9, 10, ""), share("x", 900, 1_000, "")
    for m in (few, many):
        assert m.low is not None
        assert m.high is not None
        assert m.value is not None
        assert 0 <= m.low < m.value < m.high <= 1
    assert many.high - many.low < few.high - few.low  # type: ignore[operator]
    assert share("x", 0, 5, "").low == 0
    assert share("x", 10, 10, "").low == pytest.approx(0.722, abs=0.001)  # Wilson's, of 10 in 10
    p50 = spread("x", [1.0, 2.0, 3.0, 4.0, 100.0], "", 50)
    assert (p50.value, p50.low, p50.high) == (3.0, 1.0, 100.0)
    assert spread("x", [5.0, 6.0], "") == spread("x", [5.0, 6.0], "")


def test_a_run_is_written_as_lines_and_its_place_read_back(tmp_path: Path) -> None:
    results = run(
        event("interruption", "yield", "stopped", stop_ms=80.0, hold_ms=80.0), event("cough", "ignore", "stopped")
    )
    path = tmp_path / "one.jsonl"
    path.write_text("".join(line + "\n" for line in lines(results, measures(results))))
    point = read_measures(path)
    assert (point.label, point.x, point.y) == ("one", 80.0, 1.0)
    assert [label["want"] for label in labels(results)] == ["yield", "ignore"]
    (tmp_path / "bad.jsonl").write_text('{"format": "x"}\n')
    (tmp_path / "torn.jsonl").write_text(path.read_text()[:300])
    for name in ("bad.jsonl", "torn.jsonl", "none.jsonl"):
        with pytest.raises(UsageError, match=name):
            read_measures(tmp_path / name)
