"""The client on pages of another site, in a real Chromium: our element, the React hook, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from bargein import __version__
from tests.server.kit import TOKEN, settings, tone_agent, world
from tests.web.axe import findings
from tests.web.client_kit import LISTEN, PACKAGE, TOLD, Site, built, element, gzipped, site, tool
from tests.web.kit import GREETING

if TYPE_CHECKING:
    from playwright.async_api import Page

MOST_BYTES = 25_000  # of the whole package for a page, gzipped
WORDS = GREETING.split()

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


async def test_the_package_is_small_and_its_types_are_those_of_its_sources() -> None:
    dist = built()
    assert gzipped(dist / "index.js", dist / "react.js", dist / "element.js") <= MOST_BYTES
    assert tool("node_modules/.bin/tsc", "--noEmit", "-p", ".") == ""
    # A server that renders a page may import all of it.
    tool(
        "node",
        "--input-type=module",
        "-e",
        "for (const n of ['index', 'react', 'element']) await import(`./dist/${n}.js`)",
    )
    told = json.loads((PACKAGE / "package.json").read_text("utf-8"))
    assert told["version"] == __version__
    for entry in told["exports"].values():
        for path in entry.values() if isinstance(entry, dict) else (entry,):
            assert "*" in path or (PACKAGE / path).is_file(), path
    assert {path.name for path in (dist / "worklets").iterdir()} == {"capture.js", "playback.js", "direct.js"}
    versions = [*told["devDependencies"].values(), *told["overrides"].values()]
    assert all(version.replace(".", "").isdigit() for version in versions), "exact versions"


async def test_an_element_of_another_site_calls_is_interrupted_and_tells_which_words_were_heard(opened: Site) -> None:
    url = opened.here.url
    policy = (
        f"default-src 'none'; script-src {url} 'unsafe-eval'; worker-src blob: {url}; "
        f"connect-src 'self' {url} {url.replace('http', 'ws')}"
    )
    async with opened.page(element(url, 'transport="webrtc" labels=\'{"left": "Auf Wiederhören."}\''), policy) as shown:
        await shown.evaluate(LISTEN)
        host = shown.locator("bargein-call")
        await shown.get_by_role("button", name="Call").click()
        await shown.wait_for_selector("bargein-call[state=speaking]")
        assert await host.evaluate("(element) => element.call.connection.name") == "webrtc"
        await shown.wait_for_function("() => told.some((one) => one.type === 'heard' && one.text.includes('word9'))")
        await host.evaluate("(element) => element.call.message({ type: 'recording', on: true })")
        assert await host.locator("[part=recorded]").inner_text() == "This call is recorded. Do not record"
        assert await findings(shown) == []
        await shown.evaluate("() => mic.speak()")
        await shown.wait_for_function("() => told.some((one) => one.type === 'heard' && one.unheard)")
        last = await shown.evaluate("() => told.findLast((one) => one.type === 'heard' && one.reply === 1)")
        cut = await shown.evaluate(TOLD, "interrupted")
        assert cut["reply"] == last["reply"] == 1
        assert 9 < len(last["text"].split()) < len(WORDS)
        assert last["text"] == opened.heard()
        assert last["unheard"].split()[0] in WORDS
        # What was heard and what never will be stand in its transcript.
        line = host.locator("li.agent").first
        assert (await line.locator("s").inner_text()).strip() == last["unheard"]
        assert (await line.inner_text()).startswith(last["text"])
        # By keys: Esc hangs up, and the focus is left at the button.
        await shown.get_by_role("button", name="Hang up").focus()
        await shown.keyboard.press("Escape")
        await shown.wait_for_selector("bargein-call[state=off]")
        assert (await shown.evaluate(TOLD, "ended"))["code"] == "left"
        assert await host.locator("#status").inner_text() == "Auf Wiederhören."
        assert await shown.evaluate("() => mic.streams[0].getAudioTracks()[0].readyState") == "ended"
        assert await shown.evaluate("() => [violations, told.filter((one) => one.type === 'error')]") == [[], []]
    assert await opened.nobody_calls()


REACT = """<!doctype html><html lang="en"><head><title>App</title></head><body><div id="root"></div>
  <script type="module">window.options = OPTIONS; await import('/dist/app.js');</script></body></html>"""


async def test_a_react_component_calls_by_webrtc_and_its_call_ends_with_it(opened: Site) -> None:
    url = opened.here.url
    policy = (
        f"default-src 'none'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src blob:; "
        f"connect-src 'self' {url} {url.replace('http', 'ws')}"
    )
    options = json.dumps({"url": url, "agent": "teller", "transport": "webrtc"})
    async with opened.page(REACT.replace("OPTIONS", options), policy) as shown:
        await shown.click("text=Talk")
        await shown.wait_for_selector("[data-state=speaking]")
        assert await shown.evaluate("() => call.connection.name") == "webrtc"
        await shown.wait_for_function("() => document.querySelector('li.agent')?.textContent.includes('word4')")
        await shown.click("text=Mute")
        await shown.wait_for_selector("[aria-pressed=true]")
        assert await shown.evaluate("() => mic.streams[0].getAudioTracks()[0].enabled") is False
        await shown.click("text=Stop it")
        await shown.wait_for_function("() => document.querySelector('li.agent s')?.textContent")
        said = await shown.inner_text("li.agent")
        assert said.startswith(opened.heard())
        assert said.split() == WORDS[: len(said.split())]
        await shown.click("text=Away")
        assert await opened.nobody_calls()
        await shown.wait_for_function("() => mic.streams[0].getAudioTracks()[0].readyState === 'ended'")
        # Another component, another call, over which the microphone is heard.
        await shown.click("text=Back")
        await shown.click("text=Talk")
        await shown.wait_for_selector("[data-state=speaking]")
        assert await shown.evaluate("() => mic.streams[1].getAudioTracks()[0].enabled") is True
        assert await shown.evaluate("() => violations") == []
    assert await opened.nobody_calls()


BARE = """<!doctype html><html lang="en"><head><title>Bare</title></head><body></body></html>"""
CALL = """async ([module, options]) => {
  const { BargeinCall, CallError } = await import(module);
  window.call = new BargeinCall({ ...options, token: TOKEN });
  window.errors = [];
  call.on('error', ({ code, message, advice, fatal }) => errors.push({ code, message, advice, fatal }));
  return call.start().catch((error) => [error instanceof CallError, error.code, call.state, call.ended.fault]);
}"""


async def start(shown: Page, module: str, token: str = "null", **options: object) -> object:
    """What `start()` came to. token: an expression."""
    return await shown.evaluate(CALL.replace("TOKEN", token), [module, options])


async def test_what_keeps_a_call_from_beginning_is_a_typed_error(opened: Site) -> None:
    url = opened.here.url
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"url": "http://["}, "bad_url", "https:"),
        ({"url": "ftp://voice.example"}, "bad_url", "https:"),
        ({}, "bad_url", "url"),
        ({"url": "http://127.0.0.1:9"}, "unreachable", "Start it"),
        ({"url": f"{url}/nowhere"}, "unreachable", "Start it"),  # no answer that a page of another site may read
        ({"url": url, "agent": "none"}, "unknown_agent", "teller"),
        ({"url": url, "assets": "/nowhere"}, "no_worklet", "/nowhere/worklets/capture.js"),
        ({"url": url, "assets": "http://["}, "bad_url", "assets"),
    ]
    async with opened.page(BARE) as shown:
        for options, code, advice in wrong:
            failed = await start(shown, "/dist/index.js", microphone=False, **options)
            assert failed == [True, code, "off", True], options
            (error,) = await shown.evaluate("() => errors")
            assert (error["code"], error["fatal"]) == (code, True)
            assert advice in error["advice"], error
    async with opened.page(BARE, origin=opened.other_url) as shown:
        failed = await start(shown, "/dist/index.js", microphone=False, url=url)
        assert failed == [True, "foreign_origin", "off", True]
        assert "--origin" in await shown.evaluate("() => errors[0].advice")
    assert opened.here.hub.calls.ids == []


async def test_a_server_with_a_token_takes_what_the_pages_function_gets_by_any_way(opened: Site) -> None:
    asked: list[str] = []
    guarded = world(settings(token=SecretStr(TOKEN), origins=(opened.url,)), tone_agent("teller", GREETING))
    async with guarded as here, opened.page(BARE) as shown:

        async def page_token() -> str:
            asked.append("")
            owner = {"Authorization": f"Bearer {TOKEN}"}
            return str((await here.http.post("/token", headers=owner)).json()["token"])

        await shown.expose_function("pageToken", page_token)
        quiet: dict[str, Any] = {"url": here.url, "microphone": False}
        for wrong in ("null", "'a-wrong-one-of-some-length'", "() => missing()", "async () => undefined"):
            assert await start(shown, "/dist/index.js", wrong, **quiet) == [True, "no_token", "off", True], wrong
        for way in ("websocket", "webrtc"):
            assert await start(shown, "/dist/index.js", "() => pageToken()", **quiet, transport=way) is True
            assert await shown.evaluate("() => call.connection.name") == way
            await shown.evaluate("() => call.stop()")
        assert len(asked) >= 2
        assert await here.nobody_left()


async def test_a_refused_microphone_is_told_and_the_call_goes_on_until_its_server_is_gone(opened: Site) -> None:
    url = opened.here.url
    # A site that forbids blob: has the worklets in a folder of its own.
    policy = f"default-src 'none'; script-src 'self' 'unsafe-eval'; connect-src {url} {url.replace('http', 'ws')}"
    async with opened.page(BARE, policy) as shown:
        await shown.evaluate("() => { mic.fails = 'NotAllowedError'; }")
        assert await start(shown, "/dist/index.js", url=url, assets="/dist") is True
        (refused,) = await shown.evaluate("() => errors")
        assert (refused["code"], refused["fatal"]) == ("microphone_refused", False)
        assert "address bar" in refused["advice"]
        await shown.evaluate("() => call.say('tea please')")
        await shown.evaluate("() => new Promise((done) => call.on('heard', (m) => m.reply === 2 && done()))")
        # The server goes, and does not come back.
        await shown.route_web_socket("**/calls/browser", lambda _: None)
        await shown.evaluate("() => Object.assign(call.again, { answerMs: 100, keepMs: 200 })")
        ended = shown.evaluate("() => new Promise((done) => call.on('ended', done))")
        for connection in opened.here.server.server_state.connections:
            connection.transport.abort()
        assert (await ended)["code"] == "lost"
        lost = await shown.evaluate("() => errors.at(-1)")
        assert (lost["code"], lost["fatal"]) == ("lost", True)
        assert await shown.evaluate("() => violations") == []
    for call_id in opened.here.hub.calls.ids:
        opened.here.hub.calls.call(call_id).hang_up("the test is over")
    assert await opened.nobody_calls()
