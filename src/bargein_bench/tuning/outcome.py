"""What a floor did about one onset: hold, go on, cut, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bargein.floor import Action, Cut, DiscardLateReply, DiscardReply, Hold, Resume


@dataclass(frozen=True, slots=True)
class Outcome:
    """Times of the decisions, on the call's clock."""

    held_ms: float | None = None
    """The first hold."""
    cut_ms: float | None = None
    gap_ms: float = 0.0
    """Between holds and their resumes, in all."""
    ended: bool = False
    """The reply was over before it could be cut."""
    unanswered: int = 0
    """Requests for words that the record has no answer for."""

    @property
    def silent_ms(self) -> float | None:
        """When the floor first fell silent."""
        return self.cut_ms if self.held_ms is None else self.held_ms

    def like(self, other: Outcome, within_ms: float) -> bool:
        """Whether both decided the same, at nearly the same time."""
        return _near(self.held_ms, other.held_ms, within_ms) and _near(self.cut_ms, other.cut_ms, within_ms)


def _near(a: float | None, b: float | None, within_ms: float) -> bool:
    return a is b if a is None or b is None else abs(a - b) <= within_ms


class OutcomeWatch:
    """Follows the actions of a floor until the cut. over: later actions do not matter."""

    __slots__ = ("_since_ms", "cut_ms", "ended", "gap_ms", "held_ms", "over", "unanswered")

    def __init__(self) -> None:
        self.held_ms: float | None = None
        self.cut_ms: float | None = None
        self.gap_ms = 0.0
        self.ended = self.over = False
        self.unanswered = 0
        self._since_ms: float | None = None

    def apply(self, actions: Sequence[Action], at_ms: float) -> None:
        for action in actions:
            if self.over:
                return
            if isinstance(action, Hold):
                if self.held_ms is None:
                    self.held_ms = at_ms
                self._since_ms = at_ms
            elif isinstance(action, Resume):
                self._go_on(at_ms)
            elif isinstance(action, Cut | DiscardReply):
                self.cut_ms = at_ms
                self.over = True
            elif isinstance(action, DiscardLateReply):
                self.end(at_ms)

    def end(self, at_ms: float) -> None:
        """The reply is over by itself."""
        if not self.over:
            self._go_on(at_ms)
            self.ended = self.over = True

    def _go_on(self, at_ms: float) -> None:
        if self._since_ms is not None:
            self.gap_ms += at_ms - self._since_ms
            self._since_ms = None

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.held_ms, self.cut_ms, self.gap_ms, self.ended, self.unanswered)
