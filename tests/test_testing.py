"""bargein.testing: what a stranger's test may rely on, and how it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import numpy as np
import pytest

from bargein import Agent, Greeting, Policy, UsageError, hang_up, tool, transfer_to
from bargein.call.output.playout import Cleared, Playout
from bargein.protocols import (
    AgentSaid,
    AudioOut,
    HangUp,
    Prompt,
    TextDelta,
    ToolCall,
    Transfer,
    UserBackchannel,
    UserSaid,
)
from bargein.testing import ScriptedBatchSTT, ScriptedLLM, ScriptedSTT, SimulatedClient, ToneTTS, call

GREETING = "Good evening, how may I help you on this fine day?"
Ears = ScriptedSTT | ScriptedBatchSTT | None


def agent(*replies: object, stt: Ears = None, **more: object) -> Agent:
    parts: dict[str, object] = {
        "stt": stt or ScriptedSTT(),
        "llm": ScriptedLLM(*replies),  # type: ignore[arg-type]  # what a test gives
        "tts": ToneTTS(),
        "greeting": GREETING,
    }
    return Agent(**(parts | more))  # type: ignore[arg-type]  # parts by name


# ------------------------------------------------------------------------------------------------- the promise


@pytest.mark.parametrize("preset", ["instant", "balanced", "patient"])
async def test_an_interruption_leaves_exactly_the_words_that_were_heard(preset: str) -> None:
    async with call(agent("Of course.", policy=Policy.named(preset))) as c:
        await c.agent_says("good evening")
        await c.user_says("wait, stop", over="how may")
        assert c.heard == "Good evening, how may"
        await c.agent_says("Of course")
        await c.agent_is_silent()
        assert c.messages[0] == AgentSaid(1, "Good evening, how may", "I help you on this fine day?", "cut")
        assert isinstance(c.messages[1], UserSaid)
        assert c.messages[1].text == "wait, stop"
        assert c.messages[1].over is not None
        assert c.messages[1].over.text.startswith("Good evening, how may")


@pytest.mark.parametrize("turns", [True, False])
async def test_a_client_that_sends_nothing_in_silence_is_interrupted_as_any_other(turns: bool) -> None:
    """One hold, one cut at the same word, and the whole sentence is answered."""
    told: list[list[str | None]] = []
    for quiet in ("passes", "sends_nothing"):
        answering = agent("Of course.", greeting=GREETING * 3, stt=ScriptedSTT(turns=turns))
        async with call(answering) as c:
            await c.agent_says("good evening")
            await getattr(c, quiet)(1_300)
            await c.user_says("wait, stop, I would like a room", over="this fine day")
            await c.agent_says("Of course")
            await getattr(c, quiet)(90_000)
            await c.agent_is_silent()
            said = [m.text for m in c.messages if isinstance(m, UserSaid)]
            assert said == ["wait, stop, I would like a room"]
            told.append([c.heard, *said, *(type(n).__name__ for n in c.client.notices)])
            assert c.over is None
    assert told[0] == told[1]


async def test_the_same_call_twice_is_the_same_to_the_millisecond() -> None:
    async def once() -> tuple[float, str]:
        async with call(agent("Of course.")) as c:
            await c.user_says("wait, stop", over="how may")
            await c.agent_is_silent()
            return c.now_ms, c.transcript

    assert await once() == await once()


async def test_a_backchannel_holds_resumes_and_is_kept_as_such() -> None:
    async with call(agent()) as c:
        await c.backchannel("mm-hmm", over="how may")
        await c.agent_says("fine day")
        await c.agent_is_silent()
        assert c.heard == GREETING
        assert [type(item) for item in c.messages] == [AgentSaid, UserBackchannel]


async def test_on_a_free_floor_the_user_waits_for_the_agent_and_is_answered() -> None:
    async with call(agent("Three rooms are free.", "You are welcome.")) as c:
        await c.user_says("How many rooms are free?")
        assert c.heard == GREETING
        await c.user_says("Thank you.")
        await c.agent_says("you are welcome")
        assert [item.text for item in c.messages if isinstance(item, UserSaid)] == [
            "How many rooms are free?",
            "Thank you.",
        ]
        assert c.messages[1] == UserSaid(1, "How many rooms are free?")


@pytest.mark.parametrize("ears", [ScriptedSTT(), ScriptedSTT(turns=False), ScriptedBatchSTT()])
async def test_words_come_as_the_agents_own_kind_of_stt_tells_them(ears: Ears) -> None:
    asked = agent("Yes.", stt=ears, greeting="")
    async with call(asked) as c:
        await c.user_says("Is there a garden?")
        await c.agent_says("yes")
        assert c.messages[0] == UserSaid(1, "Is there a garden?")


async def test_an_agent_without_stt_reads_no_words_here_either() -> None:
    deaf = replace(agent("Pardon?", greeting=""), stt=None)
    async with call(deaf) as c:
        await c.user_says("Is there a garden?")
        await c.agent_says("pardon")
        assert c.messages[0] == UserSaid(1, None)


# ----------------------------------------------------------------------------------------- tools, keys, endings


async def test_the_agents_own_tools_run_also_those_that_run_in_a_thread() -> None:
    asked: list[str] = []

    @tool("read")
    def free_rooms(day: str) -> int:
        """How many rooms are free on a day."""
        time.sleep(0.05)
        asked.append(day)
        return 3

    use = [ToolCall("1", "free_rooms", '{"day": "Monday"}')]
    async with call(agent(use, "We have three.", tools=[free_rooms])) as c:
        await c.user_says("Any rooms on Monday?")
        await c.agent_says("we have three")
        (used,) = c.tools_used
        assert (used.tool, used.arguments, used.result) == ("free_rooms", '{"day": "Monday"}', "3")
        assert asked == ["Monday"]
        assert c.problems == ()


async def test_a_tool_that_waits_on_purpose_is_passed_by_and_can_be_interrupted() -> None:
    never = asyncio.Event()

    @tool("read")
    async def slow() -> str:
        """Waits."""
        await never.wait()
        return "late"

    replies = (["One moment, I will look that up for you now.", ToolCall("1", "slow", "{}")], "Never mind then.")
    async with call(agent(*replies, tools=[slow]), patience_s=0.0) as c:
        await c.user_says("Look it up.")
        await c.agent_says("one moment")
        await c.user_says("stop, leave that", over="look")
        await c.agent_says("never mind")
        assert c.tools_used[0].result != "late"


async def test_the_agent_hangs_up_once_its_goodbye_was_heard() -> None:
    async with call(agent(["Goodbye.", ToolCall("1", "hang_up", "{}")], tools=[hang_up])) as c:
        await c.user_says("That is all.")
        assert await c.ends() == "the conversation is over"
        assert c.heard == "Goodbye."


async def test_a_transfer_names_its_number() -> None:
    sales = transfer_to({"sales": "+4930123456"})
    replies = ["Connecting you.", ToolCall("1", "transfer", '{"to": "sales"}')]
    async with call(agent(replies, tools=[sales])) as c:
        await c.user_says("Sales, please.")
        await c.ends()
        assert c.control.transferred_to == "+4930123456"


@pytest.mark.parametrize("leave", [HangUp("done"), Transfer("+4930123456")])
async def test_an_llm_may_end_the_call_itself(leave: HangUp | Transfer) -> None:
    async with call(agent(["Bye.", leave])) as c:
        await c.user_says("Bye.")
        await c.ends()
        assert c.heard == "Bye."


async def test_a_key_interrupts_and_is_told_to_the_llm() -> None:
    async with call(agent("You pressed one.")) as c:
        await c.agent_says("good evening")
        await c.press("1")
        await c.agent_says("you pressed one")
        assert c.messages[1] == UserSaid(1, "1", c.messages[1].over)  # type: ignore[union-attr]


async def test_typed_words_are_answered() -> None:
    async with call(agent("Hello.", greeting="")) as c:
        await c.user_types("hi")
        await c.agent_says("hello")


async def test_the_user_hangs_up() -> None:
    async with call(agent()) as c:
        await c.agent_says("good")
        await c.hang_up()
        assert c.over == "the user hung up"


async def test_the_agents_own_llm_runs_for_real_and_sees_what_was_heard() -> None:
    seen: list[Prompt] = []

    class Parrot:
        name = "parrot"

        async def reply(self, prompt: Prompt) -> AsyncIterator[TextDelta]:
            seen.append(prompt)
            await asyncio.sleep(0.02)  # real time, in which moved time stands still
            yield TextDelta("You interrupted me.")

    async with call(agent(llm=Parrot())) as c:
        await c.user_says("wait, stop", over="how may")
        await c.agent_says("you interrupted me")
        assert seen[0].items[0] == AgentSaid(1, "Good evening, how may", "I help you on this fine day?", "cut")


# ------------------------------------------------------------------------------------------------- how it fails


async def test_a_failure_says_what_was_awaited_and_shows_the_transcript() -> None:
    async with call(agent()) as c:
        with pytest.raises(AssertionError) as failed:
            await c.agent_says("good morning", within_ms=1_000)
    text = str(failed.value)
    assert "waited 1 s for the agent to say 'good morning'" in text
    assert "agent: Good evening, how" in text
    assert "[sounding]" in text


async def test_words_are_awaited_in_their_order() -> None:
    async with call(agent()) as c:
        await c.agent_says("how may")
        with pytest.raises(AssertionError, match="to say 'good evening'"):
            await c.agent_says("good evening", within_ms=3_000)


async def test_the_last_word_leaves_nothing_to_speak_over() -> None:
    async with call(agent()) as c:
        with pytest.raises(AssertionError, match="nothing left to speak over"):
            await c.user_says("stop", over="fine day")


async def test_a_backchannel_that_cuts_is_a_failure() -> None:
    async with call(agent("Yes?")) as c:
        with pytest.raises(AssertionError, match="was to be a backchannel, and cut the agent"):
            await c.backchannel("stop that please", over="how may")


async def test_a_backchannel_over_a_protected_line_holds_nothing_and_says_so() -> None:
    async with call(agent("Yes.", greeting=Greeting("", protected=GREETING))) as c:
        with pytest.raises(AssertionError, match="was to hold the agent, and did not"):
            await c.backchannel("mm-hmm", over="how may")


async def test_a_call_that_ends_while_something_is_awaited_says_so() -> None:
    async with call(agent([HangUp("tired")])) as c:
        await c.user_says("hello")
        with pytest.raises(AssertionError, match=r"the call ended \(tired\) while waiting for the agent to say 'more'"):
            await c.agent_says("more")


async def test_an_llm_that_fails_is_a_problem_that_the_transcript_shows() -> None:
    async with call(agent()) as c:  # no reply is left
        await c.user_says("hello")
        await c.agent_says("Sorry")
        assert "ScriptedLLM was asked 1 times, and has no reply left" in c.transcript


async def test_a_realtime_model_needs_an_llm_in_its_place() -> None:
    class Model:
        name, turns, transcribes_user, rate = "model", True, True, 24_000

        def open(self, *_: object) -> None: ...

    spoken = Agent(realtime=Model(), greeting="Hello.")  # type: ignore[arg-type]  # its shape is enough
    with pytest.raises(UsageError, match="cannot run in a test"):
        async with call(spoken):
            pass
    async with call(spoken, llm=ScriptedLLM("Hi.")) as c:
        await c.user_says("hello")
        await c.agent_says("hi")


async def test_nonsense_from_the_test_itself_is_a_usage_error() -> None:
    async with call(agent()) as c:
        with pytest.raises(UsageError, match="says nothing"):
            await c.user_says(" ")
        with pytest.raises(UsageError, match="holds no word"):
            await c.agent_says("...")


# ------------------------------------------------------------------------------------------------ the strictness


def _deaf_to_hold(playout: Playout, now_ms: float) -> None:
    """A hold that changes nothing."""


def _plays_on(playout: Playout, now_ms: float) -> Cleared:
    """A cut that sends one more frame of the reply once the client was told."""
    track = playout.track
    assert track is not None
    frame = track.next_frame()
    assert frame is not None
    asyncio.get_running_loop().call_soon(playout._transport.send, frame)
    return Cleared(0, 0.0, track.position(now_ms))


@pytest.mark.parametrize(
    ("method", "broken", "says"),
    [("hold", _deaf_to_hold, "came during a hold"), ("cut", _plays_on, "came after it was cut")],
)
async def test_an_agent_that_plays_on_is_found_out(
    method: str, broken: Callable[..., object], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The promise is broken on purpose: the playout goes on as if the floor had decided nothing."""
    monkeypatch.setattr(Playout, method, broken)

    async def interrupted() -> None:
        async with call(agent("Yes.")) as c:
            await c.user_says("wait, stop", over="how may")
            await c.agent_is_silent()

    with pytest.raises(AssertionError, match=says):
        await interrupted()


