"""What a framework must be able to do for our floor."""

from __future__ import annotations

from typing import Protocol

from bargein.floor import BargeIn


class Guest(Protocol):
    """The framework's side. Called on the event loop; no method waits, and what is raised is logged."""

    def hold(self, why: str) -> None:
        """The agent falls silent now. Nothing of what it was to say may be lost."""
        ...

    def resume(self, why: str) -> None:
        """The agent goes on with the sample after the last one that sounded."""
        ...

    def cut(self, barge_in: BargeIn, *, sounded: bool) -> None:
        """The user has the floor: the reply is over, what was not heard is dropped. sounded: the user has heard some
        of it; else it was still being made."""
        ...

    def turn_began(self, why: str) -> None:
        """The user has taken a turn, or goes on with one. After a cut, too."""
        ...

    def turn_over(self, why: str) -> None:
        """The user's turn is over, as far as quiet tells."""
        ...

    def backchannel(self, text: str, why: str) -> None:
        """A sound was no turn. text: its words; "" for a noise."""
        ...
