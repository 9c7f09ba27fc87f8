"""Kinds of scenes, for the reader and for the faults."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bargein_bench.measures import ADDRESSED
from bargein_bench.results import Event

FALSE_NOISE, FALSE_BACKCHANNEL, FALSE_LAUGH, FALSE_SIDE = (
    0.03,
    0.10,
    0.12,
    0.30,
)  # of a kind's sounds, how many may end a reply


@dataclass(frozen=True, slots=True)
class Kind:
    """Sounds that a person ignores."""

    sounds: str
    scenes: frozenset[str]
    fault: str
    """Name of the fault of an agent that stops for them."""
    most: float = FALSE_NOISE
    """Share of the sounds, 0..1, that may end a reply."""


OTHERS = Kind("other sounds", frozenset(), "Stops for noises")
KINDS = (
    Kind("backchannels", frozenset({"backchannel"}), "Stops for backchannels", FALSE_BACKCHANNEL),
    Kind("laughs", frozenset({"laugh"}), "Stops for laughs", FALSE_LAUGH),
    Kind("coughs", frozenset({"cough", "sneeze", "breath"}), "Stops for coughs"),
    Kind("line noise", frozenset({"line noise"}), "Stops for noise of the line"),
    Kind("noises", frozenset({"door", "keyboard", "traffic", "music", "noise"}), "Stops for noises"),
    Kind("side talk", frozenset({"television", "television before"}), "Stops for other people's talk", FALSE_SIDE),
    Kind("its own echo", frozenset({"loud echo", "soft echo", "echo"}), "Interrupts itself by its own echo"),
    Kind("silence", frozenset({"silence", "muted"}), "Stops for nothing at all"),
    OTHERS,
)


def kind_of(event: Event) -> Kind:
    scene = event.scene.partition(",")[0]  # "laugh, made": a part of a scene
    return next((kind for kind in KINDS if scene in kind.scenes), OTHERS)


def interruptions(events: Iterable[Event]) -> list[Event]:
    """The interruptions that the measures count. Where none was played: all that a person would yield to."""
    wanted = [e for e in events if e.want == "yield"]
    return [e for e in wanted if e.scene in ADDRESSED] or wanted
