"""The page in a call by WebRTC, in a real Chromium with a spoken microphone, over a clean and over a lossy network."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pytest_asyncio

from benchmarks.browser import exact_contexts, stops
from benchmarks.chromium import page, recording
from benchmarks.relayed_offers import RelayedOffers, relayed
from tests.server.kit import World, settings, world
from tests.sounds import load
from tests.web.kit import QUIET, Pages, pages
from tests.web.test_page import kinds, microphone, sounding_ms, teller

if TYPE_CHECKING:
    from playwright.async_api import Page

BY = "() => bargein.call.connection.name"

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Door(RelayedOffers):
    """channel: the answer takes the data channel."""

    channel = True

    def edited(self, sdp: str) -> str:
        if self.channel:
            return sdp
        return re.sub(r"m=application \d+", "m=application 0", sdp.replace("BUNDLE 0 1", "BUNDLE 0"))


@asynccontextmanager
async def called(wav: Path, loss: float = 0.0, jitter_ms: float = 0.0) -> AsyncIterator[tuple[Page, World, Door]]:
    """A page in a call by WebRTC with an agent that greets for 6 s."""
    async with world(settings(), teller()) as here, page(wav) as shown, relayed(shown, Door(loss, jitter_ms)) as opened:
        await shown.goto(f"{here.url}/?record=1&localhold=0&transport=webrtc")
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.state === 'speaking'")
        assert await shown.evaluate(BY) == "webrtc"
        yield shown, here, opened


async def counts(shown: Page) -> dict[str, int]:
    made: dict[str, int] = await shown.evaluate("""() => new Promise((resolve) => {
      const { connection } = bargein.call;
      connection.worker.addEventListener("message", ({ data: m }) => m.type === "counts" && resolve(m));
      connection.quality();
    })""")
    return made


async def test_a_cough_costs_no_sample_and_an_interruption_stops_the_reply(tmp_path: Path) -> None:
    cough = np.clip(load("cough-2.wav").samples.astype(np.int32) * 4, -32768, 32767).astype(np.int16)
    wav = microphone(tmp_path, (2_000, cough), (5_000, load("interruption-1.wav").samples[320 * 16 :]))
    async with called(wav) as (shown, here, _):
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.type === 'flushed')")
        await shown.wait_for_function("() => bargein.transcript().some(t => t.never)")
        heard = await recording(shown)
        said = (await shown.evaluate("bargein.transcript()"))[0]
        assert (await counts(shown))["lost"] == 0
        (call,) = [here.hub.calls.call(i) for i in here.hub.calls.ids]
        assert said["heard"] == getattr(call.conversation.items[0], "text", None)
    order = kinds(heard, "hold", "resume", "audio_interrupted", "barge_in", "tts_interrupted")
    coughed, stopped = order[:-4], order[-4:]
    assert coughed == ["hold", "resume"] * (len(coughed) // 2) != []
    assert stopped == ["hold", "audio_interrupted", "barge_in", "tts_interrupted"]
    assert exact_contexts(heard.messages, heard.reports) == (1, 1)
    # What sounded before and after the hold is what counts as played: nothing is lost, nothing comes twice.
    flushed = next(at for at, kind in heard.events if kind == "flush")
    (played,) = {int(str(r["played"])) for r in heard.reports if r["type"] == "flushed"}
    # Each hold and each resume makes at most a block softer than the threshold, and blocks are counted whole.
    assert abs(sounding_ms(heard, flushed) - played / 24) <= (4 * len(coughed) + 4) * heard.block_ms
    assert max((peak for at, peak in heard.output if at > flushed + heard.block_ms), default=0) == 0
    assert len(stops(heard)[0]) == 2


async def test_over_a_lossy_network_positions_stay_true_and_a_cut_leaves_no_stale_audio(tmp_path: Path) -> None:
    wav = microphone(tmp_path, (4_000, load("interruption-1.wav").samples[320 * 16 :]))
    async with called(wav, loss=0.05, jitter_ms=60) as (shown, _, opened):
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.type === 'flushed')")
        await shown.wait_for_function("() => bargein.transcript().some(t => t.never)")
        heard = await recording(shown)
        made = await counts(shown)
        assert "loss" in await shown.inner_text("#way")
        assert "jitter" in await shown.inner_text("#way")
    (relay,) = opened.relays
    assert 0 < made["lost"] <= relay.lost + made["late"]
    assert made["reordered"] > 0
    assert exact_contexts(heard.messages, heard.reports) == (1, 1)
    flushed = next(at for at, kind in heard.events if kind == "flush")
    (played,) = {int(str(r["played"])) for r in heard.reports if r["type"] == "flushed"}
    softer_ms = (4 * len(kinds(heard, "hold")) + 2 * made["lost"]) * heard.block_ms
    missing_ms = played / 24 - sounding_ms(heard, flushed)
    assert -softer_ms <= missing_ms <= made["lost"] * 20 + softer_ms
    held = max(at for at, kind in heard.events if kind == "hold")
    assert max((peak for at, peak in heard.output if at > held + heard.block_ms), default=0) == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Pages]:
    async with pages() as made:
        yield made


async def test_a_hold_that_overtakes_its_audio_stands_when_the_audio_comes(opened: Pages) -> None:
    async with opened.calling("?record=1&transport=websocket", QUIET) as shown:
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.type === 'flushed')")
        await shown.evaluate("""async () => {
          const told = (type) => new Promise((resolve) => {
            const { port } = bargein.call.sound.playback;
            const take = ({ data: m }) => m.type === type && m.reply === 50 && resolve(m.played);
            port.addEventListener('message', take);
          });
          const held = told('held');
          bargein.call.sound.tell({ type: 'hold', reply: 50 });
          const pcm = new Int16Array(4800).fill(20000).buffer;
          bargein.call.sound.tell({ type: 'audio', reply: 50, sample: 0, last: true, pcm });
          window.played = [await held];
          await new Promise((resolve) => setTimeout(resolve, 200));
          const finished = told('finished');
          window.silent = (await bargein.call.sound.dump()).output.frames.at(-1);
          bargein.call.sound.tell({ type: 'resume', reply: 50 });
          window.played.push(await finished);
        }""")
        before, after = await shown.evaluate("""async () => {
          const { frames, peaks, events } = (await bargein.call.sound.dump()).output;
          const cut = events.find((e) => e.kind === 'flush').frame;
          const most = (from, to) => Math.max(...peaks.filter((_, i) => frames[i] > from && frames[i] <= to));
          return [most(cut + 256, window.silent), most(window.silent, Infinity)];
        }""")
        assert await shown.evaluate("() => window.played") == [0, 4_800]
    assert before == 0
    assert after > 0.5


QUICK = """async () => {
  const { WebRTCConnection } = await import(new URL("web/client/webrtc/connection.js", location));
  Object.assign(WebRTCConnection, { openMs: 400, silentMs: 1200 });
}"""


@pytest.mark.parametrize("blocked", ["path", "channel"])
async def test_where_webrtc_does_not_connect_the_call_goes_by_websocket(opened: Pages, blocked: str) -> None:
    async with opened.page("?transport=webrtc", QUIET) as shown, relayed(shown, Door()) as closed:
        closed.dead, closed.channel = blocked == "path", blocked != "channel"
        await shown.evaluate(QUICK)
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.state === 'speaking'")
        assert await shown.evaluate(BY) == "websocket"
        await shown.wait_for_function("() => document.getElementById('way').textContent.includes('did not connect')")
        await call_again(shown)
        assert await shown.evaluate(BY) == "websocket"
        assert len(closed.relays) == 1, "what was learnt stands"


async def call_again(shown: Page) -> None:
    await shown.click("#hangup")
    await shown.wait_for_function("() => bargein.state === 'off'")
    await shown.click("#main")
    await shown.wait_for_function("() => bargein.state === 'speaking'")


@pytest.mark.parametrize("script", ["", "delete window.AudioDecoder;", "delete window.RTCRtpScriptTransform;"])
async def test_a_server_or_a_browser_that_has_no_webrtc_is_called_by_websocket(opened: Pages, script: str) -> None:
    async with opened.page("?transport=webrtc", QUIET + script) as shown:
        await shown.route("**/webrtc/offer", lambda route: route.fulfill(status=404, json={}))
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.state === 'speaking'")
        assert await shown.evaluate(BY) == "websocket"
        assert await shown.evaluate("() => bargein.call.problems") == []


async def test_a_page_on_a_lossy_network_makes_its_next_connection_by_webrtc(opened: Pages) -> None:
    async with opened.page("", QUIET) as shown, relayed(shown, Door()):
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.state === 'speaking'")
        await shown.wait_for_function("() => document.getElementById('way').textContent.startsWith('WebSocket, round')")
        await shown.evaluate("() => bargein.call.connection.pings.times.push(...Array(12).fill(1), 400, 300, 400, 300)")
        await shown.wait_for_function("() => document.getElementById('way').textContent.includes('loses packets')")
        await call_again(shown)
        assert await shown.evaluate(BY) == "webrtc"
        assert await shown.evaluate("() => sessionStorage.getItem('bargein-transport')") == "lossy"
        # The page goes away: the server learns of it at once.
        async with shown.expect_request("**/webrtc/*") as left:
            await shown.evaluate("() => dispatchEvent(new Event('pagehide'))")
        assert (await left.value).method == "DELETE"


async def test_a_path_that_dies_in_a_call_is_replaced_and_the_call_goes_on(opened: Pages) -> None:
    async with opened.page("?record=1&transport=webrtc", QUIET) as shown, relayed(shown, Door()) as made:
        await shown.evaluate(QUICK.replace("openMs: 400, ", ""))
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.call?.reports.some(r => r.played > 24000)")
        await shown.evaluate("() => { window.first = bargein.call; }")
        made.relays[0].dead = True
        await shown.wait_for_function("() => bargein.state === 'reconnecting'")
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.reply_id === 2 && r.type === 'played')")
        assert await shown.evaluate("() => bargein.call === window.first")
        assert await shown.evaluate(BY) == "webrtc"
        assert "Sorry, we were cut off." in await shown.inner_text("#transcript")
        # A second time, and no path leads there any more: a WebSocket does.
        made.dead = made.relays[1].dead = True
        await shown.evaluate(QUICK)
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.reply_id === 3 && r.type === 'played')")
        assert await shown.evaluate(BY) == "websocket"
        assert await shown.evaluate("() => bargein.call.problems") == []


async def test_a_server_that_is_busy_with_offers_is_tried_again_by_the_next_call(opened: Pages) -> None:
    async with opened.page("?transport=webrtc", QUIET) as shown, relayed(shown, Door()) as made:
        busy = {"error": {"code": "too_many_offers", "message": "Too many", "advice": "Later"}}
        await shown.route("**/webrtc/offer", lambda route: route.fulfill(status=429, json=busy), times=1)
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.state === 'speaking'")
        assert await shown.evaluate(BY) == "websocket"
        assert made.relays == []
        await call_again(shown)
        assert await shown.evaluate(BY) == "webrtc"
