"""`bargein serve --workers 2` as it is run: one server for all tests but those that end it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.supervisor.serving import ROOT, Supervised, gone_within, pids_with, supervised

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def here() -> Iterator[Supervised]:
    with supervised() as made:
        yield made


async def live(here: Supervised) -> dict[str, int]:
    """Calls of each worker, by the page of metrics that any worker answers with."""
    page = (await here.http("/metrics")).text
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert [sample.value for sample in families["bargein_workers_silent"].samples] == [0]
    return {sample.labels["worker"]: int(sample.value) for sample in families["bargein_calls_live"].samples}


async def test_calls_are_spread_evenly_and_any_worker_tells_of_all(here: Supervised) -> None:
    await here.all_ready()
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(here.call()) for _ in range(6)]
        assert await live(here) == {"w-0": 3, "w-1": 3}
        for node in ("w-0", "w-1"):
            listed = (await here.http(f"/n/{node}/calls")).json()["calls"]
            assert {call["id"] for call in listed} == {call_id for _, call_id in calls}


async def test_a_path_names_its_worker_over_new_and_over_kept_connections(here: Supervised) -> None:
    await here.all_ready()
    nodes = ["w-0", "w-1", "w-1", "w-0", "w-1", "w-0"]
    for node in nodes:
        assert (await here.http(f"/n/{node}/readyz")).json()["answered_by"] == node
    async with httpx.AsyncClient(base_url=here.url) as http:  # one connection, kept open
        told = []
        for node in nodes:
            answer = await http.get(f"/n/{node}/readyz")
            told.append(answer.json()["answered_by"])
        assert told == nodes
        assert (await http.get("/n/w-1/web/style.css")).status_code == 200
        assert (await http.get("/n/elsewhere/healthz")).status_code == 200
        assert (await http.get("/n/w-77/healthz")).status_code == 200
    async with here.call("/n/w-1") as (_, call_id):
        own = await here.http(f"/n/w-1/calls/{call_id}")
        assert own.status_code == 200
        assert await live(here) == {"w-0": 0, "w-1": 1}


async def answer(here: Supervised, *parts: bytes, pause_s: float = 0.05) -> bytes:
    """To a request that comes in parts."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    for number, part in enumerate(parts):
        await asyncio.sleep(pause_s if number else 0)
        writer.write(part)
    async with asyncio.timeout(15):
        told = await reader.read()
    writer.close()
    return told


async def test_a_request_that_comes_in_two_parts_reaches_its_worker(here: Supervised) -> None:
    """Within the time that the supervisor waits for first bytes, and after it."""
    await here.all_ready()
    wanted, asked = [], []
    for node in ("w-0", "w-1"):
        request = f"GET /n/{node}/readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        for cut, pause_s in ((3, 0.05), (9, 0.05), (12, 0.05), (40, 0.05), (0, 1.2), (9, 1.2)):
            wanted.append(node)
            asked.append(answer(here, request[:cut], request[cut:], pause_s=pause_s))
    told = await asyncio.gather(*asked)
    assert [re.findall('"answered_by":"(.*?)"', each.decode()) for each in told] == [[node] for node in wanted]


async def test_what_is_no_request_is_answered_by_a_worker_as_ever(here: Supervised) -> None:
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"nonsense\r\n\r\n"):
        assert b"400" in await answer(here, data)


async def test_a_worker_that_is_killed_is_back_and_the_other_calls_go_on(here: Supervised) -> None:
    await here.all_ready()
    async with here.call("/n/w-0") as (kept, _), here.call("/n/w-1") as (victim, _):
        await victim.until("state", state="speaking")
        await asyncio.sleep(0.5)  # what is remembered of a call is written a tick after its begin
        lost = here.workers[1]  # they were started in this order
        os.kill(lost, signal.SIGSTOP)
        request = b"GET /n/w-1/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        waiting = [asyncio.create_task(answer(here, request)) for _ in range(20)]
        await asyncio.sleep(0.1)
        assert not any(each.done() for each in waiting)
        os.kill(lost, signal.SIGKILL)
        assert [b"200 OK" in told for told in await asyncio.gather(*waiting)] == [True] * 20
        assert await victim.closed() == 1006
        assert await kept.still_there()
        welcome = victim.messages[0]
        resume = {"call_id": welcome["call_id"], "secret": welcome["resume"]}
        async with here.call("/n/w-1", resume=resume) as (again, call_id):  # the other worker has it now
            assert call_id == welcome["call_id"]
            assert again.messages[0]["restored"] is True
            assert again.messages[0]["at"] == "/n/w-0"
        for _ in range(5):  # while one worker is away, every request is answered
            assert (await here.http("/n/w-1/healthz")).status_code == 200
        await here.all_ready()
        assert lost not in here.workers
        assert await kept.still_there()
    assert "was ended by SIGKILL" in here.log.read_text()


async def test_a_supervisor_that_is_killed_leaves_nothing_behind(here: Supervised) -> None:
    """The last one of this server."""
    await here.all_ready()
    async with here.call() as (call, _):
        started = pids_with(str(here.folder))
        here.process.kill()
        assert await call.closed(15) in (1006, 1012)
    assert len(started) == 3
    here.process.wait()
    assert gone_within(12, started)
    assert here.left == []


async def test_a_signal_drains_all_workers_and_the_second_ends_them_at_once() -> None:
    with supervised() as here:
        await here.all_ready()
        async with here.call("/n/w-0") as (first, _), here.call("/n/w-1") as (second, _):
            workers = here.workers
            here.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                while (told := await here.http("/readyz")).status_code == 200:
                    pass
            assert "ready" not in told.json()["workers"].values()
            assert (await here.http("/healthz")).status_code == 200
            assert await first.still_there()
            assert await second.still_there()
            here.process.send_signal(signal.SIGINT)
            for each in (first, second):
                assert (await each.until("bye"))["reason"] == "the server stopped"
        assert here.process.wait(20) == 0
        assert gone_within(0, workers)
        assert here.left == []
        with pytest.raises(httpx.ConnectError):
            await here.http("/healthz")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("BARGEIN_")} | {"PYTHONPATH": f"{ROOT}:{ROOT}/src"}
    return subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, timeout=60, check=False)


def test_a_wrong_agent_is_told_once_and_ends_as_with_one_process() -> None:
    told = run("-m", "bargein", "serve", "--agent", "/nowhere.py", "--port", "0", "--no-record", "--workers", "2")
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == "UsageError: There is no Python file /nowhere.py. Write the agent as FILE.py:NAME\n"


def test_the_supervisor_loads_no_model() -> None:
    heavy = "{'numpy', 'fastapi', 'uvicorn', 'onnxruntime', 'redis'}"
    told = run("-c", f"import sys, bargein.cli, bargein.server.supervisor.run; print({heavy} & set(sys.modules))")
    assert told.stdout == "set()\n", told.stderr


def test_a_program_that_cannot_be_run_again_is_told_what_to_do() -> None:
    serve = "from bargein import serve; serve(None, port=0, workers=2)"
    told = subprocess.run(
        [sys.executable], input=serve, env={"PYTHONPATH": f"{ROOT}/src"}, capture_output=True, text=True, check=False
    )
    assert "Write the agent to a file" in told.stderr
    quits = f"import os\nif '_BARGEIN_WORKER_CHANNEL' in os.environ: raise SystemExit(0)\n{serve}"
    assert "served nothing" in run("-c", quits).stderr
