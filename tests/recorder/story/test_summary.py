"""The line that a list shows of a call: written once, and made anew where it is missing or older."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bargein.floor import Policy
from bargein.recorder.journal import FILE, FileJournal
from bargein.recorder.story.summary import SUMMARY, Summaries
from tests.recorder.story.records import EVIL, evil_record, many_summaries


def test_a_summary_is_made_once_and_lies_with_its_call(tmp_path: Path) -> None:
    folder = evil_record(tmp_path)
    summaries = Summaries(tmp_path)
    assert summaries.found() == ([], ["evil"])
    made = summaries.make("evil")
    assert made is not None
    assert (made.door, made.caller, made.faults, made.turns, made.ended_why) == ("twilio", EVIL, 1, 1, EVIL)
    assert stat.S_IMODE((folder / SUMMARY).stat().st_mode) == 0o600
    assert summaries.found() == ([made], [])
    assert Summaries(tmp_path).found() == ([made], []), "another process reads it from the disk"


@pytest.mark.parametrize("content", [b"", b"{", b'{"call": 3}', b"\xff\xfe"])
def test_a_broken_summary_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (evil_record(tmp_path) / SUMMARY).write_bytes(content)
    summaries = Summaries(tmp_path)
    assert summaries.found() == ([], ["evil"])
    assert summaries.make("evil") is not None
    assert Summaries(tmp_path).found()[1] == []


def test_a_summary_older_than_its_journal_is_made_anew(tmp_path: Path) -> None:
    folder = evil_record(tmp_path)
    Summaries(tmp_path).make("evil")
    newer = (folder / SUMMARY).stat().st_mtime + 10
    os.utime(folder / FILE, (newer, newer))
    assert Summaries(tmp_path).found() == ([], ["evil"])


def test_a_call_that_goes_on_has_no_summary_yet(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, "live", agent="a", policy=Policy(), language="en")
    journal.note(0.0, "call", id="live", agent="a")
    assert Summaries(tmp_path).make("live") is None
    journal.close()
    assert Summaries(tmp_path).make("live") is not None


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / FILE).write_bytes(b"no record")
    summaries = Summaries(tmp_path)
    assert summaries.found() == ([], ["broken"])
    assert summaries.make("broken") is None
    assert Summaries(tmp_path / "nowhere").found() == ([], [])


def test_a_folder_that_cannot_be_written_costs_the_file_alone_and_one_line_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    evil_record(tmp_path)
    evil_record(tmp_path, "another")

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bargein.recorder.story.summary.os.replace", full)
    summaries = Summaries(tmp_path)
    assert summaries.make("evil") is not None
    assert summaries.make("another") is not None
    assert {call.call for call in summaries.found()[0]} == {"another", "evil"}
    assert len([line for line in caplog.records if "not written" in line.message]) == 1
    assert sorted(path.name for path in (tmp_path / "evil").iterdir()) == [FILE], "no half of a file is left"


def test_a_thousand_calls_are_listed_without_reading_a_journal(tmp_path: Path) -> None:
    many_summaries(tmp_path, 1000)
    calls, missing = Summaries(tmp_path).found()
    assert (len(calls), missing) == (1000, [])
    assert calls[0].call == "call-0999", "the newest first"
