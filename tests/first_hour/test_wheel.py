"""The first hour of a new user, from the built wheel: demo, new, its own test, serve, a spoken call, its page, dev."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
import soxr

from bargein.server.listening import listen
from bargein.vendors.local.espeak import say
from benchmarks.chromium import page, spoken
from benchmarks.sounds import RATE, room
from tests.first_hour.wheel import Installed, install

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.slow

QUESTION_MS = 2_500  # from the first sample of the microphone: the agent still greets


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return install(tmp_path_factory.mktemp("wheel"))


async def microphone(folder: Path) -> Path:
    """A quiet room, in which a question is asked once."""
    pcm, _ = await say("When is breakfast?")
    question = soxr.resample(pcm.samples.astype(np.float32), pcm.rate, RATE)
    signal = room(30_000).astype(np.float32)
    at = QUESTION_MS * RATE // 1000
    signal[at : at + len(question)] += question
    return spoken(folder / "microphone.wav", np.clip(signal, -32768, 32767).astype(np.int16))


async def test_the_demo_is_one_command(installed: Installed) -> None:
    with listen("127.0.0.1", 0) as other:
        taken = other.getsockname()[1]
        async with installed.running("demo", "--port", str(taken)) as demo:
            assert await demo.says("Preparing: the libraries")
            assert await demo.says(f"Port {taken} is taken: this is ")
            assert await demo.says("Preparing: moonshine")
            url = await demo.url()
            assert await demo.says(f"Open {url}/?dummy=1 in a browser")
            async with httpx.AsyncClient(base_url=url) as http:
                assert "Bargein" in (await http.get("/")).text
    assert list(installed.folder.iterdir()) == [], "a demo leaves nothing behind"


async def test_a_new_agent_is_tested_served_called_and_its_call_seen(installed: Installed, tmp_path: Path) -> None:
    told = installed.run("bargein", "new", "my-agent")
    assert "cd my-agent" in told
    pytest_ = ("-m", "pytest", "-q", "-p", "pytest_asyncio.plugin")
    tested = installed.run("python", *pytest_, inside="my-agent", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "3 passed" in tested
    wav = await microphone(tmp_path)
    words = ("serve", "--agent", "agent.py", "--port", "0", "--record", "calls", "--record-audio", "on")
    async with installed.running(*words, inside="my-agent", BARGEIN_DRAIN_S="0") as server:
        url = await server.url()
        async with page(wav) as shown:
            call_id = await call(shown, url)
            await see(shown, f"{url}/calls/{call_id}")
    assert (installed.folder / "my-agent" / "calls" / call_id / "events.jsonl").is_file()


async def call(shown: Page, url: str) -> str:
    """Call, ask over the greeting, wait for the whole answer, and hang up. Returns the call's id."""
    await shown.goto(url)
    await shown.click("#main")
    await shown.wait_for_function("() => bargein.state === 'speaking'")
    await shown.wait_for_function(
        "() => bargein.transcript().some((t) => t.heard?.includes('from seven to ten'))", timeout=25_000
    )
    call_id = await shown.evaluate("() => bargein.call.id ?? bargein.call.callId")
    await shown.click("#main")
    await shown.wait_for_function("() => bargein.state === 'idle' || bargein.state === 'over'")
    return str(call_id)


async def see(shown: Page, url: str) -> None:
    """Open the call's page, click a word of the agent's, and hear it."""
    await shown.goto(url)
    await shown.wait_for_selector("#said .by-agent .w")
    assert await shown.locator("#said del").count() > 0, "words of the greeting that were not heard"
    word = shown.locator("#said .by-agent .w", has_text="seven").first
    at_s = float(await word.get_attribute("data-ms") or 0) / 1000
    await shown.wait_for_function("() => bargeinCall.player.audio?.readyState > 0 && bargeinCall.lanes.peaks")
    await word.click()
    await shown.wait_for_function(f"() => bargeinCall.player.audio.currentTime > {at_s} + 0.2")
    # The recording sounds where the word stands: peaks, of so many a second, lie in 0..255.
    loudest = await shown.evaluate(
        """(at) => {
          const { per_s, data } = bargeinCall.lanes.peaks;
          return Math.max(...data[1].slice(Math.floor(at * per_s), Math.ceil((at + 0.3) * per_s)));
        }""",
        at_s,
    )
    assert loudest > 20


async def test_dev_loads_the_file_again_and_shows_a_mistake(installed: Installed) -> None:
    if not (project := installed.folder / "my-agent").exists():
        installed.run("bargein", "new", "my-agent")
    file = project / "agent.py"
    good = file.read_text()
    async with installed.running("dev", "agent.py", "--port", "0", "--no-record", inside="my-agent") as dev:
        url = await dev.url()
        async with httpx.AsyncClient(base_url=url) as http:
            file.write_text(good + "\n1 / 0\n")
            line = len(good.splitlines()) + 2
            assert await dev.says(f"agent.py:{line} failed with ZeroDivisionError")
            assert "ZeroDivisionError" in (await http.get("/agents")).json()["mistake"]
            file.write_text(good.replace('name="my-agent"', 'name="renamed"'))
            assert await dev.says("Loaded agent.py again in")
            answer = (await http.get("/agents")).json()
            assert ([agent["name"] for agent in answer["agents"]], answer["mistake"]) == (["renamed"], "")
    assert not any("Traceback" in line for line in dev.lines)
    file.write_text(good)
