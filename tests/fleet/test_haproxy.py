"""The shipped HAProxy before three nodes: where a request goes while nodes drain, fill up and die. HAProxy is real."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bargein.clock import MonotonicClock
from benchmarks.fleet_processes import haproxy
from tests.fleet.fake_node import FakeNode, fake_nodes

pytestmark = pytest.mark.slow
CONFIG = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str
    ms: float


@dataclass
class Front:
    address: str
    nodes: dict[str, FakeNode]

    async def ask(self, path: str, method: str = "GET", body: str = "", **headers: str) -> Answer:
        """One request on a connection of its own."""
        clock = MonotonicClock()
        began = clock.now_ms()
        host, _, port = self.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        lines = [f"{method} {path} HTTP/1.1", "Host: voice.example.com", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        await writer.drain()
        await asyncio.sleep(0.01)  # as many clients do it: the body is in a packet of its own
        writer.write(body.encode())
        head, _, text = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        return Answer(int(head.split(" ")[1]), text, clock.now_ms() - began)

    async def settle(self) -> None:
        """Until HAProxy's checks have seen every node as it is. At first it takes all for alive and ready."""
        await asyncio.gather(*(node.checked() for node in self.nodes.values()))


@contextlib.asynccontextmanager
async def front() -> AsyncIterator[Front]:
    async with (
        fake_nodes("a", "b", "c") as nodes,
        haproxy(CONFIG, {name: node.address for name, node in nodes.items()}) as balancer,
    ):
        yield Front(balancer.address, nodes)


async def test_a_named_node_is_asked_while_it_drains_and_new_calls_go_to_others() -> None:
    async with front() as at:
        at.nodes["b"].ready = False
        await at.settle()
        assert {(await at.ask("/n/b/twilio/next", "POST", "CallSid=CA1")).body for _ in range(6)} == {"b"}
        assert {(await at.ask("/twilio/voice", "POST", "CallSid=CA1")).body for _ in range(12)} == {"a", "c"}
        assert {(await at.ask(f"/n/{name}/x")).body for name in "abc" for _ in range(3)} == {"a", "b", "c"}


async def test_a_webhook_of_a_node_that_died_is_answered_by_another_at_once_and_once() -> None:
    async with front() as at:
        await at.nodes["a"].die()
        answers = [await at.ask("/n/a/twilio/next", "POST", f"CallSid=CA{n}") for n in range(8)]
        assert {answer.status for answer in answers} == {200}
        assert {answer.body for answer in answers} <= {"b", "c"}
        assert max(answer.ms for answer in answers) < 1_000  # of the 1.5 s in which the caller hears the agent again
        asked = [each for node in at.nodes.values() for each in node.asked]
        assert sorted(each.body for each in asked) == [f"CallSid=CA{n}".encode() for n in range(8)]
        assert {each.path for each in asked} == {"/n/a/twilio/next"}


async def test_a_command_that_a_node_has_read_is_never_sent_again() -> None:
    async with front() as at:
        for node in at.nodes.values():
            node.drops = True
        assert (await at.ask("/calls/x/say", "POST", "{}")).status == 502
        assert sum(len(node.asked) for node in at.nodes.values()) == 1
        for node in at.nodes.values():
            node.asked.clear()
            node.drops = node.name != "c"
        assert (await at.ask("/n/a/agents")).status == 200  # a question may be asked again
        assert len(at.nodes["c"].asked) == 1


async def test_a_telephone_is_answered_though_its_node_died_with_the_webhook_in_its_hand() -> None:
    async with front() as at:
        at.nodes["a"].drops = True
        answer = await at.ask("/n/a/twilio/next", "POST", "CallSid=CA1")
        assert answer.status == 200
        assert answer.body in ("b", "c")
        assert [each.body for node in at.nodes.values() for each in node.asked] == [b"", b"CallSid=CA1"]


async def test_a_webhook_is_answered_whenever_its_connection_breaks(tmp_path: Path) -> None:
    """A process that is killed resets what the kernel took for it: before, while and after the request is sent."""
    config = tmp_path / "haproxy.cfg"
    unchecked = re.sub(r"^(    server .*) check$", r"\1", CONFIG.read_text(), flags=re.MULTILINE)
    config.write_text(unchecked.replace("observe layer4 error-limit 1 on-error mark-down", ""))
    broken = itertools.count()

    async def breaks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(next(broken) % 6 * 0.0005)
        writer.transport.abort()

    dying = await asyncio.start_server(breaks, "127.0.0.1", 0, limit=1)
    address = "{}:{}".format(*dying.sockets[0].getsockname())
    async with fake_nodes("b", "c") as nodes, dying:
        others = {name: node.address for name, node in nodes.items()}
        async with haproxy(config, {"a": address, **others}) as balancer:
            at = Front(balancer.address, nodes)
            answers = [await at.ask("/n/a/twilio/next", "POST", "CallSid=CA1") for _ in range(36)]
    assert {answer.status for answer in answers} == {200}
    assert next(broken) >= 36


async def test_a_node_that_comes_back_gets_its_calls_again() -> None:
    async with front() as at:
        await at.nodes["a"].die()
        assert (await at.ask("/n/a/x")).body in ("b", "c")
        await at.nodes["a"].start()
        await at.settle()
        assert {(await at.ask("/n/a/x")).body for _ in range(4)} == {"a"}


async def test_where_no_node_takes_calls_one_that_lives_tells_the_caller_so() -> None:
    async with front() as at:
        for node in at.nodes.values():
            node.ready = False
        await at.settle()
        answers = [await at.ask("/twilio/voice", "POST", "CallSid=CA1") for _ in range(6)]
        assert {answer.status for answer in answers} == {200}


async def test_a_stream_is_carried_both_ways_and_dies_with_its_node() -> None:
    async with front() as at:
        host, _, port = at.address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        asked = ["GET /n/c/twilio/media HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade"]
        asked += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13", "", ""]
        writer.write("\r\n".join(asked).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        writer.write(b"\x81\x02hi")
        assert await reader.readexactly(4) == b"\x81\x02hi"
        await at.nodes["c"].die()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(1):
                assert await reader.read() == b""
        writer.close()


async def test_nodes_are_told_the_client_by_haproxy_alone() -> None:
    async with front() as at:
        told = {"X_Forwarded_For": "10.9.9.9", "X_Forwarded_Prefix": "/evil", "Forwarded": "for=10.9.9.9"}
        await at.ask("/n/a/page", **told, X_Forwarded_Proto="https")
        (asked,) = at.nodes["a"].asked
        assert asked.headers["x-forwarded-for"] == "127.0.0.1"
        assert asked.headers["x-forwarded-proto"] == "http"
        assert asked.headers["host"] == asked.headers["x-forwarded-host"] == "voice.example.com"
        assert not {"forwarded", "x-forwarded-prefix"} & set(asked.headers)


async def test_numbers_of_a_node_are_not_for_the_outside() -> None:
    async with front() as at:
        assert (await at.ask("/metrics")).status == 404
        assert (await at.ask("/n/a/metrics")).status == 404
        assert all(not node.asked for node in at.nodes.values())
