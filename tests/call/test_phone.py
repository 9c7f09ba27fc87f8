"""A call over Twilio's wire, to the sample: what the caller hears, and what the model believes was heard."""

from __future__ import annotations

import pytest

from bargein import protocols as c
from bargein.agent import Greeting
from bargein.floor import Policy
from bargein.transports.telephone.marks import BOUND_MS
from tests.call.kit import ScriptedSTT
from tests.call.phone_kit import RATE, WORD_MS, NoiseTTS, PhoneScene, phone_scene

STORY = " ".join(f"word{k}" for k in range(40))
WAYS = [0, 30, 150]  # ms to the telephone, one way


async def speaking(s: PhoneScene, ms: float = 1500) -> None:
    await s.until(lambda: s.state == "speaking")
    await s.pass_ms(ms)


async def test_frames_leave_in_pace_with_a_short_lead_and_arrive_without_a_gap() -> None:
    async with phone_scene(greeting=STORY) as s:
        await s.until(lambda: bool(s.call.conversation.items) and s.state == "idle")
        assert s.phone.sounded(1) == [(0, 40 * WORD_MS * RATE // 1000)]
        assert s.phone.most_ms <= 140
        assert s.did() == []


@pytest.mark.parametrize("way_ms", WAYS)
async def test_a_cough_holds_and_the_story_goes_on_from_the_very_sample(way_ms: float) -> None:
    async with phone_scene(greeting=STORY, way_ms=way_ms) as s:
        await speaking(s)
        await s.pass_ms(100, speech=0.9)
        await s.until(lambda: s.state == "barge_in", 400)
        await s.pass_ms(2 * way_ms + 60)
        assert s.phone.silent_ms > 0
        await s.until(lambda: s.state == "idle")
        assert s.did() == ["Hold", "Resume"]
        (first, n), (second, m) = s.phone.sounded(1)
        assert first == 0
        assert second == n, "a sample was lost, or played twice"
        assert second + m == 40 * WORD_MS * RATE // 1000


@pytest.mark.parametrize("way_ms", WAYS)
async def test_an_interruption_is_cut_to_the_word_that_the_ear_heard(way_ms: float) -> None:
    async with phone_scene("fine", greeting=STORY, way_ms=way_ms, stt=ScriptedSTT(None, "tell me")) as s:
        await speaking(s)
        await s.pass_ms(700, speech=0.9)
        await s.until(lambda: bool(s.llm.prompts))
        said, user = s.llm.prompts[0].items
        ((first, heard),) = s.phone.sounded(1)
        words = heard * 1000 // RATE // WORD_MS
        assert first == 0
        near_a_border = min(heard * 1000 / RATE % WORD_MS, -heard * 1000 / RATE % WORD_MS) <= BOUND_MS
        said_and_unheard = " ".join(STORY.split()[:words]), " ".join(STORY.split()[words:])
        assert said == c.AgentSaid(1, *said_and_unheard, "cut", exact=not near_a_border)
        assert isinstance(user, c.UserSaid)
        assert user.text == "tell me"
        assert user.over is not None


async def test_nothing_of_a_cut_reply_sounds_after_its_clear() -> None:
    async with phone_scene("an answer to it", greeting=STORY, way_ms=20) as s:
        await speaking(s)
        await s.pass_ms(600, speech=0.9)
        clear = next(i for i, m in enumerate(s.phone.got) if m["event"] == "clear")
        heard = s.phone.sounded(1)
        await s.until(lambda: s.call.status().kind == "reply" and s.state == "speaking")
        await s.pass_ms(1000)
        assert s.phone.sounded(1) == heard
        marks = [str(m["mark"]["name"]) for m in s.phone.got[clear:] if m["event"] == "mark"]  # type: ignore[index]
        assert not [name for name in marks if name.startswith("r1:")]


async def test_speech_after_generation_is_over_interrupts_what_the_phone_still_plays() -> None:  # 8
    async with phone_scene("fine", greeting="one two three four") as s:
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(120)
        assert s.tts.texts == ["one", "two", "three", "four"]  # the TTS has given all
        await s.pass_ms(500, speech=0.9)
        assert "Cut" in s.did()
        ((_, heard),) = s.phone.sounded(1)
        assert heard < 4 * WORD_MS * RATE // 1000


async def test_the_agent_speaks_until_its_last_sample_was_played_and_not_until_it_was_sent() -> None:  # 8
    async with phone_scene(greeting="one two three", way_ms=150) as s:
        await s.until(lambda: s.call.status().agent_speaking)
        end = 3 * WORD_MS * RATE // 1000
        while sum(n for _, n in s.phone.sounded(1)) < end:
            assert s.call.status().agent_speaking
            await s.pass_ms(20)
        assert s.call.status().agent_speaking, "its last mark is still under way"
        await s.pass_ms(180)
        assert not s.call.status().agent_speaking


async def test_a_protected_greeting_is_heard_whole_and_what_was_said_over_it_is_answered() -> None:  # 24
    greeting = Greeting(protected="this call is recorded for training")
    async with phone_scene("fine", greeting=greeting, stt=ScriptedSTT("I want to cancel", "I want to cancel")) as s:
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(400)
        await s.pass_ms(500, speech=0.9)
        await s.until(lambda: bool(s.llm.prompts))
        assert s.phone.sounded(1) == [(0, 6 * WORD_MS * RATE // 1000)]
        assert s.llm.prompts[0].items[-1] == c.UserSaid(1, "I want to cancel", s.llm.prompts[0].items[-1].over)  # type: ignore[union-attr]


async def test_keys_interrupt_and_are_the_callers_words() -> None:  # 24
    async with phone_scene("fine", greeting=STORY) as s:
        await speaking(s)
        s.phone.press("4")
        await s.settle()
        await s.pass_ms(100)
        s.phone.press("2")
        assert s.did() == ["Cut"]
        await s.until(lambda: bool(s.llm.prompts))
        said = s.llm.prompts[0].items[-1]
        assert isinstance(said, c.UserSaid)
        assert said.text == "42"


async def test_a_caller_who_hangs_up_in_the_middle_leaves_the_truth_behind() -> None:
    async with phone_scene(greeting=STORY) as s:
        await speaking(s, 1100)
        assert s.phone.telephone is not None
        s.phone.telephone.incoming('{"event":"stop","streamSid":"MZ1","stop":{}}')
        await s.settle()
        (said,) = s.call.conversation.items
        assert isinstance(said, c.AgentSaid)
        assert said.ended == "cut"
        assert said.text.split() == [f"word{k}" for k in range(len(said.text.split()))]
        assert 4 <= len(said.text.split()) <= 6
        assert s.call.over == "the caller hung up"


async def test_a_voicemail_is_asked_twice_and_then_left() -> None:  # 19
    policy = Policy().with_({"user_silence_ms": 3000, "hang_up_on_silence": True})
    async with phone_scene(greeting="hello", policy=policy) as s:
        await s.until(lambda: s.call.over is not None)
        assert s.did() == ["Reprompt", "Reprompt"]
        assert s.call.over == "no word after 2 times of asking"


async def test_a_tts_that_gives_a_minute_at_once_waits_and_never_is_more_than_three_seconds_queued() -> None:
    async with phone_scene(greeting=STORY, tts=NoiseTTS(at_once=True)) as s:
        most = 0.0
        for _ in range(200):
            await s.pass_ms(20)
            track = s.call._parts.playout.track
            if track is not None:
                queued = track.waiting_ms + sum(len(x) for x in s.phone.line if not isinstance(x, str)) / 8
                most = max(most, queued)
        assert 2000 < most <= 3000
        ((_, heard),) = s.phone.sounded(1)
        assert heard >= 3.8 * RATE  # and nothing was dropped for it


async def test_a_network_that_takes_nothing_makes_the_tts_wait_and_loses_nothing() -> None:
    async with phone_scene(greeting=STORY) as s:
        await speaking(s, 500)
        s.phone.stuck = True
        await s.pass_ms(1000)
        s.phone.stuck = False
        await s.until(lambda: s.state == "idle")
        pieces = s.phone.sounded(1)
        assert [a + n for a, n in pieces[:-1]] == [a for a, _ in pieces[1:]]
        assert sum(n for _, n in pieces) == 40 * WORD_MS * RATE // 1000


async def test_a_client_that_returns_no_marks_is_held_cut_and_answered_all_the_same() -> None:
    async with phone_scene("fine then", greeting=STORY, marks=False) as s:
        await speaking(s)
        await s.pass_ms(100, speech=0.9)
        await s.pass_ms(800)
        assert s.did() == ["Hold", "Resume"]
        (first, n), (second, _) = s.phone.sounded(1)
        assert abs(second - n) <= 0.004 * RATE
        assert first == 0
        await s.pass_ms(600, speech=0.9)
        await s.until(lambda: bool(s.llm.prompts))
        said = s.llm.prompts[0].items[0]
        assert isinstance(said, c.AgentSaid)
        assert not said.exact
        assert said.text


async def test_two_interruptions_in_quick_succession_are_two_turns_and_no_word_is_lost() -> None:
    stt = ScriptedSTT(None, "first", None, "second")
    async with phone_scene("an answer " * 10, "another", greeting=STORY, stt=stt) as s:
        await speaking(s)
        await s.pass_ms(500, speech=0.9)
        await s.until(lambda: s.state == "speaking")
        await s.pass_ms(500)
        await s.pass_ms(500, speech=0.9)
        await s.until(lambda: len(s.llm.prompts) == 2)
        assert s.did().count("Cut") == 2
        said = [i.text for i in s.llm.prompts[1].items if isinstance(i, c.UserSaid)]
        assert said == ["first", "second"]


async def test_interrupting_with_nothing_playing_does_nothing_but_take_the_turn() -> None:
    async with phone_scene("fine") as s:
        await s.pass_ms(200)
        await s.pass_ms(500, speech=0.9)
        await s.until(lambda: s.state == "speaking")
        assert not [m for m in s.phone.got if m["event"] == "clear"]


async def test_a_silent_line_is_noted_once_and_left_when_it_stays_so() -> None:
    async with phone_scene(greeting=STORY) as s:
        await s.pass_ms(200)
        for _ in range(10_500 // 20):
            s.phone.play(20)
            s.ticker.tick(s.clock.now_ms())
            await s.settle()
        faults = [facts["code"] for kind, facts in s.notes.notes if kind == "fault"]
        assert faults == ["no_audio"]
        assert s.call.over is None
        s.clock.advance(590_000)
        s.ticker.tick(s.clock.now_ms())
        await s.settle()
        assert s.call.status().over == "no sound came for 600 s"
