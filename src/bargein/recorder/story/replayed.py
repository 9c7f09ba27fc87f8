"""What another policy would have decided in a call, beside what was decided."""

from __future__ import annotations

import msgspec

from bargein.floor import Cut, DiscardReply, Policy
from bargein.recorder.reading import Recording
from bargein.recorder.replay import Decided, replay
from bargein.recorder.story.teller import MAJOR, snake

SAME_MS = 2_000.0  # apart, two decisions of a kind on one reply or turn are one that was taken at another time


class StoryDecided(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that was recorded, or that the other policy takes, or both."""

    at_ms: float
    """When it was recorded; else when the other policy takes it."""
    replayed_ms: float | None
    """When the other policy takes it. None: that does not."""
    kind: str
    """As in StoryDecision."""
    reply: int | None
    turn: int | None
    onset_ms: float | None
    source: str | None
    why: str
    major: bool
    recorded: bool


class StoryReplay(msgspec.Struct, frozen=True, kw_only=True):
    """A call, decided again."""

    name: str
    """The policy's preset, with the numbers that differ from it."""
    differences: int
    """Decisions that one of the two takes, and the other does not."""
    moved: int
    """Decisions that both take, at different times."""
    decisions: tuple[StoryDecided, ...]


def replayed(recording: Recording, preset: str | None, numbers: dict[str, object]) -> StoryReplay:
    """preset: None: the call's own policy. numbers: in its place. Raises UsageError for what is no policy."""
    base = recording.header.policy if preset is None else Policy.named(preset)
    result = replay(recording, base.with_(numbers))
    changed = ", ".join(f"{name}={value}" for name, value in numbers.items())
    decisions = _paired([_told(decided) for decided in result.decisions])
    return StoryReplay(
        name=" with ".join(filter(None, (base.preset, changed))),
        differences=sum(not one.recorded or one.replayed_ms is None for one in decisions),
        moved=sum(one.recorded and one.replayed_ms not in (None, one.at_ms) for one in decisions),
        decisions=tuple(decisions),
    )


def _paired(decisions: list[StoryDecided]) -> list[StoryDecided]:
    """A decision that both take is one, also if they take it at different times."""
    kept: list[StoryDecided | None] = list(decisions)
    open_: dict[tuple[str, int | None, int | None], list[int]] = {}  # places of decisions that only one has taken
    for at, one in enumerate(decisions):
        if one.recorded and one.replayed_ms is not None:
            continue
        waiting = open_.setdefault((one.kind, one.reply, one.turn), [])
        other = next((w for w in waiting if _meet(decisions[w], one)), None)
        if other is None:
            waiting.append(at)
            continue
        waiting.remove(other)
        first = decisions[other]
        mine, theirs = (first, one) if first.recorded else (one, first)
        kept[other], kept[at] = None, None
        kept[other if first.recorded else at] = msgspec.structs.replace(mine, replayed_ms=theirs.at_ms)
    return [one for one in kept if one is not None]


def _meet(one: StoryDecided, other: StoryDecided) -> bool:
    return one.recorded is not other.recorded and abs(one.at_ms - other.at_ms) <= SAME_MS


def _told(decided: Decided) -> StoryDecided:
    action = decided.action
    evidence = action.barge_in if isinstance(action, Cut | DiscardReply) else action
    source = getattr(evidence, "source", None)
    return StoryDecided(
        at_ms=decided.at_ms,
        kind=snake(type(action)),
        replayed_ms=decided.at_ms if decided.replayed else None,
        reply=getattr(action, "reply", None),
        turn=getattr(action, "turn", None),
        onset_ms=getattr(evidence, "onset_ms", None),
        source=None if source is None else str(source),
        why=action.why,
        major=isinstance(action, MAJOR),
        recorded=decided.recorded,
    )
