"""A client's playback: in real time from the moment sound comes, paused in place, emptied at once, and exactly kept."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bargein.audio.pcm import Samples
from bargein_bench.targets.playback import Playback, PlayedReport

RATE = 24_000
QUANTUM = 64
MS = RATE // 1000


def sound(reply: int, first: int, count: int) -> Samples:
    """Samples that say whose they are, and which. Never 0."""
    at = np.arange(first, first + count)
    return (1 + reply * 1000 + at % 997).astype(np.int16)


def player(most_queued_ms: float = 600_000, caller_rate: int = RATE) -> Playback:
    return Playback(10_000, rate=RATE, caller_rate=caller_rate, most_queued_ms=most_queued_ms)


def test_sound_plays_from_the_next_quantum_on_and_in_order() -> None:
    p = player()
    p.queue(100, 1, sound(1, 0, 300))
    p.queue(120, 1, sound(1, 300, 340), last=True)
    reports = p.advance(2000)
    assert [(r.begin, r.end, r.reply, r.first) for r in p.heard.runs] == [(128, 768, 1, 0)]
    assert p.heard.heard[128:768].tolist() == sound(1, 0, 640).tolist()
    assert not p.heard.heard[:128].any()
    assert not p.heard.heard[768:].any()
    assert p.heard.speech_starts == [128]
    assert reports == [PlayedReport("played", 1, 64), PlayedReport("finished", 1, 640)]


def test_where_it_is_is_told_every_tenth_of_a_second() -> None:
    p = player()
    p.queue(0, 1, sound(1, 0, 12_000))
    reports = p.advance(12_000)
    assert {r.kind for r in reports} == {"played"}
    played = [r.played for r in reports]
    assert played[0] == QUANTUM
    assert all(2400 <= b - a < 2400 + QUANTUM for a, b in pairwise(played))


def test_a_hold_stops_within_two_quanta_and_a_resume_goes_on_at_the_very_next_sample() -> None:
    p = player()
    p.queue(0, 1, sound(1, 0, 2000))
    p.hold(1000, 1)
    assert p.deadline == 1025
    held = p.advance(1025)
    assert held == [PlayedReport("held", 1, 1088)]
    assert p.hold(1500, 1) == [PlayedReport("held", 1, 1088)]
    assert p.advance(4000) == []
    p.resume(5000, 1)
    p.advance(9000)
    assert [(r.begin, r.end, r.first) for r in p.heard.runs] == [(0, 1088, 0), (5056, 5968, 1088)]
    assert p.late == 0  # it was not dry: it was held


def test_a_flush_empties_it_and_what_comes_later_of_it_is_stale() -> None:
    p = player()
    p.queue(0, 1, sound(1, 0, 2000))
    assert p.flush(1000, 1)[-1] == PlayedReport("flushed", 1, 1024)
    p.queue(1100, 1, sound(1, 2000, 480), first=2000)
    p.queue(1200, 2, sound(2, 0, 480), last=True)
    p.advance(9000)
    assert [(r.begin, r.end, r.reply) for r in p.heard.runs] == [(0, 1024, 1), (1216, 1696, 2)]
    assert [(t.at, t.reply, t.samples.tolist()) for t in p.tails] == [(1024, 1, sound(1, 1024, 976).tolist())]
    assert p.stale_ms == 20
    assert p.flush(9100, 2) == [PlayedReport("flushed", 2, 0)]  # as the page says it of one that has finished


def test_a_flush_of_a_held_reply_frees_the_next_one() -> None:
    p = player()
    p.queue(0, 1, sound(1, 0, 2000))
    p.queue(0, 2, sound(2, 0, 640), last=True)
    p.hold(500, 1)
    p.flush(1000, 1)
    p.advance(5000)
    assert [(r.begin, r.reply) for r in p.heard.runs] == [(0, 1), (1024, 2)]
    assert p.live == []


def test_a_line_that_runs_dry_in_a_reply_is_late_and_between_replies_it_is_not() -> None:
    p = player()
    p.queue(0, 1, sound(1, 0, 960))
    p.queue(960 + 30 * MS, 1, sound(1, 960, 960))  # 30 ms dry
    p.queue(p._at + 960 + 10 * MS, 1, sound(1, 1920, 960))  # 10 ms: inaudible
    p.queue(p._at + 960 + 900 * MS, 1, sound(1, 2880, 960), last=True)  # a pause
    p.queue(p._at + 960 + 100 * MS, 2, sound(2, 0, 960))  # another reply
    assert p.late == 1
    assert 29 < p.gap_ms < 33
    assert p.frames == 5
    assert len(p.heard.speech_starts) == 2  # the beginning, and after the pause


def test_what_the_wire_lost_is_silence_and_what_it_repeats_sounds_once() -> None:
    p = player()
    p.queue(0, 1, sound(1, 0, 640), first=0)
    p.queue(0, 1, sound(1, 600, 100), first=600)
    p.queue(0, 1, sound(1, 764, 64), first=764, last=True)
    p.advance(2000)
    assert p.heard.heard[:700].tolist() == sound(1, 0, 700).tolist()
    assert not p.heard.heard[700:764].any()
    assert p.heard.heard[764:828].tolist() == sound(1, 764, 64).tolist()
    assert (p.holes, p.repeats) == (1, 1)


def test_more_than_a_client_keeps_is_dropped() -> None:
    p = player(most_queued_ms=100)
    p.queue(0, 1, sound(1, 0, 2400))
    p.queue(0, 1, sound(1, 2400, 480))
    p.queue(0, 1, sound(1, 2**31, 1), first=2**31)
    assert p.discarded == 2
    assert p.most_queued_ms == 100


def test_caller_audio_at_another_rate_gets_the_same() -> None:
    p = player(caller_rate=16_000)
    wave = (np.sin(np.arange(RATE) * 0.1) * 9000).astype(np.int16)
    p.queue(2400, 1, wave)
    got = []
    for place in range(0, 16_000, 256):
        p.advance((place + 256) * 3 // 2)
        got.append(p.heard.played(place, 256))
    heard = np.concatenate(got)
    assert p.heard.speech_starts == [2432 * 2 // 3]
    direct = np.sin(np.arange(16_000) * 0.15) * 9000
    late = max(range(40), key=lambda k: float(heard[4000:12_000] @ direct[4000 - 1621 - k : 12_000 - 1621 - k]))
    assert 0 <= late <= 24  # 1.5 ms
    assert not p.heard.played(-500, 500).any()
    assert p.heard.played(4000, 256).tolist() == heard[4000:4256].tolist()
    assert not p.heard.played(16_500, 100).any()  # nobody knows yet


# ------------------------------------------------------------------------------------------------ whatever comes

OPS = st.lists(
    st.tuples(
        st.sampled_from(["queue", "queue", "queue", "last", "next", "hold", "resume", "flush"]),
        st.integers(0, 700),
        st.integers(0, 900),
    ),
    max_size=60,
)


class Driven:
    """A playback that is driven by the steps, and the truth about them."""

    def __init__(self, ops: list[tuple[str, int, int]], *, often: bool) -> None:
        self.p = player()
        self.reports: list[PlayedReport] = []
        self.sent: dict[int, int] = {}
        self.holds: list[tuple[int, int]] = []  # from when to when nothing may sound
        now, reply = 0, 1
        held: int | None = None
        for kind, later, count in ops:
            for at in range(now, now + later, 7) if often else ():
                self.note(self.p.advance(at))
            now += later
            self.note(self.p.advance(now))
            current = self.p.live[0] if self.p.live else 0
            if kind in ("queue", "last"):
                open_reply = reply > self.p._flushed and reply > self.p._over
                if open_reply:
                    self.sent[reply] = self.sent.get(reply, 0) + count
                first = self.sent.get(reply, 0) - count if open_reply else 0
                self.note(self.p.queue(now, reply, sound(reply, first, count), last=kind == "last"))
                reply += kind == "last"
            elif kind == "next":
                self.note(self.p.queue(now, reply, sound(reply, 0, 0), last=True))
                reply += 1
            elif kind == "hold":
                self.note(self.p.hold(now, current or reply))
                if self.p._paused and held is None:
                    held = self.p._at + QUANTUM
            elif kind == "resume":
                self.note(self.p.resume(now, current))
            elif kind == "flush":
                self.note(self.p.flush(now, current or reply))
                reply = max(reply, (current or reply) + 1)
            if held is not None and not self.p._paused:
                self.holds.append((held, self.p._at))
                held = None
        self.note(self.p.resume(now, self.p.live[0] if self.p.live else 0))
        self.note(self.p.advance(now + 1))

    def note(self, reports: list[PlayedReport]) -> None:
        self.reports += reports


@given(OPS)
def test_every_sample_sounds_once_and_in_order_or_is_in_a_tail_or_waits(ops: list[tuple[str, int, int]]) -> None:
    d = Driven(ops, often=False)
    p = d.p
    waiting = {each.id: each.waiting for each in p._replies}
    for reply, sent in d.sent.items():
        at = 0
        for run in (r for r in p.heard.runs if r.reply == reply):
            assert run.first == at
            at += run.end - run.begin
            assert p.heard.heard[run.begin : run.end].tolist() == sound(reply, run.first, run.end - run.begin).tolist()
        for tail in (t for t in p.tails if t.reply == reply):
            assert tail.samples.tolist() == sound(reply, at, len(tail.samples)).tolist()
            at += len(tail.samples)
        assert at + waiting.get(reply, 0) == sent
    total = sum(run.end - run.begin for run in p.heard.runs)
    assert int((p.heard.heard != 0).sum()) == total
    assert all(a.end <= b.begin for a, b in pairwise(p.heard.runs))  # one at a time


@given(OPS)
def test_nothing_sounds_in_a_hold_and_nothing_of_a_reply_after_its_flush(ops: list[tuple[str, int, int]]) -> None:
    d = Driven(ops, often=False)
    for begin, end in d.holds:
        assert not d.p.heard.heard[begin:end].any()
    for tail in d.p.tails:
        assert all(run.end <= tail.at for run in d.p.heard.runs if run.reply == tail.reply)


@given(OPS)
def test_it_does_not_matter_how_often_one_looks(ops: list[tuple[str, int, int]]) -> None:
    seldom, often = Driven(ops, often=False), Driven(ops, often=True)
    assert often.reports == seldom.reports
    assert often.p.heard.runs == seldom.p.heard.runs
    assert (often.p.late, often.p.gap_ms, often.p.stale_ms) == (seldom.p.late, seldom.p.gap_ms, seldom.p.stale_ms)


@given(OPS)
def test_reports_never_go_back_and_a_reply_finishes_with_all_of_its_samples(ops: list[tuple[str, int, int]]) -> None:
    d = Driven(ops, often=False)
    newest: dict[int, int] = {}
    for report in d.reports:
        if report.kind != "flushed" or report.played:
            assert report.played >= newest.get(report.reply, 0)
            newest[report.reply] = report.played
        if report.kind == "finished":
            assert report.played == d.sent.get(report.reply, 0)
    finished = [r.reply for r in d.reports if r.kind == "finished"]
    assert finished == sorted(set(finished))


@given(OPS)
def test_who_looks_at_the_deadlines_misses_nothing(ops: list[tuple[str, int, int]]) -> None:
    p = Driven(ops, often=False).p
    now = p._at
    told: list[PlayedReport] = []
    while (due := p.deadline) is not None:
        assert due > now - QUANTUM
        assert p.advance(due - 2 * QUANTUM) == []
        told += (reports := p.advance(due))
        assert reports
        now = due
    assert p.advance(now + RATE) == []
