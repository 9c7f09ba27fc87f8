"""A child process behind a pipe: in order, never in the way, never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from bargein.clock import ManualClock
from bargein.errors import Unavailable, UsageError, VendorLost, VendorRefused
from bargein.vendors.local import worker_process
from bargein.vendors.local.worker_process import MAX_FRAME, OWN, REST_MS, START_TRIES, Frame, WorkerProcess

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def children_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def odd(*, max_waiting: int = 8, nice: int = 0, clock: ManualClock | None = None) -> WorkerProcess:
    module, variables = "tests.vendors.local.odd_child", ("ODD_CHILD",)
    return WorkerProcess(module, name="odd", max_waiting=max_waiting, nice=nice, variables=variables, clock=clock)


@pytest.fixture
async def child() -> AsyncIterator[WorkerProcess]:
    process = odd()
    yield process
    await process.aclose()


async def ask(process: WorkerProcess, do: str, body: bytes = b"") -> list[Frame]:
    return [frame async for frame in process.request({"do": do}, body)]


def opened(process: WorkerProcess, do: str, body: bytes = b"") -> AsyncGenerator[Frame, None]:
    return cast("AsyncGenerator[Frame, None]", process.request({"do": do}, body))


async def collect(frames: AsyncIterator[Frame], into: list[Frame]) -> None:
    async for frame in frames:
        into.append(frame)


async def gone(pid: int) -> None:
    """Wait until a process, of whatever parent, has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(fd, ended.set)
    try:
        async with asyncio.timeout(20):
            await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)


