"""The page and the report pages for everybody: contrast in light and dark, names, keys, one first heading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from bargein_bench.measures import measures
from bargein_bench.report import write
from tests.bench.report_kit import ignores, run, stops
from tests.web.axe import findings
from tests.web.kit import QUIET, Pages, pages

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTRAST = (Path(__file__).parent / "contrast.js").read_text("utf-8").split("\n", 1)[1]  # without its comment
LEAST = 4.5
STATES = ("off", "connecting", "idle", "listening", "thinking", "speaking", "barge_in")
NAMED = {
    "button",
    "slider",
    "textbox",
    "combobox",
    "checkbox",
    "radio",
    "radiogroup",
    "link",
    "image",
    "img",
    "listbox",
}
# All that a call may leave on the page, and that no single call does.
ALL_OF_IT = """
async () => {
  document.querySelectorAll('details').forEach((one) => (one.open = true));
  document.querySelectorAll('[hidden]').forEach((one) => (one.hidden = false));
  document.querySelector('#caption').textContent = 'A cough. The agent may pause, and must go on.';
  document.querySelector('#lane-tip').textContent = 'hold: the user spoke';
  const list = document.querySelector('#transcript');
  list.innerHTML = `<li class="agent"><span class="w heard">heard</span> <span class="w now">now</span>
    <span class="w">to come</span></li>
    <li class="agent"><span class="w heard">heard</span> <span class="w never">never heard</span></li>
    <li class="user">a turn<small>said over something</small></li><li class="backchannel">uh-huh</li>
    <li class="empty">nothing yet</li>`;
  document.querySelector('#decisions').innerHTML = ['hold', 'cut', 'drop', 'resume', 'settle', 'answer', 'ignore']
    .map((kind) => `<li class="${kind}"><time>0.50 s</time><b>${kind}</b> because</li>`).join('');
  document.querySelector('#errors').innerHTML = '<p><b>It failed.</b> Try again.</p>';
  document.querySelector('#obstacles').innerHTML = '<p><b>No sound.</b> <button class="quiet">Again</button></p>';
  for (const how of ['good', 'bad']) {
    const result = document.querySelector(`.result.${how}`) ?? document.querySelector('.result:empty');
    result.className = `result ${how}`;
    result.textContent = `It went ${how}.`;
  }
  const badges = document.querySelectorAll('.part .badge');
  badges.forEach((badge, i) => ((badge.className = `badge ${i % 2 ? 'set' : 'unset'}`), (badge.textContent = 'key')));
  document.querySelector('#presets button').blur();
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Pages]:
    async with pages(everything=True) as made:
        yield made


async def faint(shown: Page) -> list[str]:
    """Texts that cannot be read well enough. Colours are measured when they have come to rest."""
    await shown.evaluate("() => Promise.all(document.getAnimations().map((one) => one.finished))")
    found: list[dict[str, Any]] = await shown.evaluate(CONTRAST)
    assert len(found) > 20
    return [f"{one['ratio']:.2f} {one['text']!r} in {one['where']}" for one in found if one["ratio"] < LEAST]


async def tree(shown: Page) -> list[dict[str, Any]]:
    """What assistive technology gets: Chromium's own computation of roles and names."""
    session = await shown.context.new_cdp_session(shown)
    nodes: list[dict[str, Any]] = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    return [node for node in nodes if not node.get("ignored")]


def nameless(nodes: list[dict[str, Any]]) -> list[str]:
    return [
        f"{node['role']['value']} {node.get('properties', [])}"
        for node in nodes
        if node.get("role", {}).get("value") in NAMED and not str(node.get("name", {}).get("value", "")).strip()
    ]


