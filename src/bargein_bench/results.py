"""What became of every interruption, and of the run as a whole. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bargein_bench.record import Record

Want = Literal["yield", "ignore"]
Outcome = Literal["stopped", "held", "through", "unheard"]


@dataclass(frozen=True, slots=True)
class Event:
    """A sound of the caller's side while the agent spoke, and what the caller then heard. Times in ms."""

    scene: str
    sound: str
    """What the sound was, for people."""
    want: Want
    """What a person would do in the agent's place."""
    call: int
    """Number of the call."""
    onset_ms: float
    """Begin of the sound, on the call's clock."""
    end_ms: float
    """End of the sound, on the call's clock."""
    outcome: Outcome
    """`stopped`: the reply never went on. `held`: the agent fell silent and went on. `through`: the agent did not fall
    silent. `unheard`: the agent was silent at the onset, so nothing can be said."""
    hold_ms: float | None = None
    """From the onset to the first silence."""
    stop_ms: float | None = None
    """From the onset to the reply's last audible sample, where the outcome is `stopped`."""
    gap_ms: float = 0.0
    """Silence before the reply went on, all holds together."""
    lost_ms: float | None = None
    """Of the reply, at those holds. None: unknown."""
    repeated_ms: float | None = None
    """Of the reply, at those holds. None: unknown."""
    answer_ms: float | None = None
    """From the caller's end to the first audio of the next reply."""
    overlap_ms: float = 0.0
    """Time between onset and end in which both were audible."""
    cut_ins: int = 0
    """How often the agent began to speak between onset and end, where a person would yield: the user's turn was not
    over."""
    said_again_ms: float | None = None
    """How much of the answer's first seconds the caller had already heard in the reply that was cut. None: no answer,
    or an agent of which the audio cannot tell."""
    recovered: bool | None = None
    """Whether a plain question afterwards was answered. None: none was asked."""

    @property
    def right(self) -> bool | None:
        """Whether the agent did what a person would. None: nothing can be said."""
        if self.outcome == "unheard":
            return None
        return (self.outcome == "stopped") == (self.want == "yield")


@dataclass(frozen=True, slots=True)
class CallResult:
    """One call."""

    number: int
    scene: str
    """The scene that the call was made for."""
    events: tuple[Event, ...] = ()
    failed: str | None = None
    """Why there is no result. None: there is one."""
    call_id: str = ""
    first_audio_ms: float | None = None
    """From the begin of the call to the agent's first audio."""
    frames: int = 0
    late: int = 0
    gap_ms: float = 0.0
    stale_ms: float = 0.0
    most_queued_ms: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    closed_by: str = ""
    record: Record | None = None
    """Kept where the report shows the call."""


@dataclass(frozen=True, slots=True)
class Results:
    """A whole run."""

    target: str
    """Address of the agent, without key and query."""
    protocol: str
    seed: int
    started: str
    """ISO 8601."""
    machine: str
    """The machine of the callers."""
    calls: tuple[CallResult, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    """Scenes that could not be played, and why."""

    @property
    def events(self) -> list[Event]:
        return [event for call in self.calls for event in call.events]
