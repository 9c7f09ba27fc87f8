"""A call that listens by a streaming transcriber: its turns, its words, its guesses, and what happens without it."""

from __future__ import annotations

import asyncio

import pytest

from bargein import floor as f
from bargein import notices as n
from bargein import protocols as c
from bargein.errors import VendorRefused
from tests.call.kit import Mind, Reader, Scene, ToneVoice, Transcriber, scene

STORY = "once there was a fox who lived by a river and sang to the moon every night of the year"


def did(s: Scene, *kinds: type[f.Action]) -> list[str]:
    return [type(a).__name__ for a in s.notes.actions if isinstance(a, kinds)]


async def asked(s: Scene, ears: Transcriber, text: str, turn: int = 0) -> None:
    """The user asks something at rest, in one breath."""
    await s.pass_ms(512, speech=0.9)
    ears.tell("started", text.split()[0], turn=turn, ago_ms=480)
    await s.pass_ms(512, speech=0.9)
    ears.tell("words", text, turn=turn, ago_ms=1000)
    await s.pass_ms(320)


# ----------------------------------------------------------------------------------------------- interrupting


async def test_our_own_ear_holds_first_and_the_start_of_a_turn_cuts() -> None:
    ears = Transcriber()
    async with scene("yes", greeting=STORY, transcriber=ears) as s:
        await s.until(lambda: s.words(1) >= 4)
        await s.pass_ms(64, speech=0.95)
        assert s.state == "barge_in", "the hold does not wait for a vendor"
        await s.pass_ms(256, speech=0.95)
        assert s.state == "barge_in"
        ears.tell("started", "tell me", ago_ms=300)
        await s.settle()
        assert s.state == "listening"
        cut = next(a for a in s.notes.actions if isinstance(a, f.Cut))
        assert cut.barge_in.source is f.Source.TURN
        told = [x.source for x in s.far.notices if isinstance(x, n.BargeInHappened)]
        assert told == ["turn"]


async def test_a_sound_in_which_the_transcriber_hears_no_word_is_resumed() -> None:
    ears = Transcriber()
    async with scene(greeting=STORY, transcriber=ears) as s:
        await s.until(lambda: s.words(1) >= 4)
        await s.pass_ms(256, speech=0.95)
        assert s.state == "barge_in"
        await s.pass_ms(192)
        await s.pass_ms(320)
        ears.tell("progress")
        await s.settle()
        assert s.state == "speaking", "it has listened beyond the sound, and heard nothing"
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items == [c.AgentSaid(1, STORY)]


async def test_a_backchannel_is_resumed_and_belongs_to_no_later_turn() -> None:
    ears = Transcriber()
    async with scene("sure", greeting=STORY, transcriber=ears) as s:
        await s.until(lambda: s.words(1) >= 4)
        await s.pass_ms(320, speech=0.95)
        ears.tell("started", "mm-hmm", ago_ms=300)
        await s.pass_ms(224)
        await s.settle()
        assert s.state == "speaking"
        ears.tell("ended", "mm-hmm", ago_ms=500)
        await s.until(lambda: s.state == "idle")
        await s.pass_ms(640)
        await asked(s, ears, "tell me more", turn=1)
        ears.tell("ended", "tell me more", turn=1, ago_ms=1300)
        await s.until(lambda: bool(s.mind.prompts))
        assert [type(i).__name__ for i in s.mind.prompts[0].items] == ["AgentSaid", "UserBackchannel", "UserSaid"]
        assert s.mind.prompts[0].items[-1] == c.UserSaid(1, "tell me more")


async def test_the_agents_own_words_in_the_transcript_interrupt_nobody() -> None:
    ears = Transcriber()
    async with scene(greeting=STORY, transcriber=ears) as s:
        await s.until(lambda: s.words(1) >= 6)
        await s.pass_ms(256, speech=0.95)
        assert s.state == "barge_in"
        ears.tell("started", "there was a fox", ago_ms=250)
        await s.settle()
        assert s.state == "speaking"
        assert did(s, f.Cut) == []


# ------------------------------------------------------------------------------------------------------ turns


async def test_the_end_of_a_turn_is_the_transcribers_and_its_words_are_answered() -> None:
    ears = Transcriber()
    async with scene("owls are birds", transcriber=ears) as s:
        await asked(s, ears, "what are owls")
        await s.pass_ms(1_000)
        assert s.state == "listening", "quiet alone does not end a turn while somebody better listens"
        ears.tell("ended", "what are owls", ago_ms=2_300)
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items == [c.UserSaid(1, "what are owls"), c.AgentSaid(1, "owls are birds")]


async def test_a_transcriber_that_never_ends_the_turn_does_not_keep_the_user_waiting_for_ever() -> None:
    ears = Transcriber()
    async with scene("owls are birds", transcriber=ears) as s:
        await asked(s, ears, "what are owls")
        await s.until(lambda: s.state == "speaking", within_ms=6_000)
        assert s.mind.prompts[0].items[-1] == c.UserSaid(1, "what are owls")


