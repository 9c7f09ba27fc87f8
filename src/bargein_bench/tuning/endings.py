"""The ends of the user's turns: each pause that was read, and what came after it.

A pause after which the user went on within `GO_ON_MS` lay inside a turn. After any other, the turn was over.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

from bargein.floor import Event, Floor, Policy, PolicyChanged, ReplyStarted, SpeechWindow, State, TurnRead
from bargein.floor.endpointing_rules import quiet_ms
from bargein.recorder.reading import Happened, Recording

GO_ON_MS = 2_000.0  # after a longer pause the user says something new
REACTS_MS = 400.0  # speech so long after the agent's first sound may be an answer to it
CLEAR = 0.5  # 0..1: a window of speech, whatever any policy calls one


@dataclass(frozen=True, slots=True)
class Ending:
    """A pause of the user whose words were read."""

    floor: Floor
    """As it was then. It must handle no event itself."""
    read_ms: float
    """The quiet until the words were there."""
    pause_ms: float | None
    """None: the turn was over."""

    def wait_ms(self, policy: Policy) -> float:
        """The quiet after which this policy answers."""
        twin = copy(self.floor)
        twin.handle(PolicyChanged(twin.now_ms, policy))
        return max(quiet_ms(twin), self.read_ms)


def endings_of(recording: Recording) -> tuple[Ending, ...]:
    """The pauses that were read, in their order."""
    events = [entry.event for entry in recording.entries if isinstance(entry, Happened)]
    if not any(isinstance(event, TurnRead) for event in events):
        return ()
    floor = Floor(recording.header.policy, language=recording.header.language)
    found: list[Ending] = []
    running: tuple[Floor, float] | None = None  # as it was when the words were read, and the quiet until then
    sounded_ms: float | None = None
    for event in events:
        awaited = floor.pause.awaiting
        if running is not None:
            spoken_ms = running[0].turn.spoken_until_ms
            if isinstance(event, ReplyStarted) and sounded_ms is None:
                sounded_ms = event.at_ms
            if _speaks(event) and event.at_ms > spoken_ms:
                told = sounded_ms is not None and event.at_ms - sounded_ms > REACTS_MS
                within = event.at_ms - spoken_ms <= GO_ON_MS and not told
                found.append(Ending(*running, event.at_ms - spoken_ms if within else None))
                running = None
        floor.handle(event)
        if isinstance(event, TurnRead) and awaited and not floor.pause.awaiting and floor.state is State.LISTENING:
            running, sounded_ms = (copy(floor), event.at_ms - floor.turn.spoken_until_ms), None
    if running is not None:
        found.append(Ending(*running, None))
    return tuple(found)


def _speaks(event: Event) -> bool:
    return isinstance(event, SpeechWindow) and event.speech >= CLEAR
