"""A recorded call decides the same again; another policy decides otherwise, and it shows where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bargein.floor import (
    Action,
    Cut,
    Event,
    Floor,
    Hold,
    Policy,
    PolicyChanged,
    ReplyEnded,
    ReplyStarted,
    Resume,
    SayRequested,
    SpeechWindow,
    STTChanged,
    Tick,
)
from bargein.recorder.journal import FileJournal
from bargein.recorder.reading import read
from bargein.recorder.redaction import NO_REDACTION, Redaction
from bargein.recorder.replay import replay


def speech(from_ms: float, until_ms: float, p: float = 0.9) -> list[Event]:
    """Windows of 32 ms."""
    return [SpeechWindow(at, at + 32, p) for at in range(int(from_ms), int(until_ms), 32)]


STORY: list[Event] = [
    STTChanged(0, words=False, turns=False),
    SayRequested(1),
    ReplyStarted(200, 1),
    *speech(200, 1000, 0.01),
    *speech(1000, 1100),
    *speech(1100, 3000, 0.01),  # a cough: held, resumed
    *speech(3000, 3900),
    *speech(3900, 5000, 0.01),  # an interruption: held, cut, answered
    ReplyStarted(5000, 2),
    ReplyEnded(6000, 2),
]


def play(
    root: Path,
    events: Sequence[Event],
    policy: Policy,
    *,
    close: bool = True,
    redaction: Redaction = NO_REDACTION,
    language: str = "en",
) -> Path:
    """Let a floor decide, with its own ticks, and record it as a call does."""
    journal = FileJournal(root, "c1", agent="test", policy=policy, language=language, redaction=redaction)
    floor = Floor(policy, language=language)

    def feed(event: Event) -> None:
        journal.event(event)
        for action in floor.handle(event):
            journal.action(event.at_ms, action)

    for event in events:
        while floor.deadline is not None and floor.deadline <= event.at_ms:
            feed(Tick(floor.deadline))
        feed(event)
    if close:
        journal.note(9000, "bye", reason="over")
    journal.close()
    return journal.path


def kinds(actions: Sequence[Action]) -> list[type[Action]]:
    return [type(a) for a in actions if isinstance(a, Hold | Resume | Cut)]


def test_the_same_events_decide_the_same(tmp_path: Path) -> None:
    changed: list[Event] = [*STORY, PolicyChanged(6001, Policy.instant())]
    result = replay(read(play(tmp_path, changed, Policy.balanced())))
    assert result.differences == []
    assert kinds([d.action for d in result.decisions]) == [Hold, Resume, Hold, Cut]
    assert result.actions == len(result.decisions)


def test_another_policy_shows_which_decisions_change(tmp_path: Path) -> None:
    recording = read(play(tmp_path, STORY, Policy.balanced()))
    patient = replay(recording, Policy.balanced().with_({"confirm_ms": 2000, "doubt_ms": 2000}))
    assert Cut in {type(d.action) for d in patient.differences if d.recorded}
    assert Cut not in {type(d.action) for d in patient.decisions if d.replayed}
    instant = replay(recording, Policy.instant())
    assert kinds([d.action for d in instant.decisions if d.replayed])[0] is Cut


def test_another_wording_of_a_reason_is_no_difference(tmp_path: Path) -> None:
    path = play(tmp_path, STORY, Policy.balanced())
    text = path.read_text()
    assert '"why":"speech 0.90"' in text
    path.write_text(text.replace('"why":"speech 0.90"', '"why":"a voice"'))
    assert replay(read(path)).differences == []
    path.write_text(text.replace('"source":"speech"', '"source":"turn"'))
    assert replay(read(path)).differences != []


def test_the_language_of_a_call_is_replayed(tmp_path: Path) -> None:
    recording = read(play(tmp_path, STORY, Policy.balanced()))
    assert recording.header.language == "en"


def test_an_action_that_was_not_decided_is_a_difference(tmp_path: Path) -> None:
    path = play(tmp_path, STORY, Policy.balanced())
    lines = path.read_text().splitlines()
    hold = next(i for i, line in enumerate(lines) if '"Hold"' in line)
    path.write_text("\n".join(lines[:hold] + lines[hold + 1 :]))
    assert [(type(d.action), d.recorded) for d in replay(read(path)).differences] == [(Hold, False)]
    path.write_text("\n".join([*lines[:hold], lines[hold], *lines[hold:]]))
    assert [(type(d.action), d.replayed) for d in replay(read(path)).differences] == [(Hold, False)]


def test_a_record_that_was_killed_at_any_byte_decides_the_same_as_far_as_it_goes(tmp_path: Path) -> None:
    path = play(tmp_path, STORY, Policy.balanced(), close=False)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole), 37):
        path.write_bytes(whole[:end])
        recording = read(path)
        assert replay(recording).differences == []
        assert not recording.complete
