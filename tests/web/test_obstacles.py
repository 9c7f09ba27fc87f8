"""What stands in the way of a call is said in words, with a remedy, and the call goes on: microphone, sound, place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.web.kit import QUIET, Pages, pages

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened() -> AsyncIterator[Pages]:
    async with pages() as made:
        yield made


async def says(shown: Page, *words: str, where: str = "#obstacles") -> str:
    """Wait until the words are there."""
    await shown.wait_for_function(
        "([where, words]) => words.every((word) => document.querySelector(where).textContent.includes(word))",
        arg=[where, list(words)],
    )
    return await shown.inner_text(where)


async def answered(shown: Page, text: str) -> None:
    """Typed words get an answer."""
    await shown.fill("#text", text)
    await shown.press("#text", "Enter")
    await shown.wait_for_function(
        "(text) => bargein.transcript().some((t) => t.role === 'agent' && t.text.includes(`You said ${text}`))",
        arg=text,
    )


async def idle(shown: Page) -> None:
    """The agent falls silent."""
    await shown.click("#main")
    await shown.wait_for_function("() => bargein.state === 'idle'")


async def test_a_microphone_that_ends_is_said_the_call_is_typed_and_the_next_microphone_is_taken(opened: Pages) -> None:
    async with opened.calling(script=QUIET) as shown:
        await idle(shown)
        assert await shown.inner_text("#status") == "Your turn: say something."
        await shown.evaluate("() => { mic.inputs = []; mic.event('ended'); }")
        await says(shown, "Your microphone is gone", "Plug it in again", "type below")
        assert await shown.inner_text("#status") == "Your turn: type something."
        await answered(shown, "tea")
        await idle(shown)
        await shown.evaluate("() => mic.change(['two'])")
        await shown.wait_for_function("() => document.querySelector('#status').textContent.includes('say something')")
        assert await shown.evaluate("mic.opened") == ["one", "two"]
        # Another is there: its track ends, and the page goes over by itself.
        await shown.evaluate("() => mic.event('ended')")
        await says(shown, "was gone", "is heard")
        assert "say something" in await shown.inner_text("#status")


async def test_a_device_that_goes_again_and_again_is_left_to_the_person(opened: Pages) -> None:
    async with opened.calling(script=QUIET) as shown:
        for taken in (2, 3, 4):
            await shown.evaluate("() => mic.event('ended')")
            await shown.wait_for_function("(taken) => mic.opened.length === taken", arg=taken)
            await says(shown, "is heard")
        await shown.evaluate("() => mic.event('ended')")
        await says(shown, "Your microphone is gone")
        assert await shown.evaluate("mic.opened.length") == 4
        await shown.click("#obstacles button")
        await shown.wait_for_function("() => mic.opened.length === 5")


async def test_a_device_that_is_gone_without_a_word_is_noticed_and_a_better_one_is_offered(opened: Pages) -> None:
    async with opened.calling(script=QUIET) as shown:
        await shown.evaluate("() => mic.change(['one', 'headset'])")
        await says(shown, "Another microphone is there: Microphone headset")
        await shown.click("#obstacles button")
        await shown.wait_for_function("() => mic.opened.at(-1) === 'headset'")
        assert (await shown.inner_text("#obstacles")).strip() == ""
        await shown.evaluate("() => mic.change([])")
        await says(shown, "Your microphone is gone")
        await shown.evaluate("() => mic.change(['one'], 'NotReadableError')")
        await says(shown, "busy or broken", "Close the program")
        await shown.evaluate("() => { mic.fails = null; }")
        await shown.click("#obstacles button")
        await shown.wait_for_function("() => !document.querySelector('#obstacles').textContent")


async def test_a_microphone_that_the_system_mutes_is_said_until_it_is_heard_again(opened: Pages) -> None:
    async with opened.calling(script=QUIET) as shown:
        await idle(shown)
        await shown.evaluate("() => mic.event('mute')")
        await says(shown, "muted", "Unmute it")
        assert "type something" in await shown.inner_text("#status")
        await shown.evaluate("() => mic.event('unmute')")
        await shown.wait_for_function("() => !document.querySelector('#obstacles').textContent")
        assert "say something" in await shown.inner_text("#status")
        # A track that is not heard any more has no say.
        await shown.evaluate(
            "() => { window.old = mic.stream.getAudioTracks()[0]; mic.inputs = ['two']; mic.event('ended') }"
        )
        await says(shown, "is heard")
        await shown.evaluate("() => old.dispatchEvent(new Event('mute'))")
        assert "muted" not in await shown.inner_text("#obstacles")


async def test_without_a_microphone_the_reason_is_named_and_the_call_can_be_typed(opened: Pages) -> None:
    reasons = {
        "NotAllowedError": "not allowed",
        "SecurityError": "allow=",
        "NotFoundError": "no microphone",
        "NotReadableError": "busy",
        "AbortError": "did not start",
        "OverconstrainedError": "cannot do",
        "InvalidStateError": "not active",
        "SomethingNew": "cannot be had",
    }
    async with opened.page(script=QUIET) as shown:
        for name, said in reasons.items():
            await shown.evaluate("(name) => { mic.fails = name; }", name)
            await shown.click("#main")
            await says(shown, said, "type below")
            await shown.wait_for_function("() => bargein.state === 'speaking'")
            if name == "NotAllowedError":
                await answered(shown, "tea")
            await shown.click("#hangup")
            await shown.wait_for_function("() => bargein.state === 'off'")
            assert (await shown.inner_text("#obstacles")).strip() == "", "a call that is over is not in anybody's way"


async def test_a_question_of_the_browser_that_waits_is_said_and_esc_gives_the_call_up(opened: Pages) -> None:
    script = QUIET + "navigator.mediaDevices.getUserMedia = () => new Promise((done) => (mic.answer = done));"
    async with opened.page(script=script) as shown:
        await shown.click("#main")
        await says(shown, "asks for the microphone", "Esc")
        await shown.keyboard.press("Escape")
        await shown.wait_for_function("() => bargein.state === 'off'")
        stopped = await shown.evaluate(
            """async () => {
              const stream = mic.context.createMediaStreamDestination().stream;
              mic.answer(stream);
              await new Promise((r) => setTimeout(r));
              return stream.getAudioTracks()[0].readyState;
            }"""
        )
        assert stopped == "ended", "an answer that comes after the call leaves no microphone open"


async def test_words_typed_before_a_call_begin_one_and_ask_for_no_microphone(opened: Pages) -> None:
    async with opened.page(script=QUIET) as shown:
        await answered(shown, "tea")
        assert await shown.evaluate("mic.opened") == []
        await idle(shown)
        assert await shown.inner_text("#status") == "Your turn: type something."
        await says(shown, "This call is typed")
        await shown.click("#obstacles button")
        await shown.wait_for_function("() => document.querySelector('#status').textContent.includes('say something')")
        assert await shown.evaluate("mic.opened") == ["one"]


@pytest.mark.parametrize("state", ["suspended", "interrupted"])
async def test_sound_that_the_browser_stops_in_a_call_is_said_and_a_click_goes_on(opened: Pages, state: str) -> None:
    async with opened.calling(script=QUIET) as shown:
        # Chromium never interrupts (Safari does): its suspension stands in for it, under the other name.
        await shown.wait_for_function("() => bargein.call.reports.some((r) => r.played > 0)")
        await shown.evaluate(
            """async (state) => {
              const { connection, sound: { context } } = bargein.call;
              const send = connection.send.bind(connection);
              window.sent = [];
              connection.send = (type, fields) => (sent.push({ type, ...fields }), send(type, fields));
              const real = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, 'state');
              Object.defineProperty(context, 'state', {
                get: () => (real.get.call(context) === 'suspended' ? state : real.get.call(context)),
              });
              await context.suspend();
            }""",
            state,
        )
        await says(shown, "browser has stopped the sound", "Click anywhere")
        # The server is told that nothing sounds any more.
        assert await shown.evaluate("sent.some((m) => m.type === 'played' && m.playing === false)")
        assert "click anywhere" in await shown.inner_text("#status")
        await shown.click("footer")
        await shown.wait_for_function("() => bargein.call.sound.context.state === 'running'")
        await shown.wait_for_function("() => !document.querySelector('#obstacles').textContent")
        assert "Waiting" not in await shown.inner_text("#status")


async def test_sound_that_never_starts_is_said_and_does_not_hang(opened: Pages) -> None:
    script = (
        QUIET
        + """
        const { resume } = AudioContext.prototype;
        const state = Object.getOwnPropertyDescriptor(BaseAudioContext.prototype, 'state').get;
        window.willing = false;
        Object.defineProperty(AudioContext.prototype, 'state', {
          get() {
            return willing ? state.call(this) : 'suspended';
          },
        });
        AudioContext.prototype.resume = function () {
          return willing ? resume.call(this) : new Promise(() => {});
        };
        """
    )
    async with opened.page("?dummy=1", script) as shown:
        await says(shown, "browser has stopped the sound", "Click anywhere")
        assert "click anywhere" in await shown.inner_text("#status")
        await shown.click("footer")
        await says(shown, "does not start the sound", "reload")
        await shown.evaluate(
            "() => { willing = true; bargein.call.sound.context.dispatchEvent(new Event('statechange')); }"
        )
        await shown.wait_for_function("() => ['idle', 'speaking'].includes(bargein.state)")
        assert (await shown.inner_text("#obstacles")).strip() == ""


async def test_plain_http_from_elsewhere_is_told_with_its_remedy_before_anybody_calls(opened: Pages) -> None:
    context = await opened.browser.new_context()
    shown = await context.new_page()
    thrown: list[str] = []
    shown.on("pageerror", lambda error: thrown.append(str(error)))

    async def from_here(route: Route) -> None:
        url = route.request.url.replace("http://talk.example:8080", opened.here.url)
        await route.fulfill(response=await route.fetch(url=url))

    await context.route("http://talk.example:8080/**", from_here)
    await shown.goto("http://talk.example:8080/")
    said = await says(shown, "plain http", "https", "http://localhost:8080", "ssh -L 8080:localhost:8080 talk.example")
    assert "talk.example" in said
    await shown.wait_for_selector("#presets button")
    await shown.click("#main")
    await says(shown, "neither microphone nor sound", where="#errors")
    assert await shown.evaluate("bargein.state") == "off"
    assert thrown == []
    await context.close()


async def test_a_browser_that_has_no_sound_left_is_told_so(opened: Pages) -> None:
    script = (
        "window.AudioContext = class { constructor() { throw new DOMException('too many', 'NotSupportedError'); } };"
    )
    async with opened.page(script=QUIET.replace("new AudioContext()", "null") + script) as shown:
        await shown.click("#main")
        await says(shown, "no sound", "Close other pages", where="#errors")
        assert await shown.evaluate("bargein.state") == "off"


async def test_a_worklet_that_cannot_be_loaded_is_named(opened: Pages) -> None:
    script = """
      const { addModule } = AudioWorklet.prototype;
      AudioWorklet.prototype.addModule = function (url) {
        return String(url).includes('playback') ? addModule.call(this, `${url}.missing`) : addModule.call(this, url);
      };
    """
    async with opened.page(script=QUIET + script) as shown:
        await shown.click("#main")
        await says(shown, "sound cannot be loaded", "worklets/playback.js", where="#errors")
        assert await shown.evaluate("bargein.state") == "off"


DEAD = """
{
  const get = navigator.mediaDevices.getUserMedia;
  navigator.mediaDevices.getUserMedia = async (wish) => {
    const stream = await get(wish);
    if (window.trackless) return new MediaStream();
    stream.getAudioTracks()[0].stop();
    return stream;
  };
}
"""


async def test_a_microphone_that_ended_before_it_was_heard_or_has_no_track_is_none(opened: Pages) -> None:
    for trackless in ("false", "true"):
        async with opened.calling(script=f"{QUIET}{DEAD}window.trackless = {trackless};") as shown:
            await says(shown, "The microphone did not start", "type below")
            assert "Type over it" in await shown.inner_text("#status")
            await answered(shown, "tea")


async def test_a_browser_that_does_not_tell_what_microphones_there_are_keeps_the_one_that_is_heard(
    opened: Pages,
) -> None:
    silent = "navigator.mediaDevices.enumerateDevices = async () => { throw new Error('not for you'); };"
    untold = "navigator.mediaDevices.enumerateDevices = async () => [];"
    for hidden in (silent, untold):
        async with opened.calling(script=QUIET + hidden) as shown:
            await shown.evaluate(
                """async () => {
                  navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
                  await bargein.call.sound.microphone.list();
                }"""
            )
            assert (await shown.inner_text("#obstacles")).strip() == ""
            assert await shown.evaluate("bargein.call.sound.stream !== null")


async def test_sound_that_the_browser_ends_for_good_ends_the_call_and_says_so(opened: Pages) -> None:
    async with opened.calling(script=QUIET) as shown:
        await shown.evaluate("() => bargein.call.sound.context.close()")
        await says(shown, "browser has ended the sound", "Call again", where="#errors")
        await shown.wait_for_function("() => bargein.state === 'off'")
        assert "ended the sound" in await shown.inner_text("#status")
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.state === 'speaking'")


LACKS = {
    "Object.defineProperty(BaseAudioContext.prototype, 'audioWorklet', { get: () => undefined });": "recent Chrome",
    "window.WebSocket = undefined;": "Allow it WebSockets",
    "window.WebSocket = class { constructor() { throw new DOMException('x', 'SecurityError'); } };": "Allow it WebS",
    "Object.defineProperty(window, 'AudioWorkletNode', { value: class { constructor() { throw 1; } } });": "Reload",
}


async def test_what_a_browser_lacks_is_said_in_words_with_a_remedy(opened: Pages) -> None:
    for lack, remedy in LACKS.items():
        async with opened.page(script=QUIET + lack) as shown:
            await shown.click("#main")
            said = await says(shown, remedy, where="#errors")
            assert not any(word in said for word in ("undefined", "constructor", "Cannot read")), said
