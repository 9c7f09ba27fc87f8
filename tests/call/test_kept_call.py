"""A connection is not a call: the call waits for its client, and goes on where the client was."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bargein import floor as f
from bargein import protocols as c
from bargein.agent import Greeting
from bargein.clock import Clock
from bargein.transports.kept import KeptTransport
from bargein.transports.telephone.transport import TelephoneTransport
from bargein.transports.telephone.twilio import TwilioDialect
from tests.call.kit import ScriptedLLM, ScriptedSTT
from tests.call.phone_kit import START, FakePhone, PhoneScene, phone_scene

BACK = "Sorry, we were cut off."
TEN = "One two three four five six seven eight nine ten."


@dataclass
class Kept:
    """A telephone call whose streams come and go."""

    scene: PhoneScene
    transport: KeptTransport

    def drop(self) -> None:
        """The network's socket breaks."""
        telephone = self.scene.phone.telephone
        assert telephone is not None
        telephone.gone("the connection is gone")

    def dial_in(self) -> FakePhone:
        """Another stream of the same call takes over."""
        clock = self.scene.clock
        phone = FakePhone(clock)
        phone.telephone = TelephoneTransport(phone, TwilioDialect(), clock)
        phone.telephone.incoming(json.dumps(START))
        self.scene.phone = phone
        self.transport.take_over(phone.telephone)
        return phone

    def said(self) -> list[tuple[str, str]]:
        """Every reply of the agent: what was heard of it, and how it ended."""
        return [(i.text, i.ended) for i in self.scene.call.conversation.items if isinstance(i, c.AgentSaid)]


@asynccontextmanager
async def kept_call(
    *texts: str,
    greeting: Greeting | str = "",
    keep_ms: float = 10_000,
    policy: f.Policy | None = None,
    stt: ScriptedSTT | None = None,
    llm: c.LLM | None = None,
) -> AsyncIterator[Kept]:
    made: list[KeptTransport] = []

    def keep(telephone: TelephoneTransport, clock: Clock) -> c.Transport:
        made.append(KeptTransport(telephone, clock, keep_ms))
        return made[0]

    scene = phone_scene(*texts, greeting=greeting, policy=policy, stt=stt, llm=llm, kept=keep)
    async with scene as s:
        yield Kept(s, made[0])


async def test_a_call_goes_on_over_a_second_stream_and_is_not_greeted_again() -> None:
    async with kept_call(greeting=TEN) as k:
        s = k.scene
        await s.pass_ms(700)  # three words
        k.drop()
        await s.pass_ms(2000)
        assert s.call.over is None
        assert s.state == "idle"
        assert k.said() == [("One two three", "cut")]
        k.dial_in()
        await s.until(lambda: len(k.said()) == 2 and k.said()[1][1] == "completed")
        assert k.said()[1] == (f"{BACK} four five six seven eight nine ten.", "completed")
        assert s.did() == ["Cut", "Reprompt"]


async def test_nothing_but_what_was_reported_counts_as_heard_however_late_the_loss_is_noticed() -> None:
    async with kept_call(greeting=TEN) as k:
        s = k.scene
        await s.pass_ms(700)
        s.phone.returns_marks = False  # the wire is dead, and the socket does not know it
        await s.pass_ms(900)
        k.drop()
        await s.settle()
        assert k.said() == [("One two three", "cut")]


async def test_a_client_that_does_not_come_back_ends_the_call() -> None:
    async with kept_call(greeting=TEN) as k:
        s = k.scene
        await s.pass_ms(700)
        k.drop()
        await s.pass_ms(9_900)
        assert s.call.over is None
        await s.pass_ms(200)
        assert s.call.over == "the connection is gone, and the client did not come back"


async def test_without_a_time_to_keep_it_the_call_ends_with_its_stream() -> None:
    async with kept_call(greeting=TEN, keep_ms=0) as k:
        k.drop()
        await k.scene.settle()
        assert k.scene.call.over == "the connection is gone"


async def test_a_caller_who_hangs_up_is_not_waited_for() -> None:
    async with kept_call(greeting=TEN) as k:
        s = k.scene
        await s.pass_ms(300)
        assert s.phone.telephone is not None
        s.phone.telephone.incoming(json.dumps({"event": "stop", "streamSid": "MZ1"}))
        await s.settle()
        assert s.call.over == "the caller hung up"


async def test_a_hang_up_by_this_side_ends_a_call_that_waits() -> None:
    async with kept_call(greeting=TEN) as k:
        await k.scene.pass_ms(300)
        k.drop()
        await k.scene.settle()
        k.scene.call.hang_up("the operator hung up")
        await k.scene.settle()
        assert k.transport.closed


async def test_a_turn_that_the_loss_broke_off_is_answered_when_the_caller_is_back() -> None:
    async with kept_call("Fine.", stt=ScriptedSTT("I would like a room", "I would like a room for two")) as k:
        s = k.scene
        await s.pass_ms(600)
        await s.pass_ms(900, speech=0.95)
        k.drop()
        await s.pass_ms(3000)
        assert s.llm.prompts == []
        assert s.state == "listening"
        k.dial_in()
        await s.until(lambda: len(s.llm.prompts) == 1)
        assert s.did() == []
        assert isinstance(s.llm.prompts[0].items[-1], c.UserSaid)


