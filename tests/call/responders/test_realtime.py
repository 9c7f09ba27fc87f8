"""A realtime model in a call: what it says, what it learns was heard, and its tools when the user speaks."""

from __future__ import annotations

import pytest

from bargein import notices as n
from bargein import protocols as c
from bargein.agent import Agent
from bargein.errors import UsageError, VendorLost
from tests.call.kit import Scene, ScriptedLLM, ScriptedSTT, ToneTTS, scene
from tests.call.scripted_realtime import ScriptedRealtime
from tests.call.scripted_tool import ScriptedTool

STORY = "once there was a fox who lived by a river and sang to the moon every night of the year"


async def ask(s: Scene, *, ms: float = 640) -> None:
    """The user speaks, and is silent until the agent answers."""
    await s.pass_ms(ms, speech=0.95)
    await s.pass_ms(960)


async def test_it_greets_in_its_own_voice_hears_the_user_and_answers_without_waiting_for_words() -> None:
    model = ScriptedRealtime("it is nine")
    async with scene(greeting="good morning", realtime=model) as s:
        await s.until(lambda: s.state == "idle")
        assert model.calls == [("say", "good morning")]
        await ask(s)
        assert [what[0] for what in model.calls[1:]] == ["turn_started", "answer"]
        model.recognize("progress", "what time is it", ago_ms=1_500)
        await s.until(lambda: s.state == "idle")
        said = [item.text for item in s.call.conversation.items if isinstance(item, c.UserSaid | c.AgentSaid)]
        assert said == ["good morning", "what time is it", "it is nine"]
    assert model.closed == 1


async def test_a_cut_tells_it_at_once_and_then_what_was_heard_to_the_sample() -> None:
    model = ScriptedRealtime(STORY, "yes")
    async with scene(realtime=model) as s:
        await ask(s)
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(960)
        await s.pass_ms(512, speech=0.95)
        assert model.responses[0].cuts >= 1
        await s.settle()
        heard = len(s.client.heard[1])
        assert model.responses[0].heard_ms == pytest.approx(heard / 24)
        assert model.responses[0].said is not None
        assert model.responses[0].said.text == " ".join(STORY.split()[: s.words(1)])
        assert model.responses[0].said.ended == "cut"


async def test_a_hold_and_its_resume_tell_it_nothing_but_that_there_was_no_turn() -> None:
    model = ScriptedRealtime(STORY)
    async with scene(realtime=model) as s:
        await ask(s)
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(640)
        before = len(model.calls)
        await s.pass_ms(96, speech=0.7)
        assert s.state == "barge_in"
        await s.until(lambda: s.state == "speaking")
        assert model.calls[before:] == [("dismiss", "")]
        assert model.responses[0].cuts == 0


async def test_a_backchannel_reaches_it_as_one() -> None:
    model = ScriptedRealtime(STORY)
    async with scene(realtime=model, stt=ScriptedSTT("mm-hmm", "mm-hmm")) as s:
        await ask(s)
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(640)
        await s.pass_ms(320, speech=0.9)
        await s.until(lambda: s.state == "speaking")
        assert ("dismiss", "mm-hmm") in model.calls
        assert any(isinstance(item, c.UserBackchannel) for item in s.call.conversation.items)


async def test_speech_before_its_first_sound_drops_the_answer_and_nothing_of_it_was_heard() -> None:
    model = ScriptedRealtime(STORY, "yes", waits=True)
    async with scene(realtime=model) as s:
        await ask(s)
        assert s.state == "thinking"
        await s.pass_ms(640, speech=0.95)
        assert s.state == "listening"
        assert model.responses[0].cuts >= 1
        assert model.responses[0].heard_ms == 0
        model.go.set()
        await s.until(lambda: s.state == "idle")
        answers = [what for what in model.calls if what[0] == "answer"]
        assert len(answers) == 2
        assert [item.text for item in s.call.conversation.items if isinstance(item, c.AgentSaid)] == ["yes"]


async def test_what_was_heard_of_the_cut_reply_reaches_it_before_the_next_answer_is_asked_for() -> None:
    model = ScriptedRealtime(STORY, "yes")
    async with scene(realtime=model) as s:
        await ask(s)
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(640)
        await ask(s)
        order = [what[0] for what in model.calls]
        assert order.index("truncate") < len(order) - 1 - order[::-1].index("answer")


async def test_typed_words_go_to_it_as_they_are() -> None:
    model = ScriptedRealtime("hello")
    async with scene(realtime=model) as s:
        s.client.inbox.put_nowait(c.Typed("what time is it"))
        await s.until(lambda: s.state == "idle" and bool(model.responses))
        assert ("answer", "what time is it", "typed") in model.calls
        assert s.call.conversation.items[0] == c.UserSaid(1, "what time is it")


async def test_a_sound_with_no_clear_speech_in_it_is_not_answered() -> None:
    model = ScriptedRealtime("hello")
    async with scene(realtime=model) as s:
        await s.pass_ms(320, speech=0.35)
        await s.pass_ms(1_600)
        assert not [what for what in model.calls if what[0] == "answer"]


async def test_words_that_come_late_stay_with_their_own_turn() -> None:
    model = ScriptedRealtime(STORY, "yes")
    async with scene(realtime=model) as s:
        await ask(s)
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(640)
        await s.pass_ms(640, speech=0.95)
        model.recognize("words", "and the second", turn=1, ago_ms=600)
        model.recognize("progress", "the first", turn=0, ago_ms=3_400)
        await s.pass_ms(960)
        texts = [item.text for item in s.call.conversation.items if isinstance(item, c.UserSaid)]
        assert texts == ["the first", "and the second"]


