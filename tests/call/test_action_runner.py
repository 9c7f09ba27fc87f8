"""Every action of the floor, and who does it."""

from __future__ import annotations

from typing import get_args

import pytest

from bargein import floor as f
from bargein.call.action_runner import ActionRunner
from bargein.call.output.reply import Reply
from tests.call.parts import Parts

BARGE_IN = f.BargeIn(1, 0.0, 0.0, f.Source.SPEECH, 0.9, "speech lasted")


class Doer:
    """Whatever is asked of it is written down with its name."""

    def __init__(self, name: str, did: list[tuple[object, ...]]) -> None:
        self.name, self.did = name, did

    def __getattr__(self, what: str) -> object:
        def do(*args: object, **named: object) -> Reply:
            self.did.append((self.name, what, *args, *named.values()))
            return REPLY

        return do


class World:
    def __init__(self) -> None:
        self.parts = Parts()
        self.did: list[tuple[object, ...]] = []
        doers = [Doer(name, self.did) for name in ("control", "starter", "turns", "sounds", "ending")]
        self.runner = ActionRunner(self.parts.context, *doers)  # type: ignore[arg-type]


HOLD = f.Hold(1, 0.0, f.Source.SPEECH, "speech")
RESUME = f.Resume(1, "a cough")
CUT = f.Cut(1, BARGE_IN)
DISCARD = f.DiscardReply(1, 0, BARGE_IN)
LATE = f.DiscardLateReply(1, "late")
STALLED = f.CutStalledReply(1, "no report")
FLUSH = f.FlushClient(1, "button pressed")
REPLY = Reply(1, "reply", 0.0)
LISTEN = f.Listen(1, 0.0, "speech")
TURN = f.ReadTurn(4, 2, "a pause")
READ = f.ReadWords(1, 0.0, "short")
LOOK = f.JudgeSound(1, 0.0, 320.0, "undecided")
DISMISS = f.Dismiss(0.0, 10.0, "", "a noise")
EVERY: list[tuple[f.Action, list[tuple[object, ...]]]] = [
    (HOLD, [("control", "hold", HOLD, 5.0)]),
    (RESUME, [("control", "resume", RESUME, 5.0)]),
    (CUT, [("control", "cut", CUT, 5.0)]),
    (DISCARD, [("turns", "keep_unanswered", DISCARD), ("control", "discard", DISCARD, 5.0)]),
    (LATE, [("control", "discard_late", LATE, 5.0)]),
    (STALLED, [("control", "cut_stalled", STALLED, 5.0), ("ending", "reply_stalled", REPLY)]),
    (FLUSH, [("control", "flush_client", FLUSH, 5.0)]),
    (f.Prepare(2, "a guess"), [("starter", "prepare", 2, "a guess")]),
    (f.DiscardPrepared(2, "went on"), [("starter", "discard_prepared", "went on")]),
    (f.Answer(3, 2, "quiet"), [("starter", "answer", 3, 2, "quiet")]),
    (f.Say(3, "free"), [("starter", "say", 3, "free")]),
    (f.Reprompt(3, "late", "late"), [("starter", "reprompt", 3, "late", "late")]),
    (f.SayFiller(3, "slow"), [("starter", "filler", 3, "slow")]),
    (f.ContinueReply(4, "over"), [("starter", "continue_behind", 4, "over")]),
    (f.GiveUp("lost"), [("ending", "give_up", "lost")]),
    (LISTEN, [("turns", "listen", LISTEN)]),
    (READ, [("turns", "read_words", READ)]),
    (LOOK, [("sounds", "look", LOOK)]),
    (DISMISS, [("turns", "dismiss", DISMISS)]),
    (f.EndCall("nobody there"), [("ending", "leave", "nobody there", False)]),
    (f.EndCall("not back", gone=True), [("ending", "leave", "not back", True)]),
    (TURN, [("turns", "read_turn", TURN)]),
    (f.CloseTurn(2, "no words"), []),
    (f.Ignore("turn", "too old"), []),
]


@pytest.mark.parametrize(("action", "did"), EVERY, ids=lambda x: type(x).__name__)
def test_every_action_is_done_by_its_part(action: f.Action, did: list[tuple[object, ...]]) -> None:
    world = World()
    world.runner.run(action, 5.0)
    assert world.did == did


def test_no_action_of_the_floor_is_missing_here() -> None:
    assert {type(action) for action, _ in EVERY} == set(get_args(f.Action))


@pytest.mark.parametrize(
    ("action", "decision"),
    [
        (f.CloseTurn(2, "no words"), ("close", "no words")),
        (f.EndCall("nobody there"), ("leave", "nobody there")),
        (f.Ignore("turn", "too old"), ("ignore", "turn: too old")),
    ],
)
def test_what_needs_no_doing_reaches_the_client_all_the_same(action: f.Action, decision: tuple[str, str]) -> None:
    world = World()
    world.runner.run(action, 5.0)
    assert world.parts.decisions() == [decision]
