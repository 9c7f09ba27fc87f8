"""What a client sends, and where it goes."""

from __future__ import annotations

import numpy as np
import pytest

from bargein import floor as f
from bargein import notices as n
from bargein import protocols as c
from bargein.call.inbound import InboundHandler
from bargein.call.output.silence_timer import SilenceTimer
from tests.call.kit import scene
from tests.call.parts import Parts


class World:
    """All the receivers in one: did has every call, in order. ended: what the playout makes of Finished."""

    def __init__(self) -> None:
        self.parts = Parts()
        self.parts.clock.advance(1_000)
        self.did: list[tuple[object, ...]] = []
        self.ended: f.ReplyEnded | None = None
        self.floor = f.Floor(language="de")
        self.timer = SilenceTimer(self.parts.notes)
        self.handler = InboundHandler(
            self.parts.context,
            self.floor,
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.timer,
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
        )

    def push_audio(self, item: c.AudioIn) -> None:
        self.did.append(("audio", item.first_sample))

    def on_played(self, now_ms: float, report: c.Played) -> None:
        self.did.append(("played", now_ms, report))

    def on_held(self, now_ms: float, report: c.Held) -> None:
        self.did.append(("held", now_ms, report))

    def on_finished(self, now_ms: float, reply: int) -> f.ReplyEnded | None:
        self.did.append(("finished", now_ms, reply))
        return self.ended

    def on_flushed(self, now_ms: float, report: c.Flushed) -> None:
        self.did.append(("flushed", now_ms, report))

    def happened(self, event: f.Event) -> None:
        self.did.append(("happened", event))

    def press(self, now_ms: float, key: str) -> None:
        self.did.append(("key", now_ms, key))

    def type(self, event: f.Event, text: str) -> None:
        self.did.append(("typed", event, text))

    def hang_up(self, reason: str) -> None:
        self.did.append(("hang up", reason))


HELD, FLUSHED, PLAYED = c.Held(1, 480), c.Flushed(1, 480), c.Played(1, 480, playing=True)


@pytest.mark.parametrize(
    ("item", "did"),
    [
        (c.AudioIn(np.zeros(320, np.int16), 640), [("audio", 640)]),
        (PLAYED, [("played", 1_000, PLAYED)]),
        (HELD, [("held", 1_000, HELD)]),
        (FLUSHED, [("flushed", 1_000, FLUSHED)]),
        (c.Finished(1, 480), [("held", 1_000, HELD), ("finished", 1_000, 1)]),
        (c.KeyPress("4"), [("key", 1_000, "4")]),
        (c.Typed("hello"), [("typed", f.UserTyped(1_000), "hello")]),
        (c.ClientHangUp("gone"), [("hang up", "gone")]),
        (c.LocalHold(1, 480, 50.0), [("held", 1_000, HELD)]),
    ],
)
def test_every_item_goes_where_it_belongs(item: c.Inbound, did: list[tuple[object, ...]]) -> None:
    world = World()
    world.handler.handle(item)
    assert world.did == did


def test_a_reply_that_the_client_has_played_whole_is_over() -> None:
    world = World()
    world.ended = f.ReplyEnded(1_000, 1)
    world.handler.handle(c.Finished(1, 480))
    assert world.did[-1] == ("happened", f.ReplyEnded(1_000, 1))


def test_a_hold_of_the_clients_own_is_evidence_from_when_it_happened() -> None:
    world = World()
    world.handler.handle(c.LocalHold(1, 480, 50.0))
    world.handler.handle(c.LocalHold(1, 480, 5_000.0))
    assert world.parts.events == [f.LevelOnset(950.0, 1), f.LevelOnset(0.0, 1)]


def test_the_button_interrupts() -> None:
    world = World()
    world.handler.handle(c.StopPressed())
    assert world.parts.events == [f.Interrupted(1_000, "button")]


def test_the_clients_word_on_silence_is_measured() -> None:
    world = World()
    world.timer.ordered(960)
    world.handler.handle(HELD)
    world.timer.ordered(970)
    world.handler.handle(FLUSHED)
    assert world.parts.notes.seen == [("stop", 40, "hold"), ("stop", 30, "cut")]


def test_a_fault_of_the_clients_is_noted_and_passed_on() -> None:
    world = World()
    world.handler.handle(c.ClientFault("bad_json", "no JSON", "send JSON"))
    assert world.parts.notices == [n.Problem("bad_json", "no JSON", "send JSON")]
    assert world.parts.notes.notes == [("fault", {"code": "bad_json", "message": "no JSON"})]


def test_another_policy_keeps_the_language_and_is_confirmed() -> None:
    world = World()
    world.handler.handle(c.SettingsRequested("patient", {"confirm_ms": 450}))
    (event,) = world.parts.events
    assert isinstance(event, f.PolicyChanged)
    assert (event.policy.preset, event.policy.verdict.confirm_ms) == ("patient", 450)
    assert world.parts.notices == [n.PolicyNow(event.policy.numbers() | {"language": "de"})]


@pytest.mark.parametrize(("preset", "numbers"), [("unheard_of", {}), (None, {"confirm_ms": -1}), (None, {"x": 1})])
def test_settings_that_cannot_be_are_refused_with_advice(preset: str | None, numbers: dict[str, object]) -> None:
    world = World()
    world.handler.handle(c.SettingsRequested(preset, numbers))
    assert world.parts.events == []
    (problem,) = world.parts.notices
    assert isinstance(problem, n.Problem)
    assert problem.code == "bad_settings"
    assert problem.advice


async def test_settings_change_the_policy_of_a_running_call() -> None:
    async with scene() as s:
        s.client.inbox.put_nowait(c.SettingsRequested("patient", {"confirm_ms": 450}))
        s.client.inbox.put_nowait(c.SettingsRequested(None, {"confirm_ms": -1}))
        await s.settle()
        assert (s.call.floor.policy.preset, s.call.floor.policy.verdict.confirm_ms) == ("patient", 450)
        assert [x.code for x in s.client.notices if isinstance(x, n.Problem)] == ["bad_settings"]
