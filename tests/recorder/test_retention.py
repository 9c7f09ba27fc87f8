"""Which records go, by number, age and size; and that nothing else does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bargein.floor import Policy
from bargein.recorder.audio_file import AUDIO_FILE
from bargein.recorder.journal import FILE, FileJournal
from bargein.recorder.retention import parts_of, prune, remove

POLICY = Policy()


def record(root: Path, name: str, age_s: float, audio: int = 0, *, journal: bool = True) -> Path:
    """A call's record whose newest part is so old."""
    folder = root / name
    folder.mkdir()
    when = time.time() - age_s
    for file, size in ((FILE, 100 if journal else 0), (AUDIO_FILE, audio)):
        if size:
            (folder / file).write_bytes(bytes(size))
            os.utime(folder / file, (when, when))
    return folder


def left(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_the_oldest_go_until_all_together_are_small_enough(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "second", "third", "old")):
        record(tmp_path, name, age * 100, audio=900)
    record(tmp_path, "live", 5000, audio=900)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "large.jpg").write_bytes(bytes(10_000))
    assert prune(tmp_path, living=["live"], max_bytes=10_000) == 0
    assert prune(tmp_path, living=["live"], max_bytes=3_000) == 2
    assert left(tmp_path) == ["live", "new", "photos", "second"]
    assert prune(tmp_path, living=["live"], max_bytes=1) == 2, "a call that goes on stays, whatever its size"
    assert left(tmp_path) == ["live", "photos"]


def test_audio_without_its_journal_grows_old_too(tmp_path: Path) -> None:
    record(tmp_path, "lost", 900, audio=10, journal=False)
    record(tmp_path, "fresh", 10, audio=10, journal=False)
    assert prune(tmp_path, max_age_s=500) == 1
    assert left(tmp_path) == ["fresh"]


def test_a_call_that_goes_on_at_this_server_is_kept_under_its_later_name(tmp_path: Path) -> None:
    record(tmp_path, "c1-2", 900)
    assert prune(tmp_path, keep=0, living=["c1"]) == 0
    assert prune(tmp_path, keep=0, living=["c"]) == 1


def test_the_parts_of_a_call_are_its_own_and_no_other_calls(tmp_path: Path) -> None:
    for name in ("c1", "c1-1", "c1-12", "c1-x", "c11", "c"):
        record(tmp_path, name, 0)
    (tmp_path / "c1-3").mkdir()
    assert [folder.name for folder in parts_of(tmp_path, "c1")] == ["c1", "c1-1", "c1-12"]
    assert parts_of(tmp_path / "nowhere", "c1") == []


def test_what_cannot_be_removed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = record(tmp_path, "c1", 0, audio=10)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr("os.unlink", refuse)
        assert not remove(folder)
    assert remove(folder)
    assert remove(folder), "it is gone already"


def test_only_the_newest_records_are_kept_and_nothing_else_is_touched(tmp_path: Path) -> None:
    for k in range(6):
        FileJournal(tmp_path, f"c{k}", agent="guide", policy=POLICY, language="en").close()
        os.utime(tmp_path / f"c{k}" / FILE, (k, k))
    (tmp_path / "photos").mkdir()
    assert prune(tmp_path, keep=2, living=["c0"]) == 3
    assert sorted(p.name for p in tmp_path.iterdir()) == ["c0", "c4", "c5", "photos"]
    assert prune(tmp_path / "nowhere", keep=2) == 0


def test_a_record_that_another_process_writes_is_not_removed(tmp_path: Path) -> None:
    """Two workers share a folder, and each knows its own calls only."""
    script = (
        "import sys; from pathlib import Path; from bargein.floor import Policy\n"
        "from bargein.recorder.journal import FileJournal\n"
        "kept = FileJournal(Path(sys.argv[1]), 'theirs', agent='a', policy=Policy(), language='en')\n"
        "print('open', flush=True); sys.stdin.readline(); kept.close()\n"
        "print('closed', flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == "open\n"
        assert prune(tmp_path, keep=0) == 0
        assert (tmp_path / "theirs" / FILE).exists()
        print(file=other.stdin, flush=True)
        assert other.stdout.readline() == "closed\n"
        assert prune(tmp_path, keep=0) == 1
        assert not (tmp_path / "theirs").exists()
        print(file=other.stdin, flush=True)


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
