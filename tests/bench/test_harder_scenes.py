"""Pauses, muted lines, laughs and lines; the agent's own cut-ins, answers that repeat, and the one number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller_audio import CallerAudio, SayLine, SendsNoSilence
from bargein_bench.callers.telephone import FRAME, RATE, SimulatedTelephone
from bargein_bench.judging.outcome import Known, ListeningTimeline
from bargein_bench.judging.repetition import said_again_ms, tells
from bargein_bench.measures import measures
from bargein_bench.penalty import average_penalty, penalty_ms
from bargein_bench.record import Record
from bargein_bench.results import CallResult, Event, Results
from bargein_bench.scenarios import synthetic
from bargein_bench.scenarios.clips import Clip, Library, kind_of_entry
from bargein_bench.scenarios.pauses import pausing, with_pause
from bargein_bench.scenarios.scenes import SCENES, Opening
from bargein_bench.scenarios.stage import Stage
from tests.bench.agent_audio import MS, AgentAudio, speech_like

BY_NAME = {scene.name: scene for scene in SCENES}
WIDE = 16


def sentence(*parts_ms: int, quiet_ms: int = 120) -> Clip:
    """Words with quiet between them."""
    quiet = np.zeros(quiet_ms * WIDE, np.int16)
    parts = [part for n, ms in enumerate(parts_ms) for part in (np.repeat(speech_like(n, ms), 2), quiet)][:-1]
    samples = np.concatenate(parts)
    return Clip("interruption", "a sentence", samples, 0.0, len(samples) / WIDE)


# -------------------------------------------------------------------------------------------------------- recordings


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"kind": "backchannel", "what": "laughing"}, "laugh"),
        ({"kind": "noise", "what": "laugh-evil"}, "laugh"),
        ({"kind": "noise", "tags": ["line-click"]}, "line noise"),
        ({"kind": "noise", "what": "bang", "tags": ["bang", "line-static"]}, "line noise"),
        ({"kind": "noise", "what": "background-noise", "tags": ["background-noise"]}, "line noise"),
        ({"kind": "conversation", "what": "background-talking", "tags": ["background-talking"]}, "television"),
        ({"kind": "conversation", "what": "party"}, "television"),
        ({"kind": "noise", "what": "throat-clearing", "tags": ["throat-clearing"]}, "cough"),
        ({"kind": "noise", "what": "dog-bark"}, "noise"),
        ({"kind": "rir"}, None),
        ({"kind": "speech", "text": "one"}, None),
    ],
)
def test_what_and_tags_say_what_a_recording_is(entry: dict[str, object], kind: str | None) -> None:
    assert kind_of_entry(entry) == kind


# ------------------------------------------------------------------------------------------------------------ pauses


def test_a_pause_is_put_between_two_words_in_the_middle() -> None:
    (placed,) = pausing([sentence(500, 700, 600), sentence(400, 300)], 8_000)  # the second is too short
    at = placed.pause_ms
    assert at is not None
    assert 500 < at < 620 or 1_320 < at < 1_440
    paused = with_pause(placed, 900)
    assert paused.active_ms == placed.active_ms + 900
    inside = paused.samples[int((at + 20) * WIDE) : int((at + 880) * WIDE)]
    assert not inside.any()
    assert np.array_equal(paused.samples[-RATE:], placed.samples[-RATE:])


def test_a_sentence_without_a_quiet_place_has_no_pause() -> None:
    assert pausing([Clip("interruption", "", np.full(3_000 * WIDE, 900, np.int16), 0.0, 3_000.0)], 8_000) == []


@pytest.mark.parametrize("number", range(4))
def test_the_pause_of_a_scene_lies_inside_the_users_turn(number: int) -> None:
    made = replace(sentence(900, 900), kind="pause", name="made", pause_ms=960.0)
    sounds = Library([sentence(700, 800, 700), made])
    staged = Stage(sounds, 8000, Opening(20.0, 2_000.0, 800.0), 1).set(BY_NAME["pause"], number)
    (scored,) = staged.scored
    assert not scored.in_reply
    assert "pausing for" in scored.sound
    quiet = np.flatnonzero(np.diff(np.flatnonzero(scored.step.samples)) >= 400 * MS)
    assert len(quiet) == 1
    assert scored.step.samples[-90 * MS :].any(), "the last sample is the end of the turn"


# ------------------------------------------------------------------------------------------------------------- muted


def test_a_muted_side_sends_its_speech_and_nothing_else() -> None:
    step = SayLine(100.0, np.full(4 * FRAME, 900, np.int16))
    audio = CallerAudio(SimulatedTelephone(1_000), [step, SendsNoSilence()], RATE, FRAME)
    sent = []
    for place in range(0, 20 * FRAME, FRAME):
        audio.due(place)
        sent.append(audio.sends(place))
        audio.render(place)
    assert [n for n, each in enumerate(sent) if each] == [5, 6, 7, 8]
    assert audio.spoken[0].onset == 5 * FRAME


def test_without_that_step_every_frame_is_sent() -> None:
    audio = CallerAudio(SimulatedTelephone(1_000), [SayLine(100.0, np.zeros(FRAME, np.int16))], RATE, FRAME)
    assert all(audio.sends(place) for place in range(0, 20 * FRAME, FRAME))


# ----------------------------------------------------------------------------------------------------------- cut-ins


def quiet_turn(record: Record, known: Known | None = None) -> Event:
    return ListeningTimeline(record, known or Known()).judge_quiet("pause", "x", "yield", 0, record.spoken[0])


def test_an_agent_that_speaks_in_the_users_pause_has_cut_in() -> None:
    line = AgentAudio().says(speech_like(1, 1_000)).quiet(2_500).says(speech_like(2, 700)).quiet(3_000)
    event = quiet_turn(line.says(speech_like(3, 1_000)).quiet(1_000).record((2_000, 6_000)))
    assert (event.outcome, event.right, event.cut_ins) == ("through", False, 1)


def test_an_agent_that_waits_for_the_end_has_not_cut_in_and_its_answer_is_timed() -> None:
    line = AgentAudio().says(speech_like(1, 1_000)).quiet(5_450).says(speech_like(2, 2_000)).quiet(500)
    event = quiet_turn(line.record((2_000, 6_000)))
    assert (event.right, event.cut_ins) == (True, 0)
    assert event.answer_ms == pytest.approx(450, abs=20)


def test_who_begins_at_the_same_moment_has_not_cut_in() -> None:
    line = AgentAudio().quiet(2_100).says(speech_like(2, 200)).quiet(6_000)
    assert quiet_turn(line.record((2_000, 6_000))).cut_ins == 0


def test_a_held_reply_that_goes_on_while_the_user_talks_has_cut_in() -> None:
    reply = speech_like(1, 9_000)
    line = AgentAudio().says(reply[: 2_070 * MS]).discards(reply[2_070 * MS : 2_170 * MS]).quiet(600)
    record = line.says(reply[2_070 * MS : 5_000 * MS]).quiet(1_000).record((2_000, 5_000))
    event = ListeningTimeline(record, Known()).judge("x", "x", "yield", 0, record.spoken[0], len(record.agent))
    assert (event.outcome, event.cut_ins) == ("held", 1)
    ignored = ListeningTimeline(record, Known()).judge("x", "x", "ignore", 0, record.spoken[0], len(record.agent))
    assert ignored.cut_ins == 0


# -------------------------------------------------------------------------------------------------------- repetition


def answered(answer: Samples, *, alike: bool = True) -> Event:
    """A reply is cut after 3 s, and answered."""
    line = AgentAudio().quiet(500).says(speech_like(1, 3_000)).quiet(1_500).says(answer).quiet(500)
    record = line.record((3_450, 4_300))
    known = Known(alike=alike)
    return ListeningTimeline(record, known).judge("x", "x", "yield", 0, record.spoken[0], len(record.agent))


def test_an_answer_that_says_again_what_was_heard_is_found() -> None:
    again = np.concatenate((speech_like(7, 400), speech_like(1, 3_000)[600 * MS : 2_600 * MS]))
    event = answered(again)
    assert event.outcome == "stopped"
    assert event.said_again_ms == pytest.approx(1_800, abs=500)
    assert answered(speech_like(9, 4_000)).said_again_ms == 0


def test_of_an_agent_that_never_speaks_alike_nothing_is_said() -> None:
    assert answered(speech_like(1, 2_000), alike=False).said_again_ms is None
    assert tells([speech_like(1, 3_000), speech_like(1, 3_000, breath=2)])
    assert not tells([speech_like(1, 3_000), speech_like(2, 3_000)])
    assert not tells([])
    assert said_again_ms(np.zeros(0, np.int16), speech_like(1, 3_000)) == 0


# ----------------------------------------------------------------------------------------------------------- penalty


def event(want: str, outcome: str, **more: object) -> Event:
    return Event("x", "s", want, 0, 1_000.0, 2_000.0, outcome, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of", "ms"),
    [
        (event("yield", "stopped", stop_ms=80.0), 80),
        (event("yield", "stopped", stop_ms=1_900.0), 1_900),
        (event("yield", "held", gap_ms=300.0), 2_000),
        (event("yield", "through"), 2_000),
        (event("yield", "stopped", stop_ms=80.0, cut_ins=1), 2_000),
        (event("ignore", "through"), 0),
        (event("ignore", "held", gap_ms=400.0), 400),
        (event("ignore", "held", gap_ms=9_000.0), 5_000),
        (event("ignore", "stopped", stop_ms=100.0, answer_ms=700.0), 2_000),  # 1.6 s of silence, and an answer lost
        (event("ignore", "stopped", stop_ms=100.0, answer_ms=2_100.0), 3_000),
        (event("ignore", "stopped", stop_ms=100.0), 5_000),
    ],
)
def test_each_mistake_has_its_price(of: Event, ms: float) -> None:
    assert penalty_ms(of) == ms


def test_the_one_number_weighs_both_sides_alike() -> None:
    yields = [event("yield", "stopped", stop_ms=100.0)] * 90
    ignored = [event("ignore", "through")] * 5 + [event("ignore", "stopped", stop_ms=0.0, answer_ms=0.0)] * 5
    found = average_penalty([*yields, *ignored, event("ignore", "unheard")])
    assert found is not None
    value, low, high, n = found
    assert value == pytest.approx((100 + 1_000) / 2)
    assert n == 100
    assert low < value < high
    assert average_penalty(yields) is None
    run = Results("x", "twilio", 1, "", "", (CallResult(0, "s", (*yields, *ignored)),))
    apt = next(m for m in measures(run) if m.name == "APT")
    assert (apt.value, apt.low, apt.high, apt.n) == found


def test_cut_ins_and_responses_are_measures_of_their_own() -> None:
    events = (
        Event("pause", "s", "yield", 0, 0, 3_000, "through", cut_ins=2, answer_ms=300),
        Event("pause", "s", "yield", 0, 0, 3_000, "stopped", answer_ms=800),
        Event("whole", "s", "yield", 0, 0, 3_000, "stopped", answer_ms=400),
        Event("interruption", "s", "yield", 0, 0, 3_000, "stopped", stop_ms=60, answer_ms=900),
    )
    found = {m.name: m for m in measures(Results("x", "twilio", 1, "", "", (CallResult(0, "s", events),)))}
    assert (found["cut-ins"].value, found["cut-ins"].n) == (0.25, 4)
    assert (found["cut-ins in a pause"].value, found["cut-ins in a pause"].n) == (0.5, 2)
    assert (found["response p50"].value, found["response p50"].n) == (600, 2)


# ------------------------------------------------------------------------------------------------------------ voices


async def test_made_speech_has_pauses_wholes_and_a_television() -> None:
    clips = Library(await synthetic.spoken())
    for kind in ("wait", "pause", "whole", "television"):
        assert clips.of(kind), kind
    for clip in clips.of("pause"):
        assert clip.pause_ms is not None
        assert clip.onset_ms + 500 < clip.pause_ms < clip.end_ms - 400
    spectrum = np.abs(np.fft.rfft(clips.of("wait")[0].samples))
    assert spectrum[len(spectrum) // 2 :].max() < 0.02 * spectrum.max(), "a telephone carries nothing above 3.4 kHz"


def test_where_the_wire_tells_the_words_they_decide() -> None:
    line = (
        AgentAudio().quiet(500).says(speech_like(1, 3_000), "r1", 0).quiet(1_500).says(speech_like(2, 3_000), "r2", 0)
    )
    record = line.quiet(500).record((3_450, 4_300))
    told = {"r1": "We are open from eight to six", "r2": "Sure. We are open from eight, as I said."}
    for texts, ms in ((told, 5 * 330.0), (told | {"r2": "Good, what else may I do?"}, 0.0), ({"r1": "We are"}, None)):
        timeline = ListeningTimeline(replace(record, texts=texts), Known())
        event = timeline.judge("x", "x", "yield", 0, record.spoken[0], len(record.agent))
        assert event.said_again_ms == ms
