"""A call that is refused, or that ends, is told as what it was: by whom, why, and what to do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.web.kit import QUIET, Pages, pages

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A handshake that was refused: a browser shows the page no more than this.
NO_SOCKET = """
  window.WebSocket = class {
    static OPEN = 1;
    constructor() {
      this.readyState = 3;
      setTimeout(() => { this.onerror?.({}); this.onclose?.({ code: 1006, reason: '' }); });
    }
    send() {}
    close() {}
  };
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Pages]:
    async with pages() as made:
        yield made


def refused(code: str, message: str, advice: str) -> str:
    return json.dumps({"error": {"code": code, "message": message, "advice": advice}})


def answering(answer: dict[str, Any] | None) -> Callable[[Route], Awaitable[None]]:
    """None: no answer comes."""

    async def respond(route: Route) -> None:
        await (route.abort() if answer is None else route.fulfill(**answer))

    return respond


async def off(shown: Page) -> str:
    """What the status line says when the call is over."""
    await shown.wait_for_function("() => bargein.state === 'off'")
    return await shown.inner_text("#status")


REFUSALS: list[tuple[dict[str, Any] | None, list[str]]] = [
    ({"status": 403, "body": "<html>Forbidden</html>"}, ["proxy", "refuses", "(403)"]),
    ({"status": 404, "body": "<html>"}, ["no voice server", "--root-path"]),
    ({"status": 429, "body": "slow down", "headers": {"retry-after": "7"}}, ["Too many requests", "in 7 s"]),
    ({"status": 502, "body": "Bad gateway"}, ["behind it does not (502)", "Start the server again"]),
    ({"status": 503, "body": "{}"}, ["takes no calls now"]),
    (
        {"status": 503, "body": refused("busy", "The server has 64 calls already", "Call again a little later")},
        ["The server has 64 calls already.", "Call again a little later."],
    ),
    (
        {"status": 401, "body": refused("no_token", "A valid token is needed", "Get a page token")},
        ["A valid token is needed."],
    ),
    ({"status": 204}, ["WebSocket does not open", "Upgrade"]),
    (None, ["does not answer", "Start it again"]),
]


async def test_a_refused_socket_is_told_as_what_it_is(opened: Pages) -> None:
    async with opened.page(script=QUIET + NO_SOCKET) as shown:
        for answer, says in REFUSALS:
            await shown.route("**/calls/browser", answering(answer))
            await shown.evaluate("() => { bargein.lastError = null; }")
            await shown.click("#main")
            await shown.wait_for_function("() => bargein.lastError")
            told = await shown.inner_text("#errors")
            for words in says:
                assert words in told
            assert await off(shown) in told
            assert (await shown.inner_text("#main-label")) == "Call"
            await shown.unroute("**/calls/browser")


async def test_a_page_of_elsewhere_is_told_the_server_s_own_refusal(opened: Pages) -> None:
    async def from_elsewhere(route: Route) -> None:
        answer = await route.fetch(headers=route.request.headers | {"origin": "https://evil.example"})
        await route.fulfill(response=answer)

    async with opened.page(script=QUIET + NO_SOCKET) as shown:
        await shown.route("**/calls/browser", from_elsewhere)
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.lastError")
        told = await shown.inner_text("#errors")
    assert "Pages of 'https://evil.example' may not call." in told
    assert "Allow it with --origin." in told


async def test_whether_a_call_could_be_opened_can_be_asked(opened: Pages) -> None:
    http = opened.here.http
    assert (await http.post("/calls/browser")).status_code == 204
    answer = await http.post("/calls/browser", headers={"origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")


UNASKED: list[tuple[dict[str, Any] | None, str]] = [
    ({"status": 503, "body": refused("not_started", "The voice has no key", "Set VOICE_KEY")}, "Set VOICE_KEY."),
    ({"status": 502, "body": "<html>"}, "behind it does not (502)"),
    ({"status": 200, "body": "<html>hello</html>"}, "no voice server"),
    ({"status": 403, "body": refused("foreign_host", "Not here", "Call it otherwise")}, "Call it otherwise."),
    (None, "does not answer"),
]


async def test_a_server_that_cannot_be_asked_is_told_once_and_asks_for_no_token(opened: Pages) -> None:
    context = await opened.browser.new_context()
    shown = await context.new_page()
    asked: list[str] = []
    shown.on("dialog", lambda dialog: asked.append(dialog.message))
    for answer, says in UNASKED:
        await shown.route("**/agents", answering(answer))
        await shown.goto(f"{opened.here.url}/")
        await shown.wait_for_function(
            "(says) => document.querySelector('#errors').textContent.includes(says)", arg=says
        )
        await shown.unroute("**/agents")
    assert asked == []
    await context.close()


ENDINGS = {
    "the agent hung up": "The agent hung up.",
    "the operator hung up": "An operator hung up.",
    "the call has lasted its 600 s": "The call is over: The call has lasted its 600 s.",
    "the server closes": "The server stopped, and with it the call.",
}


async def test_a_call_that_ends_says_who_or_what_ended_it(opened: Pages) -> None:
    async with opened.page(script=QUIET) as shown:
        for reason, says in ENDINGS.items():
            await shown.click("#main")
            await shown.wait_for_function("() => bargein.state === 'speaking'")
            opened.here.hub.calls.call(await shown.evaluate("bargein.call.id")).hang_up(reason)
            assert await off(shown) == says
            assert "far end" not in await shown.inner_text("#decisions")
            assert ("stopped" in await shown.inner_text("#errors")) is (reason == "the server closes")


async def test_who_hangs_up_is_told_so_and_a_lost_connection_is_no_one_s_wish(opened: Pages) -> None:
    async with opened.calling(script=QUIET) as shown:
        await shown.click("#hangup")
        assert await off(shown) == "You hung up."
        assert await shown.inner_text("#errors") == ""
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.state === 'speaking'")
        await shown.evaluate("() => { bargein.call.again.secret = null; }")  # a call that the server does not keep
        for connection in opened.here.server.server_state.connections:
            connection.transport.abort()
        assert await off(shown) == "The connection to the server was lost."
        assert "device is online" in await shown.inner_text("#errors")


async def test_a_server_that_says_no_or_nothing_after_the_socket_opened_is_told(opened: Pages) -> None:
    async with opened.page(script=QUIET) as shown:
        reached = await shown.evaluate(
            """async () => {
              const { ending } = await import('./web/client/endings.js');
              const busy = { message: 'The server has 64 calls already', advice: 'Call again a little later' };
              return [
                ending({ code: 1013, problem: busy }),
                ending({ code: 1013 }), ending({ code: 1012 }), ending({ code: 1001 }), ending({ code: 1006 }),
                ending({ code: 1008, reason: 'too many messages' }), ending({ code: 1009 }), ending({ code: 1011 }),
                ending({ code: 1000, reason: 'so long' }), ending({ code: 1005 }), ending({ code: 4321 }),
              ].map(({ text, fault }) => [text, fault]);
            }"""
        )
    assert reached == [
        ["The server has 64 calls already", True],
        ["The server takes no more calls now.", True],
        ["The server stopped, and with it the call.", True],
        ["The server stopped, and with it the call.", True],
        ["The connection to the server was lost.", True],
        ["The server ended the call: this page sent too much. (too many messages)", True],
        ["The server ended the call: a message was too long.", True],
        ["The server ended the call: something failed there.", True],
        ["So long.", False],
        ["The call is over.", False],
        ["The call broke off.", True],
    ]
