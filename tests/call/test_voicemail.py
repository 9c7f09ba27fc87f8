"""A call of ours that a voicemail picks up: how it is told from a person, and what is left on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bargein import protocols as c
from bargein.agent import Agent, MachineFound, Message, Voicemail
from bargein.call.input.mailbox_words import mailbox_phrase
from bargein.errors import UsageError
from bargein.protocols import AudioIn
from tests.call.kit import SOON, Scene, ScriptedLLM, ScriptedSTT, ToneTTS, scene

OUTBOUND = {"direction": "outbound"}
LEFT = "Hello Anna this is the hotel please call us back"
LATER = Message(LEFT)


async def beep(s: Scene, ms: int = 320, hz: float = 1000.0) -> None:
    """A tone in the far end's audio, which the scripted VAD takes for no speech."""
    samples = (np.sin(np.arange(16 * ms) * 2 * np.pi * hz / 16_000) * 3000).astype(np.int16)
    for at in range(0, len(samples) - 511, 512):
        window = samples[at : at + 512].copy()
        window[511] = 0
        s.client.inbox.put_nowait(AudioIn(window, s.sample))
        s.sample += 512
        for _ in range(8):
            s.clock.advance(4)
            s.client.play(4)
            if s.clock.now_ms() % 20 < 4:
                s.ticker.tick(s.clock.now_ms())
                await s.settle()


def said(s: Scene) -> list[str]:
    return [item.text for item in s.call.conversation.items if isinstance(item, c.AgentSaid)]


def notes(s: Scene) -> list[dict[str, object]]:
    return [facts for kind, facts in s.notes.notes if kind == "machine"]


async def over(s: Scene, within_ms: float = 40_000) -> str:
    await s.until(lambda: s.call.over is not None, within_ms)
    return str(s.call.over)


async def test_a_message_is_left_after_the_beep_and_no_earlier() -> None:
    async with scene("Hello?", facts=OUTBOUND, voicemail=LATER) as s:
        await s.pass_ms(500)
        await s.pass_ms(7_000, speech=0.95)
        assert s.call.over is None
        await s.pass_ms(1_200)
        assert s.client.order == [], "nothing is said into the greeting, nor to it"
        await beep(s)
        assert await over(s) == "a machine: 6 s of speech at once"
        assert said(s) == [LEFT]
        assert s.llm.prompts == []
        assert notes(s) == [{"why": "a machine: 6 s of speech at once", "message": True, "spoken": "after the beep"}]
        assert ("machines", "greeting") in s.notes.causes


async def test_a_beep_alone_tells_a_voicemail_whose_greeting_is_short() -> None:
    async with scene("Yes?", facts=OUTBOUND, voicemail=LATER) as s:
        await s.pass_ms(1_280, speech=0.95)
        await s.pass_ms(200)
        await beep(s)
        assert await over(s) == "a machine: its beep was heard"
        assert said(s) == [LEFT]


@pytest.mark.parametrize(("ms", "hz"), [(128, 1400.0), (480, 440.0), (960, 850.0)])
async def test_beeps_of_every_length_and_pitch_are_found(ms: int, hz: float) -> None:
    async with scene("Yes?", facts=OUTBOUND, voicemail="hang_up") as s:
        await s.pass_ms(1_280, speech=0.95)
        await s.pass_ms(300)
        await beep(s, ms + 32, hz)
        await s.pass_ms(64)
        assert s.call.over == "a machine: its beep was heard"
        assert said(s) == []


async def test_a_mailbox_without_a_beep_gets_its_message_in_the_quiet() -> None:
    async with scene("Hello?", facts=OUTBOUND, voicemail=LATER) as s:
        await s.pass_ms(7_000, speech=0.95)
        await s.pass_ms(2_000)
        assert s.client.order == []
        await over(s)
        assert said(s) == [LEFT]
        assert notes(s)[0]["spoken"] == "no beep came"


async def test_words_of_a_mailbox_tell_it() -> None:
    stt = ScriptedSTT("hi please leave a message after the tone")
    async with scene("Hello?", stt=stt, facts=OUTBOUND, voicemail="hang_up") as s:
        await s.pass_ms(1_280, speech=0.95)
        assert await over(s) == "a machine: it said 'after the tone'"
        assert said(s) == []


async def test_a_greeting_in_sentences_is_told_by_its_cadence() -> None:
    async with scene(*["Hello?"] * 4, facts=OUTBOUND, voicemail="hang_up", policy=SOON) as s:
        for _ in range(4):
            await s.pass_ms(1_920, speech=0.95)
            await s.pass_ms(256)
        assert str(s.call.over).startswith("a machine: ")


