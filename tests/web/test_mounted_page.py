"""The page under a path: inside somebody's own app, and behind a proxy that strips the path or passes it on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from bargein import create_app
from benchmarks.chromium import page, spoken
from tests.server.kit import on_uvicorn, tone_agent

if TYPE_CHECKING:
    from playwright.async_api import Page, Response

    from bargein.server.app import VoiceApp

AGENT = tone_agent("mounted", "Good evening, this is a greeting of some length")


class Proxy:
    """ASGI: what a proxy in front of the whole server does with the paths that it answers for."""

    def __init__(self, app: ASGIApp, prefix: str, *, strips: bool) -> None:
        self._app = app
        self._prefix = prefix
        self._strips = strips

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            if not scope["path"].startswith(self._prefix):  # it is another server's
                await (WebSocketClose() if scope["type"] == "websocket" else PlainTextResponse("", 404))(
                    scope, receive, send
                )
                return
            if self._strips:
                path = scope["path"].removeprefix(self._prefix) or "/"
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


def in_fastapi(voice: VoiceApp) -> ASGIApp:
    app = FastAPI(lifespan=voice.lifespan)
    app.mount("/a/b", voice)
    return app


def in_fastapi_and_nothing_more(voice: VoiceApp) -> ASGIApp:
    app = FastAPI()
    app.mount("/a/b", voice)
    return app


def in_starlette(voice: VoiceApp) -> ASGIApp:
    return Starlette(routes=[Mount("/a/b/", voice)], lifespan=voice.lifespan)


def behind_a_proxy_that_strips(voice: VoiceApp) -> ASGIApp:
    return Proxy(voice, "/a/b", strips=True)


def behind_a_proxy_that_does_not(voice: VoiceApp) -> ASGIApp:
    return Proxy(voice, "/a/b", strips=False)


@asynccontextmanager
async def browser(tmp_path: Path) -> AsyncIterator[Page]:
    silence = spoken(tmp_path / "microphone.wav", np.zeros(48_000, np.int16))
    async with page(silence) as shown:
        yield shown


async def test_the_page_calls_under_any_path_with_its_slash_or_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways: list[tuple[Callable[[VoiceApp], ASGIApp], str | None]] = [
        (in_fastapi, None),
        (in_fastapi_and_nothing_more, None),
        (in_starlette, None),
        (behind_a_proxy_that_strips, None),
        (behind_a_proxy_that_strips, "/a/b"),
        (behind_a_proxy_that_does_not, "/a/b"),
    ]
    async with browser(tmp_path) as shown:
        missing: list[str] = []

        def look(answer: Response) -> None:
            # Before the page has gone to its place with a slash, the browser may guess at other places.
            if answer.status >= 400 and "/a/b/" in answer.url and not answer.url.endswith("/parts"):
                missing.append(answer.url)

        shown.on("response", look)
        for way, root_path in ways:
            if root_path is not None:
                monkeypatch.setenv("BARGEIN_ROOT_PATH", root_path)
            async with on_uvicorn(way(create_app(AGENT))) as url:  # type: ignore[arg-type]  # any ASGI app
                for path in ("/a/b", "/a/b/") if way is in_fastapi else ("/a/b",):
                    await shown.goto(f"{url}{path}?localhold=0")
                    await shown.wait_for_selector("#presets button")
                    await shown.click("#main")
                    await shown.wait_for_function("() => bargein.state === 'speaking'")
                    assert await shown.evaluate("location.pathname + location.search") == "/a/b/?localhold=0", way
                    assert (
                        await shown.evaluate("getComputedStyle(document.querySelector('#main')).borderRadius") == "50%"
                    )
                await shown.goto("about:blank")
            monkeypatch.delenv("BARGEIN_ROOT_PATH", raising=False)
        assert missing == []


async def test_the_page_calls_by_webrtc_under_a_path_that_only_its_proxy_knows(tmp_path: Path) -> None:
    app = behind_a_proxy_that_strips(create_app(AGENT))
    async with on_uvicorn(app) as url, browser(tmp_path) as shown:  # type: ignore[arg-type]
        await shown.goto(f"{url}/a/b/?localhold=0&transport=webrtc")
        await shown.wait_for_selector("#presets button")
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.state === 'speaking'")
        assert await shown.evaluate("() => bargein.call.connection.name") == "webrtc"
        async with shown.expect_response("**/a/b/webrtc/*") as left:
            await shown.evaluate("() => dispatchEvent(new Event('pagehide'))")
        assert (await left.value).status == 204
        await shown.wait_for_function("() => bargein.state === 'off'")


async def test_a_page_whose_script_is_not_passed_on_says_so(tmp_path: Path) -> None:
    async with on_uvicorn(create_app(AGENT)) as url, browser(tmp_path) as shown:
        await shown.route("**/web/**", lambda route: route.fulfill(status=404, body="not here"))
        await shown.goto(f"{url}/")
        await shown.wait_for_function(
            "() => document.querySelector('#status').textContent.includes('cannot be loaded')"
        )
