"""Asterisk's WebSocket channel in simulated time, against its queue: holds and cuts are exact to the sample."""

from __future__ import annotations

import pytest

from bargein import protocols as c
from bargein_bench.callers.asterisk_queue import NEW, OLD, AsteriskRelease
from tests.transports.telephone.simulated_asterisk import WAY_MS, Pbx, only

RELEASES = {
    "22.9 json": (AsteriskRelease(), True),
    "22.9 plain": (AsteriskRelease(), False),
    "22.6 plain": (OLD, False),
    "22.11 json": (NEW, True),
}


@pytest.fixture(params=RELEASES)
def pbx(request: pytest.FixtureRequest) -> Pbx:
    release, as_json = RELEASES[request.param]
    return Pbx(release=release, as_json=as_json)


# -------------------------------------------------------------------------------------------------- hold and cut


@pytest.mark.parametrize("at_ms", [130, 137, 150, 311, 480])
def test_a_hold_is_exact_and_its_resume_loses_and_repeats_no_sample(pbx: Pbx, at_ms: int) -> None:
    audio = pbx.audio(1000)
    at = pbx.speak(audio, ms=at_ms)
    pbx.telephone.hold(1)
    pbx.live(2 * WAY_MS)
    sounded = len(pbx.played)
    pbx.live(700)
    assert len(pbx.played) == sounded
    (held,) = only(pbx.reports(), c.Held)
    assert (held.reply, held.samples, held.bound_ms) == (1, sounded, 0.0)
    pbx.resume()
    pbx.speak(audio, first=at)
    pbx.live(500)
    assert pbx.played == audio.tolist()
    assert only(pbx.reports(), c.Finished) == [c.Finished(1, len(audio))]
    assert not pbx.faults


@pytest.mark.parametrize("held", [None, 3, 300], ids=["not held", "its status is on the way", "held"])
def test_a_cut_tells_what_sounded_and_lets_nothing_of_the_reply_sound_again(pbx: Pbx, held: int | None) -> None:
    audio = pbx.audio(1000)
    pbx.speak(audio, ms=333)
    if held is not None:
        pbx.telephone.hold(1)
        pbx.live(held)
    pbx.telephone.flush(1)
    pbx.live(WAY_MS)
    sounded = len(pbx.played)
    pbx.live(300)
    assert len(pbx.played) == sounded
    found = pbx.reports()
    assert only(found, c.Flushed) == [c.Flushed(1, sounded)]
    assert not only(found, c.Finished)
    answer = pbx.audio(400) + 1 if not pbx.dialect.mulaw else pbx.audio(400)
    pbx.speak(answer, reply=2)
    pbx.live(300)
    assert pbx.played[sounded:] == answer.tolist()  # no pause was left, and no sample of the first reply
    assert only(pbx.reports(), c.Finished) == [c.Finished(2, len(answer))]


def test_a_cut_and_its_answer_in_one_moment(pbx: Pbx) -> None:
    pbx.speak(pbx.audio(1000), ms=250)
    pbx.telephone.hold(1)
    pbx.telephone.flush(1)
    answer = pbx.audio(300)
    pbx.speak(answer, reply=2)
    pbx.live(400)
    found = pbx.reports()
    (flushed,) = only(found, c.Flushed)
    assert pbx.played[flushed.samples :] == answer.tolist()
    assert only(found, c.Finished) == [c.Finished(2, len(answer))]


def test_a_hold_that_is_taken_back_before_its_status_leaves_the_reply_playing(pbx: Pbx) -> None:
    audio = pbx.audio(600)
    at = pbx.speak(audio, ms=200)
    pbx.telephone.hold(1)
    pbx.live(4)
    pbx.resume()
    pbx.live(4)
    pbx.telephone.hold(1)
    pbx.resume()
    pbx.speak(audio, first=at)
    pbx.live(500)
    found = pbx.reports()
    assert not only(found, c.Held)  # a position of a pause that is over would stop the call's clock
    assert pbx.played == audio.tolist()
    assert only(found, c.Finished)


