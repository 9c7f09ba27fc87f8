"""What a record leaves out, and what it keeps."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bargein.floor import Floor, KeyPressed, Policy, SpeechWindow
from bargein.recorder.journal import FILE, FileJournal, prune
from bargein.recorder.reading import Happened, Noted, read
from bargein.recorder.redaction import Redaction

POLICY = Policy.named("balanced")


def record(root: Path, redaction: Redaction) -> FileJournal:
    return FileJournal(root, "c1", agent="a", policy=POLICY, language="en", redaction=redaction)


def test_no_digit_of_what_was_said_or_keyed_stands_in_a_record(tmp_path: Path) -> None:
    written = record(tmp_path, Redaction(digits=True))
    written.event(SpeechWindow(1234.5, 1266.5, 0.75))
    written.event(KeyPressed(2000, "7"))
    written.note(2100, "user", turn=3, text="my card is 4111 1111 1111 1111", over=None)
    written.note(2200, "heard", reply=4, text="So 4111?", unheard="and 1111", exact=True)
    written.note(2300, "tool", id="call_81", tool="pay", result='{"card": "4111", "ok": true}', error=False)
    written.close()
    raw = written.path.read_text()
    assert "4111" not in raw
    assert '"7"' not in raw
    entries = read(written.path).entries
    assert entries[:2] == [Happened(1234.5, SpeechWindow(1234.5, 1266.5, 0.75)), Happened(2000, KeyPressed(2000, "0"))]
    notes = [e.facts for e in entries if isinstance(e, Noted)]
    assert notes[0] == {"turn": 3, "text": "my card is #### #### #### ####", "over": None}
    assert notes[2]["id"] == "call_81"
    assert read(written.path).header.policy == POLICY


def test_named_arguments_are_hidden_wherever_they_stand_in_a_tools_result(tmp_path: Path) -> None:
    written = record(tmp_path, Redaction(arguments=frozenset({"pin", "name"})))
    written.note(1, "tool", tool="t", arguments='{"pin": "abc", "to": {"name": "Ada", "age": 3}}', result="Ada is 3")
    written.note(2, "tool", tool="t", result='[{"name": "Ada"}, {"city": "Rome"}]')
    written.close()
    notes = [e.facts for e in read(written.path).entries if isinstance(e, Noted)]
    assert notes[0]["arguments"] == '{"pin": "(hidden)", "to": {"name": "(hidden)", "age": 3}}'
    assert notes[0]["result"] == "Ada is 3", "a text has no names of arguments"
    assert notes[1]["result"] == '[{"name": "(hidden)"}, {"city": "Rome"}]'


def test_a_number_has_another_name_which_is_the_same_for_the_same() -> None:
    redaction = Redaction(numbers=True)
    alias = redaction.number("+4930123456")
    assert alias.startswith("number-")
    assert not any(each.isdigit() for each in alias)
    assert alias == redaction.number("4930123456") != redaction.number("+4930123457")
    assert alias != Redaction(numbers=True).number("+4930123456"), "no table of all numbers finds it"
    assert redaction.text("transferred to +4930123456.") == f"transferred to {alias}."
    assert redaction.text("a 12:30 b 2026") == "a 12:30 b 2026"


def test_a_log_line_keeps_its_calls_names_and_times() -> None:
    line = "Call 20261126-071100-0a1b2c3d: over (transferred to +4930123456), code 482719 after 120 ms"
    both = Redaction(digits=True, numbers=True).log_line(line)
    assert "20261126-071100-0a1b2c3d" in both
    assert "4930123456" not in both
    assert "482719" not in both
    assert "120 ms" in both
    assert Redaction().log_line(line) == line


def test_a_redacted_record_decides_the_same(tmp_path: Path) -> None:
    events = [SpeechWindow(32.0 * n, 32.0 * n + 32, 0.9) for n in range(40)]
    plain, redacted = record(tmp_path / "a", Redaction()), record(tmp_path / "b", Redaction(digits=True, numbers=True))
    for journal in (plain, redacted):
        for event in events:
            journal.event(event)
        journal.close()
    decided = []
    for journal in (plain, redacted):
        floor = Floor(POLICY)
        decided.append([floor.handle(e.event) for e in read(journal.path).entries if isinstance(e, Happened)])
    assert decided[0] == decided[1]
    assert len(decided[0]) == 40


@pytest.mark.parametrize(("days", "left"), [(None, ["c0", "c1", "c2", "c3"]), (2.5, ["c0", "c1", "c3"])])
def test_records_go_when_they_are_old(tmp_path: Path, days: float | None, left: list[str]) -> None:
    now = time.time()
    for n in range(4):
        FileJournal(tmp_path, f"c{n}", agent="a", policy=POLICY, language="en").close()
    for name, age in (("c0", 0), ("c1", 2), ("c2", 3), ("c3", 9)):
        os.utime(tmp_path / name / FILE, (now - age * 86_400, now - age * 86_400))
    max_age_s = None if days is None else days * 86_400
    assert prune(tmp_path, keep=10, living=["c3"], max_age_s=max_age_s) == 4 - len(left)
    assert sorted(path.name for path in tmp_path.iterdir()) == left
