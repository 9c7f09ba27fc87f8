"""Notices as a client of `bargein.v1` gets them: every type and field, by its name on the wire."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from bargein import notices as n

ON_THE_WIRE: list[tuple[n.Notice, dict[str, Any]]] = [
    (n.StateChanged("speaking", 12.5), {"type": "state", "state": "speaking", "at_ms": 12.5}),
    (
        n.ReplyBegins(2, "greeting", interruptible=False),
        {"type": "reply", "reply_id": 2, "kind": "greeting", "interruptible": False},
    ),
    (
        n.WordsAdded(2, "Good evening", ((0.0, 210.0, 0, 4), (210.0, 600.0, 5, 12)), exact=True),
        {
            "type": "words",
            "reply_id": 2,
            "text": "Good evening",
            "words": [[0.0, 210.0, 0, 4], [210.0, 600.0, 5, 12]],
            "exact": True,
        },
    ),
    (n.HoldNow(2, 99.0, "speech"), {"type": "hold", "reply_id": 2, "onset_ms": 99.0, "why": "speech"}),
    (n.ResumeNow(2, "a cough"), {"type": "resume", "reply_id": 2, "why": "a cough"}),
    (
        n.AudioInterrupted("c1", 2, 3, 60.0, 480.0, "Good", 1.5),
        {
            "type": "audio_interrupted",
            "conversation_id": "c1",
            "reply_id": 2,
            "cleared_chunks": 3,
            "cleared_ms": 60.0,
            "heard_ms": 480.0,
            "heard_text": "Good",
            "timestamp": 1.5,
        },
    ),
    (
        n.BargeInHappened(2, 99.0, "vad", 0.9, "words"),
        {"type": "barge_in", "reply_id": 2, "onset_ms": 99.0, "source": "vad", "confidence": 0.9, "why": "words"},
    ),
    (n.TtsInterrupted(2, "vad"), {"type": "tts_interrupted", "reply_id": 2, "reason": "vad"}),
    (
        n.Transcript("user", None, final=True, turn=1, over="Good"),
        {
            "type": "transcript",
            "role": "user",
            "text": None,
            "final": True,
            "turn": 1,
            "reply_id": None,
            "unheard": None,
            "over": "Good",
        },
    ),
    (
        n.Decision("hold", 120.0, "speech"),
        {"type": "decision", "kind": "hold", "at_ms": 120.0, "why": "speech", "reply_id": None, "onset_ms": None},
    ),
    (n.SpeechNoticed("started", 99.0), {"type": "speech", "kind": "started", "at_ms": 99.0}),
    (n.PolicyNow({"preset": "patient"}), {"type": "policy", "numbers": {"preset": "patient"}}),
    (n.RecordingNow(on=True), {"type": "recording", "on": True}),
    (
        n.Problem("too_fast", "Too many messages", "Send fewer"),
        {
            "type": "error",
            "code": "too_fast",
            "message": "Too many messages",
            "advice": "Send fewer",
            "fatal": False,
        },
    ),
    (n.Bye("hung up"), {"type": "bye", "reason": "hung up"}),
]


@pytest.mark.parametrize(("notice", "message"), ON_THE_WIRE)
def test_a_notice_is_one_json_object_with_all_of_its_fields(notice: n.Notice, message: dict[str, Any]) -> None:
    assert msgspec.json.decode(msgspec.json.encode(notice)) == message


def test_every_notice_is_on_this_page() -> None:
    assert {type(notice) for notice, _ in ON_THE_WIRE} == set(get_args(n.Notice))


def test_a_client_can_tell_notices_apart_by_their_type() -> None:
    for notice, _ in ON_THE_WIRE:
        assert msgspec.json.decode(msgspec.json.encode(notice), type=n.Notice) == notice
