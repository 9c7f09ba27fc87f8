"""Turns that the floor opens, reads and dismisses."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bargein import floor as f
from bargein.call.input.turns import Turn
from bargein.call.record.conversation import Conversation
from bargein.call.turn_control import LEAD_IN_MS, TurnControl
from bargein.notices import Transcript
from bargein.protocols import SaidOver, UserBackchannel
from tests.call.parts import Parts, settle

OVER = SaidOver(1, "once there was")


class World:
    """Everything that a turn touches. text: what will be read; own: it is the agent's own."""

    def __init__(self, text: str | None = "wait", *, own: bool = False, streaming: bool = True) -> None:
        self.parts = Parts()
        self.floor = f.Floor(f.Policy.balanced())
        self.conversation = Conversation()
        self.newest: Turn | None = None
        self.text, self.own = text, own
        self.calls: list[tuple[object, ...]] = []
        self.control = TurnControl(
            self.parts.context,
            self.floor,
            self,  # type: ignore[arg-type]
            self.conversation,
            self,  # type: ignore[arg-type]
            _Responder(self.calls),  # type: ignore[arg-type]
            _Stream(self.calls) if streaming else None,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
        )

    # Turns
    def open(self, turn: int, from_ms: float, over: SaidOver | None) -> Turn:
        self.newest = Turn(turn, from_ms, over)
        return self.newest

    async def words_since(self, from_ms: float) -> str | None:
        self.calls.append(("read", from_ms))
        return self.text

    # Ledger
    def said_over(self, onset_ms: float) -> SaidOver | None:
        self.calls.append(("over", onset_ms))
        return OVER

    # OwnWords
    def explain(self, text: str, onset_ms: float, until_ms: float) -> bool:
        return self.own


class _Responder:
    def __init__(self, calls: list[tuple[object, ...]]) -> None:
        self.calls = calls

    def turn_started(self, from_ms: float) -> None:
        self.calls.append(("started", from_ms))

    def dismiss(self, onset_ms: float, until_ms: float, backchannel: UserBackchannel | None) -> None:
        self.calls.append(("dismiss", onset_ms, until_ms, backchannel))


class _Stream:
    def __init__(self, calls: list[tuple[object, ...]]) -> None:
        self.calls = calls

    def dismiss(self, until_ms: float) -> None:
        self.calls.append(("stream", until_ms))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.parts.end()


def test_a_turn_is_opened_with_what_it_was_said_over_at_its_onset(world: World) -> None:
    world.control.listen(f.Listen(1, 1_000.0, "speech"))
    assert world.newest == Turn(1, 1_000.0, OVER)
    assert world.calls == [("over", 1_000.0 + world.floor.policy.endpointing.pre_roll_ms), ("started", 1_000.0)]
    assert world.parts.decisions() == [("listen", "speech")]


def test_a_key_belongs_to_the_turn_that_the_floor_opens_for_it(world: World) -> None:
    world.control.press(10.0, "4")
    assert world.parts.events == [f.KeyPressed(10.0, "4")]
    world.control.listen(f.Listen(1, 10.0, "key"))
    assert world.newest is not None
    assert world.newest.typed == ["4"]
    world.control.listen(f.Listen(2, 20.0, "speech"))
    assert world.newest.typed == [], "it is typed once"


async def test_words_that_were_read_are_evidence(world: World) -> None:
    pre_roll_ms = world.floor.policy.endpointing.pre_roll_ms
    world.control.read_words(f.ReadWords(3, 1_000.0, "short"))
    assert world.parts.events == [], "nothing waits for them"
    await settle()
    onset_ms = 1_000.0 + pre_roll_ms
    assert world.calls == [("read", onset_ms - LEAD_IN_MS)]
    assert world.parts.events == [f.Words(onset_ms, "wait", 3)]
    assert world.parts.notes.notes == [("look", {"look": 3, "text": "wait"})]
    assert world.parts.decisions() == [("look", "short")]


async def test_words_that_could_not_be_read_are_said_to_be_so() -> None:
    world = World(None)
    world.control.read_words(f.ReadWords(1, 0.0, "short"))
    await settle()
    assert [e.text for e in world.parts.events if isinstance(e, f.Words)] == [None]


async def test_the_agents_own_words_are_judged_to_be_no_interruption() -> None:
    world = World("once there", own=True)
    world.control.read_words(f.ReadWords(1, 0.0, "short"))
    await settle()
    (event,) = world.parts.events
    assert isinstance(event, f.Judged)
    assert (event.interrupts, event.why) == (False, "the agent's own words, 'once there'")


def test_a_backchannel_enters_the_conversation_and_a_noise_does_not(world: World) -> None:
    world.control.dismiss(f.Dismiss(100.0, 300.0, "", "a noise"))
    assert world.conversation.items == []
    assert world.parts.decisions() == [("settle", "a noise")]
    assert world.calls == [("stream", 0.0), ("dismiss", 100.0, 300.0, None)]
    world.control.dismiss(f.Dismiss(100.0, 300.0, "mm-hmm", "a backchannel"))
    said = UserBackchannel("mm-hmm", OVER)
    assert world.conversation.items == [said]
    assert world.calls[-1] == ("dismiss", 100.0, 300.0, said)
    assert Transcript("backchannel", "mm-hmm", final=True, over=OVER.text) in world.parts.notices


def test_without_a_streaming_stt_there_are_no_words_to_dismiss() -> None:
    world = World(streaming=False)
    world.control.dismiss(f.Dismiss(100.0, 300.0, "", "a noise"))
    assert world.calls == [("dismiss", 100.0, 300.0, None)]


@pytest.mark.parametrize(
    ("turn", "source", "written", "unread"),
    [
        (0, f.Source.SPEECH, False, True),
        (0, f.Source.SPEECH, True, False),  # its words are in the conversation
        (1, f.Source.SPEECH, False, False),  # the turn itself goes on
        (0, f.Source.BUTTON, False, False),  # a turn that was stopped by hand is not answered later
        (0, f.Source.OPERATOR, False, False),
    ],
)
def test_words_of_a_reply_that_was_discarded_are_kept_for_the_next_turn(
    world: World, turn: int, source: f.Source, *, written: bool, unread: bool
) -> None:
    newest = world.open(1, 0.0, None)
    if written:
        world.conversation.user(1, "what are owls", None)
    world.control.keep_unanswered(f.DiscardReply(1, turn, f.BargeIn(1, 0.0, 0.0, source, 1.0, "why")))
    assert newest.unread is unread


def test_without_a_turn_there_is_nothing_to_keep(world: World) -> None:
    world.control.keep_unanswered(f.DiscardReply(1, 0, f.BargeIn(1, 0.0, 0.0, f.Source.SPEECH, 1.0, "why")))
    assert world.newest is None
