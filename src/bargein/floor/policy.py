"""How readily the agent yields: the numbers of policy_groups.py in one object, and three named sets of them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from bargein.errors import UsageError
from bargein.floor.endpointing_policy import EndpointingPolicy
from bargein.floor.idle_policy import IdlePolicy
from bargein.floor.policy_groups import (
    NUMBERS,
    EchoPolicy,
    HoldPolicy,
    VerdictPolicy,
)

PRESETS: Mapping[str, Mapping[str, object]] = {
    "instant": {
        "confirm_ms": 0,
        "end_of_turn_ms": 500,
        "end_sure_ms": 200,
        "end_likely_ms": 250,
        "end_hang_ms": 900,
        "echo_guard_ms": 200,
    },
    "balanced": {},
    "patient": {
        "hold_windows": 2,
        "hold_threshold": 0.4,
        "confirm_ms": 600,
        "doubt_ms": 1500,
        "other_ms": 2000,
        "words_wait_ms": 500,
        "min_words": 2,
        "trust_transcriber_turns": False,
        "end_of_turn_ms": 1000,
        "end_sure_ms": 500,
        "end_likely_ms": 850,
        "end_hang_ms": 1700,
    },
}
"""The named policies, by what differs from the defaults."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """How readily the agent yields. The defaults are `balanced`. Immutable: `with_` makes another."""

    preset: str = "balanced"
    """The named policy that this one began as."""
    hold: HoldPolicy = msgspec.field(default_factory=HoldPolicy)
    verdict: VerdictPolicy = msgspec.field(default_factory=VerdictPolicy)
    endpointing: EndpointingPolicy = msgspec.field(default_factory=EndpointingPolicy)
    echo: EchoPolicy = msgspec.field(default_factory=EchoPolicy)
    idle: IdlePolicy = msgspec.field(default_factory=IdlePolicy)

    @classmethod
    def instant(cls) -> Policy:
        """Cuts on the onset itself: for command-like agents where a false cut costs nothing."""
        return cls.named("instant")

    @classmethod
    def balanced(cls) -> Policy:
        """Holds on the first window, cuts after 300 ms of speech or on a word: for conversation."""
        return cls.named("balanced")

    @classmethod
    def patient(cls) -> Policy:
        """Holds on two windows, cuts on real words or long speech: for noisy rooms and talkative listeners."""
        return cls.named("patient")

    @classmethod
    def named(cls, preset: str) -> Policy:
        """The preset of that name. Raises UsageError for another."""
        if preset not in PRESETS:
            raise UsageError(f"There is no policy {preset!r}", advice=f"Choose one of {', '.join(PRESETS)}")
        return cls(preset=preset).with_(PRESETS[preset])

    def with_(self, numbers: Mapping[str, object]) -> Policy:
        """This policy with some numbers changed. Raises UsageError, naming one that is unknown or out of range."""
        changed: dict[str, dict[str, object]] = {}
        for name, value in numbers.items():
            number = NUMBERS.get(name)
            if number is None:
                raise UsageError(f"A policy has no number {name!r}", advice=f"Known are: {', '.join(sorted(NUMBERS))}")
            changed.setdefault(number.group, {})[name] = tuple(value) if isinstance(value, list) else value
        groups = {group: msgspec.structs.replace(getattr(self, group), **values) for group, values in changed.items()}
        return msgspec.structs.replace(self, **groups)

    def numbers(self) -> dict[str, object]:
        """Every number by its name, the preset included."""
        values = {number.name: getattr(getattr(self, number.group), number.name) for number in NUMBERS.values()}
        return {"preset": self.preset, **values}
