"""A call of our element in a real Firefox: `python -m tests.web.firefox`, by hand, after `sh tools/firefox.sh`.

It is no test: on PulseAudio's null sink, the only loudspeaker of a machine without one, about every third Firefox (153)
hangs when its first AudioContext starts. The thread that serves its audio calls waits for the lock of libpulse's main
loop, whose thread waits for the page's process, which waits for that server. So this tries again with another Firefox.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.web.client_kit import LISTEN, MICROPHONE, TOLD, Site, element, site

TRIES = 6
HUNG_S = 10.0
FIREFOX, PULSE = shutil.which("firefox-esr"), shutil.which("pulseaudio")
PREFERENCES = {
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.auto": False,
    "browser.aboutwelcome.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
}
SINK = "module-native-protocol-unix auth-anonymous=1 socket={}"


class FirefoxPage:
    """Its one tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._sent = 0
        self.tab = ""

    async def command(self, method: str, **params: object) -> Any:
        self._sent += 1
        await self._socket.send(json.dumps({"id": self._sent, "method": method, "params": params}))
        while (message := json.loads(await self._socket.recv())).get("id") != self._sent:
            pass  # events
        if message["type"] == "error":
            raise RuntimeError(f"{method}: {message['message']}")
        return message["result"]

    async def goto(self, url: str, script: str) -> None:
        """Open a page. script: runs before its own."""
        await self.command("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}")
        await self.command("browsingContext.navigate", context=self.tab, url=url, wait="complete")

    async def evaluate(self, expression: str) -> Any:
        """What an expression gives, of whatever JSON can say; a promise is awaited. RuntimeError if it throws."""
        given = await self.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({expression})) ?? null))()",
            target={"context": self.tab},
            awaitPromise=True,
        )
        if given["type"] == "exception":
            raise RuntimeError(given["exceptionDetails"]["text"])
        return json.loads(given["result"]["value"])

    async def until(self, condition: str, seconds: float = 20) -> None:
        """Until an expression is true."""
        look = f"const look = () => ({condition}) ? done(true) : setTimeout(look, 20)"
        async with asyncio.timeout(seconds):
            await self.evaluate(f"new Promise((done) => {{ {look}; look(); }})")


@asynccontextmanager
async def firefox(folder: Path) -> AsyncIterator[FirefoxPage]:
    """A fresh Firefox without a window. folder: for its profile."""
    assert FIREFOX is not None
    assert PULSE is not None
    profile, runtime = folder / "profile", folder / "runtime"
    for made in (profile, runtime):
        made.mkdir(mode=0o700)
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    socket = folder / "pulse"
    environment = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(runtime), "PULSE_SERVER": f"unix:{socket}"}
    loads = ("--load=module-null-sink", f"--load={SINK.format(socket)}")
    quiet = ("-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1", "--log-level=error")
    words = ("--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0")
    async with (
        _process(PULSE, *quiet, *loads, environment=environment),
        _process(FIREFOX, *words, environment=environment) as browser,
        connect(await _address(browser), max_size=None) as opened,
    ):
        page = FirefoxPage(opened)
        await page.command("session.new", capabilities={})
        tree = await page.command("browsingContext.getTree")
        page.tab = tree["contexts"][0]["context"]
        yield page


async def _address(browser: asyncio.subprocess.Process) -> str:
    assert browser.stderr is not None
    async for line in browser.stderr:
        if b"WebDriver BiDi listening on" in line:
            return f"{line.split()[-1].decode()}/session"
    raise RuntimeError("Firefox ended before it listened")


@asynccontextmanager
async def _process(*words: str, environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    null, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    made = await asyncio.create_subprocess_exec(*words, stdin=null, stdout=null, stderr=pipe, env=environment)
    try:
        yield made
    finally:
        with suppress(ProcessLookupError):
            made.terminate()
        async with asyncio.timeout(20):
            await made.communicate()


async def call(opened: Site, transport: str) -> str:
    """One call that is interrupted by speech. What it came to. Raises TimeoutError where Firefox hangs."""
    with tempfile.TemporaryDirectory() as folder:
        async with firefox(Path(folder)) as shown, asyncio.timeout(HUNG_S):
            opened.files.body, opened.files.policy = element(opened.here.url, f'transport="{transport}"'), ""
            await shown.goto(f"{opened.url}/", MICROPHONE)
            await shown.evaluate(f"({LISTEN})()")
            await shown.evaluate("document.querySelector('bargein-call').start()")
            await shown.until("told.some((one) => one.type === 'heard' && one.text.includes('word9'))")
            await shown.evaluate("mic.speak()")
            await shown.until("told.some((one) => one.type === 'heard' && one.unheard)")
            last = await shown.evaluate("told.findLast((one) => one.type === 'heard' && one.reply === 1)")
            known = opened.heard()
            way = await shown.evaluate("document.querySelector('bargein-call').call.connection.name")
            await shown.evaluate("document.querySelector('bargein-call').stop()")
            over = await shown.evaluate(f"({TOLD})('ended')")
            errors = await shown.evaluate("told.filter((one) => one.type === 'error').map((one) => one.code)")
    same = "the same words" if last["text"] == known else f"other words: {last['text']!r}, {known!r}"
    return f"by {way}: {len(known.split())} words heard, page and server know {same}; {over['code']}; errors: {errors}"


async def main() -> int:
    async with site() as opened:
        for transport in ("websocket", "webrtc"):
            for _ in range(TRIES):
                try:
                    print(await call(opened, transport))
                    break
                except TimeoutError:
                    print("Firefox hangs; another one is tried")
            else:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
