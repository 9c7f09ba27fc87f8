"""What a call leaves behind: its journal and its measurements."""

from __future__ import annotations

from typing import Literal, Protocol

from bargein.floor import Action, Event


class Journal(Protocol):
    """A call's record. Never raises: a full disk must not end a call."""

    def event(self, event: Event) -> None:
        """An event that went into the floor, in order."""
        ...

    def action(self, at_ms: float, action: Action) -> None:
        """An action that the floor ordered."""
        ...

    def note(self, at_ms: float, kind: str, **facts: object) -> None:
        """Anything else worth knowing later. facts: JSON-able."""
        ...

    def close(self) -> None: ...


Latency = Literal["onset_to_hold", "onset_to_cut", "hold_to_resume", "first_audio", "stop"]
Counter = Literal[
    "frames_late",
    "holds",
    "resumes",
    "cuts",
    "stalls",  # replies that the client stopped playing
    "drops",  # replies that were discarded before they sounded
    "replies",
    "vendor_errors",
    "underruns",
    "connections",  # of the client; cause: lost, or back
    "sound_looks",  # at the user's sounds; cause: told, or none: it could not be told
    "prepared",  # replies prepared before the turn was surely over; cause: used, or why not
    "prepared_waste_chars",  # text that was generated for those that were not used
    "prepared_waste_ms",  # and audio
    "machines",  # that picked up a call; cause: the sign by which they were known
    "tools",  # runs of tools; cause: how they ended
]


class Meter(Protocol):
    """Where measurements go. Each is counted under its cause."""

    def observe(self, name: Latency, ms: float, cause: str) -> None: ...

    def count(self, name: Counter, amount: int = 1, cause: str = "") -> None: ...
