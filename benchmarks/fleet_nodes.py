"""Three nodes of ours behind the shipped HAProxy, with Redis, on one machine: what deploy/compose.yaml starts, as plain
processes."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bargein_bench.callers.twilio_call import NetworkManners
from bargein_bench.callers.twilio_network import TwilioNetwork
from benchmarks import fleet_agent
from benchmarks.fleet_processes import Balancer, ServiceProcess, free_port, haproxy, redis_server, running

CONFIG = Path(__file__).parents[1] / "deploy" / "haproxy.cfg"
AGENT = f"{fleet_agent.__file__}:AGENT"
LISTENS = "Bargein listens on"
ORDERS, PROMPTS = "orders.txt", "prompts.jsonl"
NAMED = re.compile(r"/n/([a-z0-9-]+)/")


async def eventually(asked: Callable[[], Awaitable[object]], within_s: float = 60.0) -> None:
    """Ask until the answer is yes: the only way to know the state of another process. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while True:
            if await asked():
                return
            await asyncio.sleep(0.05)


@dataclass
class RunningNode:
    """One node. service: None while it does not run."""

    name: str
    port: int
    service: ServiceProcess | None = None
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def process(self) -> ServiceProcess:
        assert self.service is not None, f"node {self.name} does not run"
        return self.service


@dataclass
class NodeFleet:
    """Nodes behind one address. Redis and each node can be ended and started again."""

    folder: Path
    nodes: dict[str, RunningNode]
    balancer: Balancer
    network: TwilioNetwork
    token: str
    environment: Mapping[str, str]
    redis_port: int
    _redis: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    redis: ServiceProcess | None = None

    @property
    def url(self) -> str:
        """HAProxy's address: the only one that callers know."""
        return f"http://{self.balancer.address}"

    @property
    def webhook(self) -> str:
        return f"{self.url}/twilio/voice"

    async def start_redis(self) -> None:
        self.redis = await self._redis.enter_async_context(redis_server(self.redis_port))

    async def kill_redis(self) -> None:
        await self._redis.aclose()
        self.redis = None

    async def start(self, *names: str) -> None:
        """Start nodes together; returns when HAProxy gives calls to all of them."""
        before = self.balancer.service.said
        await asyncio.gather(*(self._start(self.nodes[name]) for name in names))
        await asyncio.gather(*(self._taken(name, before) for name in names))

    async def kill(self, name: str) -> None:
        """As `kill -9`."""
        node = self.nodes[name]
        await node._stack.aclose()  # noqa: SLF001  # a node is this class's own
        node.service = None

    async def stop(self, name: str) -> None:
        """SIGTERM; returns when the node has ended by itself."""
        await self.nodes[name].process.kill(signal.SIGTERM)
        await self.kill(name)

    async def move_away(self, name: str) -> None:
        """Have a node move all its calls; returns when it has none."""
        (await self.ask("POST", "/drain", node=name, json={"move": True})).raise_for_status()

        async def empty() -> bool:
            return not any(call.get("node", name) == name for call in await self.calls(node=name))

        await eventually(empty)

    async def close(self) -> None:
        for name in self.nodes:
            await self.kill(name)
        await self._redis.aclose()

    async def ask(self, method: str, path: str, *, node: str | None = None, json: object = None) -> httpx.Response:
        """A request of the owner, to HAProxy or to a node itself."""
        base = self.url if node is None else f"http://{self.nodes[node].address}"
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            return await client.request(
                method, base + path, json=json, headers={"authorization": f"Bearer {self.token}"}
            )

    def home(self, sid: str) -> str:
        """The node that has the stream of a telephone call now, by the address that Twilio was given."""
        named = NAMED.search(self.network.calls[sid].result.legs[-1].url)
        assert named is not None, "the stream's address names no node"
        return named[1]

    async def calls(self, *, node: str | None = None) -> list[dict[str, Any]]:
        """The live calls of all nodes, as GET /calls lists them."""
        listing = (await self.ask("GET", "/calls", node=node)).json()
        found: list[dict[str, Any]] = listing["calls"] if "calls" in listing else listing["live"]
        return found

    async def _start(self, node: RunningNode) -> None:
        command = (sys.executable, "-m", "bargein", "serve")
        environment = {**self.environment, "BARGEIN_NODE": node.name, "BARGEIN_PORT": str(node.port)}
        environment["BARGEIN_RECORD"] = str(self.folder / node.name)
        node.service = await node._stack.enter_async_context(  # noqa: SLF001
            running(*command, env=environment, ready=LISTENS)
        )

    async def _taken(self, name: str, before: int) -> None:
        """Until HAProxy has seen the node up, unless it took the node for up all the time."""
        for backend in ("named", "ready"):
            told = [line for line in self.balancer.service.lines if f"Server {backend}/{name} is" in line]
            if told and " is DOWN" in told[-1]:
                await self.balancer.service.until(f"Server {backend}/{name} is UP", after=before)


@contextlib.asynccontextmanager
async def node_fleet(
    folder: Path, *names: str, env: Mapping[str, str] | None = None, played_out: bool = False
) -> AsyncIterator[NodeFleet]:
    """Nodes a, b, c, or those that are named, with Redis and HAProxy, all up. played_out: the telephone network plays
    buffered audio to its end when a stream dies."""
    token, auth = secrets.token_hex(16), secrets.token_hex(16)
    nodes = {name: RunningNode(name, free_port()) for name in names or ("a", "b", "c")}
    addresses = {name: nodes[name].address if name in nodes else "127.0.0.1:1" for name in "abc"}
    manners = NetworkManners(auth_token=auth, played_out=played_out)
    async with TwilioNetwork(manners) as network, haproxy(CONFIG, addresses) as balancer:
        redis_port = free_port()
        environment = {
            "BARGEIN_AGENT": AGENT,
            "BARGEIN_PUBLIC_URL": f"http://{balancer.address}",
            "BARGEIN_TOKEN": token,
            "BARGEIN_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "BARGEIN_FLEET_KEY": secrets.token_hex(16),
            "BARGEIN_MAX_CONNECTIONS": "1024",
            "BARGEIN_MAX_CONNECTIONS_PER_ADDRESS": "1024",
            "TWILIO_AUTH_TOKEN": auth,
            "TWILIO_ACCOUNT_SID": manners.account,
            "BARGEIN_TWILIO_URL": network.rest_url,
            fleet_agent.ORDERS: str(folder / ORDERS),
            fleet_agent.PROMPTS: str(folder / PROMPTS),
            **(env or {}),
        }
        fleet = NodeFleet(folder, nodes, balancer, network, token, environment, redis_port)
        try:
            await fleet.start_redis()
            await fleet.start(*nodes)
            yield fleet
        finally:
            await fleet.close()
