"""Windows of the VAD on their way to the floor."""

from __future__ import annotations

import dataclasses

from bargein.call.input.speech_watch import SpeechWatch
from bargein.floor import Event, Floor, Policy, SpeechWindow
from bargein.notices import SpeechNoticed
from tests.call.parts import Parts


class World:
    def __init__(self) -> None:
        self.parts = Parts()
        self.floor = Floor(Policy.balanced())
        context = dataclasses.replace(self.parts.context, feed=self.feed)
        self.watch = SpeechWatch(context, self.floor)

    def feed(self, event: Event) -> None:
        self.floor.handle(event)

    def windows(self, first: int, *speech: float) -> None:
        for k, p in enumerate(speech, first):
            self.watch.window(SpeechWindow(k * 32.0, k * 32.0 + 32, p))


def test_the_client_learns_when_speech_began_and_when_it_ended() -> None:
    world = World()
    world.windows(0, 0.0, 0.9, 0.9, 0.9)
    assert world.parts.notices == [SpeechNoticed("started", 32.0)]
    world.windows(4, *[0.0] * 20)
    assert world.parts.notices[1:] == [SpeechNoticed("ended", 128.0)]


def test_it_keeps_where_the_last_clear_speech_ended() -> None:
    world = World()
    assert world.watch.last_firm_ms == float("-inf")
    firm = world.floor.policy.hold.decide_threshold
    world.windows(0, firm, firm, firm - 0.01, 0.0)
    assert world.watch.last_firm_ms == 64.0
