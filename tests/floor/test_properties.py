"""The same promises with real numbers: real policies, times to the fraction of a millisecond, any order of events."""

from __future__ import annotations

from typing import Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bargein.floor import Floor, Policy, STTChanged
from bargein.floor import events as ev
from bargein.floor.speech import Evidence, UserSpeech
from tests.floor.monitor import Monitor
from tests.floor.world import Seen, liveness

MS = st.floats(1, 400)
TEXTS = st.sampled_from(["stop", "tell me more", "mm-hmm", "", None])

TURNS = st.sampled_from(["What time is it?", "I need a room.", "and", "two", "", None])


class Conversation(RuleBasedStateMachine):
    """Anybody may do anything at any time; the clock only goes on, and ticks are not late."""

    @initialize(preset=st.sampled_from(["instant", "balanced", "patient"]), stt=st.booleans())
    def begin(self, preset: str, stt: bool) -> None:
        self.floor = Floor(Policy.named(preset))
        self.monitor = Monitor()
        self.now = 0.0
        self.feed(STTChanged(0.0, words=stt, turns=False, reads_turns=stt))

    def feed(self, event: ev.Event) -> None:
        was = Seen.of(self.floor)
        self.monitor = self.monitor.step(self.floor, was, event, self.floor.handle(event))

    @rule(ms=MS, speech=st.floats(0, 1))
    def hear(self, ms: float, speech: float) -> None:
        """A window comes, of whatever length: after a gap in the network one may stand for several."""
        while (due := self.floor.deadline) is not None and due < self.now + ms:
            self.feed(ev.Tick(due))
        at, self.now = self.now, self.now + ms
        self.feed(ev.SpeechWindow(at, self.now, speech))

    @rule(ms=MS)
    def wait(self, ms: float) -> None:
        self.now += ms
        while (due := self.floor.deadline) is not None and due <= self.now:
            self.feed(ev.Tick(due))

    @rule()
    def say(self) -> None:
        self.feed(ev.SayRequested(self.now))

    @rule(old=st.integers(0, 2))
    def start(self, old: int) -> None:
        self.feed(ev.ReplyStarted(self.now, self.floor.reply.id - old))

    @rule(old=st.integers(0, 2))
    def end(self, old: int) -> None:
        self.feed(ev.ReplyEnded(self.now, self.floor.reply.id - old))

    @rule()
    def fail(self) -> None:
        self.feed(ev.ReplyFailed(self.now, self.floor.reply.id, "lost"))

    @rule(old=st.integers(0, 2))
    def stall(self, old: int) -> None:
        self.feed(ev.ReplyStalled(self.now, self.floor.reply.id - old, "the client does not play"))

    @rule(failed=st.booleans())
    def end_unconfirmed(self, failed: bool) -> None:
        reply = self.floor.reply.id
        failure = ev.ReplyFailed(self.now, reply, "lost", confirmed=False)
        self.feed(failure if failed else ev.ReplyEnded(self.now, reply, confirmed=False))

    @rule(on=st.booleans())
    def protect(self, on: bool) -> None:
        self.feed(ev.ReplyProtected(self.now, self.floor.reply.id, on))

    @rule(by=st.sampled_from(["button", "operator", "machine"]))
    def press(self, by: Literal["button", "operator", "machine"]) -> None:
        self.feed(ev.Interrupted(self.now, by))

    @rule(typed=st.booleans())
    def put_in(self, typed: bool) -> None:
        self.feed(ev.UserTyped(self.now) if typed else ev.KeyPressed(self.now, "1"))

    @rule(ago=st.floats(0, 50))
    def loud(self, ago: float) -> None:
        self.feed(ev.LevelOnset(max(0.0, self.now - ago), self.floor.reply.id))

    @rule(interrupts=st.booleans())
    def judge(self, interrupts: bool) -> None:
        self.feed(ev.Judged(self.now, interrupts, 0.8, "a judge"))

    @precondition(lambda self: self.floor.onset.awaiting_words)
    @rule(text=TEXTS)
    def read(self, text: str | None) -> None:
        self.feed(ev.Words(self.floor.speech.onset_ms, text, self.floor.onset.reading))

    @precondition(lambda self: self.floor.turn.open)
    @rule(text=TURNS, old=st.integers(0, 1), prosody=st.sampled_from([None, 0.1, 0.9]))
    def read_turn(self, text: str | None, old: int, prosody: float | None) -> None:
        floor = self.floor
        self.feed(ev.TurnRead(self.now, floor.pause.reading - old, floor.turn.id, text, "", 0, prosody))

    @rule(text=st.sampled_from(["", "mm-hmm", "tell me"]), ended=st.booleans())
    def transcribe(self, text: str, ended: bool) -> None:
        self.feed(ev.TurnEnded(self.now, text) if ended else ev.TurnStarted(self.now, text))

    @rule(ago=st.floats(0, 500), resumed=st.booleans())
    def guess(self, ago: float, resumed: bool) -> None:
        self.feed(ev.TurnResumed(self.now) if resumed else ev.TurnEnding(max(0.0, self.now - ago), "tell me"))

    @rule(preset=st.sampled_from(["instant", "balanced", "patient"]))
    def change(self, preset: str) -> None:
        self.feed(ev.PolicyChanged(self.now, Policy.named(preset)))

    @invariant()
    def comes_to_rest(self) -> None:
        if hasattr(self, "floor"):
            liveness(self.floor, longest_ms=400_000)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_speech_begins_with_its_first_window_and_ends_after_the_gap() -> None:
    policy, speech = Policy.patient().hold, UserSpeech()
    windows = [0.1, 0.6, 0.7, 0.9, 0.1, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    over = [speech.push(ev.SpeechWindow(i * 32.0, i * 32.0 + 32, p), policy) for i, p in enumerate(windows)]
    assert over.index(True) == 10  # 160 ms after the last window of speech
    assert (speech.onset_ms, speech.until_ms, speech.peak) == (32, 192, 0.9)


def test_one_loud_window_is_no_onset_where_two_are_asked_for() -> None:
    policy, speech = Policy.patient().hold, UserSpeech()
    for i, p in enumerate([0.9, 0.1] * 10):
        speech.push(ev.SpeechWindow(i * 32.0, i * 32.0 + 32, p), policy)
        assert speech.evidence is Evidence.SILENT
