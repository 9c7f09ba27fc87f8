"""Records that a Bargein of version 1 wrote are read, and decide the same today.

The files are calls that were made by program: with the test's own scenes, and by driving a floor through everything
that can happen to it. They were written by the code of that version, and are kept as it wrote them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bargein.floor import PolicyChanged
from bargein.recorder.reading import ACTIONS, EVENTS, Happened, Noted, Ordered, read
from bargein.recorder.replay import replay

# Events and actions that version 1 did not have.
SINCE = {"TurnRead", "ReadTurn", "CallRestored",
    "ClientAway", "ClientBack", "ContinueReply", "CutStalledReply", "EndingAsked", "FlushClient", "GiveUp",
    "JudgeSound", "LineKnown", "ReplyStalled", "SayFiller", "SoundChanged", "SoundJudged", "ToolsEnded", "ToolsStarted",
}  # fmt: skip
RECORDS = sorted((Path(__file__).parent / "version_1").glob("*.jsonl"))


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_an_old_record_decides_the_same(path: Path) -> None:
    recording = read(path)
    assert recording.header.version == 1
    assert recording.torn == 0
    assert recording.complete
    result = replay(recording)
    assert result.differences == []
    assert result.actions == len(result.decisions) >= 5


def test_the_old_records_hold_every_event_and_every_action() -> None:
    seen = set()
    for path in RECORDS:
        for entry in read(path).entries:
            match entry:
                case Happened(_, event):
                    seen.add(type(event).__name__)
                case Ordered(_, action):
                    seen.add(type(action).__name__)
                case Noted():
                    pass
    assert seen == (set(EVENTS) | set(ACTIONS)) - SINCE


def test_an_old_policy_is_read_number_by_number() -> None:
    header = read(RECORDS[0].with_name("in-german.jsonl")).header
    policy = header.policy
    assert (policy.preset, header.language) == ("patient", "de-AT")
    assert (policy.verdict.confirm_ms, policy.idle.user_silence_ms) == (600, 9000)
    assert policy.verdict.backchannels == ("passt schon",)
    changes = [e.event for e in read(RECORDS[0].with_name("everything.jsonl")).entries if isinstance(e, Happened)]
    (change,) = [event for event in changes if isinstance(event, PolicyChanged)]
    assert (change.policy.preset, change.policy.verdict.confirm_ms) == ("patient", 500)


def test_a_decision_of_today_that_is_another_is_found(tmp_path: Path) -> None:
    text = RECORDS[0].with_name("everything.jsonl").read_text()
    changed = tmp_path / "events.jsonl"
    changed.write_text(text.replace('"confirm_ms":300', '"confirm_ms":60'))
    assert replay(read(changed)).differences
