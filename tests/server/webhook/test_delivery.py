"""Webhooks in moved time: a receiver that fails, hangs or is gone; a server that starts again; a disk without room."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import httpx
import pytest

from bargein.errors import UsageError
from bargein.server.webhook import spool as spools
from bargein.server.webhook.delivery import DELAYS_S, CallWebhook
from bargein.server.webhook.signing import keys_of
from bargein.server.webhook.spool import FOLDER, MOST_AGE_S, WebhookSpool

KEYS = keys_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
URL = "https://crm.example/calls"
HOUR = 3600.0


@dataclass
class World:
    """A receiver, and time that passes only while the webhook waits."""

    root: Path
    now_s: float = 1_000_000.0
    answers: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(204)
    requests: list[tuple[float, httpx.Request]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    until_s: float = 0.0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    def webhook(self) -> CallWebhook:
        async def body_of(record: str) -> bytes:
            if record == "torn":
                raise UsageError("There is nothing", advice="Look")
            return json.dumps({"data": {"id": record}}).encode()

        return CallWebhook(
            URL,
            KEYS,
            WebhookSpool(self.root),
            body_of,
            self.ends.append,
            now_s=lambda: self.now_s,
            wait=self._wait,
            chance=lambda: 0.0,
            transport=httpx.MockTransport(self._answer),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[CallWebhook]:
        webhook = self.webhook()
        task = asyncio.create_task(webhook.run())
        try:
            yield webhook
        finally:
            task.cancel()
            await asyncio.wait([task])
            await webhook.aclose()

    async def pass_s(self, seconds: float) -> None:
        """Time passes, as far as the webhook waits for it."""
        self.until_s = self.now_s + seconds
        self.idle.clear()
        await asyncio.wait_for(self.idle.wait(), 5)

    async def _wait(self, event: asyncio.Event, most_s: float) -> None:
        while not event.is_set():
            if self.now_s + most_s <= self.until_s:
                self.now_s += most_s
                return
            self.now_s = max(self.now_s, self.until_s)
            self.idle.set()
            await asyncio.sleep(0)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((self.now_s, request))
        return self.answers(request)

    def files(self) -> list[Path]:
        return sorted((self.root / FOLDER).glob("*.json"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_call_that_is_over_is_told_once_and_signed(world: World) -> None:
    async with world.running() as webhook:
        webhook.call_over("c1")
        await world.pass_s(HOUR)
    ((_, request),) = world.requests
    assert json.loads(request.content)["data"]["id"] == "c1"
    assert request.headers["webhook-id"] == "call_c1"
    assert request.headers["webhook-signature"].startswith("v1,")
    assert world.ends == ["sent"]
    assert world.files() == []


async def test_a_receiver_that_answers_500_for_an_hour_gets_it_then(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    began_s = world.now_s
    world.answers = lambda _: httpx.Response(500 if world.now_s < began_s + HOUR else 200)
    async with world.running() as webhook:
        webhook.call_over("c1")
        await world.pass_s(3 * HOUR)
    waits = [b - a for (a, _), (b, _) in zip(world.requests, world.requests[1:], strict=False)]
    assert waits == pytest.approx(DELAYS_S[: len(waits)], abs=2), "later and later"
    assert world.ends == ["failed"] * len(waits) + ["sent"]
    assert {request.headers["webhook-id"] for _, request in world.requests} == {"call_c1"}
    assert len({request.headers["webhook-signature"] for _, request in world.requests}) == len(world.requests)
    assert [record.getMessage() for record in caplog.records] == [
        "The webhook's receiver crm.example answered 500; it is tried again, for three days",
        "The webhook's receiver crm.example takes calls again",
    ]


@pytest.mark.parametrize("kind", ["dns", "hangs", "redirect"])
async def test_one_that_cannot_be_reached_or_leads_elsewhere_is_tried_again(world: World, kind: str) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        if kind == "dns":
            raise httpx.ConnectError("Name or service not known")
        if kind == "hangs":
            raise httpx.ReadTimeout("")
        return httpx.Response(302, headers={"location": "http://169.254.169.254/latest"})

    world.answers = fail
    async with world.running() as webhook:
        webhook.call_over("c1")
        await world.pass_s(60)
    assert len(world.requests) == 3
    assert {str(request.url) for _, request in world.requests} == {URL}, "no redirect is followed"
    (left,) = world.files()
    assert left.stat().st_mode & 0o777 == 0o600
    assert left.parent.stat().st_mode & 0o777 == 0o700


async def test_it_outlives_the_server(world: World) -> None:
    world.answers = lambda _: httpx.Response(503, headers={"retry-after": "600"})
    async with world.running() as webhook:
        webhook.call_over("c1")
        await world.pass_s(1)
        assert world.ends == ["failed"]
        webhook.call_over("c2")  # and the server ends before it has looked
    world.answers = lambda _: httpx.Response(200)
    async with world.running():
        await world.pass_s(1)
        assert [json.loads(request.content)["data"]["id"] for _, request in world.requests] == ["c1", "c2"]
        await world.pass_s(600)
    assert [json.loads(request.content)["data"]["id"] for _, request in world.requests] == ["c1", "c2", "c1"]
    assert world.files() == []


async def test_three_days_are_enough_and_so_is_a_410(world: World) -> None:
    world.answers = lambda request: httpx.Response(410 if b"c2" in request.content else 404)
    began_s = world.now_s
    async with world.running() as webhook:
        webhook.call_over("c1")
        webhook.call_over("c2")
        await world.pass_s(2 * MOST_AGE_S)
    assert sum(b"c2" in request.content for _, request in world.requests) == 1
    assert world.ends.count("given_up") == 2
    assert world.requests[-1][0] - began_s <= MOST_AGE_S
    assert world.files() == []


async def test_so_many_wait_and_no_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "MOST_FILES", 3)
    world.answers = lambda _: httpx.Response(500)
    async with world.running() as webhook:
        for number in range(5):
            webhook.call_over(f"c{number}")
            await world.pass_s(1)
    assert [path.name.split(".")[3] for path in world.files()] == ["c2", "c3", "c4"]
    assert world.ends.count("given_up") == 2


async def test_a_disk_that_takes_no_file_leaves_it_in_memory(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.answers = lambda _: httpx.Response(500 if len(world.requests) < 3 else 200)
    full = OSError(28, "No space left on device")
    with mock.patch("os.open", side_effect=full), caplog.at_level(logging.WARNING):
        async with world.running() as webhook:
            webhook.call_over("c1")
            webhook.call_over("torn")
            await world.pass_s(HOUR)
    assert world.ends.count("sent") == 1
    assert [record.getMessage() for record in caplog.records][:2] == [
        f"Webhooks wait in memory alone: {world.root / FOLDER}: No space left on device",
        "Call torn: no webhook: There is nothing. Look",
    ]


async def test_two_processes_of_one_server_send_it_once(world: World) -> None:
    async with world.running() as one:
        one.call_over("c1")
        async with world.running():
            await world.pass_s(HOUR)
    assert len(world.requests) == 1


def test_what_another_process_holds_or_has_sent_is_left_alone(tmp_path: Path) -> None:
    one, other = WebhookSpool(tmp_path), WebhookSpool(tmp_path)
    one.put("c1", b"{}", 5.0)
    (waiting,) = other.waiting()
    with one.taken(waiting) as body, other.taken(waiting) as theirs:
        assert (body, theirs) == (b"{}", None)
    one.later(waiting, 9.0)
    with other.taken(waiting) as theirs:
        assert theirs is None
    one.put("c1-2", b"{}", 5.0)
    one.put("c12", b"{}", 5.0)
    one.forget_call("c1")
    assert [each.record for each in other.waiting()] == ["c12"]
