"""What a reader wants to know of the floor, one sentence each; numbers in comments are the pains of the field."""

from __future__ import annotations

import pytest

from bargein import floor as f
from bargein.errors import UsageError
from bargein.floor import Floor, Policy, Source

WINDOW = 32.0


class Talk:
    """A floor, and a user who speaks or is silent into it, window by window."""

    def __init__(self, policy: Policy | None = None, *, ears: bool = False) -> None:
        self.floor = Floor(policy)
        self.now = 0.0
        self.did: list[f.Action] = []
        if ears:
            self.feed(f.STTChanged(0, words=True, turns=False))

    def feed(self, event: f.Event) -> list[f.Action]:
        actions = self.floor.handle(event)
        self.did += actions
        return actions

    def ticks(self) -> None:
        while (due := self.floor.deadline) is not None and due <= self.now:
            self.feed(f.Tick(due))

    def speak(self, ms: float, speech: float = 0.95) -> list[f.Action]:
        before = len(self.did)
        for _ in range(int(ms // WINDOW)):
            self.feed(f.SpeechWindow(self.now, self.now + WINDOW, speech))
            self.now += WINDOW
            self.ticks()
        return self.did[before:]

    def quiet(self, ms: float) -> list[f.Action]:
        return self.speak(ms, 0.01)

    def speaking(self, *, guard_over: bool = True) -> int:
        """Have the agent say something, and be in the middle of it."""
        self.feed(f.SayRequested(self.now))
        self.feed(f.ReplyStarted(self.now, self.floor.reply))
        if guard_over:
            self.quiet(500)
        self.did.clear()
        return self.floor.reply

    def last(self, kind: type[f.Action]) -> f.Action:
        return [a for a in self.did if isinstance(a, kind)][-1]

    def names(self) -> list[str]:
        shown = (f.Hold, f.Resume, f.Cut, f.DiscardReply, f.Answer, f.Say, f.Reprompt, f.CloseTurn)
        return [type(a).__name__ for a in self.did if isinstance(a, shown)]

    def all(self) -> list[str]:
        return [type(action).__name__ for action in self.did]

    def words(self, text: str | None) -> None:
        """Answer the newest look."""
        look = self.last(f.ReadWords)
        assert isinstance(look, f.ReadWords)
        self.feed(f.Words(look.from_ms + self.floor.policy.pre_roll_ms, text, look.look))


def test_the_first_window_of_speech_holds_and_says_when_it_began() -> None:
    t = Talk()
    reply = t.speaking()
    onset = t.now
    (hold,) = t.speak(WINDOW)
    assert hold == f.Hold(reply, onset, Source.SPEECH, "speech 0.95")


def test_a_cough_costs_nothing() -> None:  # 5
    t = Talk()
    t.speaking()
    t.speak(160)
    t.quiet(320)
    assert t.names() == ["Hold", "Resume"]
    assert t.floor.state == "speaking"


def test_speech_that_lasts_cuts_though_no_word_was_ever_read() -> None:  # 7: never at the end of the sentence
    t = Talk()
    t.speaking()
    began = t.now
    t.speak(672)
    assert t.names() == ["Hold"], "nobody reads words: it may be no more than a backchannel"
    t.speak(96)
    assert t.names() == ["Hold", "Cut"]
    cut = t.last(f.Cut)
    assert isinstance(cut, f.Cut)
    assert cut.barge_in.source is Source.SPEECH
    assert cut.barge_in.onset_ms == began


def test_yeah_does_not_stop_the_agent_and_enters_as_what_it_is() -> None:  # 1
    t = Talk(ears=True)
    t.speaking()
    t.speak(384)
    t.words("Yeah.")
    t.quiet(320)
    assert t.names() == ["Hold", "Resume"]
    settled = t.last(f.Dismiss)
    assert isinstance(settled, f.Dismiss)
    assert settled.text == "Yeah."


def test_a_word_that_is_no_backchannel_cuts_at_once() -> None:
    t = Talk(ears=True)
    t.speaking()
    t.speak(320)
    t.words("What about")
    assert t.names() == ["Hold", "Cut"]


def test_a_backchannel_that_goes_on_into_words_cuts() -> None:
    t = Talk(ears=True)
    t.speaking()
    t.speak(320)
    t.words("Yeah")
    t.speak(320)
    t.words("Yeah but why")
    assert t.names() == ["Hold", "Cut"]


def test_three_separate_okays_never_add_up() -> None:  # 4
    t = Talk(Policy.balanced().with_({"min_words": 2, "wary_after": 0}), ears=True)
    t.speaking()
    for _ in range(3):
        t.speak(320)
        t.words("tea")
        t.quiet(320)
    assert t.names() == ["Hold", "Resume"] * 3


def test_a_two_word_command_stops_whatever_the_number_of_words_asked_for() -> None:  # 4
    t = Talk(Policy.balanced().with_({"min_words": 5}), ears=True)
    t.speaking()
    t.speak(320)
    t.words("wait, listen")
    assert t.names() == ["Hold", "Cut"]


@pytest.mark.parametrize("source", ["words", "turn"])
def test_every_gate_holds_for_the_transcriber_too(source: str) -> None:  # 3, 6
    t = Talk(Policy.patient())
    t.speaking()
    t.feed(f.TurnStarted(t.now, "") if source == "turn" else f.Words(t.now, "tea"))
    assert "Cut" not in t.names()


def test_a_start_of_turn_that_is_only_mm_hmm_does_not_cancel() -> None:  # 6
    t = Talk()
    t.speaking()
    t.feed(f.TurnStarted(t.now, "mm-hmm"))
    assert t.names() == []


def test_a_trusted_start_of_turn_cuts() -> None:
    t = Talk()
    t.speaking()
    t.feed(f.TurnStarted(t.now, "tell me"))
    assert t.names() == ["Cut"]


def test_a_guess_prepares_the_reply_and_the_end_of_the_turn_releases_it() -> None:
    t = Talk()
    t.feed(f.TurnStarted(t.now, "tell me"))
    t.feed(f.TurnEnding(t.now, "tell me"))
    assert (t.all()[-1], t.floor.state) == ("Prepare", f.State.LISTENING)
    t.feed(f.TurnEnded(t.now, "tell me"))
    assert t.all()[-1] == "Answer"


def test_a_turn_that_goes_on_takes_the_guess_back_once() -> None:
    t = Talk()
    t.feed(f.TurnStarted(t.now, "tell me"))
    t.feed(f.TurnEnding(t.now, "tell me"))
    t.feed(f.TurnResumed(t.now))
    t.feed(f.TurnResumed(t.now))
    assert t.all()[-2:] == ["Prepare", "Forget"]


def test_an_end_of_a_turn_that_was_answered_already_does_not_end_the_next() -> None:
    t = Talk()
    t.quiet(2000)
    before = t.now
    t.quiet(100)
    t.feed(f.TurnStarted(t.now, "tell me"))
    t.feed(f.TurnEnded(before, "the old one"))
    assert (t.all()[-1], t.floor.state) == ("Ignore", f.State.LISTENING)


def test_an_own_detector_can_decide_both_ways() -> None:  # 2
    for interrupts, name in ((True, "Cut"), (False, "Resume")):
        t = Talk()
        t.speaking()
        onset = t.now
        t.speak(64)
        t.feed(f.Judged(onset, interrupts, 0.9, "my own model"))
        assert t.names() == ["Hold", name]


def test_instant_cuts_on_the_onset() -> None:
    t = Talk(Policy.instant())
    t.speaking()
    t.speak(WINDOW)
    assert t.names() == ["Cut"]


def test_within_the_echo_guard_only_firm_evidence_holds() -> None:  # 18
    t = Talk()
    t.speaking(guard_over=False)
    t.speak(64, 0.4)
    assert t.names() == []
    t.speak(WINDOW, 0.9)
    assert t.names() == ["Hold"]


def test_a_faint_sound_that_outlasts_the_guard_holds_after_it() -> None:
    t = Talk()
    t.speaking(guard_over=False)
    t.speak(400, 0.4)
    assert t.names() == ["Hold"]


def test_after_two_false_holds_a_reply_is_not_held_for_faint_sounds_again() -> None:
    t = Talk()
    t.speaking()
    for _ in range(3):
        t.speak(64, 0.4)
        t.quiet(320)
    assert t.names() == ["Hold", "Resume"] * 2


def test_a_hold_of_the_pages_own_that_no_speech_confirms_ends() -> None:
    t = Talk()
    reply = t.speaking()
    t.feed(f.LevelOnset(t.now, reply))
    t.quiet(320)
    assert t.names() == ["Hold", "Resume"]


def test_a_hold_of_the_pages_own_that_we_do_not_share_is_undone() -> None:
    t = Talk()
    reply = t.speaking(guard_over=False)
    assert [type(a).__name__ for a in t.feed(f.LevelOnset(t.now, reply))] == ["Ignore", "Resume"]


def test_speech_over_a_protected_greeting_is_kept_and_answered_after_it() -> None:  # 21, 24
    t = Talk()
    reply = t.speaking()
    t.feed(f.ReplyProtected(t.now, reply, protected=True))
    t.speak(640)
    t.quiet(320)
    assert t.names() == []
    t.feed(f.ReplyEnded(t.now, reply))
    t.quiet(640)
    assert t.names() == ["Answer"]


def test_a_stop_phrase_passes_a_protection() -> None:
    t = Talk(ears=True)
    reply = t.speaking()
    t.feed(f.ReplyProtected(t.now, reply, protected=True))
    t.speak(320)
    t.words("Stop.")
    assert t.names() == ["Cut"]


def test_when_the_protected_part_is_over_what_was_said_over_it_has_the_floor() -> None:
    t = Talk()
    reply = t.speaking()
    t.feed(f.ReplyProtected(t.now, reply, protected=True))
    t.speak(640)
    t.feed(f.ReplyProtected(t.now, reply, protected=False))
    assert t.names() == ["Cut"]


def test_going_on_while_the_agent_thinks_drops_the_answer_and_merges_the_turns() -> None:
    t = Talk()
    t.speak(480)
    t.quiet(960)
    assert t.names() == ["Answer"]
    t.speak(480)
    assert t.names() == ["Answer", "Hold", "Drop"]
    drop, listen = t.last(f.DiscardReply), t.last(f.Listen)
    assert isinstance(drop, f.DiscardReply)
    assert isinstance(listen, f.Listen)
    assert drop.turn == listen.turn == 1
    t.quiet(960)
    answer = t.last(f.Answer)
    assert isinstance(answer, f.Answer)
    assert (answer.turn, answer.reply) == (1, 2)


def test_a_cough_while_the_agent_thinks_costs_nothing_either() -> None:
    t = Talk()
    t.speak(480)
    t.quiet(960)
    t.speak(96)
    t.quiet(320)
    assert t.names() == ["Answer", "Hold", "Resume"]
    assert t.floor.state == "thinking"


@pytest.mark.parametrize("event", [f.KeyPressed(0, "1"), f.UserTyped(0), f.Interrupted(0, "button")])
def test_hands_pass_every_gate(event: f.Event) -> None:
    t = Talk(Policy.patient())
    reply = t.speaking(guard_over=False)
    t.feed(f.ReplyProtected(t.now, reply, protected=True))
    t.feed(event)
    assert "Cut" in t.names()


def test_keys_are_input_and_more_of_them_may_follow() -> None:  # 24
    t = Talk()
    t.speaking()
    t.feed(f.KeyPressed(t.now, "1"))
    t.quiet(320)
    t.feed(f.KeyPressed(t.now, "2"))
    t.quiet(640)
    assert t.names() == ["Cut"]
    t.quiet(320)
    assert t.names() == ["Cut", "Answer"]


def test_two_quick_interruptions_are_one() -> None:  # 11
    t = Talk()
    t.speaking()
    t.feed(f.Interrupted(t.now, "button"))
    t.feed(f.Interrupted(t.now, "operator"))
    t.feed(f.Interrupted(t.now, "button"))
    assert t.names() == ["Cut"]


def test_an_interruption_does_not_outlive_its_reply() -> None:  # 11: the next reply is whole
    t = Talk()
    old = t.speaking()
    t.feed(f.Interrupted(t.now, "button"))
    new = t.speaking()
    for late in (f.ReplyEnded(t.now, old), f.ReplyFailed(t.now, old, "late"), f.LevelOnset(t.now, old)):
        t.feed(late)
    assert t.floor.reply == new
    assert t.floor.state == "speaking"
    assert "Cut" not in t.names()


def test_interrupting_works_when_all_is_generated_and_only_the_playout_goes_on() -> None:  # 8
    t = Talk()
    t.speaking()
    t.quiet(20_000)
    t.speak(768)
    assert t.names() == ["Hold", "Cut"]


def test_speech_that_no_transcript_follows_never_ends_in_silence() -> None:  # 19
    t = Talk(ears=True)
    t.speaking()
    t.speak(320)
    t.quiet(2_000)  # the look is never answered
    assert t.names() == ["Hold", "Resume"]


def test_a_judge_that_keeps_crying_wolf_does_not_mute_the_call() -> None:  # 20
    t = Talk(Policy.balanced().with_({"wary_after": 0}))
    t.speaking()
    for _ in range(20):
        t.feed(f.LevelOnset(t.now, t.floor.reply))
        t.quiet(320)
    assert t.names() == ["Hold", "Resume"] * 20
    assert t.floor.state == "speaking"


def test_a_turn_begins_before_its_first_sound() -> None:  # 21
    t = Talk()
    t.quiet(960)
    began = t.now
    t.speak(320)
    listen = t.last(f.Listen)
    assert isinstance(listen, f.Listen)
    assert listen.from_ms == began - 300


def test_words_of_the_turn_before_do_not_stop_its_answer() -> None:  # 11, 15
    t = Talk()
    t.speak(480)
    t.quiet(960)
    t.feed(f.ReplyStarted(t.now, t.floor.reply))
    t.feed(f.Words(100, "stop the timer"))
    assert "Cut" not in t.names()


def test_something_to_say_waits_for_the_floor() -> None:
    t = Talk()
    t.speak(320)
    t.feed(f.SayRequested(t.now))
    assert "Say" not in t.names()
    t.quiet(960)
    t.feed(f.ReplyStarted(t.now, 1))
    t.feed(f.ReplyEnded(t.now, 1))
    assert t.names() == ["Answer", "Say"]


def test_a_reply_that_fails_is_asked_for_once_again_and_then_recorded() -> None:  # 19
    t = Talk()
    t.speak(480)
    t.quiet(960)
    t.feed(f.ReplyFailed(t.now, 1, "the model is gone"))
    t.feed(f.ReplyFailed(t.now, 2, "the voice, too"))
    assert t.names() == ["Answer", "Reprompt", "Close"]
    assert t.floor.state == "idle"


def test_a_reply_that_never_comes_is_given_up() -> None:
    t = Talk()
    t.speak(480)
    t.quiet(12_000)
    assert t.names()[:2] == ["Answer", "Reprompt"]


def test_a_silent_user_is_asked_and_then_left_in_peace() -> None:
    t = Talk(Policy.balanced().with_({"user_silence_ms": 1000, "max_reprompts": 2}))
    for _ in range(4):
        t.quiet(1100)
        t.feed(f.ReplyStarted(t.now, t.floor.reply))
        t.feed(f.ReplyEnded(t.now, t.floor.reply))
    assert t.names() == ["Reprompt", "Reprompt"]


def test_a_noise_that_never_ends_is_answered_once_and_spoken_over() -> None:
    t = Talk()
    t.speak(61_000)
    t.feed(f.ReplyStarted(t.now, t.floor.reply))
    t.speak(3_000)
    assert t.names() == ["Answer"]
    assert t.floor.state == "speaking"


def test_a_microphone_that_dies_in_the_middle_of_a_word_ends_it() -> None:
    t = Talk()
    t.speaking()
    t.speak(128)
    t.now += 1_500
    t.ticks()
    assert t.names() == ["Hold", "Resume"]


def test_ears_that_are_lost_in_a_hold_are_not_waited_for() -> None:
    t = Talk(ears=True)
    t.speaking()
    t.speak(352)
    assert t.names() == ["Hold"]
    t.feed(f.STTChanged(t.now, words=False, turns=False))
    t.speak(416)
    assert t.names() == ["Hold", "Cut"]


def test_what_nobody_can_read_is_judged_by_its_length() -> None:
    t = Talk(ears=True)
    t.speaking()
    t.speak(352)
    t.words(None)
    assert t.names() == ["Hold", "Cut"]


def test_speech_that_is_never_sure_must_last_longer() -> None:
    t = Talk()
    t.speaking()
    t.speak(640, 0.7)
    assert t.names() == ["Hold"]
    t.speak(320, 0.7)
    assert t.names() == ["Hold", "Cut"]


def test_a_reply_that_ends_while_it_is_held_leaves_the_floor_to_who_spoke() -> None:
    t = Talk()
    reply = t.speaking()
    t.speak(96)
    t.feed(f.ReplyEnded(t.now, reply))
    assert t.floor.state == "listening"
    t.quiet(960)
    assert t.names() == ["Hold", "Close"] or t.names() == ["Hold", "Answer"]


def test_another_policy_counts_from_the_next_event_on() -> None:
    t = Talk()
    t.speaking()
    t.feed(f.PolicyChanged(t.now, Policy.instant()))
    t.speak(WINDOW)
    assert t.names() == ["Cut"]


def test_every_decision_says_why() -> None:  # 25
    t = Talk(ears=True)
    t.speaking()
    t.speak(400)
    t.words("Mm.")
    t.quiet(400)
    assert t.did
    assert all(a.why for a in t.did)


def test_numbers_of_a_policy_are_checked_and_named() -> None:
    for bad in ({"confirm_ms": -1}, {"hold_windows": 0}, {"hold_threshold": 2}, {"min_words": True}, {"no_such": 1},
                {"confirm_ms": float("nan")}, {"stop_phrases": [""]}, {"trust_transcriber_turns": 1}):  # fmt: skip
        with pytest.raises(UsageError, match=next(iter(bad))):
            Policy.balanced().with_(bad)
    with pytest.raises(UsageError):
        Policy.named("nervous")


def test_the_agents_own_sound_come_back_does_not_hold_and_that_is_said_once() -> None:  # 18
    t = Talk()
    t.speaking()
    for _ in range(20):
        t.feed(f.SpeechWindow(t.now, t.now + WINDOW, 0.97, echo=0.93))
        t.now += WINDOW
        t.ticks()
    assert t.names() == []
    assert [a.why for a in t.did if isinstance(a, f.Ignore)] == ["the agent's own sound, come back (0.93 of it)"]


def test_a_hold_for_a_sound_that_then_proves_to_be_our_own_ends_at_once() -> None:  # 18
    t = Talk()
    t.speaking()
    t.speak(WINDOW)
    did = t.feed(f.SpeechWindow(t.now, t.now + WINDOW, 0.97, echo=0.9))
    assert [type(a).__name__ for a in did] == ["Settle", "Resume"]


def test_a_real_interruption_over_the_echo_holds_and_cuts() -> None:  # 18
    t = Talk()
    t.speaking()
    for _ in range(5):
        t.feed(f.SpeechWindow(t.now, t.now + WINDOW, 0.97, echo=0.95))
        t.now += WINDOW
    for _ in range(24):
        t.feed(f.SpeechWindow(t.now, t.now + WINDOW, 0.97, echo=0.4))
        t.now += WINDOW
    assert t.names() == ["Hold", "Cut"]


def test_a_telephone_that_nobody_speaks_into_is_asked_twice_and_then_left() -> None:  # 19
    t = Talk(Policy(user_silence_ms=5000, max_reprompts=2, hang_up_on_silence=True))
    left: list[float] = []
    for _ in range(2000):
        for action in t.quiet(WINDOW):
            if isinstance(action, f.Reprompt):
                t.feed(f.ReplyStarted(t.now, action.reply))
                t.feed(f.ReplyEnded(t.now, action.reply))
            elif isinstance(action, f.EndCall):
                left.append(t.now)
    assert t.names() == ["Reprompt", "Reprompt"]
    assert len(left) == 1
    assert 15_000 <= left[0] <= 15_200


def test_one_word_is_enough_to_be_asked_again_instead_of_left() -> None:
    t = Talk(Policy(user_silence_ms=5000, max_reprompts=1, hang_up_on_silence=True))
    t.quiet(5100)
    t.feed(f.ReplyStarted(t.now, t.floor.reply))
    t.feed(f.ReplyEnded(t.now, t.floor.reply))
    t.quiet(2000)
    t.speak(400)
    t.quiet(1000)
    t.feed(f.ReplyStarted(t.now, t.floor.reply))
    t.feed(f.ReplyEnded(t.now, t.floor.reply))
    t.quiet(5100)
    assert t.names() == ["Reprompt", "Answer", "Reprompt"]


def television(t: Talk, ms: float, level_db: float = -40.0) -> None:
    for _ in range(int(ms // WINDOW)):
        t.feed(f.SpeechWindow(t.now, t.now + WINDOW, 0.95, level_db=level_db))
        t.now += WINDOW
        t.ticks()


def test_a_television_that_is_softer_than_the_caller_ends_no_reply() -> None:  # 1
    t = Talk()
    television(t, 960, -20.0)  # the caller's own turn
    t.quiet(960)
    t.feed(f.ReplyStarted(t.now, t.floor.reply))
    t.quiet(500)
    t.did.clear()
    for _ in range(3):
        television(t, 2_000)
        t.quiet(480)
    assert t.names() == ["Hold", "Resume"], "once, until it was known how soft it is"
    assert "20 dB softer" in t.last(f.Resume).why
    television(t, 320)
    television(t, 800, -24.0)  # the caller, over it
    assert t.names() == ["Hold", "Resume", "Hold", "Cut"]
    cut = t.last(f.Cut)
    assert isinstance(cut, f.Cut)
    assert cut.barge_in.onset_ms == t.now - 800 // WINDOW * WINDOW, "the caller's onset, not the television's"


def test_a_caller_who_has_stepped_back_is_believed_before_long() -> None:
    t = Talk()
    television(t, 960, -20.0)
    for _ in range(3):  # turns while the agent is silent are turns, however soft
        t.quiet(960)
        t.feed(f.ReplyStarted(t.now, t.floor.reply))
        t.quiet(500)
        t.feed(f.ReplyEnded(t.now, t.floor.reply))
        television(t, 960, -40.0)
    t.quiet(960)
    t.feed(f.ReplyStarted(t.now, t.floor.reply))
    t.quiet(500)
    t.did.clear()
    television(t, 960, -40.0)
    assert t.names() == ["Hold", "Cut"]


@pytest.mark.parametrize(
    ("pause_ms", "heard"),
    [(256, ["Hold", "Cut"]), (416, ["Hold", "Resume", "Hold", "Cut"]), (800, ["Hold", "Resume", "Hold"])],
)
def test_phrases_with_short_pauses_between_them_are_one_interruption(pause_ms: float, heard: list[str]) -> None:
    t = Talk()
    t.speaking()
    t.speak(480)
    t.quiet(pause_ms)
    t.speak(480)
    assert t.names() == heard


@pytest.mark.parametrize(("then", "end"), [("I see.", "Resume"), ("I want to", "Cut")])
def test_half_a_backchannel_is_read_again(then: str, end: str) -> None:  # 1
    t = Talk(ears=True)
    t.speaking()
    t.speak(320)
    t.words("I")
    assert t.names() == ["Hold"]
    t.speak(320)
    t.words(then)
    t.quiet(320)
    assert t.names() == ["Hold", end]


def test_a_short_sound_costs_a_short_silence_where_nobody_reads_words() -> None:  # 5
    t = Talk()
    t.speaking()
    t.speak(192)
    t.quiet(192)
    assert t.names() == ["Hold", "Resume"]
