"""A call's page and the list of calls in a real Chromium: a word clicked is heard, and whatever was said is text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from bargein.recorder.reading import read
from bargein.recorder.story.replayed import replayed
from bargein.recorder.story.telling import tell
from bargein.server.records.one_file import PageSound, one_file, peaks_of
from benchmarks.chromium import page
from benchmarks.hour_record import write_record
from tests.recorder.story.records import EVIL, evil_record, many_summaries
from tests.server.kit import TOKEN, World, settings, world
from tests.web.axe import findings
from tests.web.test_accessibility import faint, first_headings, nameless, tree

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

READY = "() => globalThis.bargeinCall !== undefined"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("records")
    write_record(made, "spoken", cycles=5, sound=True)
    evil_record(made)
    many_summaries(made, 60)
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(root: Path) -> AsyncIterator[World]:
    async with world(settings(root, token=TOKEN), alone=False) as made:
        assert made.hub.records is not None
        await made.hub.records.read_all()
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shown() -> AsyncIterator[Page]:
    """One page for all tests. An error that no code caught, or that the policy of the page stopped, fails the test."""
    wrong: list[str] = []
    async with page(viewport={"width": 1200, "height": 900}) as made:
        made.on("pageerror", lambda error: wrong.append(str(error)))
        made.on("console", lambda line: wrong.append(line.text) if "Content Security" in line.text else None)
        yield made
        assert wrong == []


def file_of(root: Path, name: str, *, sound: bool = True) -> str:
    """The address of a call's page as one file, with another policy beside."""
    folder = root / name
    told = tell(folder)
    flac = PageSound(flac=(folder / "audio.flac").read_bytes()) if sound and told.recording else None
    other = replayed(read(folder), "patient", {})
    out = root / f"{name}.html"
    out.write_text(one_file(told, waves=peaks_of(folder), sound=flac, replay=other), "utf-8")
    return out.as_uri()


async def test_a_word_that_is_clicked_is_heard_and_marked(shown: Page, root: Path) -> None:
    await shown.goto(file_of(root, "spoken"))
    await shown.wait_for_function(READY)
    word = shown.locator("#said .by-agent .w").nth(25)
    at_s = float(await word.get_attribute("data-ms") or 0) / 1000
    await word.click()
    await shown.wait_for_function(f"() => bargeinCall.player.audio.currentTime > {at_s + 0.3}")
    assert await shown.evaluate("() => bargeinCall.player.playing")
    await shown.wait_for_selector("#said .w.now")
    assert await shown.inner_text("#play") == "Pause"
    await shown.click("#play")
    await shown.wait_for_function("() => !bargeinCall.player.playing")
    # The lanes draw the sound that is there, and a click on them seeks.
    assert await shown.evaluate("() => Math.max(...bargeinCall.lanes.peaks.data[1]) > 20")
    box = await shown.locator("#lanes").bounding_box()
    assert box is not None
    await shown.mouse.click(box["x"] + box["width"] / 2, box["y"] + 60)
    assert await shown.evaluate("() => Math.abs(bargeinCall.player.ms - bargeinCall.story.lasted_ms / 2) < 500")


async def test_unheard_words_are_struck_out_and_every_hold_says_why(shown: Page, root: Path) -> None:
    await shown.goto(file_of(root, "spoken"))
    await shown.wait_for_function(READY)
    told = tell(root / "spoken")
    unheard = "".join(word.text for reply in told.replies for word in reply.words if not word.heard)
    assert unheard
    assert (
        await shown.evaluate("() => [...document.querySelectorAll('del .w')].map((w) => w.textContent).join('')")
        == unheard
    )
    holds = [hold for reply in told.replies for hold in reply.holds]
    lines = await shown.locator("#said .aside li.resume, #said .aside li.cut").all_inner_texts()
    assert len([line for line in lines if line.startswith("held")]) == len(holds)
    assert all(any(hold.verdict_why in line for line in lines) for hold in holds)
    assert "answered" in " ".join(await shown.locator("#said .latency").all_inner_texts())
    await shown.click("#answers summary")
    await shown.wait_for_selector("#answers tbody tr")
    sounded = [reply for reply in told.replies if reply.started_ms is not None]
    assert await shown.locator("#answers tbody tr").count() == len(sounded)


async def test_keys_step_through_decisions_and_words(shown: Page, root: Path) -> None:
    await shown.goto(file_of(root, "spoken"))
    await shown.wait_for_function(READY)
    for expected in (1, 2, 3):
        await shown.keyboard.press("n")
        assert f"({expected} of" in await shown.inner_text("#now")
    await shown.keyboard.press("p")
    assert "(2 of" in await shown.inner_text("#now")
    current = shown.locator("#verdicts [aria-current=true]")
    assert await current.count() == 1
    at = await shown.evaluate("() => bargeinCall.player.ms")
    await shown.focus("#lanes")
    await shown.keyboard.press("ArrowRight")
    assert await shown.evaluate("() => bargeinCall.player.ms") == at + 1000
    wide = await shown.evaluate("() => document.getElementById('lanes').clientWidth")
    await shown.keyboard.press("+")
    assert await shown.evaluate("() => document.getElementById('lanes').clientWidth") > wide
    await shown.focus("#said .w[tabindex='0']")
    await shown.keyboard.press("ArrowRight")
    await shown.keyboard.press("ArrowDown")
    assert await shown.evaluate("() => document.activeElement.closest('li').dataset.row") == "1"
    assert await shown.locator("#said .w[tabindex='0']").count() == 1
    await shown.keyboard.press("Enter")
    await shown.wait_for_function("() => bargeinCall.player.playing")
    await shown.keyboard.press("ArrowLeft")


