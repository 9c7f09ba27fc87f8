"""A client that does not play: what it heard is what it has reported, and no stale audio sounds later."""

from __future__ import annotations

from collections import deque

import pytest

from bargein import notices as n
from bargein import protocols as c
from bargein.agent import Agent, Greeting
from bargein.call.output.report_watch import AHEAD_MS, END_MS, FIRST_MS, LOST_MS, UNPLAYED_MS
from bargein.call.output.track import BEYOND_REPORT_MS
from bargein.testing import ScriptedLLM as QuietLLM
from bargein.testing import ToneTTS, call
from bargein.tools import hang_up
from tests.call.kit import RATE, WORD_MS, FakeClient, Scene, ScriptedLLM, ScriptedSTT, scene
from tests.call.phone_kit import FakePhone, phone_scene
from tests.call.scripted_realtime import ScriptedRealtime
from tests.call.scripted_tool import ScriptedTool

LONG = " ".join(f"word{k}" for k in range(60))  # 12 s
REPORT_MS = 100


class Suspended(FakeClient):
    """A page whose AudioContext was suspended: nothing sounds, nothing is reported, and all that comes is kept."""

    def play(self, ms: float) -> None:
        pass

    def notify(self, notice: n.Notice) -> None:
        before = self.inbox.qsize()
        super().notify(notice)
        while self.inbox.qsize() > before:
            self.inbox.get_nowait()  # no worklet answers


def suspend(s: Scene) -> None:
    s.client.__class__ = Suspended


def resume(s: Scene) -> None:
    s.client.__class__ = FakeClient


def said(s: Scene, reply: int = 1) -> c.AgentSaid:
    item = s.call.conversation.agent(reply)
    assert item is not None
    return item


async def plays(s: Scene, ms: float) -> None:
    await s.until(lambda: len(s.client.heard.get(1, [])) * 1000 / RATE >= ms)


# -------------------------------------------------------------------------------------------------- a suspended page


async def test_a_suspended_page_has_heard_what_it_reported_and_no_more() -> None:
    async with scene("fine", greeting=LONG) as s:
        await plays(s, 2_000)
        suspend(s)
        began = s.clock.now_ms()
        await s.until(lambda: s.state == "idle")
        assert s.clock.now_ms() - began <= UNPLAYED_MS + LOST_MS + 200
        heard = len(s.client.heard[1]) // (WORD_MS * RATE // 1000)
        item = said(s)
        assert heard - 1 <= len(item.text.split()) <= heard
        assert (item.ended, item.unheard.split()[-1]) == ("cut", "word59")
        assert f"{item.text} {item.unheard}" == LONG
        s.client.inbox.put_nowait(c.Typed("where were we"))
        await s.until(lambda: bool(s.llm.prompts))
        assert s.llm.prompts[0].items[0] == item


async def test_a_client_that_does_not_play_is_not_poured_full_and_is_empty_when_it_goes_on() -> None:
    async with scene(greeting=LONG) as s:
        await plays(s, 2_000)
        suspend(s)
        await s.until(lambda: s.state == "idle")
        assert s.client.most_ms <= AHEAD_MS + 2 * REPORT_MS
        heard = list(s.client.heard[1])
        resume(s)
        await s.pass_ms(3_000)
        assert s.client.heard[1] == heard, "stale speech sounds on a free floor"
        assert [
            type(x).__name__ for x in s.client.notices if isinstance(x, n.AudioInterrupted | n.BargeInHappened)
        ] == ["AudioInterrupted"]
        assert [x.code for x in s.client.notices if isinstance(x, n.Problem)] == ["not_played"]


async def test_a_page_that_goes_on_in_time_goes_on_from_where_it_was() -> None:
    async with scene(greeting=LONG) as s:
        for _ in range(4):
            await s.pass_ms(1_280)
            suspend(s)
            await s.pass_ms(2_560)
            resume(s)
        await s.until(lambda: s.state == "idle", 30_000)
        assert said(s) == c.AgentSaid(1, LONG)
        assert len(s.client.heard[1]) == 60 * WORD_MS * RATE // 1000
        assert s.client.most_ms <= AHEAD_MS + 2 * REPORT_MS, "short suspensions add up"


