"""The page in a real Chromium, against the real server, with a spoken microphone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bargein.agent import Agent, Greeting
from bargein.audio.pcm import Samples
from bargein.vendors.local.espeak import EspeakTTS
from benchmarks.browser import exact_contexts, stops
from benchmarks.chromium import PageRecording, page, recording, spoken
from benchmarks.sounds import RATE, room
from tests.server.kit import Echo, ToneVoice, World, settings, world
from tests.sounds import load

if TYPE_CHECKING:
    from playwright.async_api import Page

WORDS = 60
GREETING = " ".join(f"word{i}" for i in range(WORDS))  # 6 s of tone
TONE = 0.1  # the tone lies at 0.24; below this it does not sound


def teller() -> Agent:
    return Agent(name="teller", stt=None, llm=Echo(), tts=ToneVoice(), scripted=True, greeting=Greeting(GREETING))


def microphone(folder: Path, *sounds: tuple[float, Samples]) -> Path:
    """A quiet room of 12 s in which sounds begin at so many ms."""
    signal = room(12_000).astype(np.int32)
    for at_ms, samples in sounds:
        at = int(at_ms * RATE / 1000)
        signal[at : at + len(samples)] += samples
    return spoken(folder / "microphone.wav", np.clip(signal, -32768, 32767).astype(np.int16))


@asynccontextmanager
async def called(wav: Path, *, page_holds: bool) -> AsyncIterator[tuple[Page, World]]:
    """A page in a call with an agent that greets for 6 s."""
    async with world(settings(), teller()) as here, page(wav) as shown:
        await shown.goto(f"{here.url}/?record=1&localhold={int(page_holds)}")
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.state === 'speaking'")
        yield shown, here


def sounding_ms(heard: PageRecording, until_ms: float = float("inf")) -> float:
    """How long the tone was heard in all."""
    return sum(peak > TONE for at, peak in heard.output if at < until_ms) * heard.block_ms


def kinds(heard: PageRecording, *wanted: str) -> list[str]:
    return [str(m["type"]) for m in heard.messages if m["type"] in wanted]


async def test_a_cough_pauses_it_and_it_goes_on_without_a_sample_lost_or_played_twice(tmp_path: Path) -> None:
    cough = load("cough-2.wav").samples.astype(np.int32) * 4
    wav = microphone(tmp_path, (2_500, np.clip(cough, -32768, 32767).astype(np.int16)))
    async with called(wav, page_holds=True) as (shown, _):
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.type === 'finished')")
        heard = await recording(shown)
    assert kinds(heard, "hold", "resume", "audio_interrupted")[:2] == ["hold", "resume"]
    assert kinds(heard, "audio_interrupted") == []
    (finished,) = [r for r in heard.reports if r["type"] == "finished"]
    assert finished["played"] == WORDS * 2_400
    # Each fade makes at most a block softer than the threshold, and blocks are counted whole.
    assert abs(sounding_ms(heard) - WORDS * 100) <= 6 * heard.block_ms


async def test_an_interruption_silences_it_and_the_transcript_strikes_what_nobody_heard(tmp_path: Path) -> None:
    wav = microphone(tmp_path, (2_500, load("interruption-1.wav").samples[320 * 16 :]))
    async with called(wav, page_holds=False) as (shown, here):
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.type === 'flushed')")
        await shown.wait_for_function("() => bargein.transcript().some(t => t.never)")
        heard = await recording(shown)
        said = (await shown.evaluate("bargein.transcript()"))[0]
        (call,) = [here.hub.calls.call(i) for i in here.hub.calls.ids]
        known = call.conversation.items[0]
    assert len(stops(heard)[0]) == 1
    order = kinds(heard, "hold", "audio_interrupted", "barge_in", "tts_interrupted")
    assert order == ["hold", "audio_interrupted", "barge_in", "tts_interrupted"]
    assert exact_contexts(heard.messages, heard.reports) == (1, 1)
    assert said["heard"] == getattr(known, "text", None)
    assert (
        f"{said['heard']} {said['never']}".split()
        == GREETING.split()[: len(f"{said['heard']} {said['never']}".split())]
    )
    # What was heard by the page's own ear agrees with the words, to the word that was cut in its middle.
    flushed = next(at for at, kind in heard.events if kind == "flush")
    assert abs(len(said["heard"].split()) * 100 + 50 - sounding_ms(heard, flushed)) <= 50 + 2 * heard.block_ms


async def test_audio_of_a_reply_that_was_cut_is_never_heard_however_late_it_comes(tmp_path: Path) -> None:
    async with called(microphone(tmp_path), page_holds=False) as (shown, _):
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.type === 'flushed')")
        await shown.evaluate(
            """() => bargein.call.sound.tell({
                type: 'audio', reply: 1, sample: 0, last: false, pcm: new Int16Array(4800).fill(20000).buffer
            })"""
        )
        before = (await recording(shown)).output[-1][0]
        await shown.evaluate("() => new Promise(r => setTimeout(r, 400))")  # the audio clock's own time
        heard = await recording(shown)
    assert heard.output[-1][0] - before > 300
    assert max(peak for at, peak in heard.output if at > before) == 0


async def test_the_space_bar_stops_one_page_and_no_other(tmp_path: Path) -> None:
    wav = microphone(tmp_path)
    async with called(wav, page_holds=False) as (one, here):
        other = await one.context.new_page()
        await other.goto(f"{here.url}/?record=1&localhold=0")
        await other.click("#main")
        await other.wait_for_function("() => bargein.state === 'speaking'")
        await one.bring_to_front()
        await one.evaluate("document.activeElement.blur()")
        await one.keyboard.press("Space")
        await one.wait_for_function("() => bargein.state === 'idle'")
        await other.wait_for_function("() => bargein.call.reports.some(r => r.type === 'finished')")
        heard = await recording(other)
    assert kinds(heard, "hold", "audio_interrupted", "error") == []
    assert sounding_ms(heard) >= WORDS * 100 - heard.block_ms


async def test_typed_words_interrupt_and_are_answered(tmp_path: Path) -> None:
    async with called(microphone(tmp_path), page_holds=False) as (shown, _):
        await shown.fill("#text", "tea please")
        await shown.press("#text", "Enter")
        await shown.wait_for_function("() => bargein.transcript().some(t => t.text.includes('You said tea please'))")
        said = await shown.evaluate("bargein.transcript()")
    assert [t["role"] for t in said] == ["agent", "user", "agent"]
    assert said[1]["text"].startswith("tea please")


async def test_settings_reach_the_call_while_it_runs(tmp_path: Path) -> None:
    async with called(microphone(tmp_path), page_holds=False) as (shown, here):
        await shown.click("text=patient")
        await shown.wait_for_function("() => bargein.call.messages.some(m => m.type === 'policy')")
        (call,) = [here.hub.calls.call(i) for i in here.hub.calls.ids]
        assert call.floor.policy.preset == "patient"
        assert "1000 ms" in await shown.inner_text("label.slider:has-text('Quiet that ends your turn')")


async def test_a_server_that_goes_away_is_told_kindly_and_the_page_can_call_again(tmp_path: Path) -> None:
    async with called(microphone(tmp_path), page_holds=False) as (shown, here):
        for call_id in here.hub.calls.ids:
            here.hub.calls.call(call_id).hang_up("maintenance")
        await shown.wait_for_function("() => bargein.state === 'off'")
        assert await shown.inner_text("#main-label") == "Call"
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.state === 'speaking'")


async def test_a_page_whose_sound_is_suspended_has_heard_what_it_played_and_is_silent_when_it_goes_on(
    tmp_path: Path,
) -> None:
    async with called(microphone(tmp_path), page_holds=False) as (shown, here):
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.type === 'played' && r.played > 36000)")
        await shown.evaluate("() => bargein.call.sound.context.suspend()")
        await shown.wait_for_function("() => bargein.state === 'idle'")
        await shown.evaluate("() => bargein.call.sound.context.resume()")
        await shown.click("#main")  # "Talk" stops what may sound, too
        await shown.wait_for_timeout(700)
        heard = await recording(shown)
        (call,) = [here.hub.calls.call(i) for i in here.hub.calls.ids]
        said = call.conversation.agent(1)
    assert said is not None
    words = len(said.text.split())
    played_ms = max(int(str(r["played"])) for r in heard.reports) / 24
    assert said.ended == "cut"
    assert abs(words * 100 - played_ms) <= 200
    assert 1_500 <= sounding_ms(heard) <= played_ms + 100
    assert kinds(heard, "audio_interrupted", "barge_in")[:1] == ["audio_interrupted"]
    assert "barge_in" not in kinds(heard, "barge_in")


# The loudspeaker is heard by the microphone, 130 ms later and 6 dB softer, as without an echo canceller.
LOOP = """
{
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    const { context } = this;
    if (target === context.destination && this instanceof AudioWorkletNode && this.numberOfOutputs && !window.loop) {
      window.loop = context.createMediaStreamDestination();
      const delay = new DelayNode(context, { delayTime: 0.13 });
      const gain = new GainNode(context, { gain: 0.5 });
      connect.call(connect.call(connect.call(this, delay), gain), loop);
    }
    return connect.call(this, target, ...rest);
  };
  navigator.mediaDevices.getUserMedia = async () => window.loop.stream;
}
"""


async def test_a_loudspeaker_in_the_microphone_is_no_interruption() -> None:
    tts, greeting = EspeakTTS(), Greeting("Good morning, and welcome to the harbour hotel.")
    agent = Agent(name="espeak", stt=None, llm=Echo(), tts=tts, scripted=True, greeting=greeting)
    async with world(settings(), agent, alone=False) as here, page() as shown:
        await shown.add_init_script(LOOP)
        await shown.goto(f"{here.url}/?record=1&localhold=0")
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.type === 'finished')", timeout=20_000)
        heard = await recording(shown)
    await tts.aclose()
    assert max(peak for _, peak in heard.microphone) > TONE, "the microphone heard the greeting"
    assert any("the agent's own sound" in str(m["why"]) for m in heard.messages if m["type"] == "decision")
    assert kinds(heard, "audio_interrupted") == []
    assert len(kinds(heard, "hold")) <= 1, "a path is learnt in its first sound"
