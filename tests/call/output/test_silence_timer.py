"""How long a client takes to fall silent."""

from __future__ import annotations

from bargein.call.output.silence_timer import SilenceTimer
from tests.call.kit import Notes


def test_it_measures_from_the_order_to_the_clients_word_once() -> None:
    notes = Notes()
    timer = SilenceTimer(notes)
    timer.confirmed(90, "hold")
    timer.ordered(100)
    timer.confirmed(140, "hold")
    timer.confirmed(160, "cut")
    timer.ordered(200)
    timer.confirmed(230, "cut")
    assert notes.seen == [("stop", 40, "hold"), ("stop", 30, "cut")]
