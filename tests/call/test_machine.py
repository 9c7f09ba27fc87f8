"""A machine that picks up is not talked to for ever, and no call lasts for ever."""

from __future__ import annotations

import numpy as np
import pytest

from bargein import protocols as c
from bargein.floor import Policy
from bargein.protocols import AudioIn
from tests.call.kit import SOON, ScriptedSTT, scene

HOLD_ON = "please hold the line your call is important to us"


def said(call_items: list[c.ConversationItem]) -> list[str]:
    return [i.text for i in call_items if isinstance(i, c.AgentSaid)]


async def turns(words: list[str], policy: Policy) -> tuple[str | None, list[str]]:
    """The caller says these, one turn each. Returns why the call is over, and what the agent has said."""
    async with scene(*["ok."] * len(words), stt=ScriptedSTT(*words), policy=policy) as s:
        for _ in words:
            if s.call.over is None:
                await s.pass_ms(640, speech=0.95)
                await s.pass_ms(1600)
        await s.pass_ms(4000)
        return s.call.over, said(s.call.conversation.items)


async def test_an_announcement_that_comes_again_and_again_ends_the_call_with_a_goodbye() -> None:
    over, heard = await turns([HOLD_ON] * 5, SOON.with_({"same_turns": 3}))
    assert over == "a machine: the same words came 3 times"
    assert heard == ["ok.", "ok.", "Sorry, I have to end this call now. Goodbye."]


@pytest.mark.parametrize(
    ("words", "same_turns"),
    [
        (["yes"] * 6, 3),  # people say that
        ([HOLD_ON, "a room for two please", HOLD_ON, HOLD_ON, "and the day after that"], 3),
        ([HOLD_ON] * 6, 0),
        ([HOLD_ON] * 6, None),
    ],
)
async def test_people_are_not_taken_for_machines(words: list[str], same_turns: int | None) -> None:
    over, _ = await turns(words, SOON.with_({"same_turns": same_turns}))
    assert over is None


async def test_a_voicemail_that_speaks_at_once_and_long_is_not_greeted_as_a_person() -> None:
    async with scene("Hello, is this a person?", policy=SOON.with_({"machine_ms": 5000})) as s:
        await s.pass_ms(1000)
        await s.pass_ms(6400, speech=0.95)
        await s.pass_ms(2000)
        assert s.call.over == "a machine: 5 s of speech at once"
        assert said(s.call.conversation.items) == []


async def test_a_person_who_says_hello_and_then_talks_for_long_is_a_person() -> None:
    async with scene("Hello.", "Yes.", policy=SOON.with_({"machine_ms": 5000})) as s:
        await s.pass_ms(640, speech=0.95)
        await s.pass_ms(3000)
        await s.pass_ms(6400, speech=0.95)
        await s.pass_ms(3000)
        assert s.call.over is None
        assert said(s.call.conversation.items) == ["Hello.", "Yes."]


@pytest.mark.parametrize("machine_ms", [20_000, None])
async def test_a_beep_tells_a_voicemail_where_machines_are_looked_for(machine_ms: float | None) -> None:
    async with scene("Hello.", policy=SOON.with_({"machine_ms": machine_ms})) as s:
        await s.pass_ms(1280, speech=0.95)
        beep = (np.sin(np.arange(512 * 10) * 2 * np.pi * 1000 / 16_000) * 500).astype(np.int16)
        beep[511::512] = 0  # the scripted VAD reads a window's last sample
        for at in range(0, len(beep), 512):
            s.client.inbox.put_nowait(AudioIn(beep[at : at + 512], s.sample))
            s.sample += 512
            s.clock.advance(32)
            await s.settle()
        await s.pass_ms(3000)
        assert s.call.over == ("a machine: its beep was heard" if machine_ms else None)


async def test_a_call_has_a_longest_length() -> None:
    async with scene(greeting="hello there", policy=SOON.with_({"max_call_ms": 60_000})) as s:
        await s.pass_ms(59_000)
        assert s.state == "idle"
        await s.pass_ms(6000)
        assert s.call.over == "the call has lasted 60000 ms"
        assert said(s.call.conversation.items)[-1] == "Sorry, I have to end this call now. Goodbye."


async def test_a_goodbye_that_cannot_be_said_ends_the_call_all_the_same() -> None:
    async with scene(greeting="hello there", policy=SOON.with_({"max_call_ms": 10_000})) as s:
        await s.pass_ms(5000)
        s.client.full = True  # nothing leaves
        await s.pass_ms(14_000)
        assert s.call.over == "the call has lasted 10000 ms"
