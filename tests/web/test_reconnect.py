"""The page loses its connection and finds its call again, in a real Chromium against the real server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from bargein import protocols as c
from tests.web.kit import Pages, pages

BROKEN = """() => {
  window.first = bargein.call;
  window.told = [];
  const status = document.getElementById("status");
  new MutationObserver(() => told.push(status.textContent)).observe(status, { childList: true });
  bargein.call.connection.socket.close();
}"""


@pytest_asyncio.fixture
async def shown() -> AsyncIterator[Pages]:
    async with pages() as made:
        yield made


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
        assert [r["reply_id"] for r in flushed] == [1]
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
        await page.evaluate("() => { bargein.call.again.secret = 'x'.repeat(43); }")
        await page.evaluate(BROKEN)
        await page.wait_for_function("() => bargein.call !== window.first && bargein.state === 'speaking'")
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