async def test_an_answer_that_never_sounded_is_made_again() -> None:
    pause = asyncio.Event()
    llm = ScriptedLLM("Fine.", "Fine again.", pause=pause)
    async with kept_call(llm=llm) as k:
        s = k.scene
        await s.pass_ms(600)
        s.phone.press("5")
        await s.until(lambda: len(llm.prompts) == 1)
        assert s.state == "thinking"
        k.drop()
        await s.pass_ms(1000)
        pause.set()
        k.dial_in()
        await s.until(lambda: k.said() == [("Fine again.", "completed")])
        assert [i.text for i in s.call.conversation.items if isinstance(i, c.UserSaid)] == ["5"]


async def test_a_second_stream_takes_over_while_the_first_lives() -> None:
    async with kept_call(greeting=TEN) as k:
        s = k.scene
        await s.pass_ms(700)
        first = s.phone
        second = k.dial_in()
        await s.until(lambda: len(k.said()) == 2 and k.said()[1][1] == "completed")
        assert first.telephone is not None
        before = len(first.got)
        await s.pass_ms(400)
        assert len(first.got) == before, "the old stream gets nothing more"
        assert any(m["event"] == "media" for m in second.got)
        assert k.said()[0] == ("One two three", "cut")


async def test_a_protected_beginning_that_was_not_heard_stays_protected() -> None:
    greeting = Greeting("How may I help?", protected="This call is recorded for training and quality.")
    async with kept_call(greeting=greeting) as k:
        s = k.scene
        await s.pass_ms(500)
        k.drop()
        await s.pass_ms(500)
        k.dial_in()
        await s.until(lambda: s.call.floor.reply.sounding)
        await s.pass_ms(640, speech=0.95)
        assert "Hold" not in s.did()
        await s.until(lambda: len(k.said()) == 2 and k.said()[1][1] != "sounding", 20_000)
        assert "recorded for training and quality." in k.said()[1][0]


async def test_what_an_operator_says_meanwhile_is_said_afterwards() -> None:
    async with kept_call(greeting="Hello there.") as k:
        s = k.scene
        await s.pass_ms(1500)
        k.drop()
        await s.pass_ms(200)
        s.call.say("The doctor is ready.")
        await s.pass_ms(400)
        k.dial_in()
        await s.until(lambda: len(k.said()) == 3 and k.said()[2][1] == "completed")
        assert [text for text, _ in k.said()] == ["Hello there.", BACK, "The doctor is ready."]


async def test_the_callers_audio_keeps_its_time_across_the_gap() -> None:
    async with kept_call("Fine.", greeting="Hi.") as k:
        s = k.scene
        await s.pass_ms(1000)
        k.drop()
        await s.pass_ms(3000)
        k.dial_in()
        await s.until(lambda: k.said()[-1] == (BACK, "completed"))
        await s.pass_ms(400)
        began = s.call.now_ms()
        await s.pass_ms(600, speech=0.95)
        onset = s.call.floor.turn.since_ms
        assert abs(onset - began) <= 60
        assert s.state == "listening"


async def test_a_call_that_is_lost_again_does_not_repeat_its_apology_twice() -> None:
    async with kept_call(greeting=TEN) as k:
        s = k.scene
        await s.pass_ms(700)
        for _ in range(2):
            k.drop()
            await s.pass_ms(300)
            k.dial_in()
            await s.until(lambda: s.call.floor.reply.sounding)
            await s.pass_ms(100)
        await s.until(lambda: k.said()[-1][1] == "completed")
        assert k.said()[-1][0] == f"{BACK} four five six seven eight nine ten."


async def test_words_that_a_loss_took_are_said_at_the_return_or_not_at_all() -> None:
    async with kept_call("Fine.", greeting=TEN) as k:
        s = k.scene
        await s.pass_ms(700)
        await s.pass_ms(600, speech=0.95)
        k.drop()
        await s.pass_ms(300)
        k.dial_in()
        await s.until(lambda: k.said()[-1] == ("Fine.", "completed"))
        await s.pass_ms(500)
        k.drop()
        await s.pass_ms(300)
        k.dial_in()
        await s.until(lambda: k.said()[-1] == (BACK, "completed"))
        assert "ten" not in " ".join(text for text, _ in k.said())


async def test_audio_of_a_stream_that_was_replaced_concerns_no_call() -> None:
    async with kept_call(greeting=TEN) as k:
        s = k.scene
        await s.pass_ms(700)
        first = s.phone
        k.dial_in()
        came = s.call._parts.user_audio._kept.end
        assert first.telephone is not None
        frame = base64.b64encode(b"\xff" * 160).decode()
        first.telephone.incoming(json.dumps({"event": "media", "streamSid": "MZ1", "media": {"payload": frame}}))
        assert s.call._parts.user_audio._kept.end == came
        await s.pass_ms(500)
        assert s.call.over is None