async def test_a_page_that_never_begins_to_play_has_heard_nothing() -> None:
    async with scene(greeting=LONG) as s:
        suspend(s)
        await s.until(lambda: s.state == "speaking")
        await s.until(lambda: s.state == "idle", UNPLAYED_MS + FIRST_MS)
        assert (said(s).text, said(s).unheard, said(s).ended) == ("", LONG, "cut")
        assert s.client.most_ms <= UNPLAYED_MS + FIRST_MS + 2 * REPORT_MS


async def test_a_page_that_is_suspended_near_the_end_has_not_heard_the_end() -> None:
    async with scene(greeting="one two three four five") as s:
        await plays(s, 450)
        suspend(s)
        await s.until(lambda: s.state == "idle", 1_000 + END_MS)
        assert (said(s).text, said(s).unheard, said(s).ended) == ("one two", "three four five", "cut")


async def test_nothing_that_waits_for_its_words_to_be_heard_happens_unheard() -> None:
    tool = ScriptedTool("book", "commit")
    async with scene(greeting=Greeting(text="and more", protected=" ".join(["legal"] * 10)), tools=(tool,)) as s:
        await plays(s, 300)
        suspend(s)
        await s.until(lambda: s.state == "idle")
        shown = [x.interruptible for x in s.client.notices if isinstance(x, n.ReplyBegins)]
        assert shown == [False], "a protected part that was not heard is not over"
    async with scene("six words before the booking is !book done", tools=(tool,)) as s:
        s.client.inbox.put_nowait(c.Typed("book it"))
        await plays(s, 300)
        suspend(s)
        await s.until(lambda: s.state == "idle")
        assert tool.begun == []


async def test_what_was_said_over_is_not_what_was_never_played() -> None:
    async with scene("fine", greeting=LONG, stt=ScriptedSTT(None, "hello", "hello")) as s:
        await plays(s, 1_000)
        suspend(s)
        await s.pass_ms(2_000)
        await s.pass_ms(700, speech=0.9)
        await s.until(lambda: bool(s.llm.prompts))
        agent, user = s.llm.prompts[0].items
        assert isinstance(agent, c.AgentSaid)
        assert isinstance(user, c.UserSaid)
        most = (1_000 + REPORT_MS + BEYOND_REPORT_MS) / WORD_MS + 1
        assert len(agent.text.split()) <= most
        assert user.over is not None
        assert int(user.over.text.split()[-1].removeprefix("word")) <= most


@pytest.mark.parametrize("late_ms", [300, 900, 1_300])
async def test_a_client_that_is_far_away_or_jitters_is_not_lost(late_ms: float) -> None:
    class Distant(FakeClient):
        """Its reports come late, and every tenth even later."""

        def play(self, ms: float) -> None:
            super().play(ms)
            waiting = self.__dict__.setdefault("waiting", deque())
            now = self.clock.now_ms()
            while not self.inbox.empty():
                item = self.inbox.get_nowait()
                late = 0.0 if isinstance(item, c.AudioIn) else late_ms + (len(waiting) % 10 == 9) * 400
                waiting.append((max(now + late, waiting[-1][0] if waiting else 0.0), item))
            while waiting and waiting[0][0] <= now:
                self.inbox.put_nowait(waiting.popleft()[1])

    async with scene(greeting=LONG) as s:
        s.client.__class__ = Distant
        await s.pass_ms(11_900)
        assert len(s.client.heard[1]) * 1000 / RATE >= 11_500, "it ran dry"
        await s.until(lambda: s.state == "idle")
        assert said(s) == c.AgentSaid(1, LONG)
        assert s.notes.counts.get("stalls", 0) == 0


# ------------------------------------------------------------------------------------------- reports that are not so


