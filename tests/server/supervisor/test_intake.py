"""Which worker gets a connection: the one that is named, or the one that has least to do; and none is lost."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from bargein.server.connection_census import AddressCensus
from bargein.server.listening import listen
from bargein.server.supervisor import intake as intake_module
from bargein.server.supervisor.intake import Intake

CALL = b"GET /calls/browser HTTP/1.1\r\n"


@dataclass
class FakeWorker:
    """A SupervisedWorker, as far as the intake is concerned, whose connections stay open."""

    node: str
    takes_connections: bool = True
    taking: bool = True
    deaf: bool = False
    last_given: int = 0
    given: list[tuple[int, bytes]] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def weight(self) -> int:
        return len(self.given)

    def give(self, number: int, connection: socket.socket, data: bytes) -> bool:
        if self.deaf:
            return False
        self.given.append((number, data))
        self.sockets.append(connection)
        self.last_given = number
        self.came.set()
        return True


@dataclass
class Gate:
    intake: Intake
    census: AddressCensus
    port: int
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    async def client(self, data: bytes = CALL) -> asyncio.StreamReader:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        self.clients.append(writer)
        return reader


@asynccontextmanager
async def gate(*workers: FakeWorker, most: int = 100, of_one: int = 100) -> AsyncIterator[Gate]:
    listener = listen("127.0.0.1", 0)
    census = AddressCensus(most, of_one)
    intake = Intake(listener, lambda: workers, census, "/voice")  # type: ignore[arg-type, return-value]
    intake.start()
    made = Gate(intake, census, listener.getsockname()[1])
    try:
        yield made
    finally:
        intake.stop()
        for client in made.clients:
            client.close()
        for worker in workers:
            for each in worker.sockets:
                each.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  # a test may look
            await asyncio.sleep(0.005)


async def test_calls_go_evenly_to_all_workers() -> None:
    workers = [FakeWorker("w-0"), FakeWorker("w-1")]
    async with gate(*workers) as here:
        for _ in range(40):
            await here.client()
        await until(lambda: sum(len(each.given) for each in workers) == 40)
        assert [len(each.given) for each in workers] == [20, 20]


async def test_a_named_worker_gets_the_connection_however_much_it_has_to_do() -> None:
    workers = [FakeWorker("w-0"), FakeWorker("w-1")]
    async with gate(*workers) as here:
        for path in (b"/n/w-1/a", b"/voice/n/w-1/a", b"/n/w-1"):
            await here.client(b"GET " + path + b" HTTP/1.1\r\n")
        await until(lambda: len(workers[1].given) == 3)
        workers[1].taking = False  # it drains
        await here.client(b"GET /n/w-1/twilio/media HTTP/1.1\r\n")
        await until(lambda: len(workers[1].given) == 4)
        await here.client()
        await until(lambda: len(workers[0].given) == 1)


@pytest.mark.parametrize("gone", ["w-2", "w-1"])
async def test_a_connection_for_a_worker_that_is_gone_goes_to_another(gone: str) -> None:
    workers = [FakeWorker("w-0"), FakeWorker("w-1", takes_connections=False)]
    async with gate(*workers) as here:
        await here.client(f"GET /n/{gone}/x HTTP/1.1\r\n".encode())
        await workers[0].came.wait()


async def test_a_worker_that_drains_or_takes_nothing_now_is_passed_over() -> None:
    drains, deaf, well = FakeWorker("w-0", taking=False), FakeWorker("w-1", deaf=True), FakeWorker("w-2")
    async with gate(drains, deaf, well) as here:
        for _ in range(3):
            await here.client()
        await until(lambda: len(well.given) == 3)
        well.deaf = True
        await here.client()
        await until(lambda: len(drains.given) == 1)


async def test_without_a_worker_connections_wait_for_one_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "WAITING_MOST", 3)
    worker = FakeWorker("w-0", takes_connections=False)
    async with gate(worker) as here:
        readers = [await here.client() for _ in range(4)]
        async with asyncio.timeout(5):
            closed = [asyncio.create_task(each.read()) for each in readers]
            await asyncio.wait(closed, return_when=asyncio.FIRST_COMPLETED)
        assert len(here.census) == 3
        worker.takes_connections = True
        here.intake.place_waiting()
        assert len(worker.given) == 3
        for each in closed:
            each.cancel()


async def test_a_client_that_says_nothing_goes_to_any_worker_after_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "PEEK_S", 0.05)
    worker = FakeWorker("w-0")
    async with gate(worker) as here:
        await here.client(b"")
        await worker.came.wait()
        worker.came.clear()
        await here.client(b"GET /n/w-")  # and one that stops in the middle: the worker reads the rest
        await worker.came.wait()


async def test_of_clients_that_say_nothing_the_oldest_goes_on_when_there_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(intake_module, "PEEKED_MOST", 4)
    monkeypatch.setattr(intake_module, "PEEK_S", 600.0)
    worker = FakeWorker("w-0")
    async with gate(worker) as here:
        for _ in range(10):
            await here.client(b"")
        await until(lambda: len(worker.given) == 6)
        here.clients[-1].write(CALL)
        await until(lambda: len(worker.given) == 7)


async def test_the_bounds_on_connections_hold_over_all_workers() -> None:
    workers = [FakeWorker("w-0"), FakeWorker("w-1")]
    async with gate(*workers, of_one=5) as here:
        readers = [await here.client() for _ in range(6)]
        async with asyncio.timeout(5):
            ends = [asyncio.create_task(each.read()) for each in readers]
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 1
        await until(lambda: sum(len(each.given) for each in workers) == 5)
        here.intake.closed([workers[0].given[0][0]])
        await here.client()
        await until(lambda: sum(len(each.given) for each in workers) == 6)
        for each in ends:
            each.cancel()


async def test_a_client_that_leaves_before_it_says_anything_is_forgotten() -> None:
    async with gate(FakeWorker("w-0")) as here:
        await here.client(b"")
        await until(lambda: len(here.census) == 1)
        here.clients[0].close()
        await until(lambda: len(here.census) == 0)
