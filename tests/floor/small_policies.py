"""Policies whose numbers are a few windows, so that a search of every state ends."""

from __future__ import annotations

from bargein.floor.policy import Policy

# One unit is one window.
SMALL = Policy().with_({
    "hold_windows": 1, "speech_gap_ms": 1, "echo_guard_ms": 2, "echo_doubt_ms": 1, "level_hold_ms": 1,
    "hold_max_ms": 4, "wary_after": 1, "confirm_ms": 2, "verdict_timeout_ms": 1, "look_ms": 1, "words_wait_ms": 1,
    "doubt_ms": 3, "other_ms": 3, "min_words": 1, "pre_roll_ms": 1, "end_of_turn_ms": 1, "turn_grace_ms": 2,
    "min_turn_ms": 2,
    "max_turn_ms": 4, "answer_timeout_ms": 2, "user_silence_ms": None, "max_waiting": 1, "deaf_ms": 2, "alone_ms": 0,
    "far_ms": 2, "go_on_share": 1, "max_failures": 0, "filler_ms": None, "filler_again_ms": 2, "max_fillers": 1,
    "key_gap_ms": 2, "end_look_ms": 1, "end_sure_ms": 1, "end_likely_ms": 1, "end_hang_ms": 3,
    "sound_ms": 0, "sound_again_ms": 2, "sound_every_ms": 1, "sound_wait_ms": 1,
})  # fmt: skip
_BRIEF = {"echo_guard_ms": 0, "answer_timeout_ms": 1, "min_turn_ms": 1, "wary_after": 0}
_WAITING = {
    **_BRIEF,
    "hold_max_ms": 2,
    "doubt_ms": 1,
    "confirm_ms": 1,
    "max_turn_ms": 1,
    "filler_ms": 1,
    "answer_timeout_ms": 2,
}
_ASKING = {"user_silence_ms": 2, "max_reprompts": 1}
POLICIES = {
    "balanced": SMALL,
    "instant": SMALL.with_({"confirm_ms": 0}),
    "patient": SMALL.with_({"hold_windows": 2, "min_words": 2, "trust_transcriber_turns": False}),
    # Nothing lasts longer than it must to be told apart: for alphabets that would be too much otherwise.
    "short": SMALL.with_({**_BRIEF, "hold_max_ms": 2, "doubt_ms": 1, "confirm_ms": 1, "max_turn_ms": 2}),
    # The agent gives up after two losses in a row. Elsewhere it never does, or each search would be thrice as large.
    "losing": SMALL.with_(
        {**_BRIEF, "hold_max_ms": 2, "doubt_ms": 1, "confirm_ms": 1, "max_turn_ms": 2, "max_failures": 2}
    ),
    "echoing": SMALL.with_({"speech_gap_ms": 2}),
    "far": SMALL.with_({**_BRIEF, "confirm_ms": 3, "doubt_ms": 3, "max_turn_ms": 3}),
    "alone": SMALL.with_({"alone_ms": 4, "doubt_ms": 4, "join_ms": 2, "verdict_timeout_ms": 2, "go_on_share": 1}),
    "looking": SMALL.with_(
        {
            **_BRIEF,
            "sound_ms": 1,
            "look_ms": 2,
            "max_turn_ms": 2,
            "words_wait_ms": 0,
            "join_ms": 1,
            "doubt_ms": 3,
            "hold_max_ms": 3,
        }
    ),
    "asking": SMALL.with_(_ASKING),
    # Callers are told fillers while they wait. Elsewhere they wait in silence, or each search would be twice as large.
    "waiting": SMALL.with_(_WAITING),
    "waiting losing": SMALL.with_({**_WAITING, "max_failures": 1}),
    # What a caller's pauses teach would make each search many times as large: own_pause_share is in the properties.
    "pausing": SMALL.with_({**_BRIEF, "confirm_ms": 0, "max_turn_ms": 5, "end_of_turn_ms": 2, "own_pause_share": 0}),
    "failing": SMALL.with_({"max_failures": 3}),
    "leaving": SMALL.with_({**_ASKING, "hang_up_on_silence": True}),
}
