"""How much quiet ends a turn: by its words, by what was asked, by how this caller pauses."""

from __future__ import annotations

import pytest

from bargein import floor as f
from bargein.floor import Policy, State
from bargein.floor.completeness import Expects
from tests.floor.talk import WINDOW, Talk

ONE = Policy.balanced().endpointing


class Pausing(Talk):
    """A user whose words are read in pauses."""

    def __init__(self, policy: Policy | None = None, **numbers: object) -> None:
        super().__init__((policy or Policy.balanced()).with_(numbers))
        self.feed(f.STTChanged(0, words=True, turns=False, reads_turns=True))

    def speak(self, ms: float, speech: float = 0.95) -> list[f.Action]:
        """Window by window, and no tick is late."""
        before = len(self.did)
        for _ in range(int(ms // WINDOW)):
            while (due := self.floor.deadline) is not None and due < self.now + WINDOW:
                self.feed(f.Tick(due))
            self.feed(f.SpeechWindow(self.now, self.now + WINDOW, speech))
            self.now += WINDOW
        return self.did[before:]

    def say(self, text: str | None, *, expects: Expects = "", digits: int = 0, prosody: float | None = None) -> None:
        """Speak for a second, pause, and have the words read at once."""
        self.speak(1_000)
        self.until_read()
        self.read(text, expects=expects, digits=digits, prosody=prosody)

    def until_read(self) -> f.ReadTurn:
        before = self.all().count("ReadTurn")
        while self.all().count("ReadTurn") == before:
            self.quiet(WINDOW)
        order = self.last(f.ReadTurn)
        assert isinstance(order, f.ReadTurn)
        return order

    def read(self, text: str | None, *, old: int = 0, **more: object) -> list[f.Action]:
        order = self.last(f.ReadTurn)
        assert isinstance(order, f.ReadTurn)
        return self.feed(f.TurnRead(self.now, order.reading - old, order.turn, text, **more))  # type: ignore[arg-type]

    def answered_after(self) -> float:
        """Quiet until the turn is answered, ms."""
        while self.floor.state is State.LISTENING:
            self.quiet(WINDOW)
        return self.floor.reply.asked_ms - self.floor.turn.spoken_until_ms


def said(text: str | None, **more: object) -> float:
    user = Pausing()
    user.say(text, **more)  # type: ignore[arg-type]
    return user.answered_after()


def test_the_quiet_that_ends_a_turn_depends_on_its_words() -> None:
    assert said("What time do you open?") == ONE.end_sure_ms
    assert said("My flight was cancelled yesterday.") == ONE.end_likely_ms
    assert said("I want to") == ONE.end_hang_ms
    assert said("") == ONE.end_of_turn_ms
    assert said(None) == ONE.end_of_turn_ms
    assert ONE.end_sure_ms < said("Call them.") < ONE.end_likely_ms
    assert ONE.end_likely_ms < said("Two nights.") < ONE.end_of_turn_ms < ONE.end_hang_ms


def test_a_word_is_an_answer_where_the_agent_has_asked() -> None:
    assert said("Yes.", expects="answer") == ONE.end_sure_ms < said("Yes.")


def test_dictated_digits_are_awaited() -> None:
    assert said("four two seven", expects="digits", digits=4) == ONE.end_hang_ms
    assert said("four two seven one", expects="digits", digits=4) == ONE.end_sure_ms


def test_the_words_of_a_turn_are_read_once_in_each_pause() -> None:
    user = Pausing()
    user.speak(1_000)
    user.quiet(600)
    assert user.all().count("ReadTurn") == 1
    user.speak(500)
    user.quiet(300)
    assert user.all().count("ReadTurn") == 2
    readings = [(a.reading, a.turn) for a in user.did if isinstance(a, f.ReadTurn)]
    assert readings == [(1, 1), (2, 1)]


def test_a_pause_inside_a_word_is_not_read() -> None:
    user = Pausing()
    for _ in range(5):
        user.speak(200)
        user.quiet(64)
    assert "ReadTurn" not in user.all()


def test_every_wait_says_why() -> None:
    user = Pausing()
    user.say("What time do you open?")
    user.answered_after()
    assert user.last(f.Answer).why == "quiet for 250 ms: 'What time do you open?' is a whole question"
    user = Pausing()
    user.say("and then the")
    longer = [a for a in user.did if isinstance(a, f.Ignore)]
    assert [a.why for a in longer] == ["1200 ms of it end this turn: 'and then the' hangs on 'the'"]
    user.answered_after()
    assert user.last(f.Answer).why == "quiet for 1200 ms: 'and then the' hangs on 'the'"
    user = Pausing()
    user.say(None)
    user.answered_after()
    assert user.last(f.Answer).why == "quiet for 700 ms"


def test_the_reply_is_made_in_the_pause_and_held_until_the_turn_is_over() -> None:
    user = Pausing()
    user.say("What time do you open?")
    assert user.all()[-1] == "Prepare"
    assert user.floor.state is State.LISTENING, "made, and not spoken"
    user.answered_after()
    assert user.all()[-1] == "Answer"
    assert "DiscardPrepared" not in user.all()


def test_a_user_who_goes_on_takes_the_reply_back() -> None:
    user = Pausing()
    user.say("I need a room.")
    assert user.all().count("Prepare") == 1
    user.speak(96)
    assert user.all()[-1] == "DiscardPrepared"
    user.speak(500)
    user.until_read()
    user.read("I need a room. For two nights, please.")
    user.answered_after()
    assert user.all().count("Prepare") == 2, "one for each pause"
    assert user.all().count("Answer") == 1


def test_a_faint_noise_in_the_pause_changes_nothing() -> None:
    user = Pausing()
    user.say("I need a room.")
    user.quiet(64)
    user.speak(64, 0.35)
    user.answered_after()
    assert "DiscardPrepared" not in user.all()


@pytest.mark.parametrize("text", ["I want to", "um", None, ""])
def test_nothing_is_made_ahead_of_words_that_hang_or_are_not_there(text: str | None) -> None:
    user = Pausing()
    user.say(text)
    assert "Prepare" not in user.all()


def test_an_llm_that_is_paid_by_the_token_is_asked_once() -> None:
    user = Pausing(make_ahead=False)
    user.say("What time do you open?")
    assert "Prepare" not in user.all()
    assert user.answered_after() == ONE.end_sure_ms
    user = Pausing(make_ahead=False)
    user.speak(500)
    user.feed(f.TurnEnding(user.now, "What time do you open?"))
    assert "Prepare" not in user.all(), "nor for the guess of an STT"


def test_an_old_reading_changes_nothing() -> None:
    user = Pausing()
    user.say("I want to")
    user.speak(500)
    assert user.read("What time do you open?") == [], "speech has come since"
    user.until_read()
    due = user.floor.deadline
    assert user.read("What time do you open?", old=1) == []
    assert user.floor.deadline == due
    user.read("and the")
    assert user.read("What time do you open?") == [], "it was answered already"
    assert user.answered_after() == ONE.end_hang_ms


def test_a_reading_that_comes_late_ends_the_turn_at_once() -> None:
    user = Pausing()
    user.speak(1_000)
    user.until_read()
    user.quiet(300)
    quiet = user.now - user.floor.turn.spoken_until_ms
    user.read("What time do you open?")
    user.ticks()
    assert user.all()[-2:] == ["Prepare", "Answer"]
    assert quiet < ONE.end_of_turn_ms


def test_without_a_part_that_reads_turns_no_words_are_asked_for() -> None:
    user = Talk(stt=True)
    user.speak(1_000)
    user.quiet(800)
    assert "ReadTurn" not in user.all()
    assert user.last(f.Answer).why == "quiet for 700 ms"


def test_an_stt_that_ends_turns_is_trusted_alone() -> None:
    user = Pausing()
    user.feed(f.STTChanged(0, words=True, turns=True, reads_turns=True))
    user.speak(1_000)
    user.quiet(1_500)
    assert "ReadTurn" not in user.all()
    assert user.floor.state is State.LISTENING


def test_keys_are_not_read() -> None:
    user = Pausing()
    user.feed(f.KeyPressed(user.now, "4"))
    user.quiet(1_000)
    assert "ReadTurn" not in user.all()
    user.quiet(2_000)
    assert user.all()[-1] == "Answer"


def test_a_caller_who_pauses_is_given_as_much_again() -> None:
    user = Pausing()
    user.say("I need a room.")
    user.quiet(128)
    user.speak(800)  # a pause of about 250 ms, after words that may have been all
    user.until_read()
    user.read("I need a room. For Friday?")
    learnt = user.floor.pause.own_ms
    assert 300 < learnt < 400
    assert user.answered_after() == learnt > ONE.end_sure_ms
    assert "and this caller has paused for" in user.last(f.Answer).why


def test_a_pause_after_words_that_hang_teaches_nothing() -> None:
    user = Pausing()
    user.say("I need a")
    user.quiet(400)
    user.speak(800)
    assert user.floor.pause.own_ms == 0


def test_an_answer_that_came_too_soon_teaches_and_is_forgotten_by_and_by() -> None:
    user = Pausing()
    user.say("I need a room.")
    user.answered_after()
    user.speak(800)  # the user goes on: the answer is dropped, or cut
    user.feed(f.Words(user.floor.speech.onset_ms, "for two nights", user.floor.onset.reading))
    assert user.floor.turn.open
    learnt = user.floor.pause.own_ms
    assert learnt > ONE.end_likely_ms
    user.until_read()
    user.read("I need a room for two nights.")
    assert user.answered_after() == learnt
    assert user.floor.pause.own_ms == learnt / 2


def test_callers_are_alike_where_the_policy_says_so() -> None:
    user = Pausing(own_pause_share=0)
    user.say("I need a room.")
    user.quiet(128)
    user.speak(800)
    user.until_read()
    user.read("I need a room for Friday.")
    assert user.answered_after() == ONE.end_likely_ms


def test_prosody_is_a_prior_and_no_gate() -> None:
    assert said("I want to", prosody=1.0) == ONE.end_hang_ms
    assert said("What time do you open?", prosody=0.0) == ONE.end_sure_ms
    assert said("I need a room.", prosody=1.0) < ONE.end_likely_ms < said("I need a room.", prosody=0.0)
    assert said(None, prosody=1.0) < ONE.end_of_turn_ms < said(None, prosody=0.0) < ONE.end_hang_ms


@pytest.mark.parametrize("name", ["instant", "balanced", "patient"])
def test_each_preset_has_its_own_scale(name: str) -> None:
    p = Policy.named(name).endpointing
    assert p.end_look_ms < p.end_sure_ms < p.end_likely_ms < p.end_of_turn_ms < p.end_hang_ms
    user = Pausing(Policy.named(name))
    user.say("What time do you open?")
    assert user.answered_after() == p.end_sure_ms


def test_one_number_alone_never_makes_a_hanging_turn_end_before_a_whole_one() -> None:
    for text, quiet in (("What time do you open?", 250), ("I need a room.", 300), ("and", 1200)):
        user = Pausing(end_of_turn_ms=300)
        user.say(text)
        assert user.answered_after() == quiet
    user = Pausing(end_of_turn_ms=2_000)
    user.say("and")
    assert user.answered_after() == 2_000


def test_a_policy_that_changes_in_the_pause_counts_at_once() -> None:
    user = Pausing()
    user.say("and")
    user.feed(f.PolicyChanged(user.now, Policy.balanced().with_({"end_hang_ms": 800})))
    assert user.answered_after() == 800


def test_a_client_that_is_back_is_given_the_whole_quiet() -> None:
    user = Pausing()
    user.say("What time do you open?")
    user.feed(f.ClientAway(user.now, 5_000))
    assert user.all()[-1] == "DiscardPrepared"
    assert user.read("What time do you open?") == []
    user.feed(f.ClientBack(user.now))
    assert user.answered_after() == ONE.end_of_turn_ms
