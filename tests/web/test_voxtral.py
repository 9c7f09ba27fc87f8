"""The agent on Voxtral in a real Chromium with a spoken microphone: hosted, and on a vLLM server."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chromium import page, recording
from tests.server.test_voxtral_agent import WORDS, voxtral
from tests.sounds import load
from tests.web.test_page import microphone
from tests.web.test_realtime import GREETING, assert_silent

LONG = " ".join([GREETING] * 3)  # the vLLM agent's voice says one of them in three seconds


@pytest.mark.parametrize("vllm", [False, True])
async def test_it_holds_a_conversation_is_interrupted_and_answers_the_new_words(tmp_path: Path, vllm: bool) -> None:
    wav = microphone(tmp_path, (2_800, load("interruption-1.wav").samples[320 * 16 :]))
    async with voxtral(tmp_path / "calls", vllm=vllm, greeting=LONG) as (here, vendors), page(wav) as shown:
        await shown.goto(f"{here.url}/?record=1")
        await shown.click("#main")
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.type === 'flushed')", timeout=20_000)
        await shown.wait_for_function("() => bargein.call.reports.some(r => r.reply_id === 2)", timeout=20_000)
        heard = await recording(shown)
        await shown.click("#hangup")
        await shown.wait_for_function("() => bargein.state === 'off'")
    assert_silent(heard)
    (cleared,) = [m for m in heard.messages if m["type"] == "audio_interrupted"]
    assert int(str(cleared["cleared_chunks"])) > 0
    asked = vendors.chat.served[-1].request.messages[-1]
    assert asked.audio_ms >= 1_000, "the model hears the turn itself"
    assert asked.transcript == WORDS
    said = [m for m in heard.messages if m["type"] == "transcript" and m["role"] == "user"]
    assert said[-1]["text"] == WORDS, "and its words stand beside it"
