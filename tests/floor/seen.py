"""What one who only watches sees of a floor, and how a broken promise is told."""

from __future__ import annotations

from dataclasses import dataclass

from bargein.floor.rules import Floor
from bargein.floor.speech import Evidence


class Broken(AssertionError):
    """A promise of the design does not hold."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a floor showed before an event."""

    state: str
    reply: int
    turn: int
    evidence: Evidence
    onset_ms: float
    now_ms: float
    guarded_until_ms: float
    carried_ms: float
    tools_until_ms: float
    noticed_ms: float

    @classmethod
    def of(cls, floor: Floor) -> Seen:
        return cls(
            floor.state.value, floor.reply.id, floor.turn.id, floor.speech.evidence, floor.speech.onset_ms,
            floor.now_ms,
            floor.reply.sounding_since_ms + floor.policy.echo.echo_guard_ms if floor.reply.sounding else -1.0,
            floor.onset.carried_ms, floor.reply.tools_until_ms, floor.speech.noticed_ms,
        )  # fmt: skip