def frame(reply: int, first: int, count: int, *, last: bool = False) -> AudioOut:
    return AudioOut(reply, 0, first, np.ones(count, np.int16), last)


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([frame(1, 0, 480), frame(1, 960, 480)], "a gap in reply 1"),
        ([frame(1, 0, 480), frame(1, 0, 480)], "a repeat in reply 1"),
        ([frame(1, 0, 480), frame(2, 0, 480), frame(1, 480, 480)], "reply 1 sounds again, after another"),
    ],
)
def test_a_client_sees_gaps_repeats_and_two_replies_at_once(frames: list[AudioOut], says: str) -> None:
    client = SimulatedClient()
    for each in frames:
        client.send(each)
        client.play(20)
    assert len(client.violations) == 1
    assert says in client.violations[0]


async def test_a_tone_tts_gives_back_its_text_with_a_time_for_every_word() -> None:
    async def text() -> AsyncIterator[str]:
        for piece in ("Wh", "ole  wor", "ds,\nand ", "their times"):
            yield piece

    chunks = [chunk async for chunk in ToneTTS().speak(text())]
    assert "".join(chunk.text for chunk in chunks) == "Whole  words,\nand their times"
    told = "".join(chunk.text for chunk in chunks)
    words = [word for chunk in chunks for word in chunk.words or ()]
    assert [told[word.begin : word.end] for word in words] == ["Whole", "words,", "and", "their", "times"]
    assert [word.start_ms for word in words] == [0, 200, 400, 600, 800]
    assert sum(len(chunk.pcm) for chunk in chunks) == 5 * 4800


async def test_a_user_whose_connection_breaks_finds_the_same_call_again() -> None:
    agent = Agent(llm=ScriptedLLM("Sure."), tts=ToneTTS(), greeting="one two three four")
    async with call(agent) as c:
        await c.agent_says("one two")
        await c.loses_connection()
        await c.passes(3000)
        assert c.state == "idle"
        await c.reconnects()
        await c.agent_says("sorry we were cut off")
        await c.user_says("a room please")
        await c.agent_says("sure")
        said = [item.text for item in c.messages if isinstance(item, AgentSaid)]
        assert said[0].startswith("one two")
        assert said[1].startswith("Sorry, we were cut off.")
        assert f"{said[0]} {said[1].removeprefix('Sorry, we were cut off.').strip()}" == "one two three four"


async def test_a_user_who_does_not_come_back_is_given_up() -> None:
    agent = Agent(llm=ScriptedLLM(), tts=ToneTTS(), greeting="one two three four")
    async with call(agent) as c:
        await c.agent_says("one two")
        await c.loses_connection()
        assert await c.ends() == "the connection is lost, and the client did not come back"