async def test_what_is_said_after_such_an_answer_is_only_what_is_new() -> None:
    ears = Transcriber()
    async with scene("owls are birds", "and hawks as well", transcriber=ears) as s:
        await asked(s, ears, "what are owls")
        await s.until(lambda: s.state == "idle" and bool(s.mind.prompts), within_ms=9_000)
        await s.pass_ms(640)
        # The transcriber's turn goes on, though ours was answered.
        await s.pass_ms(640, speech=0.95)
        ears.tell("words", "what are owls and hawks", ago_ms=9_000)
        await s.pass_ms(320)
        ears.tell("ended", "what are owls and hawks", ago_ms=9_300)
        await s.until(lambda: len(s.mind.prompts) == 2)
        assert s.mind.prompts[1].items[-1] == c.UserSaid(2, "and hawks")


async def test_ears_without_turns_of_their_own_give_words_and_quiet_ends_the_turn() -> None:
    ears = Transcriber(turns=False)
    async with scene("owls are birds", transcriber=ears) as s:
        await asked(s, ears, "what are owls")
        await s.until(lambda: bool(s.mind.prompts), within_ms=1_500)
        assert s.mind.prompts[0].items[-1] == c.UserSaid(1, "what are owls")


# ---------------------------------------------------------------------------------------------------- guesses


async def test_a_guess_makes_the_reply_and_none_of_it_sounds_before_the_turn_is_over() -> None:
    ears, voice = Transcriber(), ToneVoice()
    async with scene("owls are birds", transcriber=ears, voice=voice) as s:
        await asked(s, ears, "what are owls")
        ears.tell("eager_end", "what are owls", ago_ms=1_300)
        await s.pass_ms(320)
        assert voice.spoken == 3, "it is made"
        assert s.far.heard == {}, "and does not sound"
        assert s.state == "listening"
        ears.tell("ended", "what are owls", ago_ms=1_600)
        await s.settle()
        await s.pass_ms(40)
        assert s.far.heard[1], "it sounds at once"
        await s.until(lambda: s.state == "idle")
        assert len(s.mind.prompts) == 1
        assert s.call.conversation.items == [c.UserSaid(1, "what are owls"), c.AgentSaid(1, "owls are birds")]
        assert ("prepared", "used") in s.notes.causes
        assert s.call.status().ahead["used"] == 1


async def test_a_user_who_goes_on_gets_another_reply_and_the_waste_is_counted() -> None:
    ears = Transcriber()
    async with scene("owls are birds", "hawks are birds too", transcriber=ears) as s:
        await asked(s, ears, "what are owls")
        ears.tell("eager_end", "what are owls", ago_ms=1_300)
        await s.pass_ms(192)
        await s.pass_ms(512, speech=0.9)
        ears.tell("resumed", "what are owls and", ago_ms=2_000)
        await s.pass_ms(320)
        ears.tell("ended", "what are owls and hawks", ago_ms=2_400)
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items[-2:] == [
            c.UserSaid(1, "what are owls and hawks"),
            c.AgentSaid(1, "hawks are birds too"),
        ]
        assert s.call.status().ahead == {
            "used": 0,
            "forgotten": 1,
            "wasted_chars": len("owls are birds "),
            "wasted_ms": 600.0,
        }
        assert s.notes.counts["prepared_waste_ms"] == 600


async def test_other_words_at_the_end_than_at_the_guess_are_answered_themselves() -> None:
    ears = Transcriber()
    async with scene("wrong", "right", transcriber=ears) as s:
        await asked(s, ears, "what are owls")
        ears.tell("eager_end", "what are owls", ago_ms=1_300)
        await s.pass_ms(96)
        ears.tell("ended", "what are cows", ago_ms=1_400)
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items == [c.UserSaid(1, "what are cows"), c.AgentSaid(1, "right")]
        assert ("prepared", "other words") in s.notes.causes


async def test_a_reply_that_was_prepared_can_be_cut_to_the_word_like_any_other() -> None:
    ears = Transcriber()
    async with scene(STORY, "stopped", transcriber=ears) as s:
        await asked(s, ears, "tell me a story")
        ears.tell("eager_end", "tell me a story", ago_ms=1_300)
        await s.pass_ms(96)
        ears.tell("ended", "tell me a story", ago_ms=1_400)
        await s.until(lambda: s.words(1) >= 5)
        await s.pass_ms(320, speech=0.95)
        ears.tell("started", "wait", turn=1, ago_ms=300)
        await s.settle()
        said = s.call.conversation.items[1]
        assert isinstance(said, c.AgentSaid)
        words = s.words(1)
        assert (said.ended, said.text) == ("cut", " ".join(STORY.split()[:words]))
        assert said.unheard == " ".join(STORY.split()[words:])
        assert s.mind.closed == 1


