"""Gemini Live's connections end: told before or not, in a quiet moment or in the midst of a turn. No word is lost."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bargein import protocols as c
from bargein.audio.pcm import Samples
from bargein.audio.resample import resample
from bargein.errors import VendorLost
from bargein.vendors.google.live.renewal import LIFE_S, LiveRenewal
from bargein.vendors.google.live.socket import KEY_ADVICE
from tests.sounds import load
from tests.vendors.google.kit import KEY, LiveTalk, live_simulator, live_talk, said

ITEMS: list[c.ConversationItem] = [c.UserSaid(1, "what time is it"), c.AgentSaid(1, "It is nine.")]


async def test_told_to_go_it_goes_at_a_quiet_moment_unheard_and_the_session_goes_on() -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        t.speaks()
        await said(t.line.answer((), spoken=True))
        await t.until(lambda: t.line._handle)
        going = asyncio.create_task(t.session.go_away())
        await t.until(lambda: len(t.sim.sessions) == 2 and t.line._live)
        assert t.session.resumed
        assert [turn.text for turn in t.session.turns] == ["what is the first", "You said what is the first."]
        assert not [h for h in t.heard if isinstance(h, c.STTLost)]
        t.speaks()
        assert await said(t.line.answer((), spoken=True)) == "You said and the second."
        assert t.sent("text") == [], "the new session knows it all"
        going.cancel()


async def test_in_the_midst_of_a_turn_it_waits_and_when_it_must_go_the_turn_goes_up_again_whole() -> None:
    async with live_talk(live_simulator(go_away_ms=300)) as t:
        await t.up()
        t.speaks(1_500)
        await t.until(lambda: t.session.audio_ms > 1_000)
        going = asyncio.create_task(t.session.go_away())
        await asyncio.sleep(0.05)
        assert len(t.sim.sessions) == 1, "a turn is under way"
        await t.until(lambda: len(t.sim.sessions) == 2 and t.line._live)
        t.says(resample(load("interruption-1.wav"), 16_000).samples[24_000:32_000])
        assert await said(t.line.answer((), spoken=True)) == "You said what is the first."
        assert t.session.activity_ms == pytest.approx([2_000], abs=1)
        assert not [h for h in t.heard if isinstance(h, c.STTLost)]
        going.cancel()


async def test_twenty_renewals_under_speech_lose_no_word() -> None:
    """Each turn is longer than its connection lives: every one goes up whole, all the same."""
    words = [f"number {n}" for n in range(20)]
    sim = live_simulator(go_away_ms=30)
    sim.script.clear()
    sim.script.extend(words)
    samples = resample(load("interruption-1.wav"), 16_000).samples[:16_000]
    async with live_talk(sim) as t:
        await t.up()
        for n, word in enumerate(words):
            await renewed_in_a_turn(t, n, word, samples)
        assert not [h for h in t.heard if isinstance(h, c.STTLost)]


async def renewed_in_a_turn(t: LiveTalk, n: int, word: str, samples: Samples) -> None:
    """One turn, in whose middle the connection ends. word: what is said in it."""
    sim = t.sim
    t.line.turn_started(0)
    t.says(samples[:8_000])
    await t.until(lambda: t.session.audio_ms >= 400)
    before = len(sim.sessions)
    going = asyncio.create_task(t.session.go_away())
    await t.until(lambda: len(sim.sessions) > before and t.line._live)
    t.says(samples[8_000:])
    assert await said(t.line.answer((), spoken=True)) == f"You said {word}."
    assert t.session.activity_ms == pytest.approx([1_000], abs=1)
    await t.until(lambda: word in t.text)
    await t.until(lambda: t.line._handle in sim.handles and len(sim.handles) == n + 1)
    assert len([turn for turn in t.session.turns if turn.role == "user"]) == n + 1
    going.cancel()


async def test_told_to_go_in_a_reply_the_reply_is_heard_to_its_end() -> None:
    async with live_talk(live_simulator(go_away_ms=400, speed=8)) as t:
        await t.up()
        t.sim.faults.append("go_away")
        t.speaks()
        assert await said(t.line.answer((), spoken=True)) == "You said what is the first."
        await t.until(lambda: len(t.sim.sessions) == 2 and t.line._live)
        assert not [h for h in t.heard if isinstance(h, c.STTLost)]


async def test_a_reply_that_must_be_left_in_its_middle_is_gone_on_with() -> None:
    long = "One two three four five six seven eight nine ten, eleven, twelve, thirteen, and fourteen."
    async with live_talk(live_simulator(go_away_ms=40, speed=4)) as t:
        await t.up()
        t.sim.faults.append("go_away")
        t.sim.respond = lambda said, turns: long if turns[-1].text else "And so on."
        t.speaks()
        text = await said(t.line.answer((), spoken=True))
        assert text.startswith("One two")
        assert text.endswith("And so on.")
        assert "Go on right after your words" in str(t.sent("clientContent"))


async def test_a_connection_that_breaks_is_made_anew_and_the_unanswered_turn_goes_up_again() -> None:
    async with live_talk(live_simulator(first_audio_ms=200)) as t:
        await t.up()
        t.speaks()
        reply = t.line.answer((), spoken=True)
        answered = asyncio.create_task(said(reply))
        await t.until(lambda: t.sent("activityEnd"))
        t.session.close(1011, "Internal error encountered.")
        assert (await answered).startswith("You said")
        assert len(t.sim.sessions) == 2
        await t.until(
            lambda: [type(h) for h in t.heard if isinstance(h, c.STTLost | c.STTRestored)][-1:] == [c.STTRestored]
        )


async def test_a_reply_whose_connection_breaks_in_its_middle_is_lost() -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        t.sim.faults.append("drop")
        t.speaks()
        with pytest.raises(VendorLost, match="middle of a reply"):
            await said(t.line.answer((), spoken=True))
        await t.until(lambda: len(t.sim.sessions) == 2 and t.line._live)
        t.speaks()
        assert await said(t.line.answer((), spoken=True)) == "You said and the second."


@pytest.mark.parametrize("how", ["refuse_handle", "forgotten"])
async def test_a_handle_that_is_refused_gives_a_fresh_session_with_the_conversation(how: str) -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        t.speaks()
        await said(t.line.answer((), spoken=True))
        await t.until(lambda: t.line._handle)
        t.items.extend(ITEMS)
        if how == "forgotten":
            t.sim.forget_handles = True
        else:
            t.sim.faults.append("refuse_handle")
        going = asyncio.create_task(t.session.go_away())
        await t.until(lambda: len(t.sim.sessions) == 3 and t.line._live)
        await t.until(lambda: len(t.session.turns) == 2)
        assert [(turn.role, turn.text) for turn in t.session.turns] == [
            ("user", "what time is it"),
            ("model", "It is nine."),
        ]
        assert not [h for h in t.heard if isinstance(h, c.STTLost)]
        t.speaks()
        assert await said(t.line.answer((), spoken=True)) == "You said and the second."
        going.cancel()


async def test_a_session_that_is_closed_for_its_content_is_not_gone_on_with() -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        t.speaks()
        await said(t.line.answer((), spoken=True))
        await t.until(lambda: t.line._handle)
        t.session.close(1008, "Operation is not implemented")
        await t.until(lambda: len(t.sim.sessions) == 2 and t.line._live)
        assert not t.session.resumed


@pytest.mark.parametrize(
    ("fault", "advice"),
    [("401", KEY_ADVICE), ("404", "Check the address"), ("1007", "Check the model's"), ("1008", "Check the model's")],
)
async def test_a_refused_session_says_why_and_is_not_tried_again(fault: str, advice: str) -> None:
    sim = live_simulator()
    sim.faults.append(fault)  # type: ignore[arg-type]
    async with live_talk(sim) as t:
        await t.until(lambda: t.refused)
        assert t.refused is not None
        assert t.refused.advice.startswith(advice)
        assert KEY not in str(t.refused)
        with pytest.raises(type(t.refused)):
            await said(t.line.say("Hello."))
        assert len(sim.sessions) == 1
        assert not t.line.connected


@pytest.mark.parametrize("fault", ["500", "1011"])
async def test_a_server_that_fails_is_called_again(fault: str) -> None:
    sim = live_simulator()
    sim.faults.append(fault)  # type: ignore[arg-type]
    async with live_talk(sim) as t:
        assert await said(t.line.say("Good morning to you.")) == "Good morning to you."
        assert len(sim.sessions) == 2


async def test_what_is_no_message_ends_the_connection_and_no_call() -> None:
    async with live_talk(live_simulator()) as t:
        await t.up()
        t.sim.faults.append("garbage")
        t.speaks()
        with pytest.raises(VendorLost):
            await said(t.line.answer((), spoken=True))
        t.speaks()
        assert "You said" in await said(t.line.answer((), spoken=True))
        assert t.failed is None


async def test_a_connection_that_is_never_told_to_go_is_left_before_its_58_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[bool] = []
    timers: list[float] = []
    quiet = False
    renewal = LiveRenewal(lambda: quiet, lambda: left.append(True))
    monkeypatch.setattr(renewal, "_after", lambda seconds, _: timers.append(seconds))
    renewal.began()
    assert timers == [LIFE_S]
    assert LIFE_S < 58 * 60
    renewal._old()
    assert sum(timers) < 58 * 60
    assert not left
    quiet = True
    renewal.look()
    assert left == [True]


@pytest.mark.parametrize(("left", "most"), [("57.5s", 56), ("0.2s", 0.2), (None, 0), ("soon", 0), ("-3s", 0)])
async def test_the_time_that_is_left_is_kept_whatever_it_is(
    left: str | None, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    timers: list[float] = []
    renewal = LiveRenewal(lambda: False, lambda: None)
    monkeypatch.setattr(renewal, "_after", lambda seconds, _: timers.append(seconds))
    renewal.go_away(left)
    assert 0 <= timers[0] <= most


async def test_silence_costs_no_memory_and_a_long_break_keeps_the_turn() -> None:
    sim = live_simulator()
    async with live_talk(sim) as t:
        await t.up()
        t.says(np.zeros(16_000 * 30, np.int16))
        assert t.line._out._backlog.end - t.line._out._backlog._first <= 16_000 * 3.2
