"""The simulated telephone: it plays media, returns marks, and falls silent at a clear."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.mulaw import SILENCE, from_mulaw
from bargein_bench.callers.telephone import FRAME, RATE, SimulatedTelephone

SOUND = bytes(range(1, 161))
OTHER = SOUND[::-1]


def test_audio_plays_from_the_moment_it_comes_and_in_order() -> None:
    phone = SimulatedTelephone(1000)
    phone.media(100, SOUND)
    phone.media(110, SOUND[::-1])
    heard = phone.heard[: 100 + 2 * FRAME].tobytes()
    assert heard == bytes([SILENCE]) * 100 + SOUND + SOUND[::-1]
    assert phone.speech_starts == [100]
    assert phone.most_queued_ms == (2 * FRAME - 10) / 8


def test_a_mark_comes_back_when_all_before_it_was_played_and_at_once_if_there_is_nothing() -> None:
    phone = SimulatedTelephone(1000)
    assert phone.mark(5, "early") == ["early"]
    phone.media(100, SOUND)
    assert phone.mark(101, "a") == []
    assert phone.next_mark == 260
    assert phone.due(259) == []
    assert phone.due(260) == ["a"]


def test_a_clear_silences_what_was_not_played_and_returns_every_mark() -> None:
    phone = SimulatedTelephone(1000)
    phone.media(0, SOUND)
    phone.mark(0, "a")
    phone.media(0, SOUND)
    phone.mark(0, "b")
    assert phone.clear(60) == ["a", "b"]
    assert phone.heard[:60].tobytes() == SOUND[:60]
    assert set(phone.heard[60:]) == {SILENCE}
    assert phone.next_mark is None


@given(st.lists(st.tuples(st.sampled_from("mkc"), st.integers(0, 400)), max_size=60))
def test_whatever_comes_marks_return_once_in_order_and_nothing_plays_twice(steps: list[tuple[str, int]]) -> None:
    phone = SimulatedTelephone(60 * 400 / 8 + 3000)
    now, sent, back = 0, list[str](), list[str]()
    for kind, later in steps:
        now += later
        back += phone.due(now)
        if kind == "m":
            phone.media(now, SOUND)
        elif kind == "k":
            sent.append(str(len(sent)))
            back += phone.mark(now, sent[-1])
        else:
            back += phone.clear(now)
            assert set(phone.heard[now:]) <= {SILENCE}
    back += phone.due(1 << 40)
    assert back == sent
    assert int(np.count_nonzero(phone.heard != SILENCE)) <= phone.frames * FRAME


def test_a_buffer_that_ran_dry_in_the_middle_of_speech_is_a_gap_and_a_pause_is_none() -> None:
    phone = SimulatedTelephone(20_000)
    phone.media(0, SOUND)
    phone.media(FRAME + 400, SOUND)  # 50 ms too late
    assert (phone.late, phone.gap_ms) == (1, 50.0)
    phone.media(5 * RATE, SOUND)
    assert phone.late == 1
    assert phone.speech_starts == [0, 5 * RATE]


def test_what_follows_a_clear_at_once_is_stale_and_a_resume_is_not() -> None:
    phone = SimulatedTelephone(20_000)
    phone.media(0, SOUND * 5)
    phone.clear(400)
    phone.media(410, OTHER)
    assert phone.stale_ms == 20.0
    phone.clear(600)
    phone.media(600 + 200 * 8, OTHER)
    assert phone.stale_ms == 20.0
    assert phone.late == 0
    phone.media(600 + 200 * 8 + FRAME, SOUND)
    phone.clear(600 + 200 * 8 + FRAME)
    phone.media(600 + 200 * 8 + FRAME + 80, SOUND)
    assert phone.stale_ms == 20.0, "what was thrown away and is sent again is no remnant"


def test_what_sounds_can_be_asked_for_also_before_the_beginning() -> None:
    phone = SimulatedTelephone(1000)
    phone.media(0, SOUND)
    assert phone.played(-80, 160)[:80].tolist() == [0] * 80
    assert phone.played(-80, 160)[80:].tolist() == from_mulaw(SOUND[:80]).tolist()
    assert phone.played(-300, 100).tolist() == [0] * 100
