"""A whole call against a far end that plays: hold, resume, cut, and what is known afterwards."""

from __future__ import annotations

import asyncio

import numpy as np

from bargein import floor as f
from bargein import notices as n
from bargein import protocols as c
from bargein.agent import Greeting
from tests.call.kit import RATE, WORD_MS, FarEnd, Mind, Reader, Scene, ToneVoice, scene

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
        assert s.far.heard[1] == whole(20)
        assert s.call.conversation.items == [c.AgentSaid(1, STORY)]


async def test_a_cough_costs_nothing_no_sample_lost_none_twice() -> None:
    async with scene(greeting=STORY) as s:
        await story(s)
        await s.pass_ms(96, speech=0.9)
        assert s.state == "barge_in"
        silent_at = len(s.far.heard[1])
        await s.pass_ms(128)
        assert len(s.far.heard[1]) == silent_at, "nothing sounds in a hold"
        await s.until(lambda: s.state == "idle")
        assert s.far.heard[1] == whole(20)
        assert [type(a).__name__ for a in s.notes.actions if isinstance(a, f.Hold | f.Resume | f.Cut)] == [
            "Hold",
            "Resume",
        ]


async def test_an_interruption_is_silent_at_once_and_the_context_holds_just_what_was_heard() -> None:
    mind = Mind("what would you like")
    async with scene(greeting=STORY, mind=mind, reader=Reader(None, "tell me about owls")) as s:
        await story(s, 4)
        await s.pass_ms(704, speech=0.9)
        assert s.state == "listening"
        heard = len(s.far.heard[1])
        await s.until(lambda: bool(s.mind.prompts))
        words = heard // (WORD_MS * RATE // 1000)
        said, user = mind.prompts[0].items
        assert said == c.AgentSaid(
            1, " ".join(STORY.split()[:words]), " ".join(STORY.split()[words:]), "cut", exact=True
        )
        assert isinstance(user, c.UserSaid)
        assert user.text == "tell me about owls"
        assert user.over is not None
        assert user.over.reply == 1
        assert user.over.text == " ".join(STORY.split()[: len(user.over.text.split())])
        await s.until(lambda: s.state == "idle")
        assert s.far.order == [1, 2]
        assert len(s.far.heard[1]) == heard


async def test_the_client_is_told_what_was_cleared_and_why_in_this_order_once() -> None:
    async with scene(greeting=STORY) as s:
        await story(s)
        await s.pass_ms(640, speech=0.9)
        told = [x for x in s.far.notices if isinstance(x, n.AudioInterrupted | n.BargeInHappened | n.TtsInterrupted)]
        assert [type(x).__name__ for x in told] == ["AudioInterrupted", "BargeInHappened", "TtsInterrupted"]
        cut = told[0]
        assert isinstance(cut, n.AudioInterrupted)
        assert cut.cleared_chunks > 0
        assert cut.heard_ms == len(s.far.heard[1]) * 1000 / RATE
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
        assert s.far.buffer == []
        await s.until(lambda: s.state == "idle")
        assert s.far.heard[1] == whole(20)


async def test_never_more_than_the_lead_is_in_the_clients_hand() -> None:
    async with scene(greeting=STORY) as s:
        await s.until(lambda: s.state == "idle")
        assert s.far.most_ms <= 140


async def test_a_protected_beginning_is_not_held_and_the_words_over_it_are_answered() -> None:
    greeting = Greeting(protected="this call is recorded for training", text=STORY)
    async with scene(greeting=greeting, reader=Reader("i do not", "i do not want that", "i do not want that")) as s:
        await s.until(lambda: s.words(1) >= 2)
        await s.pass_ms(256, speech=0.9)
        assert s.state == "speaking"
        assert s.call.floor.reply.protected
        await s.until(lambda: not s.call.floor.reply.protected)
        await s.until(lambda: bool(s.mind.prompts))
        assert any(isinstance(i, c.UserSaid) for i in s.mind.prompts[0].items)


async def test_a_whole_protected_reply_is_finished_and_then_the_user_is_answered() -> None:
    async with scene(reader=Reader("what is", "what is it", "what is it")) as s:
        s.call.say("this must be said to its end", interruptible=False)
        await s.until(lambda: s.words(1) >= 2)
        await s.pass_ms(480, speech=0.9)
        await s.until(lambda: bool(s.mind.prompts))
        assert s.far.heard[1] == whole(7)
        assert isinstance(s.mind.prompts[0].items[-1], c.UserSaid)


async def test_a_backchannel_enters_as_such_with_what_it_was_said_over() -> None:
    async with scene(greeting=STORY, reader=Reader("Mm-hmm.")) as s:
        await story(s)
        await s.pass_ms(224, speech=0.9)
        await s.until(lambda: s.state == "idle")
        assert s.far.heard[1] == whole(20)
        hums = [i for i in s.call.conversation.items if isinstance(i, c.UserBackchannel)]
        assert len(hums) == 1
        assert hums[0].text == "Mm-hmm."
        assert hums[0].over is not None
        assert STORY.startswith(hums[0].over.text)


async def test_going_on_while_the_agent_thinks_merges_the_turns() -> None:
    pause = asyncio.Event()
    mind = Mind("never heard", "both", pause=pause)
    async with scene(mind=mind, reader=Reader("first half", None, "first half and second half")) as s:
        await s.pass_ms(480, speech=0.9)
        await s.until(lambda: len(mind.prompts) == 1)
        assert s.state == "thinking"
        await s.pass_ms(800, speech=0.9)
        pause.set()
        await s.until(lambda: len(mind.prompts) == 2)
        users = [i for i in mind.prompts[1].items if isinstance(i, c.UserSaid)]
        assert [(u.turn, u.text) for u in users] == [(1, "first half and second half")]
        await s.until(lambda: s.state == "idle")
        assert s.far.order == [2]
        assert mind.closed == 2


