"""The page is sent on to another server, and waits for a free line, in a real Chromium."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.web.kit import QUIET, Pages, pages

if TYPE_CHECKING:
    from playwright.async_api import WebSocketRoute

BUSY = {"type": "error", "code": "busy", "message": "Full", "advice": "Wait", "fatal": True, "retry_ms": 300}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown() -> AsyncIterator[Pages]:
    async with pages() as made:
        yield made


async def test_a_page_goes_where_it_is_sent_and_waits_while_all_lines_are_busy(shown: Pages) -> None:
    hellos: list[dict[str, object]] = []

    def refuse(route: WebSocketRoute, answer: dict[str, object], code: int) -> None:
        async def reply(message: str | bytes) -> None:
            hellos.append(json.loads(message) | {"at": route.url.partition("://")[2].partition("/")[2]})
            route.send(json.dumps(answer))
            await route.close(code=code)

        route.on_message(reply)

    def first(route: WebSocketRoute) -> None:
        if hellos:
            route.connect_to_server()
        else:
            refuse(route, {"type": "elsewhere", "at": "/n/b", "why": "more room"}, 4003)

    async with shown.page("?record=1", script=QUIET) as page:
        await page.route_web_socket("**/calls/browser", first)
        await page.route_web_socket("**/n/b/calls/browser", lambda route: refuse(route, BUSY, 1013))
        await page.evaluate(
            "() => { window.told = []; const s = document.getElementById('status');"
            " new MutationObserver(() => told.push(s.textContent)).observe(s, { childList: true }); }"
        )
        await page.click("#main")
        await page.wait_for_function("() => bargein.state === 'speaking'")
        assert [(hello["at"], hello["follows"]) for hello in hellos] == [
            ("calls/browser", True),
            ("n/b/calls/browser", False),
        ]
        assert any("All lines are busy" in text for text in await page.evaluate("() => told"))
        assert await page.evaluate("() => mic.opened.length") == 1, "the microphone was kept"
        assert await page.is_hidden("#caption")
        assert await page.evaluate("() => [bargein.call.problems, bargein.lastError]") == [[], None]


async def test_a_page_that_was_sent_to_a_server_that_is_gone_asks_the_first_one_again(shown: Pages) -> None:
    asked: list[str] = []

    def first(route: WebSocketRoute) -> None:
        if asked:
            route.connect_to_server()
        else:
            asked.append(route.url)
            route.on_message(lambda _: route.send(json.dumps({"type": "elsewhere", "at": "/n/gone", "why": "room"})))

    async with shown.page("?record=1", script=QUIET) as page:
        await page.route_web_socket("**/calls/browser", first)
        await page.evaluate(
            "() => { const open = WebSocket; window.WebSocket = class extends open { constructor(url, ...more) {"
            " super(String(url).includes('/n/gone/') ? 'ws://127.0.0.1:9/' : url, ...more); } }; }"
        )
        await page.click("#main")
        await page.wait_for_function("() => bargein.state === 'speaking'")
        assert await page.evaluate("() => bargein.call.problems") == []


async def test_a_page_that_waits_can_be_hung_up_and_does_not_wait_for_ever(shown: Pages) -> None:
    tries: list[WebSocketRoute] = []

    def busy(route: WebSocketRoute) -> None:
        async def reply(_: str | bytes) -> None:
            tries.append(route)
            route.send(json.dumps(BUSY | {"retry_ms": 60_000 if len(tries) == 1 else 1}))
            await route.close(code=1013)

        route.on_message(reply)

    async with shown.page("?record=1", script=QUIET) as page:
        await page.route_web_socket("**/calls/browser", busy)
        await page.click("#main")
        await page.wait_for_function("() => bargein.state === 'waiting'")
        await page.click("#hangup")
        assert await page.evaluate("() => bargein.state") == "off"
        assert await page.inner_text("#status") == "You hung up."
        assert await page.is_hidden("#caption")
        await page.click("#main")
        await page.wait_for_function("() => bargein.state === 'off'")
        assert len(tries) == 1 + 7
        assert await page.inner_text("#status") == "Full"


async def test_a_mistake_in_the_agents_file_is_told_when_the_page_opens(shown: Pages) -> None:
    catalogue = shown.here.hub.catalogue
    catalogue.mistake = "agent.py:3 failed with NameError: name '<b>x</b>' is not defined"
    async with shown.page(script=QUIET) as page:
        told = await page.inner_text("#errors")
        assert catalogue.mistake in told
        assert "before answers until it is mended" in told
    catalogue.mistake = ""
