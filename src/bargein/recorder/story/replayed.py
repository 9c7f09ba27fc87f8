"""What another policy would have decided in a call, beside what was decided."""

from __future__ import annotations

import msgspec

from bargein.floor import Cut, DiscardReply, Policy
from bargein.recorder.reading import Recording
from bargein.recorder.replay import Decided, replay
from bargein.recorder.story.teller import MAJOR, snake


class StoryDecided(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that was recorded, or that the other policy takes, or both."""

    at_ms: float
    kind: str
    """As in StoryDecision."""
    reply: int | None
    onset_ms: float | None
    source: str | None
    why: str
    major: bool
    recorded: bool
    replayed: bool


class StoryReplay(msgspec.Struct, frozen=True, kw_only=True):
    """A call, decided again."""

    name: str
    """The policy's preset, with the numbers that differ from it."""
    differences: int
    decisions: tuple[StoryDecided, ...]


def replayed(recording: Recording, preset: str | None, numbers: dict[str, object]) -> StoryReplay:
    """preset: None: the call's own policy. numbers: in its place. Raises UsageError for what is no policy."""
    base = recording.header.policy if preset is None else Policy.named(preset)
    result = replay(recording, base.with_(numbers))
    changed = ", ".join(f"{name}={value}" for name, value in numbers.items())
    return StoryReplay(
        name=" with ".join(filter(None, (base.preset, changed))),
        differences=len(result.differences),
        decisions=tuple(_told(decided) for decided in result.decisions),
    )


def _told(decided: Decided) -> StoryDecided:
    action = decided.action
    evidence = action.barge_in if isinstance(action, Cut | DiscardReply) else action
    source = getattr(evidence, "source", None)
    return StoryDecided(
        at_ms=decided.at_ms,
        kind=snake(type(action)),
        reply=getattr(action, "reply", None),
        onset_ms=getattr(evidence, "onset_ms", None),
        source=None if source is None else str(source),
        why=action.why,
        major=isinstance(action, MAJOR),
        recorded=decided.recorded,
        replayed=decided.replayed,
    )