def is_there(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


# ------------------------------------------------------------------------------------------------ asking


async def test_a_request_gets_its_frames_in_order_and_then_an_end(child: WorkerProcess) -> None:
    assert await ask(child, "say", b"abc") == [(OWN, b"a"), (OWN, b"b"), (OWN, b"c")]


async def test_requests_at_once_get_their_own_frames_and_share_one_child(child: WorkerProcess) -> None:
    bodies = [bytes([i] * 50) for i in range(8)]
    answers = await asyncio.gather(*(ask(child, "say", body) for body in bodies))
    assert [b"".join(data for _, data in answer) for answer in answers] == bodies


async def test_a_large_body_goes_through_whole(child: WorkerProcess) -> None:
    body = os.urandom(1_500)
    assert b"".join(data for _, data in await ask(child, "say", body)) == body


async def test_a_body_beyond_the_bound_is_our_own_mistake_and_starts_nothing(child: WorkerProcess) -> None:
    with pytest.raises(UsageError):
        await ask(child, "say", bytes(MAX_FRAME))
    assert child.pid is None


async def test_what_a_native_library_prints_stays_out_of_the_pipe(
    child: WorkerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    assert await ask(child, "print") == [(OWN, b"printed")]
    await child.aclose()
    assert [record.getMessage() for record in caplog.records] == [
        "odd: a native library says hello",
        "odd: and so does Python",
    ]


async def test_a_child_that_talks_without_end_on_stderr_is_neither_stopped_nor_logged_without_end(
    child: WorkerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    assert await ask(child, "stderr") == [(OWN, b"said")]
    await child.aclose()
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == worker_process.LOG_LINES + 1
    assert max(len(line) for line in said) == worker_process.LOG_BYTES + len("odd: ")


async def test_a_child_is_as_nice_as_it_is_told() -> None:
    process = odd(nice=3)
    assert await ask(process, "nice") == [(OWN, str(os.nice(0) + 3).encode())]
    await process.aclose()


# ------------------------------------------------------------------------------------------------ cancelling


async def test_closing_a_request_stops_it_and_the_next_hears_nothing_of_it(child: WorkerProcess) -> None:
    async with contextlib.aclosing(opened(child, "endless")) as frames:
        assert await anext(frames) == (OWN + 1, b"more")
    assert await ask(child, "say", b"x") == [(OWN, b"x")]


async def test_a_request_that_is_closed_in_the_line_is_never_begun(child: WorkerProcess) -> None:
    async with contextlib.aclosing(opened(child, "endless")) as frames:
        await anext(frames)
        waiting = asyncio.create_task(ask(child, "die"))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        pid = child.pid
    assert await ask(child, "say", b"x") == [(OWN, b"x")]
    assert child.pid == pid


async def test_one_more_than_may_wait_is_told_that_it_is_busy() -> None:
    process = odd(max_waiting=2)
    async with contextlib.aclosing(opened(process, "endless")) as first:
        await anext(first)
        second = asyncio.create_task(ask(process, "say", b"x"))
        await asyncio.sleep(0)
        with pytest.raises(VendorLost, match="busy"):
            await ask(process, "say", b"y")
    assert await second == [(OWN, b"x")]
    await process.aclose()


async def test_who_does_not_take_frames_is_given_up_so_that_the_others_are_served(child: WorkerProcess) -> None:
    lazy = opened(child, "endless")
    await anext(lazy)
    assert await ask(child, "say", b"x") == [(OWN, b"x")]
    heard: list[Frame] = []
    with pytest.raises(VendorLost, match="not taken in time"):
        await collect(lazy, heard)
    # What had come is whole; only then it breaks off. The frame that was taken first may have been one of the queued.
    assert len(heard) in (worker_process.MAX_QUEUED - 1, worker_process.MAX_QUEUED)


# ------------------------------------------------------------------------------------------------ refusing


async def test_a_refusal_is_told_with_its_advice_and_costs_only_itself(child: WorkerProcess) -> None:
    with pytest.raises(VendorRefused) as refused:
        await ask(child, "refuse")
    assert (refused.value.message, refused.value.advice) == ("Not that", "Ask for something else")
    assert await ask(child, "say", b"x") == [(OWN, b"x")]


async def test_a_fault_in_a_handler_is_lost_and_logged_but_its_text_is_not_told(
    child: WorkerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(VendorLost, match="ValueError") as lost:
        await ask(child, "fail")
    assert "secret" not in str(lost.value)
    assert await ask(child, "say", b"x") == [(OWN, b"x")]
    await child.aclose()
    assert "a secret that is in the log only" in caplog.text


# ------------------------------------------------------------------------------------------------ dying


async def test_killed_in_the_middle_all_in_flight_are_lost_and_the_next_gets_a_new_child(
    child: WorkerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    async with contextlib.aclosing(opened(child, "sleep")) as frames:
        assert await anext(frames) == (OWN, b"asleep")
        waiting = asyncio.create_task(ask(child, "say", b"x"))
        await asyncio.sleep(0)
        pid = child.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(VendorLost, match="died"):
            await anext(frames)
        with pytest.raises(VendorLost, match="died"):
            await waiting
    assert await ask(child, "say", b"y") == [(OWN, b"y")]
    assert child.pid not in (None, pid)
    assert f"(pid {pid}) is gone" in caplog.text


async def test_what_it_said_before_it_died_is_still_heard(child: WorkerProcess) -> None:
    async with contextlib.aclosing(opened(child, "die")) as frames:
        assert await anext(frames) == (OWN, b"last words")
        with pytest.raises(VendorLost):
            await anext(frames)


async def test_a_frame_beyond_the_bound_costs_the_child_and_no_more(child: WorkerProcess) -> None:
    with pytest.raises(VendorLost):
        await ask(child, "too much")
    assert await ask(child, "say", b"x") == [(OWN, b"x")]


async def test_a_child_that_cannot_start_is_tried_three_times_and_then_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = ManualClock()
    process = odd(clock=clock)
    spawned: list[str] = []
    real = asyncio.create_subprocess_exec

    async def counted(*words: str, **settings: object) -> asyncio.subprocess.Process:
        spawned.append(words[-1])
        return await real(*words, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", counted)
    monkeypatch.setenv("ODD_CHILD", "dies")
    for _ in range(START_TRIES + 5):
        with pytest.raises(VendorLost, match="ended as it started"):
            await ask(process, "say", b"x")
    assert len(spawned) == START_TRIES
    monkeypatch.delenv("ODD_CHILD")
    clock.advance(REST_MS - 1)
    with pytest.raises(VendorLost):
        await ask(process, "say", b"x")
    clock.advance(1)
    assert await ask(process, "say", b"x") == [(OWN, b"x")]
    assert len(spawned) == START_TRIES + 1
    await process.aclose()


async def test_a_part_that_is_not_installed_is_unavailable_also_while_nobody_tries(
    child: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD_CHILD", "refuses")
    for _ in range(START_TRIES + 1):
        with pytest.raises(Unavailable) as missing:
            await child.start()
        assert missing.value.advice == "Install the extra"
    assert child.pid is None


async def test_a_child_that_is_never_ready_is_given_up(child: WorkerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_CHILD", "hangs")
    monkeypatch.setattr(worker_process, "START_S", 0.01)
    with pytest.raises(VendorLost, match="not ready"):
        await child.start()


async def test_a_start_that_is_cancelled_leaves_the_next_one_free(
    child: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODD_CHILD", "hangs")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await child.start()
    monkeypatch.delenv("ODD_CHILD")
    assert await ask(child, "say", b"x") == [(OWN, b"x")]


# ------------------------------------------------------------------------------------------------ ending


async def test_closing_leaves_no_child_and_tells_those_who_wait() -> None:
    process = odd()
    async with contextlib.aclosing(opened(process, "sleep")) as frames:
        await anext(frames)
        pid = process.pid
        assert pid is not None
        await process.aclose()
        assert not is_there(pid)
        with pytest.raises(VendorLost):
            await anext(frames)
    with pytest.raises(VendorLost, match="closed"):
        await ask(process, "say", b"x")


async def test_closing_twice_at_once_or_before_the_start_is_nothing() -> None:
    process = odd()
    await process.aclose()
    process = odd()
    await process.start()
    await asyncio.gather(process.aclose(), process.aclose())
    assert process.pid is None


async def test_a_child_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "END_S", 0.05)
    process = odd()
    await process.start()
    pid = process.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await process.aclose()
    assert not is_there(pid)


async def test_ctrl_c_in_the_terminal_is_ours_alone(child: WorkerProcess) -> None:
    await child.start()
    assert child.pid is not None
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)


PARENT = """
import asyncio, sys
from bargein.vendors.local.worker_process import WorkerProcess

async def main():
    process = WorkerProcess("tests.vendors.local.odd_child", name="odd", max_waiting=1)
    async for _ in process.request({"do": sys.argv[1]}):
        print(process.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("busy", ["sleep", "endless"])
async def test_a_parent_that_is_killed_takes_its_child_with_it(busy: str) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, busy, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    _, said = await parent.communicate()
    await gone(pid)
    assert said == b""


def test_a_child_whose_parent_closes_its_pipe_says_nothing_about_it() -> None:
    """The other end of the promise above: no traceback, no core, when it writes to nobody."""
    wants, gives = os.pipe()
    heard, said = os.pipe()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "tests.vendors.local.odd_child"],
        dict(os.environ),
        file_actions=[
            (os.POSIX_SPAWN_DUP2, wants, 0),
            (os.POSIX_SPAWN_DUP2, said, 1),
        ],
    )
    os.close(wants)
    os.close(said)
    assert select.select([heard], [], [], 20)[0]  # READY
    os.close(heard)
    head = b'{"do": "endless"}'
    os.write(
        gives, worker_process.HEADER.pack(1, worker_process.ASK, 4 + len(head)) + len(head).to_bytes(4, "little") + head
    )
    _, status = os.waitpid(pid, 0)
    os.close(gives)
    assert os.waitstatus_to_exitcode(status) == 0


async def test_the_log_of_a_worker_says_who_speaks(child: WorkerProcess, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="bargein.vendors.local.worker_process"), pytest.raises(VendorLost):
        await ask(child, "fail")
    await child.aclose()
    assert all(record.name == "bargein.vendors.local.worker_process" for record in caplog.records)
    assert caplog.records[0].getMessage().startswith("odd: ERROR")
