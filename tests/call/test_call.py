"""A whole call with a client that plays: hold, resume, cut, and what is known afterwards."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from bargein import floor as f
from bargein import notices as n
from bargein import protocols as c
from bargein.agent import Agent, Greeting
from bargein.call.call import Call
from bargein.call.runtime import Runtime
from bargein.call.ticker import Ticker
from bargein.clock import ManualClock
from bargein.errors import UsageError
from tests.call.kit import RATE, WORD_MS, FakeClient, Notes, Scene, ScriptedLLM, ScriptedSTT, ToneTTS, scene
from tests.call.scripted_vad import ScriptedVAD

STORY = "once there was a fox who lived by a river and sang to the moon every night of the year"


def whole(reply_words: int) -> list[int]:
    """What a reply sounds like from its first sample to its last."""
    return list(np.repeat(np.arange(1, reply_words + 1), WORD_MS * RATE // 1000))


async def story(s: Scene, words: int = 4) -> None:
    """The greeting, which is a story, has sounded for some words."""
    await s.until(lambda: s.words(1) >= words)


async def test_the_greeting_is_heard_to_the_last_sample() -> None:
    async with scene(greeting=STORY) as s:
        await s.until(lambda: s.state == "idle")
        assert s.client.heard[1] == whole(20)
        assert s.call.conversation.items == [c.AgentSaid(1, STORY)]


async def test_a_cough_costs_nothing_no_sample_lost_none_twice() -> None:
    async with scene(greeting=STORY) as s:
        await story(s)
        await s.pass_ms(96, speech=0.9)
        assert s.state == "barge_in"
        silent_at = len(s.client.heard[1])
        await s.pass_ms(128)
        assert len(s.client.heard[1]) == silent_at, "nothing sounds in a hold"
        await s.until(lambda: s.state == "idle")
        assert s.client.heard[1] == whole(20)
        assert [type(a).__name__ for a in s.notes.actions if isinstance(a, f.Hold | f.Resume | f.Cut)] == [
            "Hold",
            "Resume",
        ]


async def test_an_interruption_is_silent_at_once_and_the_context_holds_just_what_was_heard() -> None:
    llm = ScriptedLLM("what would you like")
    async with scene(greeting=STORY, llm=llm, stt=ScriptedSTT(None, "tell me about owls")) as s:
        await story(s, 4)
        await s.pass_ms(704, speech=0.9)
        assert s.state == "listening"
        heard = len(s.client.heard[1])
        await s.until(lambda: bool(s.llm.prompts))
        words = heard // (WORD_MS * RATE // 1000)
        said, user = llm.prompts[0].items
        assert said == c.AgentSaid(
            1, " ".join(STORY.split()[:words]), " ".join(STORY.split()[words:]), "cut", exact=True
        )
        assert isinstance(user, c.UserSaid)
        assert user.text == "tell me about owls"
        assert user.over is not None
        assert user.over.reply == 1
        assert user.over.text == " ".join(STORY.split()[: len(user.over.text.split())])
        await s.until(lambda: s.state == "idle")
        assert s.client.order == [1, 2]
        assert len(s.client.heard[1]) == heard


async def test_the_client_learns_what_was_cleared_and_why_in_this_order_once() -> None:
    async with scene(greeting=STORY) as s:
        await story(s)
        await s.pass_ms(640, speech=0.9)
        notices = [
            x for x in s.client.notices if isinstance(x, n.AudioInterrupted | n.BargeInHappened | n.TtsInterrupted)
        ]
        assert [type(x).__name__ for x in notices] == ["AudioInterrupted", "BargeInHappened", "TtsInterrupted"]
        cut = notices[0]
        assert isinstance(cut, n.AudioInterrupted)
        assert cut.cleared_chunks > 0
        assert cut.heard_ms == len(s.client.heard[1]) * 1000 / RATE
        assert cut.heard_text == " ".join(STORY.split()[: int(cut.heard_ms // WORD_MS)])


async def test_without_a_word_of_the_client_the_cut_goes_by_our_own_count_and_says_so() -> None:
    async with scene(greeting=STORY, acks=False) as s:
        await story(s)
        s.call.interrupt()
        await s.settle()
        said = s.call.conversation.items[0]
        assert isinstance(said, c.AgentSaid)
        assert not said.exact
        assert abs(len(said.text.split()) - s.words(1)) <= 1


async def test_a_telephone_that_cannot_pause_is_cleared_and_sent_the_rest_again() -> None:
    async with scene(greeting=STORY, can_pause=False, reports=False) as s:
        await story(s)
        await s.pass_ms(96, speech=0.9)
        assert s.state == "barge_in"
        assert s.client.buffer == []
        await s.until(lambda: s.state == "idle")
        assert s.client.heard[1] == whole(20)


async def test_a_protected_beginning_is_not_held_and_the_words_over_it_are_answered() -> None:
    greeting = Greeting(protected="this call is recorded for training", text=STORY)
    async with scene(greeting=greeting, stt=ScriptedSTT("i do not", "i do not want that", "i do not want that")) as s:
        await s.until(lambda: s.words(1) >= 2)
        await s.pass_ms(256, speech=0.9)
        assert s.state == "speaking"
        assert s.call.floor.reply.protected
        await s.until(lambda: not s.call.floor.reply.protected)
        await s.until(lambda: bool(s.llm.prompts))
        assert any(isinstance(i, c.UserSaid) for i in s.llm.prompts[0].items)


async def test_a_whole_protected_reply_is_finished_and_then_the_user_is_answered() -> None:
    async with scene(stt=ScriptedSTT("what is", "what is it", "what is it")) as s:
        s.call.say("this must be said to its end", interruptible=False)
        await s.until(lambda: s.words(1) >= 2)
        await s.pass_ms(480, speech=0.9)
        await s.until(lambda: bool(s.llm.prompts))
        assert s.client.heard[1] == whole(7)
        assert isinstance(s.llm.prompts[0].items[-1], c.UserSaid)


async def test_a_backchannel_enters_as_such_with_what_it_was_said_over() -> None:
    async with scene(greeting=STORY, stt=ScriptedSTT("Mm-hmm.")) as s:
        await story(s)
        await s.pass_ms(224, speech=0.9)
        await s.until(lambda: s.state == "idle")
        assert s.client.heard[1] == whole(20)
        hums = [i for i in s.call.conversation.items if isinstance(i, c.UserBackchannel)]
        assert len(hums) == 1
        assert hums[0].text == "Mm-hmm."
        assert hums[0].over is not None
        assert STORY.startswith(hums[0].over.text)


async def test_going_on_while_the_agent_thinks_merges_the_turns() -> None:
    pause = asyncio.Event()
    llm = ScriptedLLM("never heard", "both", pause=pause)
    async with scene(llm=llm, stt=ScriptedSTT("first half", None, "first half and second half")) as s:
        await s.pass_ms(480, speech=0.9)
        await s.until(lambda: len(llm.prompts) == 1 and s.state == "thinking")
        await s.pass_ms(800, speech=0.9)
        pause.set()
        await s.until(lambda: len(llm.prompts) == 2)
        users = [i for i in llm.prompts[1].items if isinstance(i, c.UserSaid)]
        assert [(u.turn, u.text) for u in users] == [(1, "first half and second half")]
        await s.until(lambda: s.state == "idle")
        assert s.client.order == [2]
        assert llm.closed == 2


async def test_two_quick_interruptions_are_one() -> None:
    async with scene(greeting=STORY) as s:
        await story(s)
        assert s.call.interrupt()
        assert not s.call.interrupt()
        assert len([x for x in s.client.notices if isinstance(x, n.AudioInterrupted)]) == 1


async def test_interrupting_an_idle_agent_is_harmless() -> None:
    async with scene() as s:
        assert not s.call.interrupt()
        assert s.state == "idle"


async def test_a_tts_that_fails_in_the_middle_is_heard_as_far_as_it_came_and_the_user_is_asked_again() -> None:
    tts = ToneTTS(fail_after=3)
    async with scene("one two three four five", tts=tts) as s:
        s.client.inbox.put_nowait(c.Typed("hello"))
        await s.settle()
        await s.until(lambda: any(isinstance(x, n.Problem) for x in s.client.notices))
        tts.fail_after = None
        await s.until(lambda: s.client.order == [1, 2] and s.state == "idle")
        user, lost, again = s.call.conversation.items
        assert user == c.UserSaid(1, "hello")
        assert isinstance(lost, c.AgentSaid)
        assert (lost.text, lost.ended) == ("one two three", "failed")
        assert isinstance(again, c.AgentSaid)
        assert again.text.startswith("Sorry")


async def test_typed_words_interrupt_and_are_answered() -> None:
    async with scene("typed answer", greeting=STORY) as s:
        await story(s)
        s.client.inbox.put_nowait(c.Typed("what time is it"))
        await s.settle()
        await s.until(lambda: s.state == "idle")
        assert s.client.order == [1, 2]
        assert [i.text for i in s.call.conversation.items if isinstance(i, c.UserSaid)] == ["what time is it"]


async def test_what_was_said_is_read_with_its_pre_roll() -> None:
    stt = ScriptedSTT("hello there")
    async with scene("fine", stt=stt) as s:
        await s.pass_ms(640)
        await s.pass_ms(320, speech=0.9)
        await s.until(lambda: bool(stt.got))
        samples = stt.got[0].samples
        quiet = int(np.argmax(samples > 0)) / 16
        assert quiet >= 150, "first syllables need sound before them"
        assert int(np.count_nonzero(samples)) == 320 * 16, "and none of the speech may be missing"


async def test_a_turn_without_words_is_closed_with_a_reason() -> None:
    async with scene(stt=ScriptedSTT("", "", "")) as s:
        await s.pass_ms(320, speech=0.9)
        await s.until(lambda: s.state == "idle")
        assert s.client.order == []
        assert any(isinstance(a, f.CloseTurn) and a.why for a in s.notes.actions)


async def test_a_client_that_takes_no_audio_makes_the_tts_wait_and_nothing_is_lost() -> None:
    async with scene(greeting=STORY) as s:
        await story(s, 2)
        s.client.full = True
        await s.pass_ms(960)
        s.client.full = False
        await s.until(lambda: s.state == "idle")
        assert s.client.heard[1] == whole(20)


async def test_a_client_that_never_says_finished_does_not_hold_the_floor() -> None:
    class Mute(FakeClient):
        def play(self, ms: float) -> None:
            super().play(ms)
            while not self.inbox.empty():
                self.inbox.get_nowait()

    async with scene(greeting="just three words") as s:
        s.client.__class__ = Mute
        await s.until(lambda: s.state == "idle", within_ms=6000)


async def test_estimated_words_are_marked_as_such() -> None:
    async with scene(greeting=STORY, tts=ToneTTS(timed=False)) as s:
        await story(s)
        s.call.interrupt()
        await s.settle()
        said = s.call.conversation.items[0]
        assert isinstance(said, c.AgentSaid)
        assert not said.exact
        assert said.text


async def test_the_record_holds_every_event_and_decides_the_same_again() -> None:
    async with scene(greeting=STORY, stt=ScriptedSTT(None, "tell me more")) as s:
        await story(s)
        await s.pass_ms(640, speech=0.9)
        await s.until(lambda: s.state == "idle")
        events, actions = list(s.notes.events), list(s.notes.actions)
    again = f.Floor(f.Policy.balanced())
    assert [a for e in events for a in again.handle(e)] == actions


# ------------------------------------------------------------------------------------------------- the call's own


async def test_an_event_that_is_fed_while_another_is_handled_comes_after_all_actions_of_that() -> None:
    async with scene(greeting="hello there") as s:
        await s.until(lambda: s.words(1) >= 1)
        seen: list[str] = []
        notes = s.notes

        class Order:
            def event(self, event: f.Event) -> None:
                seen.append(type(event).__name__)
                notes.event(event)

            def action(self, at_ms: float, action: f.Action) -> None:
                seen.append(type(action).__name__)

            def note(self, at_ms: float, kind: str, **facts: object) -> None: ...

            def close(self) -> None: ...

        def on_notice(notice: n.Notice) -> None:
            # A watcher that acts at once, in the middle of the actions of a cut.
            if isinstance(notice, n.AudioInterrupted):
                s.call.feed(f.SayRequested(s.call.now_ms()))
                s.call.feed(f.Judged(0.0, interrupts=False, confidence=1.0, why="late"))

        s.call._journal = Order()
        s.call._watch = on_notice
        s.call.feed(f.UserTyped(s.call.now_ms()))
        s.call._journal = notes
        assert seen[0] == "UserTyped"
        assert seen.index("SayRequested") > seen.index("Answer") > seen.index("Cut")
        assert seen.index("Judged") == len(seen) - 1


async def test_an_action_that_fails_loses_no_event_that_was_fed_meanwhile() -> None:
    async with scene() as s:
        runner = s.call._action_runner

        class Failing:
            def run(self, action: f.Action, now_ms: float) -> None:
                s.call.feed(f.KeyPressed(s.call.now_ms(), "2"))
                raise RuntimeError("a fault of ours")

        s.call._action_runner = Failing()  # type: ignore[assignment]
        with pytest.raises(RuntimeError):
            s.call.feed(f.KeyPressed(s.call.now_ms(), "1"))
        s.call._action_runner = runner
        s.call.feed(f.KeyPressed(s.call.now_ms(), "3"))
        assert [e.key for e in s.notes.events if isinstance(e, f.KeyPressed)] == ["1", "2", "3"]


async def test_a_call_that_breaks_says_so_and_ends() -> None:
    async with scene(greeting=STORY) as s:
        await story(s, 1)

        def broken(now_ms: float) -> None:
            raise RuntimeError("a fault of ours")

        s.call._progress.tick = broken  # type: ignore[method-assign]
        s.ticker.tick(s.clock.now_ms())
        assert s.call.over == "an error of ours"
        assert any(isinstance(x, n.Problem) and x.code == "internal" and x.fatal for x in s.client.notices)


async def test_a_rule_that_wakes_itself_for_ever_does_not_hang_the_process(caplog: pytest.LogCaptureFixture) -> None:
    async with scene() as s:
        s.call.feed = lambda event: None  # type: ignore[method-assign]
        s.call._due_ms = 0.0
        s.call._tick(s.clock.now_ms() + 20)
        assert "does not move on" in caplog.text
        del s.call.feed


async def test_an_operator_can_say_something_and_hang_up() -> None:
    async with scene() as s:
        s.call.say("we close in five minutes")
        await s.until(lambda: s.state == "idle" and s.words(1) == 5)
        with pytest.raises(UsageError, match="cannot be transferred"):
            await s.call.transfer("+4930123456")
        s.call.hang_up("the operator hung up")
        await s.settle()
        assert s.client.closed == "the operator hung up"
        assert s.notes.notes[-1] == ("bye", {"reason": "the operator hung up"})


async def test_a_call_that_does_not_run_cannot_speak() -> None:
    clock = ManualClock()
    notes = Notes()
    agent = Agent(name="a", llm=ScriptedLLM(), tts=ToneTTS())
    runtime = Runtime(clock, Ticker(clock), ScriptedVAD(), notes)
    call = Call(call_id="c1", agent=agent, transport=FakeClient(clock), runtime=runtime, journal=notes)
    with pytest.raises(UsageError, match="does not run"):
        call.say("hello")