async def test_reports_that_lie_are_believed_no_further_than_what_was_sent_and_never_backwards() -> None:
    async with scene(greeting=LONG) as s:
        await plays(s, 2_000)
        suspend(s)
        for samples in (10**9, 60 * RATE, 480, 0):
            s.client.inbox.put_nowait(c.Played(1, samples, playing=True))
            s.client.inbox.put_nowait(c.Held(1, samples))
        for reply in (0, 7):
            s.client.inbox.put_nowait(c.Played(reply, 48_000, playing=True))
            s.client.inbox.put_nowait(c.Finished(reply, 48_000))
        s.client.inbox.put_nowait(c.Finished(1, 10**9))
        await s.until(lambda: s.state == "idle")
        assert 9 <= len(said(s).text.split()) <= 10
        s.client.inbox.put_nowait(c.Flushed(1, 10**9))
        s.client.inbox.put_nowait(c.Flushed(1, 0))
        await s.settle()
        sent = s.client.got[1] * 1000 / RATE / WORD_MS
        assert 9 <= len(said(s).text.split()) <= sent


async def test_a_client_that_has_finished_long_before_the_end_has_not_heard_the_end() -> None:
    async with scene(greeting=" ".join(LONG.split()[:10])) as s:
        await plays(s, 800)
        suspend(s)
        await s.pass_ms(1_200)
        s.client.inbox.put_nowait(c.Finished(1, 800 * RATE // 1000))
        await s.settle()
        assert (s.state, said(s).ended, len(said(s).text.split())) == ("idle", "cut", 4)


async def test_a_client_that_never_says_finished_and_reports_all_samples_has_heard_all() -> None:
    class Unfinished(FakeClient):
        def play(self, ms: float) -> None:
            super().play(ms)
            items = [self.inbox.get_nowait() for _ in range(self.inbox.qsize())]
            for item in items:
                if not isinstance(item, c.Finished):
                    self.inbox.put_nowait(item)

    async with scene(greeting="just three words") as s:
        s.client.__class__ = Unfinished
        await s.until(lambda: s.state == "idle", within_ms=1_000)
        assert said(s) == c.AgentSaid(1, "just three words")


async def test_a_client_that_cannot_report_is_heard_by_our_pace_which_is_not_exact() -> None:
    async with scene(greeting="just three words", can_pause=False, reports=False) as s:
        await s.until(lambda: s.state == "idle" and bool(s.call.conversation.items))
        assert said(s) == c.AgentSaid(1, "just three words", exact=False)


# ------------------------------------------------------------------------------------------ interrupts on a free floor


@pytest.mark.parametrize("by", ["button", "operator", "key", "typed"])
async def test_an_interrupt_on_a_free_floor_empties_a_client_that_may_hold_something(by: str) -> None:
    async with scene(greeting="just three words", can_pause=False, reports=False) as s:
        s.client.__class__ = Suspended
        await s.until(lambda: s.state == "idle" and bool(s.call.conversation.items))
        assert s.client.buffer
        match by:
            case "operator":
                assert s.call.interrupt()
            case "button":
                s.client.inbox.put_nowait(c.StopPressed())
            case "key":
                s.client.inbox.put_nowait(c.KeyPress("1"))
            case _:
                s.client.inbox.put_nowait(c.Typed("stop it"))
        await s.settle()
        assert not [frame for frame in s.client.buffer if frame[0] == 1]
        assert [x.reply_id for x in s.client.notices if isinstance(x, n.AudioInterrupted)] == [1]


async def test_a_client_that_has_said_that_it_is_empty_is_not_emptied() -> None:
    async with scene(greeting="just three words") as s:
        await s.until(lambda: s.state == "idle" and bool(s.call.conversation.items))
        assert not s.call.interrupt()
        assert not [x for x in s.client.notices if isinstance(x, n.AudioInterrupted)]


# --------------------------------------------------------------------------------------------- what follows a reply


async def test_a_goodbye_that_is_not_played_ends_the_call_all_the_same_and_within_a_bound() -> None:
    async with scene("goodbye then !hang_up", tools=(hang_up,)) as s:
        suspend(s)
        s.client.inbox.put_nowait(c.Typed("bye"))
        await s.until(lambda: s.call.over is not None, 6_000)
        assert s.call.over == "the agent hung up (the goodbye was not played)"


async def test_a_transfer_whose_words_were_not_heard_does_not_happen() -> None:
    tool = ScriptedTool("transfer", "terminal")
    async with scene("one moment please !transfer", tools=(tool,)) as s:
        suspend(s)
        s.client.inbox.put_nowait(c.Typed("a human"))
        await s.until(lambda: s.state == "speaking")
        await s.until(lambda: s.state == "idle")
        await s.pass_ms(200)
        assert (tool.begun, s.call.over) == ([], None)


async def test_what_waits_to_be_said_is_said_after_a_reply_that_was_not_played() -> None:
    async with scene(greeting=LONG) as s:
        await plays(s, 1_000)
        suspend(s)
        s.call.say("the office closes")
        await s.until(lambda: s.call.status().kind == "say")
        resume(s)
        await s.until(lambda: s.state == "idle")
        assert said(s, 2) == c.AgentSaid(2, "the office closes")
        assert s.client.order == [1, 2]


async def test_a_realtime_model_believes_no_more_of_its_reply_than_was_reported() -> None:
    model = ScriptedRealtime(LONG)
    async with scene(realtime=model) as s:
        s.client.inbox.put_nowait(c.Typed("go on"))
        await plays(s, 2_000)
        suspend(s)
        await s.until(lambda: s.state == "idle")
        await s.pass_ms(400)
        ms = next(call[1] for call in model.calls if call[0] == "truncate")
        assert isinstance(ms, int)
        assert 2_000 - REPORT_MS <= ms <= 2_000 + REPORT_MS
        assert model.responses[0].cuts == 1


# ------------------------------------------------------------------------------------------------------- telephones


class Stopped(FakePhone):
    """A telephone network that plays nothing more, and returns no mark."""

    def _sound(self, want: int) -> None:
        self.heard.extend([0] * want)

    def _marks(self) -> None:
        pass


async def test_a_telephone_network_that_stops_has_played_what_its_marks_say() -> None:
    async with phone_scene(greeting=LONG, way_ms=100) as s:
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(2_000)
        s.phone.__class__ = Stopped
        await s.until(lambda: s.state == "idle", 6_000)
        await s.pass_ms(300)
        item = s.call.conversation.items[0]
        assert isinstance(item, c.AgentSaid)
        ((_, heard),) = s.phone.sounded(1)
        words = heard * 1000 / 8000 / WORD_MS
        assert words - 2 <= len(item.text.split()) <= words + 1
        assert item.ended == "cut"
        assert [m["event"] for m in s.phone.got].count("clear") == 1
        left = [piece for piece in s.phone.line if not isinstance(piece, str)]
        assert left == [], "only marks are left when the network goes on, and nothing sounds"


async def test_a_telephone_that_never_returned_a_mark_is_heard_by_our_pace_and_can_be_emptied() -> None:
    async with phone_scene(greeting="one two three", marks=False) as s:
        await s.until(lambda: bool(s.call.conversation.items) and s.state == "idle")
        assert s.call.conversation.items == [c.AgentSaid(1, "one two three", exact=False)]
        s.call.interrupt()
        await s.pass_ms(40)
        assert [m["event"] for m in s.phone.got].count("clear") == 1


async def test_an_answer_is_made_for_the_next_turn_though_the_one_before_was_not_played() -> None:
    async with scene("first answer " * 20, "second", llm=ScriptedLLM("first answer " * 20, "second")) as s:
        suspend(s)
        s.client.inbox.put_nowait(c.Typed("one"))
        await s.until(lambda: s.state == "speaking")
        await s.until(lambda: s.state == "idle")
        resume(s)
        s.client.inbox.put_nowait(c.Typed("two"))
        await s.until(lambda: s.state == "speaking")
        await s.until(lambda: s.state == "idle")
        assert said(s, 2) == c.AgentSaid(2, "second")
        assert [type(i).__name__ for i in s.llm.prompts[1].items] == ["UserSaid", "AgentSaid", "UserSaid"]


async def test_an_agents_own_test_can_suspend_the_users_loudspeaker() -> None:
    agent = Agent(llm=QuietLLM(), tts=ToneTTS(), greeting=LONG)
    async with call(agent) as talk:
        await talk.agent_says("word5")
        talk.client.suspended = True
        await talk.agent_is_silent()
        assert talk.heard.split()[-1] in ("word4", "word5")
        talk.client.suspended = False
        await talk.passes(2_000)
        assert talk.heard.split()[-1] in ("word4", "word5")
        assert [problem.code for problem in talk.problems] == ["not_played"]
