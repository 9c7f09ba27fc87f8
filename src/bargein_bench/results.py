"""What became of everything that the callers' sides did, and of the run as a whole. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bargein_bench.record import Record

Want = Literal["yield", "ignore"]
Outcome = Literal["stopped", "held", "through", "unheard"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that the caller's side did while the agent held the floor, judged at the ear. Times in ms.

    want: what a person would do. onset_ms, end_ms: on the call's clock. outcome: `stopped`, the reply never went on;
    `held`, it fell silent and went on; `through`, it did not fall silent; `unheard`, it did not sound at the onset, so
    that nothing can be said. hold_ms: onset to the first silence; stop_ms: onset to the reply's last audible sample
    (of the stopped); gap_ms: how long it was silent before it went on, all holds together; lost_ms, repeated_ms: of the
    reply at those holds, None where nobody can tell; answer_ms: the caller's end to the next reply's first sound;
    overlap_ms: both sounded, between onset and end; recovered: a plain question afterwards was answered.
    """

    scene: str
    sound: str
    want: Want
    call: int
    onset_ms: float
    end_ms: float
    outcome: Outcome
    hold_ms: float | None = None
    stop_ms: float | None = None
    gap_ms: float = 0.0
    lost_ms: float | None = None
    repeated_ms: float | None = None
    answer_ms: float | None = None
    overlap_ms: float = 0.0
    recovered: bool | None = None

    @property
    def right(self) -> bool | None:
        """It did what a person would; None: nothing can be said."""
        if self.outcome == "unheard":
            return None
        return (self.outcome == "stopped") == (self.want == "yield")


@dataclass(frozen=True, slots=True)
class CallResult:
    """One call. scene: what it was made for; failed: why there is no record of it; first_audio_ms: from the call's
    start to the agent's first sound; record: kept where the report shows it."""

    number: int
    scene: str
    events: tuple[Event, ...] = ()
    failed: str | None = None
    call_id: str = ""
    first_audio_ms: float | None = None
    frames: int = 0
    late: int = 0
    gap_ms: float = 0.0
    stale_ms: float = 0.0
    most_queued_ms: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    closed_by: str = ""
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run. target: as it was given, without a key or a query; started: ISO 8601; machine: ours; left_out:
    scenes that could not be played, and why."""

    target: str
    protocol: str
    seed: int
    started: str
    machine: str
    calls: tuple[CallResult, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def events(self) -> list[Event]:
        return [event for call in self.calls for event in call.events]
