"""A site of its own, on another origin than the server, whose pages call with the client: by our element, by React."""

from __future__ import annotations

import gzip
import io
import subprocess
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bargein.agent import Agent, Greeting
from benchmarks.chromium import page
from tests.server.kit import Echo, ToneVoice, World, on_uvicorn, settings, world
from tests.sounds import load
from tests.web.kit import GREETING

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

PACKAGE = Path(__file__).parents[2] / "clients" / "js"
LIFESPAN = Starlette()

# A microphone that is quiet until the test speaks into it, and what the page is told.
# The call's own AudioContext carries it.
MICROPHONE = """
{
  window.mic = { fails: null, streams: [] };
  window.AudioContext = class extends AudioContext {
    constructor(options) {
      super(options);
      mic.context = this;
    }
  };
  navigator.mediaDevices.getUserMedia = async () => {
    if (mic.fails) throw new DOMException('for the test', mic.fails);
    mic.to = mic.context.createMediaStreamDestination();
    mic.streams.push(mic.to.stream);
    return mic.to.stream;
  };
  mic.speak = async () => {
    const sound = await mic.context.decodeAudioData(await (await fetch('/speech.wav')).arrayBuffer());
    const source = new AudioBufferSourceNode(mic.context, { buffer: sound });
    source.connect(mic.to);
    source.start();
  };
  window.told = [];
  window.violations = [];
  document.addEventListener('securitypolicyviolation', (e) =>
    violations.push(`${e.effectiveDirective} ${e.blockedURI}`));
}
"""


LISTEN = """() => {
  for (const type of ['state', 'heard', 'interrupted', 'error', 'ended']) {
    document.addEventListener(`bargein-${type}`, ({ detail }) => told.push({ type, ...detail, code: detail.code }));
  }
}"""
TOLD = "(type) => told.find((one) => one.type === type)"


def element(url: str, attributes: str = "") -> str:
    """A page of another site with our element, loaded from the server."""
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
      <script type="module" src="{url}/client/element.js"></script></head>
      <body><main><h1>Shop</h1>
      <bargein-call url="{url}" agent="teller" {attributes}></bargein-call></main></body></html>"""


def tool(*words: str) -> str:
    """What a development tool of the package prints. Fails with it."""
    done = subprocess.run(words, cwd=PACKAGE, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@cache
def built() -> Path:
    """The package as npm gets it, with the React application of the tests beside it."""
    tool("node", "build.mjs")
    options = ("--bundle", "--minify", "--format=esm", "--jsx=automatic", "--log-level=error", "--outfile=dist/app.js")
    tool("node_modules/.bin/esbuild", "tests/app.jsx", *options)
    return PACKAGE / "dist"


def gzipped(*files: Path) -> int:
    return len(gzip.compress(b"".join(file.read_bytes() for file in files), 9))


@cache
def speech() -> bytes:
    """An interruption, as a file."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        file.writeframes(load("interruption-1.wav").samples[320 * 16 :].astype("<i2").tobytes())
    return made.getvalue()


class Files:
    """ASGI: the site's own server, on loopback under two names, which are two origins."""

    def __init__(self) -> None:
        self.body, self.policy = "", ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await LIFESPAN(scope, receive, send)
            return
        path: str = scope["path"]
        known = {"/": self.body.encode(), "/speech.wav": speech(), "/favicon.ico": b""}
        file = built() / path.removeprefix("/dist/")
        content = known.get(path) if path in known else file.read_bytes() if file.is_file() else None
        kind = {".js": "text/javascript", ".wav": "audio/wav"}.get(Path(path).suffix, "text/html")
        headers = {"content-type": kind, "content-security-policy": self.policy}
        await Response(content, 404 if content is None else 200, headers)(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Site:
    """A server that lets the site call, and a browser."""

    here: World
    browser: Browser
    files: Files
    url: str

    @property
    def other_url(self) -> str:
        """The same site by another name: it may not call."""
        return self.url.replace("localhost", "127.0.0.1")

    @asynccontextmanager
    async def page(self, body: str, policy: str = "", origin: str | None = None) -> AsyncIterator[Page]:
        """A page of that site. policy: its Content-Security-Policy. An error that no code caught fails the test."""
        self.files.body, self.files.policy = body, policy
        context = await self.browser.new_context()
        thrown: list[str] = []
        try:
            shown = await context.new_page()
            shown.on("pageerror", lambda error: thrown.append(str(error)))
            await shown.add_init_script(MICROPHONE)
            await shown.goto(f"{origin or self.url}/")
            yield shown
        finally:
            await context.close()
        assert thrown == []

    async def nobody_calls(self) -> bool:
        """Every call has ended, to its last task."""
        return await self.here.nobody_left()

    def heard(self) -> str:
        """What the only call knows that its caller has heard of the first reply."""
        (call_id,) = self.here.hub.calls.ids
        return str(getattr(self.here.hub.calls.call(call_id).conversation.items[0], "text", None))


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    agent = Agent(name="teller", llm=Echo(), tts=ToneVoice(), scripted=True, greeting=Greeting(GREETING))
    files = Files()
    async with on_uvicorn(files) as address:  # type: ignore[arg-type]  # any ASGI app
        url = address.replace("127.0.0.1", "localhost")
        async with world(settings(max_calls=40, origins=(url,)), agent) as here, page() as first:
            browser = first.context.browser
            assert browser is not None
            yield Site(here, browser, files, url)