async def test_the_agents_own_words_coming_back_are_no_interruption() -> None:
    async with scene(greeting=STORY, reader=Reader("there was a fox", "there was a fox")) as s:
        await story(s, 4)
        await s.pass_ms(480, speech=0.9)
        await s.until(lambda: s.state == "idle")
        assert s.far.heard[1] == whole(20)
        assert any(isinstance(e, f.Judged) for e in s.notes.events)


async def test_two_quick_interruptions_are_one() -> None:
    async with scene(greeting=STORY) as s:
        await story(s)
        assert s.call.interrupt()
        assert not s.call.interrupt()
        assert len([x for x in s.far.notices if isinstance(x, n.AudioInterrupted)]) == 1


async def test_interrupting_an_idle_agent_is_harmless() -> None:
    async with scene() as s:
        assert not s.call.interrupt()
        assert s.state == "idle"


async def test_a_voice_that_dies_in_the_middle_is_heard_as_far_as_it_came_and_the_user_is_asked_again() -> None:
    voice = ToneVoice(fail_after=3)
    async with scene("one two three four five", voice=voice) as s:
        s.far.inbox.put_nowait(c.Typed("hello"))
        await s.settle()
        await s.until(lambda: any(isinstance(x, n.Problem) for x in s.far.notices))
        voice.fail_after = None
        await s.until(lambda: s.far.order == [1, 2] and s.state == "idle")
        user, lost, again = s.call.conversation.items
        assert user == c.UserSaid(1, "hello")
        assert isinstance(lost, c.AgentSaid)
        assert (lost.text, lost.ended) == ("one two three", "failed")
        assert isinstance(again, c.AgentSaid)
        assert again.text.startswith("Sorry")


async def test_a_dead_voice_does_not_end_the_call() -> None:
    async with scene("a b c", voice=ToneVoice(silent=True)) as s:
        s.far.inbox.put_nowait(c.Typed("hello"))
        await s.settle()
        await s.until(lambda: s.state == "idle")
        assert [x.code for x in s.far.notices if isinstance(x, n.Problem)] == ["voice_lost", "voice_lost"]
        assert s.far.order == []


async def test_typed_words_interrupt_and_are_answered() -> None:
    async with scene("typed answer", greeting=STORY) as s:
        await story(s)
        s.far.inbox.put_nowait(c.Typed("what time is it"))
        await s.settle()
        await s.until(lambda: s.state == "idle")
        assert s.far.order == [1, 2]
        assert [i.text for i in s.call.conversation.items if isinstance(i, c.UserSaid)] == ["what time is it"]


async def test_what_was_said_is_read_with_its_pre_roll() -> None:
    reader = Reader("hello there")
    async with scene("fine", reader=reader) as s:
        await s.pass_ms(640)
        await s.pass_ms(320, speech=0.9)
        await s.until(lambda: bool(reader.heard))
        samples = reader.heard[0].samples
        quiet = int(np.argmax(samples > 0)) / 16
        assert quiet >= 150, "first syllables need sound before them"
        assert int(np.count_nonzero(samples)) == 320 * 16, "and none of the speech may be missing"


async def test_a_turn_without_words_is_closed_with_a_reason() -> None:
    async with scene(reader=Reader("", "", "")) as s:
        await s.pass_ms(320, speech=0.9)
        await s.until(lambda: s.state == "idle")
        assert s.far.order == []
        assert any(isinstance(a, f.CloseTurn) and a.why for a in s.notes.actions)


async def test_settings_change_the_policy_in_the_call_and_bad_ones_are_told() -> None:
    async with scene() as s:
        s.far.inbox.put_nowait(c.SettingsRequested("patient", {"confirm_ms": 450}))
        s.far.inbox.put_nowait(c.SettingsRequested(None, {"confirm_ms": -1}))
        await s.settle()
        assert s.call.floor.policy.preset == "patient"
        assert s.call.floor.policy.verdict.confirm_ms == 450
        assert [x.code for x in s.far.notices if isinstance(x, n.Problem)] == ["bad_settings"]


async def test_a_far_end_that_takes_no_audio_makes_the_voice_wait_and_nothing_is_lost() -> None:
    async with scene(greeting=STORY) as s:
        await story(s, 2)
        s.far.full = True
        await s.pass_ms(960)
        s.far.full = False
        await s.until(lambda: s.state == "idle")
        assert s.far.heard[1] == whole(20)


async def test_a_far_end_that_never_says_finished_does_not_hold_the_floor() -> None:
    class Mute(FarEnd):
        def play(self, ms: float) -> None:
            super().play(ms)
            while not self.inbox.empty():
                self.inbox.get_nowait()

    async with scene(greeting="just three words") as s:
        s.far.__class__ = Mute
        await s.until(lambda: s.state == "idle", within_ms=6000)


async def test_estimated_words_are_marked_as_such() -> None:
    async with scene(greeting=STORY, voice=ToneVoice(timed=False)) as s:
        await story(s)
        s.call.interrupt()
        await s.settle()
        said = s.call.conversation.items[0]
        assert isinstance(said, c.AgentSaid)
        assert not said.exact
        assert said.text


async def test_the_record_holds_every_event_and_decides_the_same_again() -> None:
    async with scene(greeting=STORY, reader=Reader(None, "tell me more")) as s:
        await story(s)
        await s.pass_ms(640, speech=0.9)
        await s.until(lambda: s.state == "idle")
        events, actions = list(s.notes.events), list(s.notes.actions)
    again = f.Floor(f.Policy.balanced())
    assert [a for e in events for a in again.handle(e)] == actions