@pytest.mark.parametrize("voicemail", [LATER, "hang_up", None])
async def test_a_person_who_says_hello_is_answered_as_in_every_call(voicemail: Voicemail | None) -> None:
    began: list[float] = []
    async with scene("Hello Anna", facts=OUTBOUND, voicemail=voicemail) as s:
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: bool(s.client.order))
        began.append(s.clock.now_ms() - 1_000_000)
        await s.until(lambda: s.state == "idle")
        await s.pass_ms(3_000)
        assert s.call.over is None
        assert said(s) == ["Hello Anna"]
        assert notes(s) == []
    assert began == [1344], "the same with a voicemail looked for, and without"


async def test_a_person_who_talks_long_after_hello_is_a_person() -> None:
    async with scene("Hello.", "Yes.", facts=OUTBOUND, voicemail="hang_up") as s:
        await s.pass_ms(640, speech=0.95)
        await s.pass_ms(3_000)
        await s.pass_ms(12_800, speech=0.95)
        await s.pass_ms(3_000)
        assert s.call.over is None


async def test_a_tone_of_the_line_before_any_word_is_no_voicemail() -> None:
    async with scene("Hello.", facts=OUTBOUND, voicemail="hang_up") as s:
        await beep(s, 960, 425.0)
        await s.pass_ms(640, speech=0.95)
        await s.pass_ms(3_000)
        assert s.call.over is None


async def test_an_inbound_call_is_not_looked_at() -> None:
    async with scene("Hello.", voicemail="hang_up") as s:
        await s.pass_ms(7_000, speech=0.95)
        await beep(s)
        await s.pass_ms(3_000)
        assert s.call.over is None


async def test_the_message_cannot_be_interrupted() -> None:
    async with scene("Yes?", facts=OUTBOUND, voicemail=LATER) as s:
        await s.pass_ms(1_280, speech=0.95)
        await beep(s)
        await s.until(lambda: bool(s.client.order))
        await s.pass_ms(1_280, speech=0.95)
        await over(s)
        assert said(s) == [LEFT]


async def test_the_agents_own_greeting_gives_way_to_the_message() -> None:
    greeting = " ".join(["hello"] * 30)
    async with scene("Yes?", greeting=greeting, facts=OUTBOUND, voicemail=LATER) as s:
        await s.pass_ms(7_000, speech=0.95)
        await s.pass_ms(600)
        await beep(s)
        await over(s)
        assert said(s)[-1] == LEFT


async def leave_words(found: MachineFound) -> str:
    return f"You said {found.words}"


def leave_none(_: MachineFound) -> None:
    return None


def leave_a_fault(_: MachineFound) -> str:
    raise RuntimeError


@pytest.mark.parametrize(
    ("voicemail", "left"),
    [(leave_words, ["You said leave a message"]), (leave_none, []), (leave_a_fault, [])],
    ids=["text", "nothing", "fault"],
)
async def test_an_agents_function_says_what_to_leave(voicemail: Any, left: list[str]) -> None:
    stt = ScriptedSTT("leave a message")
    async with scene("Hello?", stt=stt, facts=OUTBOUND, voicemail=voicemail, llm=ScriptedLLM("Hello?")) as s:
        await s.pass_ms(1_280, speech=0.95)
        await s.pass_ms(1_600)
        assert s.client.order == [], "the model's answer to the mailbox is not said"
        if s.call.over is None:
            await beep(s)
        await over(s)
        assert said(s) == left


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "hi who is this",
        "hallo hier ist anna",
        "I can take a message for him",
        "we are not available on sundays",
        "yes leave it to me",
        "",
    ],
)
def test_people_do_not_speak_as_mailboxes_do(text: str) -> None:
    assert mailbox_phrase(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "Hi, this is Bob. Please leave a message after the tone.",
        "Bitte hinterlassen Sie eine Nachricht nach dem Signalton!",
        "Laissez un message après le bip",
        "请在嘟声后留言",
    ],
)
def test_mailboxes_are_known_by_their_words(text: str) -> None:
    assert mailbox_phrase(text)


def test_a_voicemail_that_is_none_is_refused() -> None:
    wrong: Any = 7
    with pytest.raises(UsageError, match="voicemail"):
        Agent(llm=ScriptedLLM(), tts=ToneTTS(), voicemail=wrong)
