"""A disk that is slow, frozen, full or read-only stops no call: lines wait in bounds, and losses are told."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from bargein.floor import Policy, Tick
from bargein.recorder.disk import DiskThread
from bargein.recorder.journal import FileJournal
from bargein.recorder.reading import Happened, Noted, read

POLICY = Policy.named("balanced")


class Frozen:
    """A disk on which no write returns before `thaw`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._thawed = threading.Event()
        self._write = os.write
        self.reached = threading.Event()
        monkeypatch.setattr("bargein.recorder.record_file.os.write", self._wait)

    def thaw(self) -> None:
        self._thawed.set()

    def _wait(self, fd: int, data: bytes) -> int:
        if threading.current_thread().name == "disk":
            self.reached.set()
            self._thawed.wait()
        return self._write(fd, data)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Frozen]:
    disk = Frozen(monkeypatch)
    yield disk
    disk.thaw()


@pytest_asyncio.fixture
async def disk() -> AsyncIterator[DiskThread]:
    made = DiskThread(most_bytes=20_000)
    yield made
    await made.aclose(5)


def journal(
    root: Path, disk: DiskThread, on_lost: Callable[[int], None] = lambda _: None, call: str = "c1"
) -> FileJournal:
    return FileJournal(root, call, agent="a", policy=POLICY, language="en", disk=disk, on_lost=on_lost)


async def test_jobs_are_done_in_order_and_their_results_come_back(disk: DiskThread) -> None:
    done: list[int] = []
    for n in range(100):
        disk.put(lambda n=n: done.append(n))  # type: ignore[misc]
    assert await disk.run(lambda: len(done)) == 100
    assert done == list(range(100))
    with pytest.raises(ZeroDivisionError):
        await disk.run(lambda: 1 // 0)
    disk.put(lambda: 1 // 0)
    assert await disk.run(lambda: "goes on") == "goes on"


async def test_a_record_is_whole_when_it_was_waited_for(tmp_path: Path, disk: DiskThread) -> None:
    written = journal(tmp_path, disk)
    for n in range(50):
        written.event(Tick(n))
    written.note(60, "bye", reason="over")
    written.close()
    assert await written.written(5)
    recording = read(written.path)
    assert [e.at_ms for e in recording.entries if isinstance(e, Happened)] == list(range(50))
    assert recording.complete


async def test_a_frozen_disk_stops_neither_the_loop_nor_another_call(
    tmp_path: Path, disk: DiskThread, frozen: Frozen
) -> None:
    one, other = journal(tmp_path, disk), journal(tmp_path, disk, call="c2")
    for n in range(30):
        one.event(Tick(n))
        other.event(Tick(n))
        await asyncio.sleep(0)  # the loop turns: an os.write here would wait for ever
    assert await asyncio.to_thread(frozen.reached.wait, 5)
    one.close()
    assert not await one.written(0.05), "the end of a call waits within a bound"
    frozen.thaw()
    assert await one.written(5)
    assert len(read(one.path).entries) == len(read(other.path).entries) == 30


async def test_what_finds_no_room_is_counted_and_told_in_log_and_record(
    tmp_path: Path, disk: DiskThread, frozen: Frozen, caplog: pytest.LogCaptureFixture
) -> None:
    lost: list[int] = []
    written = journal(tmp_path, disk, lost.append)
    assert await asyncio.to_thread(frozen.reached.wait, 5)
    for n in range(1000):
        written.event(Tick(n))
    assert disk.waiting_bytes <= 20_000
    assert written.lost == sum(lost) > 300
    assert [r.message for r in caplog.records] == [f"Lines of {written.path} are lost: the disk is too slow"]
    frozen.thaw()
    assert await written.written(5)
    written.event(Tick(2000))
    written.close()
    assert await written.written(5)
    recording = read(written.path)
    told = [e.facts["lines"] for e in recording.entries if isinstance(e, Noted) and e.kind == "lost"]
    assert told == [written.lost]
    assert len([e for e in recording.entries if isinstance(e, Happened)]) == 1001 - written.lost
    assert not recording.complete


async def test_losses_at_the_very_end_are_told_too(tmp_path: Path, disk: DiskThread, frozen: Frozen) -> None:
    written = journal(tmp_path, disk)
    assert await asyncio.to_thread(frozen.reached.wait, 5)
    for n in range(1000):
        written.event(Tick(n))
    written.close()
    frozen.thaw()
    assert await written.written(5)
    assert read(written.path).entries[-1] == Noted(0, "lost", {"lines": written.lost})


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError(30, "Read-only file system")])
async def test_a_disk_that_takes_nothing_costs_the_record_and_not_the_call(
    tmp_path: Path, disk: DiskThread, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: OSError
) -> None:
    def fails(*_: object) -> int:
        raise error

    monkeypatch.setattr("bargein.recorder.record_file.os.write", fails)
    lost: list[int] = []
    written = journal(tmp_path, disk, lost.append)
    written.event(Tick(1))
    written.close()
    assert await written.written(5)
    assert written.lost == sum(lost) == 2
    assert str(error.strerror) in caplog.text


async def test_a_folder_that_cannot_be_made_is_told(
    tmp_path: Path, disk: DiskThread, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "calls").write_text("a file")
    written = journal(tmp_path / "calls", disk)
    written.close()
    assert await written.written(5)
    assert "is not recorded" in caplog.text
    assert written.lost == 1


async def test_an_end_waits_for_a_frozen_disk_within_a_bound(
    tmp_path: Path, frozen: Frozen, caplog: pytest.LogCaptureFixture
) -> None:
    disk = DiskThread()
    written = journal(tmp_path, disk)
    await disk.aclose(0.05)
    assert "did not answer" in caplog.text
    written.event(Tick(1))
    assert written.lost == 1, "nothing is written after the end"


async def test_only_the_owner_may_read_a_record(tmp_path: Path, disk: DiskThread) -> None:
    before = os.umask(0)
    try:
        written = journal(tmp_path, disk)
        written.close()
        await written.written(5)
    finally:
        os.umask(before)
    assert stat.S_IMODE(written.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(written.path.parent.stat().st_mode) == 0o700
