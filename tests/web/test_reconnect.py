"""The page loses its connection and finds its call again, in a real Chromium against the real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bargein import protocols as c
from tests.server.kit import HEADER
from tests.web.kit import QUIET, Pages, pages

if TYPE_CHECKING:
    from playwright.async_api import Page, WebSocketRoute

BROKEN = """() => {
  window.first = bargein.call;
  window.told = [];
  window.broken = bargein.call.connection;
  const status = document.getElementById("status");
  new MutationObserver(() => told.push(status.textContent)).observe(status, { childList: true });
  bargein.call.connection.socket.close();
}"""

GONE = "() => { bargein.call.again.secret = 'x'.repeat(43); }"  # the server keeps no such call
NEW = "() => bargein.call !== window.first && bargein.state === 'speaking'"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Pages]:
    async with pages() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def shown(opened: Pages) -> AsyncIterator[Pages]:
    """Without a call: one that was lost would wait for its page."""
    yield opened
    calls = opened.here.hub.calls
    for call_id in calls.ids:
        calls.call(call_id).hang_up("the test is over")
    async with asyncio.timeout(5):
        while calls.ids:  # noqa: ASYNC110  # a test may look
            await asyncio.sleep(0.01)


def said(pages: Pages) -> list[c.AgentSaid]:
    (call_id,) = pages.here.hub.calls.ids
    return [i for i in pages.here.hub.calls.call(call_id).conversation.items if isinstance(i, c.AgentSaid)]


async def test_the_page_takes_its_call_up_again_and_keeps_its_transcript(shown: Pages) -> None:
    async with shown.calling("?record=1") as page:
        await page.wait_for_function("() => bargein.call.reports.some(r => r.played > 24000)")
        await page.evaluate(BROKEN)
        await page.wait_for_function("() => told.some(text => text.includes('Reconnecting'))")
        await page.wait_for_function("() => bargein.call.reports.some(r => r.reply_id === 2 && r.type === 'played')")
        assert await page.evaluate("() => bargein.call === window.first")
        flushed = await page.evaluate("() => bargein.call.reports.filter(r => r.type === 'flushed')")
        assert {(r["reply_id"], r["played"]) for r in flushed} == {(1, flushed[0]["played"])}
        first, second = said(shown)
        assert first.ended == "cut"
        assert len(first.text.split()) == flushed[0]["played"] // 2400
        assert second.reply == 2
        told = await page.inner_text("#transcript")
        assert "word0" in told
        assert "Sorry, we were cut off." in told
        problems = await page.evaluate("() => bargein.call.problems")
        assert problems == []


async def test_a_page_whose_call_is_gone_begins_a_new_one_and_says_so(shown: Pages) -> None:
    async with shown.calling("?record=1") as page:
        (call_id,) = shown.here.hub.calls.ids
        await page.evaluate(GONE)
        await page.evaluate(BROKEN)
        await page.wait_for_function(NEW)
        assert "lost for too long" in await page.inner_text("#errors")
        shown.here.hub.calls.call(call_id).hang_up("test over")


async def test_a_page_can_hang_up_while_it_tries(shown: Pages) -> None:
    async with shown.calling("?record=1") as page:
        await page.route_web_socket("**/calls/browser", lambda ws: ws.close())
        await page.evaluate(BROKEN)
        await page.wait_for_function("() => bargein.state === 'reconnecting'")
        await page.click("#hangup")
        await page.wait_for_function("() => bargein.state === 'off'")
        assert await page.inner_text("#status") == "You hung up."


async def undisturbed(page: Page) -> None:
    """The new call sounds, and its own warning stands."""
    assert await page.evaluate("() => bargein.call !== window.first && bargein.call.again.attempt === null")
    assert await page.evaluate("() => window.first.again.attempt === null")
    assert await page.evaluate("() => bargein.state") == "speaking"
    assert "Reconnecting" not in await page.inner_text("#status")
    assert "muted by the system" in await page.inner_text("#obstacles")
    assert await page.evaluate("() => mic.stream.getAudioTracks()[0].readyState") == "live"


async def test_a_connection_that_was_refused_is_closed_and_its_end_leaves_the_new_call_alone(shown: Pages) -> None:
    async with shown.calling("?record=1", script=QUIET) as page:
        await page.evaluate(GONE)
        await page.evaluate(BROKEN)
        await page.wait_for_function(NEW)
        await page.evaluate("() => mic.event('mute')")
        await page.wait_for_function("() => window.first.connection.socket.readyState === 3")
        await page.evaluate("() => window.first.connection.socket.onclose({ code: 1006, reason: '' })")
        await undisturbed(page)


async def test_a_typed_call_that_comes_back_as_a_new_one_asks_for_no_microphone(shown: Pages) -> None:
    async with shown.page("?record=1", script=QUIET) as page:
        await page.fill("#text", "tea")
        await page.press("#text", "Enter")
        await page.wait_for_function("() => bargein.state === 'speaking'")
        written = asyncio.Event()

        async def answer(route: WebSocketRoute) -> None:
            await written.wait()
            route.connect_to_server()

        await page.route_web_socket("**/calls/browser", answer)
        await page.evaluate(GONE)
        await page.evaluate(BROKEN)
        await page.wait_for_function("() => bargein.state === 'reconnecting'")
        await page.fill("#text", "coffee")
        await page.press("#text", "Enter")
        written.set()
        # What was typed meanwhile is said in the new call.
        await page.wait_for_function("() => bargein.transcript().some((t) => t.text.includes('You said coffee'))")
        assert await page.evaluate("() => bargein.call !== window.first")
        assert await page.evaluate("() => mic.opened") == []
        assert "This call is typed." in await page.inner_text("#obstacles")
        # A microphone that the person has added is taken again.
        await page.click("#obstacles button")
        await page.wait_for_function("() => mic.opened.length === 1")
        await page.evaluate(GONE)
        await page.evaluate(BROKEN)
        await page.wait_for_function(NEW)
        assert await page.evaluate("() => mic.opened.length") == 2


async def test_a_call_that_follows_a_hang_up_at_once_is_not_disturbed_by_the_tries_before_it(shown: Pages) -> None:
    silent = True
    tries: list[WebSocketRoute] = []

    def answer(route: WebSocketRoute) -> None:
        if silent:
            tries.append(route)  # it opens, and says nothing
        else:
            route.connect_to_server()

    async with shown.calling("?record=1", script=QUIET) as page:
        await page.route_web_socket("**/calls/browser", answer)
        await page.evaluate(BROKEN)
        await page.wait_for_function(
            "() => bargein.call.connection !== window.broken && bargein.call.connection.opened"
        )
        silent = False
        await page.click("#hangup")
        await page.click("#main")
        await page.wait_for_function(NEW)
        await page.evaluate("() => mic.event('mute')")
        await page.evaluate("() => window.first.connection.socket.onclose?.({ code: 1006, reason: '' })")
        await undisturbed(page)
        assert len(tries) == 1


async def test_a_try_that_is_not_answered_is_given_up_and_the_next_finds_the_call(shown: Pages) -> None:
    tries: list[WebSocketRoute] = []
    closed: list[int | None] = []
    sent: list[str | bytes] = []

    def answer(route: WebSocketRoute) -> None:
        tries.append(route)
        if len(tries) > 1:
            server = route.connect_to_server()

            def pass_on(message: str | bytes) -> None:
                sent.append(message)
                server.send(message)

            route.on_message(pass_on)
        else:
            route.on_close(lambda code, _: closed.append(code))

    async with shown.calling("?record=1", script=QUIET) as page:
        await page.route_web_socket("**/calls/browser", answer)
        await page.evaluate("() => { bargein.call.again.answerMs = 300; }")
        await page.evaluate(BROKEN)
        await page.wait_for_function(
            "() => bargein.call.connection !== window.broken && bargein.call.again.attempt === null"
            " && bargein.state === 'speaking'"
        )
        assert await page.evaluate("() => bargein.call === window.first")
        assert len(tries) == 2
        assert closed == [4000], "1000 would be a goodbye, and the server would end the call"
        # What the microphone heard meanwhile comes first, without a gap, and what had sounded is told before it.
        await page.wait_for_function("() => bargein.call.reports.some(r => r.reply_id === 2 && r.type === 'played')")
        told = [json.loads(m) for m in sent if isinstance(m, str)]
        assert [m["type"] for m in told[:3]] == ["hello", "flushed", "backlog"]
        assert (told[0]["follows"], told[1]["reply_id"]) == (True, 1)
        frames = [m for m in sent if isinstance(m, bytes)]
        assert [HEADER.unpack_from(m)[5] for m in frames] == [256 * i for i in range(len(frames))]
        assert 4_800 <= told[2]["samples"] <= 48_000  # the first try alone took 300 ms
        assert await page.evaluate("() => bargein.call.problems") == []
        # The close of the try that was given up comes last of all.
        await tries[0].close(code=1011, reason="late")
        assert await page.evaluate("() => bargein.call.again.attempt === null")


async def test_a_page_whose_tries_are_never_answered_says_that_the_call_is_lost(shown: Pages) -> None:
    async with shown.calling("?record=1", script=QUIET) as page:
        await page.route_web_socket("**/calls/browser", lambda _: None)
        await page.evaluate("() => Object.assign(bargein.call.again, { answerMs: 200, keepMs: 400 })")
        await page.evaluate(BROKEN)
        await page.wait_for_function("() => bargein.state === 'off'")
        assert await page.inner_text("#status") == "The connection to the server was lost."
