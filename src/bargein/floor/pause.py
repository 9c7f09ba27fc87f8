"""The quiet after the user's last words in an open turn: what was read in them, and how this user pauses."""

from __future__ import annotations

from dataclasses import dataclass

UNREAD = -1.0


@dataclass(slots=True)
class PauseState:
    """The running pause, or the last one."""

    reading: int = 0
    """Id of the newest reading of a turn that was asked for. Ids only grow."""
    awaiting: bool = False
    """That reading has not been answered."""
    asked_until_ms: float = -1.0
    """Where the user's speech ended when that reading was asked for. Later speech makes the reading old."""
    score: float = UNREAD
    """How surely the turn is whole, 0..1. UNREAD: nothing is known."""
    why: str = ""
    """The evidence, as the end of a sentence."""
    made: bool = False
    """The reply that is being made ahead was begun for this pause."""
    own_ms: float = 0.0
    """This user pauses so long in mid-turn, and goes on. Halved by each answered turn. 0: not known."""
