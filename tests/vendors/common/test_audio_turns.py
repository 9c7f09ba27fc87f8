"""A conversation as a model of audio takes it: turns that alternate, the first one the user's."""

from __future__ import annotations

from bargein.protocols import (
    Prompt,
    ToolResult,
    UserSaid,
)
from bargein.vendors.common.audio_turns import SAYS_NOTHING, as_turns
from bargein.vendors.common.messages import as_messages
from bargein.vendors.local.voxtral import SOUND


def test_what_the_system_says_stands_in_the_users_turn_since_voxtral_takes_none_beside_sound() -> None:
    assert as_turns(
        [
            {"role": "system", "content": "Be kind."},
            {"role": "assistant", "content": "Hello, what"},
            {"role": "system", "content": "You were interrupted."},
            {"role": "user", "content": [SOUND, {"type": "text", "text": "(said over 'what')"}]},
        ]
    ) == [
        {"role": "user", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "assistant", "content": "Hello, what"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "(Note from the system, not said by the user: You were interrupted.)"},
                SOUND,
                {"type": "text", "text": "(said over 'what')"},
            ],
        },
    ]


def test_turns_take_turns() -> None:
    turns = as_turns(
        [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "One."},
            {"role": "user", "content": "Two."},
            {"role": "assistant", "content": "Three"},
            {"role": "assistant", "content": "and four."},
        ]
    )
    assert turns == [
        {"role": "user", "content": [{"type": "text", "text": "Be kind.\n\nOne.\n\nTwo."}]},
        {"role": "assistant", "content": "Three and four."},
        {"role": "user", "content": [{"type": "text", "text": SAYS_NOTHING}]},
    ]


def test_the_agent_that_speaks_first_answers_its_instructions() -> None:
    first = Prompt("Greet.", ())
    (turn,) = as_turns(as_messages(first))
    assert turn["role"] == "user"
    assert turn["content"][0]["text"].startswith("Greet.")


def test_the_first_turn_is_always_the_users() -> None:
    assert [turn["role"] for turn in as_turns([{"role": "assistant", "content": "Hi."}])] == [
        "user",
        "assistant",
        "user",
    ]
    assert [turn["role"] for turn in as_turns([])] == ["user"]


def test_tools_are_told_in_words() -> None:
    items = (UserSaid(1, "Is it open?"), ToolResult("c1", "hours", '{"day": "Monday"}', "10 to 18"))
    (turn,) = as_turns(as_messages(Prompt("", items)))
    assert turn["content"][0]["text"].endswith(
        '(Note from the system, not said by the user: You used hours with {"day": "Monday"}.)\n\n'
        "(Note from the system, not said by the user: It gave: 10 to 18)"
    )
