"""The numbers of a policy."""

from __future__ import annotations

import pytest

from bargein.errors import UsageError
from bargein.floor import Policy


def test_numbers_of_a_policy_are_checked_and_named() -> None:
    for bad in ({"confirm_ms": -1}, {"hold_windows": 0}, {"hold_threshold": 2}, {"min_words": True}, {"no_such": 1},
                {"confirm_ms": float("nan")}, {"stop_phrases": [""]}, {"trust_transcriber_turns": 1}):  # fmt: skip
        with pytest.raises(UsageError, match=next(iter(bad))):
            Policy.balanced().with_(bad)
    with pytest.raises(UsageError):
        Policy.named("nervous")