def first_headings(nodes: list[dict[str, Any]]) -> list[str]:
    return [
        str(node["name"]["value"])
        for node in nodes
        if node.get("role", {}).get("value") == "heading"
        and any(p["name"] == "level" and p["value"]["value"] == 1 for p in node.get("properties", []))
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_of_the_page_can_be_read_in_every_state(opened: Pages, scheme: str) -> None:
    async with opened.page(script=QUIET, color_scheme=scheme) as shown:
        await shown.wait_for_selector("#faults:not([hidden])")
        await shown.evaluate(ALL_OF_IT)
        for state in STATES:
            await shown.evaluate("(state) => { document.body.dataset.state = state; }", state)
            await shown.evaluate(
                "(state) => document.querySelectorAll('.states li').forEach((li) =>"
                " li.classList.toggle('on', li.dataset.is === state))",
                state,
            )
            assert await faint(shown) == [], state
        assert await findings(shown) == []
        await shown.set_viewport_size({"width": 390, "height": 900})
        assert await findings(shown) == []


async def test_everything_that_can_be_used_has_a_name_and_the_page_one_first_heading(opened: Pages) -> None:
    async with opened.page(script=QUIET) as shown:
        await shown.wait_for_selector("#faults:not([hidden])")
        before = await tree(shown)
        assert first_headings(before) == ["Bargein: talk over it"]
        assert await findings(shown) == []
        await shown.evaluate(ALL_OF_IT)
        nodes = await tree(shown)
        assert nameless(nodes) == []
        sliders = [str(node["name"]["value"]) for node in nodes if node["role"]["value"] == "slider"]
        assert "Quiet that ends your turn" in sliders
        assert len(set(sliders)) == len(sliders) > 5
        ids = await shown.evaluate("[...document.querySelectorAll('[id]')].map((one) => one.id)")
        assert len(set(ids)) == len(ids)
        roles = {str(node["role"]["value"]) for node in nodes}
        assert {"status", "alert", "log", "main", "radiogroup"} <= roles


async def test_sliders_stand_where_the_agent_s_policy_is_before_any_call(opened: Pages) -> None:
    async with opened.page(script=QUIET) as shown:
        policy = (await (await shown.request.get(f"{opened.here.url}/agents")).json())["agents"][0]["policy"]
        shown_values = await shown.evaluate(
            "Object.fromEntries([...document.querySelectorAll('.slider')].map((row) =>"
            " [row.querySelector('input').id.replace('number-', ''), row.querySelector('output').textContent]))"
        )
        assert len(shown_values) > 5
        for name, text in shown_values.items():
            assert float(text.split()[0]) == policy[name], name
        assert await shown.get_attribute("#presets button[aria-checked=true]", "tabindex") == "0"


async def test_presets_take_arrows_and_one_stop_of_tab(opened: Pages) -> None:
    async with opened.page(script=QUIET) as shown:

        async def chosen() -> tuple[str, str, int]:
            return tuple(
                await shown.evaluate(
                    "[document.querySelector('#presets [aria-checked=true]').textContent,"
                    " document.activeElement.textContent,"
                    " document.querySelectorAll('#presets [tabindex=\"0\"]').length]"
                )
            )

        await shown.focus("#presets [tabindex='0']")
        for key, preset in (
            ("ArrowRight", "patient"),
            ("ArrowRight", "instant"),
            ("ArrowLeft", "patient"),
            ("ArrowUp", "balanced"),
            ("Home", "instant"),
            ("End", "patient"),
        ):
            await shown.keyboard.press(key)
            assert await chosen() == (preset, preset, 1)
        await shown.keyboard.press("Tab")
        assert await shown.evaluate("document.activeElement.type") == "range"
        assert await shown.evaluate("document.activeElement.getAttribute('aria-valuetext')")


async def test_esc_hangs_up_wherever_the_focus_is_but_where_esc_is_the_browser_s_own(opened: Pages) -> None:
    async with opened.calling(script=QUIET) as shown:
        await shown.click("#options summary")
        for place in ("#instructions", "#part-llm", "#language"):
            await shown.focus(place)
            await shown.keyboard.press("Escape")
            assert await shown.evaluate("bargein.state") != "off"
        for place in (
            "#main",
            "#hangup",
            "#presets [tabindex='0']",
            ".slider input",
            "#text",
            "#local-hold",
            "#options summary",
        ):
            if await shown.evaluate("bargein.state") == "off":
                await shown.click("#main")
                await shown.wait_for_function("() => bargein.state === 'speaking'")
            await shown.focus(place)
            await shown.keyboard.press("Escape")
            await shown.wait_for_function("() => bargein.state === 'off'")


async def test_the_focus_is_seen_and_who_wants_less_motion_gets_none(opened: Pages) -> None:
    async with opened.page(script=QUIET, reduced_motion="reduce") as shown:
        widths = await shown.evaluate(
            """() => [...document.querySelectorAll('button, input, select, a, summary, [tabindex="0"]')]
              .filter((one) => one.checkVisibility() && one.tabIndex >= 0)
              .map((one) => {
                one.focus({ focusVisible: true });
                return [one.id || one.textContent, getComputedStyle(one).outlineStyle];
              })"""
        )
        assert [one for one, style in widths if style == "none"] == []
        assert len(widths) > 10
        moving = await shown.evaluate(
            "[...document.querySelectorAll('*')]"
            ".filter((e) => parseFloat(getComputedStyle(e).transitionDuration) > 0).length"
        )
        assert moving == 0
        assert await shown.evaluate("getComputedStyle(document.querySelector('.halo')).transform") == "none"


LONG = """
() => {
  const word = 'Donaudampfschifffahrtsgesellschaft'.repeat(8);
  const address = 'https://example.com/' + 'a'.repeat(200);
  document.querySelectorAll('details').forEach((one) => (one.open = true));
  document.querySelector('#status').textContent = word;
  document.querySelector('#errors').innerHTML = `<p><b>${word}</b> ${address}</p>`;
  document.querySelector('#obstacles').innerHTML = `<p><b>${word}</b> ${address}</p>`;
  document.querySelector('#transcript').innerHTML =
    `<li class="agent"><span class="w heard">${word}</span></li><li class="user">${address}</li>`;
  document.querySelector('#decisions').innerHTML = `<li class="hold"><time>0.50 s</time><b>hold</b> ${word}</li>`;
  const past = [...document.querySelectorAll('body *')]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1)
    .map((one) => one.id || one.tagName);
  return [past, document.documentElement.scrollWidth - innerWidth];
}
"""


@pytest.mark.parametrize("width", [390, 320])
async def test_nothing_goes_past_the_edge_of_a_telephone_however_long_a_word_is(opened: Pages, width: int) -> None:
    async with opened.page(script=QUIET, viewport={"width": width, "height": 700}) as shown:
        past, beyond = await shown.evaluate(LONG)
        assert [name for name in past if name not in ("lanes", "CANVAS")] == []
        assert beyond <= 0


async def test_who_hangs_up_by_keys_is_left_at_the_button_that_calls_again(opened: Pages) -> None:
    async with opened.calling(script=QUIET) as shown:
        await shown.focus("#hangup")
        await shown.keyboard.press("Enter")
        await shown.wait_for_function("() => bargein.state === 'off'")
        assert await shown.evaluate("document.activeElement.id") == "main"
        await shown.focus("#text")
        await shown.keyboard.type("tea")
        await shown.keyboard.press("Enter")
        await shown.wait_for_function("() => ['idle', 'speaking'].includes(bargein.state)")
        assert await shown.evaluate("document.activeElement.id") == "text", "a focus that is still there stays"


async def test_report_pages_can_be_read_and_have_names_and_one_first_heading(opened: Pages, tmp_path: Path) -> None:
    context = await opened.browser.new_context()
    shown = await context.new_page()
    for behave in (stops, ignores):
        results = run(behave)
        write(tmp_path / "report.html", results, measures(results))
        await shown.goto(f"file://{tmp_path}/report.html")
        await shown.evaluate("() => document.querySelectorAll('details').forEach((one) => (one.open = true))")
        for scheme in ("light", "dark"):
            await shown.emulate_media(color_scheme=scheme)
            assert await faint(shown) == [], scheme
            assert await findings(shown) == [], scheme
        nodes = await tree(shown)
        assert len(first_headings(nodes)) == 1
        assert nameless(nodes) == []
    await context.close()
