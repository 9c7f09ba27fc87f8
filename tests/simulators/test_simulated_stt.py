"""Simulated STT: turns in recorded speech, and words from a script, on the clock of the audio."""

from __future__ import annotations

import numpy as np
import pytest

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein_simulators.simulated_stt import Script, SimulatedSTT, STTScriptEvent, TranscribedWords
from tests.sounds import labels, load

RATE = 16_000
PCM = Pcm(np.zeros(160, np.int16), RATE)


def interruption() -> Samples:
    """Recorded speech, and two seconds of silence after it."""
    return np.concatenate([load("interruption-1.wav").samples, np.zeros(2 * RATE, np.int16)])


async def fed(stt: SimulatedSTT, samples: Samples, size: int | None = None) -> list[STTScriptEvent]:
    size = size or len(samples)
    return [event for at in range(0, len(samples), size) for event in await stt.push_audio(samples[at : at + size])]


async def test_a_turn_begins_with_the_speech_and_ends_with_all_words_of_its_text() -> None:
    [label] = [label for label in labels("interruption") if label.file == "interruption-1.wav"]
    events = await fed(SimulatedSTT(RATE, Script(["can you help me"])), interruption())
    kinds = [event.kind for event in events if event.kind != "update"]
    assert kinds == ["started", "eager_end", "ended"]
    started, ended = (next(e for e in events if e.kind == kind) for kind in ("started", "ended"))
    assert (ended.text, ended.trigger, ended.turn) == ("can you help me", "model", 0)
    assert started.words[0].start_ms == pytest.approx(label.onset_ms, abs=100)
    assert ended.words[-1].end_ms == pytest.approx(label.end_ms, abs=150)


async def test_how_the_audio_is_fed_changes_nothing() -> None:
    at_once = await fed(SimulatedSTT(RATE, Script(["can you help me"])), interruption())
    in_frames = await fed(SimulatedSTT(RATE, Script(["can you help me"])), interruption(), 320)
    assert at_once == in_frames


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100])
async def test_a_rate_without_a_short_filter_is_heard_at_the_same_times(rate: int) -> None:
    heard = await fed(SimulatedSTT(RATE, Script(["can you help me"])), interruption())
    samples = resample(Pcm(interruption(), RATE), rate).samples
    other = await fed(SimulatedSTT(rate, Script(["can you help me"])), samples, rate // 50)
    kinds = [event.kind for event in other if event.kind != "update"]
    assert kinds == [event.kind for event in heard if event.kind != "update"]
    began, expected = (next(e for e in events if e.kind == "started") for events in (other, heard))
    assert began.words[0].start_ms == pytest.approx(expected.words[0].start_ms, abs=70)


async def test_a_turn_is_ended_by_force_once() -> None:
    stt = SimulatedSTT(RATE, Script(["one two three"]))
    [label] = [label for label in labels("interruption") if label.file == "interruption-1.wav"]
    await fed(stt, interruption()[: int(label.onset_ms * RATE / 1000) + RATE // 2])
    assert stt.in_turn
    [ended] = await stt.force_end()
    assert (ended.kind, ended.trigger, ended.text) == ("ended", "manual", "one two three")
    assert await stt.force_end() == []


async def test_a_scripted_text_grows_with_the_speech_and_waits_at_a_pause() -> None:
    script = Script(["one two | three four", "five"], repeat=True)
    assert await script.words(PCM, 0, 100, over=False) == ["one"]
    assert await script.words(PCM, 0, 600, over=False) == ["one", "two"]
    assert await script.words(PCM, 0, 9_000, over=True) == ["one", "two"]
    assert await script.words(PCM, 1, 100, over=False) == ["one", "two", "three"]
    script.ended()
    assert await script.words(PCM, 0, 0, over=True) == ["five"]
    script.ended()
    assert await script.words(PCM, 1, 9_000, over=True) == ["one", "two", "three", "four"]


async def test_without_repeat_the_last_text_is_said_again() -> None:
    script = Script(["one", "two"])
    for text in ("one", "two", "two"):
        assert await script.words(PCM, 0, 0, over=True) == [text]
        script.ended()


async def test_real_stt_gets_16_khz() -> None:
    rates: list[int] = []

    async def read(pcm: Pcm) -> str:
        rates.append(pcm.rate)
        return " hello there "

    assert await TranscribedWords(read).words(Pcm(np.zeros(800, np.int16), 8_000), 0, 0, over=True) == [
        "hello",
        "there",
    ]
    assert rates == [16_000]