def test_a_second_hold_has_its_own_position(pbx: Pbx) -> None:
    audio = pbx.audio(1000)
    at = pbx.speak(audio, ms=200)
    pbx.telephone.hold(1)
    pbx.live(1)
    pbx.resume()
    at = pbx.speak(audio, first=at, ms=60)
    pbx.telephone.hold(1)
    pbx.live(200)
    held = only(pbx.reports(), c.Held)
    assert [each.samples for each in held] == [len(pbx.played)]


def test_positions_move_on_while_the_reply_plays_and_never_beyond_what_sounded(pbx: Pbx) -> None:
    audio = pbx.audio(1000)
    at = 0
    seen: list[int] = []
    while at < len(audio):
        pbx.telephone.send(c.AudioOut(1, at // pbx.frame, at, audio[at : at + pbx.frame], last=False))
        at += pbx.frame
        pbx.live(20 if at > 5 * pbx.frame else 0)
        for report in only(pbx.reports(), c.Played):
            assert report.samples <= len(pbx.played)
            seen.append(report.samples)
    assert len(seen) >= 4
    assert seen == sorted(seen)
    assert seen[-1] > pbx.rate // 4


def test_a_reply_that_never_sounded_is_cut_without_a_word_and_a_paused_network_goes_on(pbx: Pbx) -> None:
    pbx.telephone.hold(1)
    pbx.telephone.flush(1)
    pbx.live(100)
    assert not pbx.queue.paused
    audio = pbx.audio(200)
    pbx.telephone.hold(1)  # and no resume comes: the reply was over
    pbx.speak(audio, reply=2)
    pbx.live(200)
    assert pbx.played == audio.tolist()


def test_every_command_is_short_enough_to_be_taken(pbx: Pbx) -> None:
    audio = pbx.audio(200)
    far = 10**9
    for i in range(0, len(audio), pbx.frame):
        pbx.telephone.send(c.AudioOut(10**6, i, far + i, audio[i : i + pbx.frame], last=False, word_ends=True))
    pbx.telephone.hold(10**6)
    pbx.telephone.flush(10**6)
    assert max(map(len, pbx.texts)) <= 128


@pytest.mark.parametrize("apart_ms", [2, 12, 22, 26])
def test_the_status_of_a_pause_that_is_over_is_not_the_position_of_the_next_one(pbx: Pbx, apart_ms: int) -> None:
    for phase in range(0, 20, 3):
        here = Pbx(release=pbx.queue.release, as_json=pbx.dialect._json)
        here.speak(here.audio(1000), ms=200 + phase)
        here.telephone.hold(1)
        here.live(1)
        here.resume()
        here.live(apart_ms)
        here.telephone.hold(1)
        here.live(200)
        assert {each.samples for each in only(here.reports(), c.Held)} == {len(here.played)}


def test_a_reply_after_a_cut_is_held_at_its_own_position(pbx: Pbx) -> None:
    pbx.speak(pbx.audio(1000), ms=333)
    pbx.telephone.flush(1)
    pbx.live(100)
    before = len(pbx.played)
    pbx.speak(pbx.audio(1000), ms=250, reply=2)
    pbx.telephone.hold(2)
    pbx.live(100)
    assert only(pbx.reports(), c.Held) == [c.Held(2, len(pbx.played) - before)]


def test_a_word_of_an_empty_queue_that_comes_too_soon_ends_no_reply() -> None:
    pbx = Pbx(release=OLD, as_json=False)
    audio = pbx.audio(400)
    pbx.speak(audio)
    pbx.telephone.incoming("QUEUE_DRAINED")  # asked for by an earlier reply
    pbx.live(40)
    assert not only(pbx.reports(), c.Finished)
    pbx.live(300)
    assert only(pbx.reports(), c.Finished) == [c.Finished(1, len(audio))]


def test_a_network_that_answers_no_status_is_asked_for_few() -> None:
    pbx = Pbx(release=OLD, as_json=False)
    for i in range(100):
        pbx.telephone.send(c.AudioOut(1, i, i * 320, pbx.audio(20), last=False, word_ends=True))
    assert pbx.texts.count("GET_STATUS") == 4
