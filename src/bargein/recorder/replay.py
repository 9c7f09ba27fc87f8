"""Lets a recorded call happen again, through a fresh floor: the same events decide the same, or it says where not.

A decision is what is done, to which reply or turn, with which times and on which evidence. Its `why` is prose: another
wording is no difference.

Under another policy the same evidence is weighed anew. The replay shows which decisions would have been others; it
cannot show what the people would then have said, so read on from the first difference with care.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bargein.floor import Action, Cut, DiscardReply, Event, Floor, Policy, PolicyChanged, SpeechWindow, Tick
from bargein.recorder.reading import Happened, Noted, Ordered, Recording

TICKS_AT_ONCE = 64  # deadlines that may pass between two events


@dataclass(frozen=True, slots=True)
class Decided:
    """An action that was recorded, replayed, or both."""

    at_ms: float
    """The time of the event that led to it; of the record, where the replay did not decide it."""
    action: Action
    recorded: bool
    replayed: bool

    @property
    def same(self) -> bool:
        """It was recorded, and came again."""
        return self.recorded and self.replayed


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """A call, decided again."""

    events: int
    """How many were recorded."""
    actions: int
    """How many were recorded."""
    decisions: list[Decided]
    """Recorded and replayed ones together, in order."""

    @property
    def differences(self) -> list[Decided]:
        return [d for d in self.decisions if not d.same]


def replay(recording: Recording, policy: Policy | None = None) -> ReplayResult:
    """Decide the call again.

    policy None: the call's own, changes on the way included, and its own ticks: everything must come out the same.
    Another policy: it holds for the whole call, and time passes by that policy's own deadlines.
    """
    floor = Floor(policy or recording.header.policy, language=recording.header.language)
    owed: list[tuple[int, float, Action]] = []  # decided now, and not met in the record yet
    decisions: list[Decided] = []
    events = actions = 0
    for entry in recording.entries:
        match entry:
            case Happened(at_ms, event):
                events += 1
                if policy is not None and isinstance(event, Tick | PolicyChanged):
                    continue
                if policy is not None:
                    _pass_time(floor, events, event, owed)
                owed += [(events, at_ms, action) for action in floor.handle(event)]
            case Ordered(at_ms, action):
                actions += 1
                # An action may be recorded after those of an event that it caused itself, hence the search.
                index = next((i for i, (_, _, mine) in enumerate(owed) if _same(mine, action)), None)
                if index is None:
                    decisions.append(Decided(at_ms, action, recorded=True, replayed=False))
                else:
                    _, decided_ms, _ = owed.pop(index)
                    decisions.append(Decided(decided_ms, action, recorded=True, replayed=True))
            case Noted():
                pass
    if not recording.complete:
        owed = [o for o in owed if o[0] < events]  # the process died before it wrote down what it did last
    decisions += [Decided(at_ms, action, recorded=False, replayed=True) for _, at_ms, action in owed]
    decisions.sort(key=lambda d: d.at_ms)
    return ReplayResult(events, actions, decisions)


def _same(mine: Action, recorded: Action) -> bool:
    """Whether two actions are one decision."""
    return type(mine) is type(recorded) and _without_why(mine) == _without_why(recorded)


def _without_why(action: Action) -> Action:
    if isinstance(action, Cut | DiscardReply):
        return replace(action, barge_in=replace(action.barge_in, why=""))
    return replace(action, why="")


def _pass_time(floor: Floor, index: int, until: Event, owed: list[tuple[int, float, Action]]) -> None:
    """Hand in the floor's own deadlines that lie before an event."""
    until_ms = until.noticed_ms if isinstance(until, SpeechWindow) else until.at_ms
    for _ in range(TICKS_AT_ONCE):
        due = floor.deadline
        if due is None or due >= until_ms:
            return
        owed += [(index, due, action) for action in floor.handle(Tick(due))]
