"""Recorded ends of turns: where a user went on, where a turn was over, and the numbers that cost least."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from bargein.floor import Answer, Event, Floor, Policy, ReadTurn, ReplyStarted, SpeechWindow, STTChanged, Tick, TurnRead
from bargein.recorder.journal import FileJournal
from bargein.recorder.reading import read
from bargein_bench.tuning.ending_score import propose, tally
from bargein_bench.tuning.endings import Ending, endings_of
from bargein_bench.tuning.show import show_endings

WINDOW = 32.0


def record(root: Path, said: Sequence[tuple[str, float]], policy: Policy | None = None, call: str = "a") -> Path:
    """A call in which a user says each text for a second, and is quiet for so long after it. Texts are read 60 ms
    after they are asked for; a reply begins to sound 40 ms after it is ordered."""
    policy = policy or Policy()
    journal, floor = FileJournal(root, call, agent="test", policy=policy, language="en"), Floor(policy)
    waiting: list[Event] = []
    now = 0.0
    text = ""  # what was said last

    def feed(event: Event) -> None:
        journal.event(event)
        for action in floor.handle(event):
            journal.action(floor.now_ms, action)
            if isinstance(action, ReadTurn):
                waiting.append(TurnRead(floor.now_ms + 60, action.reading, action.turn, text))
            elif isinstance(action, Answer):
                waiting.append(ReplyStarted(floor.now_ms + 40, action.reply))

    def hear(ms: float, speech: float) -> None:
        nonlocal now
        for _ in range(int(ms / WINDOW)):
            while True:
                waiting.sort(key=lambda event: event.at_ms)
                due = floor.deadline
                if waiting and waiting[0].at_ms < now + WINDOW and (due is None or waiting[0].at_ms <= due):
                    feed(waiting.pop(0))
                elif due is not None and due < now + WINDOW:
                    feed(Tick(due))
                else:
                    break
            feed(SpeechWindow(now, now + WINDOW, speech))
            now += WINDOW

    feed(STTChanged(0.0, words=True, turns=False, reads_turns=True))
    for words, quiet_ms in said:
        text = words
        hear(1_000, 0.95)
        hear(quiet_ms, 0.01)
    journal.note(floor.now_ms, "bye", reason="over")
    journal.close()
    return journal.path


def endings(root: Path, *said: tuple[str, float], policy: Policy | None = None) -> tuple[Ending, ...]:
    return endings_of(read(record(root, said, policy)))


def test_a_user_who_goes_on_has_paused_and_one_who_does_not_was_done(tmp_path: Path) -> None:
    found = endings(tmp_path, ("I want to", 800), ("I want to book a room.", 4_000))
    assert [ending.pause_ms for ending in found] == [pytest.approx(800, abs=WINDOW), None]
    assert [ending.wait_ms(Policy()) for ending in found] == [1_200, 300]


def test_an_answer_in_a_pause_is_a_cut_in(tmp_path: Path) -> None:
    found = endings(tmp_path, ("I need a room.", 600), ("for Friday, please.", 4_000))
    assert found[0].pause_ms == pytest.approx(600, abs=WINDOW), "the answer had just begun"
    assert tally(found, None).cut_ins == 1
    assert tally(found, Policy().with_({"end_likely_ms": 700})).cut_ins == 0


def test_speech_that_follows_an_answer_is_no_pause(tmp_path: Path) -> None:
    found = endings(tmp_path, ("What time do you open?", 1_500), ("Thank you, bye.", 4_000))
    assert [ending.pause_ms for ending in found] == [None, None]


def test_a_reading_is_not_used_before_it_was_there(tmp_path: Path) -> None:
    (found,) = endings(tmp_path, ("What time do you open?", 4_000))
    assert found.wait_ms(Policy().with_({"end_sure_ms": 0})) == found.read_ms == pytest.approx(160, abs=WINDOW)


def test_the_proposal_costs_less_and_cuts_in_no_more_often(tmp_path: Path) -> None:
    slow = Policy().with_({"end_sure_ms": 700, "end_likely_ms": 700})
    said = [("I want to", 800), ("I want to book a room.", 4_000), ("What time do you open?", 4_000)]
    found = endings_of(read(record(tmp_path, said, slow)))
    made = propose(found, slow)
    assert made is not None
    assert made.recorded.cut_ins == made.proposed.cut_ins == 0
    assert made.proposed.cost_ms < made.recorded.cost_ms
    assert made.changes["end_sure_ms"] < 700
    kept = propose(found, slow, fixed=("end_sure_ms",))
    assert kept is not None
    assert "end_sure_ms" not in kept.changes


def test_a_record_from_before_there_were_readings_has_no_endings(tmp_path: Path) -> None:
    assert propose((), Policy()) is None
    path = Path(__file__).parents[1] / "recorder" / "version_1" / "words.jsonl"
    assert endings_of(read(path)) == ()


def test_the_proposal_is_shown_with_its_numbers_and_lines_to_paste(tmp_path: Path) -> None:
    slow = Policy().with_({"end_sure_ms": 700, "end_likely_ms": 700})
    made = propose(endings_of(read(record(tmp_path, [("What time do you open?", 4_000)], slow))), slow)
    assert made is not None
    console = Console(width=120, record=True, file=io.StringIO())
    show_endings(console, made)
    shown = console.export_text()
    assert "700/700" in shown
    assert f"end_sure_ms = {made.changes['end_sure_ms']:g}" in shown
