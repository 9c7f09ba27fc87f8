"""A call's connection to Gemini Live, against the simulated vendor, on real sockets and with recorded speech."""

from __future__ import annotations

import numpy as np
import pytest

from bargein import protocols as c
from bargein.errors import Unavailable, UsageError
from bargein.vendors.common.openai_realtime.prompts import instructions
from bargein.vendors.google.live.model import GeminiLive
from tests.vendors.google.kit import KEY, live_simulator, live_talk, said


async def test_the_session_leaves_the_turns_to_the_floor() -> None:
    async with live_talk(live_simulator(), voice="Puck") as t:
        await t.up()
        assert t.session.setup is not None
        assert t.session.input is not None
        assert t.session.setup.model == "models/gemini-3.8-live"
        detection = t.session.input.automatic_activity_detection
        assert detection is not None
        assert detection.disabled
        setup = t.session.received[0]["setup"]
        assert setup["systemInstruction"]["parts"][0]["text"] == instructions("Be short.")
        assert setup["tools"][0]["functionDeclarations"][0]["behavior"] == "BLOCKING"
        assert setup["contextWindowCompression"] == {"slidingWindow": {}}
        assert "Puck" in str(setup["generationConfig"])


@pytest.mark.parametrize("rate", [8_000, 16_000])
async def test_the_user_is_heard_answered_and_written_down(rate: int) -> None:
    async with live_talk(live_simulator(), rate=rate) as t:
        await t.up()
        for number, words in enumerate(("what is the first", "and the second"), 1):
            t.speaks()
            assert await said(t.line.answer((), spoken=True)) == f"You said {words}."
            await t.until(lambda words=words: words in t.text)  # type: ignore[misc]
            assert len(t.sent("activityStart")) == len(t.sent("activityEnd")) == number
        assert t.session.activity_ms == pytest.approx([800, 800], abs=41)


async def test_a_sound_that_was_no_turn_sends_nothing() -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        t.says(np.zeros(16_000, np.int16))
        t.line.dismiss(500, 100, None)
        assert await said(t.line.answer(("hello",), spoken=False)) == "You said hello."
        assert t.session.audio_ms == 0
        assert t.sent("activityStart") == []


def test_numbers_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ({"temperature": 3}, {"max_output_tokens": 0}, {"voice": ""}):
        with pytest.raises(UsageError):
            GeminiLive(api_key=KEY, **wrong)
    monkeypatch.setattr("bargein.vendors.google.live.model.INSTALLED", False)
    with pytest.raises(Unavailable, match=r"bargein\[google\]"):
        GeminiLive(api_key=KEY)


async def test_text_is_said_word_for_word() -> None:
    async with live_talk(live_simulator()) as t:
        reply = t.line.say("Good morning, and welcome.")
        assert await said(reply) == "Good morning, and welcome."
        assert [word.begin for word in reply.words()] == [0, 5, 14, 18]


async def test_backchannels_come_as_notes_with_the_next_turn() -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        t.line.dismiss(500, 100, c.UserBackchannel("mm-hmm"))
        t.speaks()
        await said(t.line.answer((), spoken=True))
        assert ["mm-hmm" in note for note in t.session.turns[0].notes] == [True]
