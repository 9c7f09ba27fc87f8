"""A policy's numbers: declared once, checked always, called by one name."""

from __future__ import annotations

import msgspec
import pytest

from bargein.errors import UsageError
from bargein.floor import Policy
from bargein.floor.numbers import parse_numbers
from bargein.floor.policy import PRESETS
from bargein.floor.policy_groups import GROUPS, NUMBERS, HoldPolicy, VerdictPolicy


@pytest.mark.parametrize(
    ("bad", "advice"),
    [
        ({"confirm_ms": -1}, "milliseconds, 0 to 3,600,000"),
        ({"confirm_ms": float("nan")}, "milliseconds"),
        ({"user_silence_ms": -1}, "or none"),
        ({"hold_windows": 0}, "a whole number, at least 1"),
        ({"min_words": True}, "a whole number"),
        ({"min_words": 1.5}, "a whole number"),
        ({"hold_threshold": 2}, "a number, between 0 and 1"),
        ({"hold_threshold": 0}, "between 0 and 1"),
        ({"far_db": 0}, "decibels, 1 to 100"),
        ({"stop_phrases": [""]}, "a list of phrases"),
        ({"stop_phrases": "enough"}, "a list of phrases"),
        ({"trust_transcriber_turns": 1}, "true or false"),
        ({"decide_threshold": 0.2}, "at least hold_threshold"),
        ({"hold_max_ms": 100}, "at least level_hold_ms"),
        ({"no_such": 1}, "Known are: alone_ms"),
    ],
)
def test_a_wrong_number_is_named_with_what_is_allowed(bad: dict[str, object], advice: str) -> None:
    with pytest.raises(UsageError, match=next(iter(bad))) as raised:
        Policy.balanced().with_(bad)
    assert advice in raised.value.advice


def test_a_group_made_by_hand_is_checked_too() -> None:
    with pytest.raises(UsageError, match="confirm_ms"):
        Policy(verdict=VerdictPolicy(confirm_ms=-1))
    with pytest.raises(UsageError, match="decide_threshold"):
        HoldPolicy(hold_threshold=0.7)
    assert Policy(verdict=VerdictPolicy(confirm_ms=0)) == Policy().with_({"confirm_ms": 0})


def test_a_preset_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="nervous"):
        Policy.named("nervous")


def test_every_number_has_one_name_a_text_and_a_place() -> None:
    assert len(NUMBERS) == sum(len(msgspec.structs.fields(kind)) for kind in GROUPS)
    assert {number.group for number in NUMBERS.values()} == {"hold", "verdict", "endpointing", "echo", "idle"}
    for name, number in NUMBERS.items():
        assert getattr(getattr(Policy(), number.group), name) == number.default
        assert number.about.endswith(".")
        assert number.range
        assert number.pipecat
        assert number.livekit


def test_sliders_and_steps_lie_in_range_and_reach_every_preset() -> None:
    for name, number in NUMBERS.items():
        for step in number.steps:
            Policy().with_({"decide_threshold": 0.99, name: step} if name == "hold_threshold" else {name: step})
        for preset in PRESETS:
            value = Policy.named(preset).numbers()[name]
            if (slider := number.slider) is not None:
                assert isinstance(value, float | int)
                assert slider.lowest <= value <= slider.highest, (name, preset)
            assert not number.steps or value in number.steps, (name, preset)


def test_numbers_go_out_flat_and_come_back() -> None:
    policy = Policy.patient().with_({"confirm_ms": 444, "stop_phrases": ["assez"], "user_silence_ms": 9000})
    numbers = policy.numbers()
    assert (numbers.pop("preset"), numbers["confirm_ms"], numbers["stop_phrases"]) == ("patient", 444, ("assez",))
    assert Policy.named("patient").with_(numbers) == policy


def test_a_policy_is_a_value() -> None:
    assert Policy.instant() == Policy.instant()
    assert hash(Policy.instant()) == hash(Policy.instant())
    assert Policy.instant() != Policy.balanced()
    with pytest.raises(AttributeError):
        Policy().hold.hold_windows = 2  # type: ignore[misc]


def test_words_of_a_command_line_are_numbers() -> None:
    assert parse_numbers(["confirm_ms=250", 'stop_phrases=["basta"]', "trust_transcriber_turns=false"]) == {
        "confirm_ms": 250,
        "stop_phrases": ["basta"],
        "trust_transcriber_turns": False,
    }
    assert parse_numbers(["confirm_ms=soon"]) == {"confirm_ms": "soon"}
    with pytest.raises(UsageError, match="changes nothing"):
        parse_numbers(["confirm_ms"])
