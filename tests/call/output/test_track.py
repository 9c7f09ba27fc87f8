"""One reply's audio: made, divided into frames, sent, played; every position to the sample."""

from __future__ import annotations

import numpy as np
import pytest

from bargein.audio.mulaw import SILENCE, Mulaw
from bargein.audio.pcm import Pcm
from bargein.call.output.track import Position, Track
from bargein.protocols import AudioOut, SpeechChunk, Word

RATE = 24_000
FRAME = 480  # 20 ms


def chunk(samples: int, text: str = "", *, value: int = 1) -> SpeechChunk:
    return SpeechChunk(Pcm(np.full(samples, value, np.int16), RATE), text, ())


def filled(samples: int, *, complete: bool = True) -> Track:
    track = Track(1, RATE, RATE)
    track.push_audio(chunk(samples))
    if complete:
        track.finish()
    return track


def send(track: Track, most: int = 1000) -> list[AudioOut]:
    sent: list[AudioOut] = []
    while len(sent) < most and not track.done_sending and (frame := track.next_frame()) is not None:
        track.sent_frame(frame)
        sent.append(frame)
    return sent


# ---------------------------------------------------------------------------------------------------- sending


def test_frames_are_20_ms_and_only_whole_ones_leave_before_the_end() -> None:
    track = filled(1_000, complete=False)
    assert [(f.first_sample, len(f.samples), f.last) for f in send(track)] == [(0, 480, False), (480, 480, False)]
    track.finish()
    assert [(f.first_sample, len(f.samples), f.last) for f in send(track)] == [(960, 40, True)]
    assert track.done_sending


def test_a_telephone_gets_whole_frames_the_last_filled_up_with_silence() -> None:
    track = Track(1, 8000, 8000, mulaw=True, whole=True)
    track.push_audio(SpeechChunk(Mulaw(np.full(200, 7, np.uint8)), "", ()))
    track.finish()
    first, last = send(track)
    assert (len(first.samples), len(last.samples)) == (160, 160)
    assert last.samples[:40].tolist() == [7] * 40
    assert last.samples[40:].tolist() == [SILENCE] * 120


def test_an_end_that_comes_after_everything_was_sent_is_a_frame_of_its_own() -> None:
    track = filled(FRAME, complete=False)
    send(track)
    track.finish()
    (last,) = send(track)
    assert (len(last.samples), last.last, last.sequence) == (0, True, 1)


def test_a_second_end_changes_nothing() -> None:
    track = filled(FRAME)
    assert track.finish("lost") == ()
    assert track.failure is None


def test_a_frame_in_which_a_word_ends_says_so() -> None:
    track = Track(1, RATE, RATE)
    track.push_audio(SpeechChunk(Pcm(np.ones(1_440, np.int16), RATE), "hi", (Word(0, 30, 0, 2),)))
    assert [f.word_ends for f in send(track)] == [False, True, False]


def test_what_the_transport_gave_back_is_sent_again() -> None:
    track = filled(1_440)
    sent = send(track)
    track.unsend(sent[1])
    assert not track.done_sending
    assert [(f.sequence, f.first_sample) for f in send(track)] == [(1, 480), (2, 960)]


def test_after_a_rewind_frames_begin_where_it_stopped_and_are_whole_again() -> None:
    track = filled(2_000)
    send(track)
    track.rewind(700)
    track.recut()
    assert [(f.first_sample, len(f.samples)) for f in send(track)] == [(700, 480), (1_180, 480), (1_660, 340)]
    assert track.made == 2_000


def test_without_a_recut_the_rest_of_a_frame_is_sent() -> None:
    track = filled(960)
    send(track)
    track.rewind(100)
    assert [(f.first_sample, len(f.samples)) for f in send(track)] == [(100, 380), (480, 480)]


def test_a_rewind_goes_no_further_than_what_is_kept_and_what_was_made() -> None:
    track = filled(1_440)
    send(track)
    track.discard_before(960)
    track.rewind(0)
    assert track.sent == 960
    track.rewind(9_999)
    assert track.sent == 1_440
    assert track.waiting_ms == 0


def test_a_recut_at_the_beginning_of_a_frame_changes_nothing() -> None:
    track = filled(960)
    track.recut()
    assert [len(f.samples) for f in send(track)] == [480, 480]


# --------------------------------------------------------------------------------------------------- position


def test_nothing_was_heard_before_the_first_report() -> None:
    track = filled(960)
    send(track)
    assert track.position(5_000) == Position(0, 0.0, 40.0)


def test_between_reports_the_position_runs_on_but_not_beyond_what_was_sent() -> None:
    track = filled(24_000)
    send(track, most=25)
    track.report(100, 0, playing=True)
    assert track.position(350) == Position(6_000, 250.0, 500.0)
    assert track.position(9_000).samples == 12_000


def test_a_position_that_the_client_has_not_reached_bounds_the_estimate() -> None:
    track = filled(24_000)
    send(track)
    track.report(100, 2_400, playing=True, before=4_800)
    assert track.position(1_000) == Position(4_800, 200.0, 100.0)


def test_a_client_that_stopped_stays_where_it_was() -> None:
    track = filled(24_000)
    send(track)
    track.report(100, 2_400, playing=False, bound_ms=5.0)
    assert track.position(1_000) == Position(2_400, 100.0, 5.0)


def test_an_older_report_changes_nothing_and_a_final_one_everything() -> None:
    track = filled(24_000)
    send(track)
    track.report(100, 4_800, playing=False)
    track.report(120, 2_400, playing=False)
    track.report(90, 7_200, playing=False)
    assert track.position(200).samples == 4_800
    track.report(130, 2_400, playing=False, final=True)
    assert track.position(200).samples == 2_400


@pytest.mark.parametrize(("then_ms", "ms"), [(50, 0), (100, 0), (300, 200), (600, 500), (800, 500), (1_200, 700)])
def test_where_the_client_was_at_a_moment(then_ms: float, ms: float) -> None:
    track = filled(48_000)
    send(track)
    track.report(100, 0, playing=True)
    track.report(600, 12_000, playing=False)
    track.report(1_000, 12_000, playing=True)
    assert track.was_at_ms(then_ms) == ms


def test_no_client_plays_more_than_it_was_sent_unless_its_audio_comes_from_elsewhere() -> None:
    ours = filled(960)
    assert ours.reach(4_800) == 0
    send(ours)
    assert ours.reach(4_800) == 960
    elsewhere = Track(2, RATE, RATE, elsewhere=True)
    assert elsewhere.reach(4_800) == 4_800
    assert (elsewhere.made, elsewhere.sent) == (4_800, 4_800)