async def test_a_model_that_fails_ahead_fails_when_it_is_needed_and_the_user_is_told() -> None:
    ears, voice = Transcriber(), ToneVoice(fail_after=0)
    spare = ToneVoice()
    async with scene("owls", transcriber=ears, voice=voice, fallback_tts=spare) as s:
        await asked(s, ears, "what are owls")
        ears.tell("eager_end", "what are owls", ago_ms=1_300)
        await s.pass_ms(96)
        assert [x for x in s.far.notices if isinstance(x, n.Problem)] == []
        ears.tell("ended", "what are owls", ago_ms=1_400)
        await s.until(lambda: s.state == "idle")
        assert [x.code for x in s.far.notices if isinstance(x, n.Problem)] == ["voice_lost"]
        assert spare.spoken > 0, "the apology is said by the spare voice"


@pytest.mark.parametrize("stage", ["before the first token", "between chunks", "after the last was made"])
async def test_an_interruption_at_any_stage_of_the_reply_is_answered(stage: str) -> None:
    ears, pause = Transcriber(), asyncio.Event()
    text = "a short one" if stage == "after the last was made" else STORY
    mind = Mind(text, "the new answer", pause=pause)
    async with scene(mind=mind, transcriber=ears) as s:
        await asked(s, ears, "what are owls")
        ears.tell("ended", "what are owls", ago_ms=1_400)
        await s.settle()
        if stage == "before the first token":
            await s.pass_ms(320)
            assert (s.state, s.far.heard) == ("thinking", {})
        else:
            pause.set()
            await s.until(lambda: s.words(1) >= 2)
        await s.pass_ms(320, speech=0.95)
        ears.tell("started", "and hawks", turn=1, ago_ms=300)
        await s.settle()
        assert s.state == "listening"
        pause.set()
        heard = len(s.far.heard.get(1, []))
        await s.pass_ms(320)
        ears.tell("ended", "and hawks", turn=1, ago_ms=700)
        await s.until(lambda: s.state == "idle" and len(s.far.order) == (1 if stage == "before the first token" else 2))
        assert len(s.far.heard.get(1, [])) == heard, "nothing of it sounds after the cut"
        assert s.call.conversation.items[-1] == c.AgentSaid(2, "the new answer")
        said = [i.text for i in s.call.conversation.items if isinstance(i, c.UserSaid)]
        assert " ".join(filter(None, said)) == "what are owls and hawks"
        assert mind.closed == 2, "no model goes on for nobody"


# ----------------------------------------------------------------------------------------------- without them


async def test_while_the_vendor_is_away_quiet_ends_turns_and_its_words_are_waited_for() -> None:
    ears = Transcriber()
    async with scene("owls are birds", transcriber=ears) as s:
        ears.inbox.put_nowait(c.STTLost("Deepgram is away", "Look"))
        await s.pass_ms(640, speech=0.95)
        await s.pass_ms(960)
        assert s.state == "thinking", "quiet has ended the turn"
        assert s.mind.prompts == []
        ears.inbox.put_nowait(c.STTRestored())
        ears.tell("started", "what are", ago_ms=1_600)
        ears.tell("ended", "what are owls", ago_ms=1_600)
        await s.until(lambda: s.state == "idle")
        assert s.mind.prompts[0].items[-1] == c.UserSaid(1, "what are owls")
        assert [x.code for x in s.far.notices if isinstance(x, n.Problem)] == ["ears_lost"]


async def test_a_reader_takes_over_when_the_transcriber_is_refused() -> None:
    ears = Transcriber()
    async with scene("owls are birds", transcriber=ears, reader=Reader("what are owls")) as s:
        ears.inbox.put_nowait(VendorRefused("Deepgram refused with 401", advice="Check DEEPGRAM_API_KEY"))
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: bool(s.mind.prompts), within_ms=2_000)
        assert s.mind.prompts[0].items[-1] == c.UserSaid(1, "what are owls")
        problem = next(x for x in s.far.notices if isinstance(x, n.Problem))
        assert problem.advice == "Check DEEPGRAM_API_KEY"


async def test_a_caller_whom_nobody_can_read_is_told_so() -> None:
    ears = Transcriber()
    async with scene("never asked", transcriber=ears, reprompts={"deaf": "I hear no words"}) as s:
        ears.inbox.put_nowait(VendorRefused("Deepgram refused with 401", advice="Check DEEPGRAM_API_KEY"))
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: s.state == "speaking", within_ms=2_000)
        await s.until(lambda: s.state == "idle")
        assert s.call.conversation.items == [c.UserSaid(1, None), c.AgentSaid(1, "I hear no words")]
        assert s.mind.prompts == []


async def test_the_line_is_closed_with_the_call() -> None:
    ears = Transcriber()
    async with scene(transcriber=ears) as s:
        await s.pass_ms(64)
    assert ears.closed == 1


async def test_a_crash_of_the_transcriber_ends_no_call() -> None:
    ears = Transcriber()
    async with scene("fine", transcriber=ears, mind=Mind("fine"), reader=Reader("hello")) as s:
        ears.inbox.put_nowait(RuntimeError("a fault of its own"))
        await s.pass_ms(640, speech=0.95)
        await s.until(lambda: bool(s.mind.prompts), within_ms=2_000)