async def test_a_page_that_is_drawn_anew_acts_once(shown: Page, root: Path) -> None:
    await shown.goto(file_of(root, "spoken"))
    await shown.wait_for_function(READY)
    await shown.click("#in")
    zoomed = await shown.evaluate("() => document.getElementById('lanes').clientWidth")
    await shown.evaluate("() => { bargeinCall = new bargeinCall.constructor(bargeinCall.story, bargeinCall); }")
    assert await shown.evaluate("() => document.getElementById('lanes').clientWidth") == zoomed
    await shown.focus("#said .w[tabindex='0']")
    await shown.keyboard.press("ArrowRight")
    assert await shown.evaluate("() => document.activeElement.dataset.place") == "1"
    await shown.keyboard.press("n")
    assert "(1 of" in await shown.inner_text("#now")
    await shown.focus("#verdicts")
    await shown.keyboard.press("ArrowDown")
    assert "(2 of" in await shown.inner_text("#now")


async def test_another_policy_stands_beside_with_its_differences_marked(shown: Page, root: Path) -> None:
    await shown.goto(file_of(root, "spoken"))
    await shown.wait_for_function(READY)
    assert "Under patient" in await shown.inner_text("#differences")
    rows = await shown.locator("#verdicts .differs").all_inner_texts()
    assert rows
    assert any("later" in row for row in rows)
    assert any("not decided" in row for row in rows)


async def test_html_that_was_said_is_text_everywhere(shown: Page, root: Path, here: World) -> None:
    for address in (file_of(root, "evil"), f"{here.url}/calls/evil", f"{here.url}/calls"):
        await shown.goto(address)
        if address.startswith("http") and await shown.evaluate("() => !sessionStorage.getItem('bargein-token')"):
            await shown.wait_for_selector("#sign-in:not([hidden])")
            await shown.fill("#token", TOKEN)
            await shown.keyboard.press("Enter")
        await shown.wait_for_selector("#kept th" if address.endswith("/calls") else "#told:not([hidden])")
        await shown.evaluate("() => document.querySelectorAll('details').forEach((one) => (one.open = true))")
        if address.endswith("/calls"):
            await shown.fill("#search", "script window evil")
            await shown.wait_for_function("() => document.querySelectorAll('#kept tr').length === 1")
        assert EVIL in await shown.evaluate("() => document.querySelector('main').textContent")
        assert await shown.evaluate("() => [window.evil, document.querySelector('img')]") == [None, None]


async def can_be_used(shown: Page, heading: str) -> None:
    """By everybody: in light and dark, with names for all, and on a narrow screen."""
    await shown.evaluate("() => document.querySelectorAll('details').forEach((one) => (one.open = true))")
    nodes = await tree(shown)
    assert nameless(nodes) == []
    assert first_headings(nodes) == [heading]
    assert await findings(shown) == []
    for scheme in ("dark", "light"):
        await shown.emulate_media(color_scheme=scheme)
        assert await faint(shown) == [], scheme
    await shown.set_viewport_size({"width": 390, "height": 900})
    assert await shown.evaluate("() => document.documentElement.scrollWidth") == 390
    await shown.set_viewport_size({"width": 1200, "height": 900})


async def test_the_call_s_page_can_be_used_by_everybody(shown: Page, here: World) -> None:
    await shown.goto(f"{here.url}/calls/spoken")
    await shown.wait_for_function(READY)
    await shown.select_option("#preset", "patient")
    await shown.click("#what-if button")
    await shown.wait_for_selector("#verdicts .differs")
    await shown.keyboard.press("Escape")
    await can_be_used(shown, "Bargein: all calls spoken")


async def test_a_server_s_page_plays_the_sound_saves_exports_and_deletes(shown: Page, root: Path, here: World) -> None:
    write_record(root, "passing", cycles=2, sound=True)
    await shown.goto(f"{here.url}/calls/passing")
    await shown.wait_for_function(READY)
    await shown.wait_for_function("() => bargeinCall.lanes.peaks !== null")
    word = shown.locator("#said .by-agent .w").nth(20)
    at_s = float(await word.get_attribute("data-ms") or 0) / 1000
    await word.click()
    await shown.wait_for_function(f"() => bargeinCall.player.audio.currentTime > {at_s + 0.2}")
    async with shown.expect_download() as saved:
        await shown.click("#keep button:not([type])")
    assert (await saved.value).suggested_filename == "passing.json"
    shown.once("dialog", lambda dialog: dialog.accept())
    await shown.click("#delete")
    await shown.wait_for_url("**/calls")
    assert not (root / "passing").exists()
    await shown.goto(f"{here.url}/calls/passing")
    await shown.wait_for_selector("#errors p")
    assert "no record of that call" in await shown.inner_text("#errors")


async def test_the_list_can_be_used_by_everybody_and_leads_to_a_call(shown: Page, here: World) -> None:
    await shown.goto(f"{here.url}/calls")
    await shown.wait_for_function("() => document.querySelectorAll('#kept tr').length === 50")
    assert "62 calls; page 1 of 2" in await shown.inner_text("#found")
    await can_be_used(shown, "Bargein: calls")
    await shown.click("#older")
    await shown.wait_for_function("() => document.querySelectorAll('#kept tr').length === 12")
    await shown.fill("#search", "three rooms")
    await shown.wait_for_function("() => document.querySelectorAll('#kept tr').length === 1")
    await shown.click("#kept a")
    await shown.wait_for_function(READY)
    assert await shown.inner_text("#title") == "spoken"
