"""A call's record, and reading it back: every event and action, torn lines, full disks."""

from __future__ import annotations

import dataclasses
import logging
import os
import typing
from pathlib import Path
from types import UnionType
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from bargein.errors import UsageError
from bargein.floor import Action, BargeIn, Cut, Event, Policy, Source, SpeechWindow, Tick
from bargein.recorder.journal import MAX_BYTES, FileJournal, NullJournal
from bargein.recorder.reading import ACTIONS, EVENTS, Happened, Noted, Ordered, read

POLICY = Policy.patient().with_({"confirm_ms": 444.25, "stop_phrases": ["enough", "assez"], "user_silence_ms": 9000})


def sample(kind: object, *, fancy: bool) -> object:
    """A value of a type, from its annotations; fancy: the more difficult one."""
    if kind is Policy:
        return POLICY
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{f.name: sample(hints[f.name], fancy=fancy) for f in dataclasses.fields(kind)})
    if get_origin(kind) is Literal:
        return get_args(kind)[-1 if fancy else 0]
    if get_origin(kind) is tuple:
        return (sample(get_args(kind)[0], fancy=True), sample(get_args(kind)[0], fancy=False)) if fancy else ()
    if get_origin(kind) in (UnionType, typing.Union):
        chosen = [k for k in get_args(kind) if (k is type(None)) is not fancy]
        return sample(chosen[0], fancy=fancy)
    if isinstance(kind, type) and issubclass(kind, Source):
        return Source.STOP_PHRASE if fancy else Source.SPEECH
    plain: dict[object, tuple[object, object]] = {
        float: (0.0, 1234.567890123),
        int: (0, 2**40),
        bool: (False, True),
        str: ("", 'say "é\n\u2028 日本"'),
        type(None): (None, None),
    }
    return plain[kind][fancy]


def journal(root: Path, max_bytes: int = MAX_BYTES) -> FileJournal:
    return FileJournal(root, "c1", agent="guide", policy=POLICY, language="de-AT", max_bytes=max_bytes)


def test_the_unions_are_known_whole() -> None:
    assert set(EVENTS.values()) == set(get_args(Event))
    assert set(ACTIONS.values()) == set(get_args(Action))


@pytest.mark.parametrize("fancy", [False, True])
def test_every_event_and_action_comes_back_as_it_was(tmp_path: Path, fancy: bool) -> None:
    events = [sample(kind, fancy=fancy) for kind in EVENTS.values()]
    actions = [sample(kind, fancy=fancy) for kind in ACTIONS.values()]
    written = journal(tmp_path)
    for event in events:
        written.event(event)  # type: ignore[arg-type]
    for action in actions:
        written.action(77.5, action)  # type: ignore[arg-type]
    written.note(88.5, "bye", reason="over", at="clobbered", words=["a", "b"])
    written.close()
    recording = read(tmp_path / "c1")
    assert [e.event for e in recording.entries if isinstance(e, Happened)] == events
    assert [e.action for e in recording.entries if isinstance(e, Ordered)] == actions
    assert recording.entries[-1] == Noted(88.5, "bye", {"reason": "over", "words": ["a", "b"]})
    assert recording.header.policy == POLICY
    header = recording.header
    assert (header.call, header.agent, header.language, recording.torn) == ("c1", "guide", "de-AT", 0)
    assert recording.complete


def test_a_line_is_in_the_file_before_the_next_thing_happens(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.event(Tick(5))
    assert written.path.read_bytes().endswith(b'{"at":5,"event":"Tick","at_ms":5}\n')
    written.close()


def test_a_torn_last_line_is_skipped_and_counted(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.event(Tick(5))
    written.event(Tick(6))
    written.close()
    whole = written.path.read_bytes()
    for cut in range(1, 20):
        written.path.write_bytes(whole[:-cut])
        recording = read(written.path)
        assert len(recording.entries) == (2 if cut == 1 else 1)
        assert recording.torn == (0 if cut == 1 else 1)
        assert not recording.complete


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"not json\n", b'{"call":"c1"}\n', b"\xff\xfe\n", b'{"format": "x"}']
)
def test_what_is_no_record_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jsonl").write_bytes(content)
    with pytest.raises(UsageError, match="no record of a call"):
        read(tmp_path / "x.jsonl")
    with pytest.raises(UsageError, match="cannot be read"):
        read(tmp_path / "nowhere.jsonl")


def test_a_record_of_another_version_is_refused(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.close()
    written.path.write_bytes(written.path.read_bytes().replace(b'"version":2', b'"version":3'))
    with pytest.raises(UsageError, match="version 3"):
        read(written.path)


def test_a_header_with_an_impossible_number_is_refused(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.close()
    whole = written.path.read_bytes()
    for wrong in (b'"confirm_ms":-1', b'"confirm_ms":"soon"'):
        written.path.write_bytes(whole.replace(b'"confirm_ms":444.25', wrong))
        with pytest.raises(UsageError, match="confirm_ms"):
            read(written.path)


def test_a_file_that_is_as_large_as_it_may_be_says_so_and_takes_no_more(tmp_path: Path) -> None:
    written = journal(tmp_path, max_bytes=3000)
    for k in range(200):
        written.event(SpeechWindow(k, k + 32, 0.5))
    written.close()
    assert written.path.stat().st_size <= 3000
    recording = read(written.path)
    assert recording.entries[-1] == Noted(0.0, "full", {})
    assert len(recording.entries) + written.lost > 200 - 2
    assert not recording.complete


def test_a_disk_that_fails_is_logged_once_and_the_gap_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    written = journal(tmp_path)
    real = os.write

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    for k in range(5):
        written.event(Tick(k))
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))  # half a line, then full again
    written.event(Tick(5))
    monkeypatch.setattr(os, "write", real)
    written.event(Tick(6))
    written.close()
    assert written.lost == 6
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert "No space left" in caplog.text
    recording = read(written.path)
    assert [e for e in recording.entries if isinstance(e, Happened)] == [Happened(6, Tick(6))]
    assert [e.facts for e in recording.entries if isinstance(e, Noted)] == [{"lines": 6}]
    assert not recording.complete


def test_a_folder_that_cannot_be_made_costs_the_record_and_not_the_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "calls").write_text("a file, where a folder should be")
    written = journal(tmp_path / "calls")
    written.event(Tick(1))
    written.note(2, "bye", odd={"a": {1, 2}}, worse=object())
    written.close()
    assert written.lost == 3
    assert "is not recorded" in caplog.text


def test_a_note_that_is_no_json_is_told_as_text_or_counted_as_lost(tmp_path: Path) -> None:
    written = journal(tmp_path)
    written.note(1, "odd", surrogate="\ud800")
    written.note(2, "fine", path=Path("a"))
    written.close()
    assert read(written.path).entries == [Noted(0, "lost", {"lines": 1}), Noted(2, "fine", {"path": "a"})]


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a" * 101, "a b"])
def test_a_call_id_that_is_no_name_never_becomes_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name for a call"):
        FileJournal(tmp_path, name, agent="guide", policy=POLICY, language="en")


def test_the_journal_that_keeps_nothing_takes_everything() -> None:
    null = NullJournal()
    null.event(Tick(1))
    null.action(1, Cut(1, BargeIn(1, 0, 1, Source.KEY, 1, "why")))
    null.note(1, "x", a=1)
    null.close()
