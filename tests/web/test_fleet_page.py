"""The operator's page in a real Chromium: all nodes and calls from any node, and what can be done with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from benchmarks.chromium import page
from tests.server.kit import HELLO, TOKEN, Client, World, tone_agent
from tests.server.two_nodes import Stores, node, shared_stores
from tests.web.axe import findings
from tests.web.test_accessibility import faint, first_headings, nameless, tree

if TYPE_CHECKING:
    from playwright.async_api import Page

EVIL = "<img src=x onerror='window.evil = 1'><b>bold</b>"
AUTH = {"Authorization": f"Bearer {TOKEN}"}


def draining(world: World) -> bool:
    return world.hub.fleet.draining


@asynccontextmanager
async def opened(stores: Stores) -> AsyncIterator[tuple[Page, World, Client]]:
    """The page at node a, unlocked; a call at node b, in which a user has typed HTML."""
    async with (
        node("a", tone_agent(), token=TOKEN) as a,
        node("b", tone_agent(), token=TOKEN) as b,
        b.client({}, additional_headers=AUTH) as client,
        page() as shown,
    ):
        await client.send(HELLO)
        await client.until("welcome")
        await client.say(EVIL)
        await client.until("state", state="speaking")
        thrown: list[str] = []
        shown.on("pageerror", lambda error: thrown.append(str(error)))
        await shown.goto(f"{a.url}/fleet")
        await shown.wait_for_selector("#sign-in:not([hidden])")
        assert await shown.evaluate("() => document.activeElement.id") == "token"
        await shown.keyboard.type(TOKEN)
        await shown.keyboard.press("Enter")
        await shown.wait_for_selector("#calls .link")
        yield shown, b, client
        assert thrown == []


async def can_be_used(shown: Page) -> None:
    """By everybody, in light and dark, and on a narrow screen."""
    await shown.click("#calls .link")
    await shown.wait_for_selector("#events .user")
    nodes = await tree(shown)
    assert first_headings(nodes) == ["Bargein: fleet"]
    assert nameless(nodes) == []
    await shown.evaluate(
        "() => document.querySelectorAll('#call [hidden], #unknown').forEach((one) => (one.hidden = false))"
    )
    for scheme in ("light", "dark"):
        await shown.emulate_media(color_scheme=scheme)
        assert await faint(shown) == []
        assert await findings(shown) == []
    await shown.set_viewport_size({"width": 390, "height": 900})
    assert await findings(shown) == []
    assert await shown.evaluate("() => document.documentElement.scrollWidth") == 390
    await shown.set_viewport_size({"width": 1200, "height": 900})


async def test_an_operator_sees_and_steers_calls_and_nodes_from_another_node(monkeypatch: pytest.MonkeyPatch) -> None:
    stores = shared_stores(monkeypatch)
    async with opened(stores) as (shown, b, client):
        await can_be_used(shown)
        assert await shown.evaluate("() => Object.keys(localStorage).length") == 0
        rows = await shown.evaluate("() => [...document.querySelectorAll('#nodes th')].map((th) => th.textContent)")
        assert rows == ["a (answers here)", "b"]
        # Search and filters.
        await shown.fill("#search", "no such call")
        assert await shown.inner_text("#no-calls") == "No call fits."
        await shown.fill("#search", "tone")
        await shown.select_option("#by-node", "a")
        assert await shown.is_hidden("#calls .link")
        await shown.select_option("#by-node", "b")
        # Its text is text, and its events come as they happen.
        await shown.focus("#calls .link")
        await shown.keyboard.press("Enter")
        await shown.wait_for_selector("#events .user")
        assert await shown.inner_text("#events .user span") == EVIL
        assert await shown.evaluate("() => [window.evil, document.querySelector('#events img')]") == [None, None]
        await shown.click("#interrupt")
        cut = await client.until("audio_interrupted")
        await client.send({"type": "flushed", "reply_id": cut["reply_id"], "played": 0})
        await shown.wait_for_selector("#events .cut")
        await shown.fill("#say-text", "The doctor is ready.")
        await shown.press("#say-text", "Enter")
        assert (await client.until("words"))["text"] is not None
        # Both sides can be heard, from the other node.
        await shown.click("#listen")
        await shown.wait_for_selector("#listen[aria-pressed=true]")
        for _ in range(40):
            await client.audio(value=16_000)
            await asyncio.sleep(0.02)
        await shown.wait_for_function("() => document.querySelector('#user-level').value > 0.2")
        await shown.click("#listen")
        await shown.wait_for_selector("#listen[aria-pressed=false]")
        # Nothing that hurts is done without a second answer.
        await shown.click("#hang-up")
        await shown.keyboard.press("Escape")
        assert len(b.hub.calls.ids) == 1
        await shown.click("#hang-up")
        await shown.click("#ask button.strong")
        assert (await client.until("bye"))["reason"] == "the operator hung up"
        await shown.wait_for_selector("#events .over")
        await shown.wait_for_selector("#hang-up:disabled")
        # A node is drained, and takes calls again.
        await shown.click("#nodes tr:nth-child(2) button")
        await shown.keyboard.press("Escape")
        assert not draining(b)
        await shown.click("#nodes tr:nth-child(2) button")
        await shown.click("#ask button.strong >> nth=0")
        await shown.wait_for_selector("#nodes tr:nth-child(2) .state-draining")
        assert draining(b)
        await shown.click("#nodes tr:nth-child(2) button")
        await shown.click("#ask button.strong")
        await shown.wait_for_selector("#nodes tr:nth-child(2) .state-ready")
        assert not draining(b)
        # What a look does not find is said.
        stores.cut("a")
        await shown.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
        await shown.wait_for_selector("#unknown:not([hidden])")
        assert "cut it off" in await shown.inner_text("#unknown")
        await shown.click("#leave")
        await shown.wait_for_selector("#sign-in:not([hidden])")
        assert await shown.is_hidden("#nodes-section")
        assert await shown.evaluate("() => sessionStorage.length") == 0