async def test_while_it_is_away_the_fallback_tts_says_so() -> None:
    model = ScriptedRealtime()
    async with scene(realtime=model, fallback_tts=ToneTTS()) as s:
        model.inbox.put_nowait(c.STTLost("it broke off", "Look at it"))
        model.connected = False
        model.error = VendorLost("it is gone", advice="Try again")
        await ask(s)
        await s.until(lambda: s.state == "speaking")
        assert [m.code for m in s.client.notices if isinstance(m, n.Problem)] == ["ears_lost", "model_lost"]
        await s.until(lambda: s.state == "idle")
        assert "Sorry" in next(i.text for i in s.call.conversation.items if isinstance(i, c.AgentSaid))


async def test_it_speaks_from_its_beginning_to_the_last_sample_that_sounds() -> None:
    model = ScriptedRealtime("one two", waits=True)
    async with scene(realtime=model) as s:
        await ask(s)
        assert not s.call.status().agent_speaking, "it was asked, and has not begun"
        model.go.set()
        await s.settle()
        assert s.call.status().agent_speaking
        await s.until(lambda: s.state == "idle")
        assert not s.call.status().agent_speaking


# ------------------------------------------------------------------------------------------------------ tools


async def test_a_lookup_is_not_disturbed_by_one_window_of_noise() -> None:
    lookup = ScriptedTool("lookup", "read", "sunny", waits=True)
    model = ScriptedRealtime("let me see !lookup | it is sunny")
    async with scene(realtime=model, tools=(lookup,)) as s:
        await ask(s)
        await s.until(lambda: bool(lookup.begun))
        await s.pass_ms(32, speech=0.9)
        assert s.state == "barge_in", "it is held"
        await s.pass_ms(640)
        assert lookup.cancelled == 0
        lookup.go.set()
        await s.until(lambda: s.state == "idle")
        assert lookup.done == 1
        assert ("tool_result", "lookup", "sunny", False) in model.calls
        (said,) = [item.text for item in s.call.conversation.items if isinstance(item, c.AgentSaid)]
        assert said == "let me see it is sunny"


async def test_a_lookup_goes_with_a_cut_and_the_model_learns_so() -> None:
    lookup = ScriptedTool("lookup", "read", "sunny", waits=True)
    model = ScriptedRealtime("let me see !lookup | it is sunny", "yes")
    async with scene(realtime=model, tools=(lookup,)) as s:
        await ask(s)
        await s.until(lambda: bool(lookup.begun))
        await s.pass_ms(640, speech=0.95)
        assert lookup.cancelled == 1
        (used,) = [what for what in model.calls if what[0] == "tool_result"]
        assert used[3], "an error: it was not done"


async def test_a_booking_is_never_lost_its_result_is_said_when_there_is_room() -> None:
    booking = ScriptedTool("book", "commit", "booked", waits=True)
    model = ScriptedRealtime("I book it !book", "yes", "it is booked")
    async with scene(realtime=model, tools=(booking,)) as s:
        await ask(s)
        await s.until(lambda: bool(booking.begun))
        await s.pass_ms(640, speech=0.95)
        assert booking.cancelled == 0
        assert ("tool_result", "book", None, False) in model.calls, "it still runs"
        await s.pass_ms(960)
        booking.go.set()
        await s.until(lambda: ("say_tool_results",) in model.calls)
        assert booking.done == 1
        assert ("tool_result", "book", "booked", False) in model.calls


async def test_a_booking_of_a_reply_that_was_cut_before_its_words_were_heard_does_not_run() -> None:
    booking = ScriptedTool("book", "commit", "booked")
    model = ScriptedRealtime(STORY + " !book", "yes")
    async with scene(realtime=model, tools=(booking,)) as s:
        await ask(s)
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(960)
        await ask(s)
        assert booking.begun == []
        assert [what[3] for what in model.calls if what[0] == "tool_result"] == [True]


async def test_a_model_that_calls_tools_for_ever_is_stopped() -> None:
    lookup = ScriptedTool("lookup", "read", "sunny")
    model = ScriptedRealtime("|".join(["let me see !lookup"] * 9))
    async with scene(realtime=model, tools=(lookup,)) as s:
        await ask(s)
        await s.until(lambda: s.state == "idle")
        assert lookup.done == 5
        assert len([what for what in model.calls if what[0] == "tool_result"]) == 5, "each call has its answer"


async def test_a_hang_up_called_by_a_reply_that_was_cut_does_not_happen() -> None:
    leave = ScriptedTool("hang_up", "terminal", c.HangUp("bye"))
    model = ScriptedRealtime("good bye to you all and thank you for the call !hang_up", "yes")
    async with scene(realtime=model, tools=(leave,)) as s:
        await ask(s)
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(640)
        await ask(s)
        await s.until(lambda: s.state == "idle")
        assert leave.begun == []
        assert s.call.over is None


async def test_a_hang_up_happens_when_all_of_the_reply_was_heard() -> None:
    leave = ScriptedTool("hang_up", "terminal", c.HangUp("bye"))
    async with scene(realtime=ScriptedRealtime("good bye !hang_up"), tools=(leave,)) as s:
        await ask(s)
        await s.until(lambda: s.call.over is not None)
        assert s.words(1) == 2


# ------------------------------------------------------------------------------------------------ configuration


def test_an_agent_has_either_a_realtime_model_or_an_llm_with_a_tts() -> None:
    model = ScriptedRealtime()
    assert Agent(name="a", realtime=model).llm_name == "scripted speech"
    for parts in (
        {},
        {"llm": ScriptedLLM()},
        {"realtime": model, "llm": ScriptedLLM()},
        {"realtime": model, "tts": ToneTTS()},
    ):
        with pytest.raises(UsageError):
            Agent(name="a", **parts)
