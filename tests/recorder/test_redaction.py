"""What a record leaves out, and what it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from bargein.floor import (
    Action,
    Answer,
    Cut,
    DiscardReply,
    Event,
    KeyPressed,
    Policy,
    PolicyChanged,
    ReplyStarted,
    Resume,
    SayRequested,
    SpeechWindow,
    STTChanged,
    UserTyped,
    Words,
)
from bargein.floor.lexicon import fold
from bargein.recorder.journal import FileJournal
from bargein.recorder.reading import Happened, Noted, Ordered, read
from bargein.recorder.redaction import HiddenValues, Redaction
from bargein.recorder.replay import replay
from tests.recorder.test_replay import play, speech

POLICY = Policy.named("balanced")


def record(root: Path, redaction: Redaction) -> FileJournal:
    return FileJournal(root, "c1", agent="a", policy=POLICY, language="en", redaction=redaction)


def test_no_digit_of_what_was_said_or_keyed_stands_in_a_record(tmp_path: Path) -> None:
    written = record(tmp_path, Redaction(digits=True))
    written.event(SpeechWindow(1234.5, 1266.5, 0.75))
    written.event(KeyPressed(2000, "7"))
    written.note(2100, "user", turn=3, text="my card is 4111 1111 1111 1111", over=None)
    written.note(2200, "heard", reply=4, text="So 4111?", unheard="and 1111", exact=True)
    written.note(2300, "tool", id="call_81", tool="pay", result='{"card": "4111", "ok": true}', error=False)
    written.close()
    raw = written.path.read_text()
    assert "4111" not in raw
    assert '"7"' not in raw
    entries = read(written.path).entries
    assert entries[:2] == [Happened(1234.5, SpeechWindow(1234.5, 1266.5, 0.75)), Happened(2000, KeyPressed(2000, "0"))]
    notes = [e.facts for e in entries if isinstance(e, Noted)]
    assert notes[0] == {"turn": 3, "text": "my card is 0000 0000 0000 0000", "over": None}
    assert notes[2]["id"] == "call_81"
    assert read(written.path).header.policy == POLICY


def test_arguments_that_end_before_their_end_are_hidden_as_a_whole() -> None:
    redaction = Redaction(arguments=frozenset({"pin"}))
    assert redaction.fields({"arguments": '{"pin": "abcd'}) == {"arguments": "(hidden)"}
    assert redaction.fields({"arguments": '{"day": "Mon'}) == {"arguments": '{"day": "Mon'}
    assert redaction.fields({"result": "the pin is known"}) == {"result": "the pin is known"}


def test_named_arguments_are_hidden_wherever_they_stand_in_a_tools_result(tmp_path: Path) -> None:
    written = record(tmp_path, Redaction(arguments=frozenset({"pin", "name"})))
    written.note(1, "tool", tool="t", arguments='{"pin": "abc", "to": {"name": "Ada", "age": 3}}', result="Ada is 3")
    written.note(2, "tool", tool="t", result='[{"name": "Ada"}, {"city": "Rome"}]')
    written.close()
    notes = [e.facts for e in read(written.path).entries if isinstance(e, Noted)]
    assert notes[0]["arguments"] == '{"pin": "(hidden)", "to": {"name": "(hidden)", "age": 3}}'
    assert notes[0]["result"] == "Ada is 3", "a text has no names of arguments"
    assert notes[1]["result"] == '[{"name": "(hidden)"}, {"city": "Rome"}]'


def test_a_number_has_another_name_which_is_the_same_for_the_same() -> None:
    redaction = Redaction(numbers=True)
    alias = redaction.number("+4930123456")
    assert alias.startswith("number")
    assert len(fold(f"call {alias}")) == 2, "a word, as the number was"
    assert not any(each.isdigit() for each in alias)
    assert alias == redaction.number("4930123456") != redaction.number("+4930123457")
    assert alias != Redaction(numbers=True).number("+4930123456"), "no table of all numbers finds it"
    assert redaction.text("transferred to +4930123456.") == f"transferred to {alias}."
    assert redaction.text("a 12:30 b 2026") == "a 12:30 b 2026"


def test_a_log_line_keeps_its_calls_names_and_times() -> None:
    line = "Call 20261126-071100-0a1b2c3d: over (transferred to +4930123456), code 482719 after 120 ms"
    both = Redaction(digits=True, numbers=True).log_line(line)
    assert "20261126-071100-0a1b2c3d" in both
    assert "4930123456" not in both
    assert "482719" not in both
    assert "120 ms" in both
    assert Redaction().log_line(line) == line


BOTH = Redaction(digits=True, numbers=True)


def interrupted_by(words: str) -> list[Event]:
    """A reply that sounds, and a caller who says so over it."""
    return [
        STTChanged(0, words=True, turns=False),
        SayRequested(1),
        ReplyStarted(200, 1),
        *speech(200, 1000, 0.01),
        *speech(1000, 1384),
        Words(1000, words),
        *speech(1384, 4000, 0.01),
    ]


@pytest.mark.parametrize("words", ["4827", "call 4930123456", "+4930123456", "ok 7", "٤٨", "yes", "stop"])
@pytest.mark.parametrize("min_words", [1, 2, 3])
def test_a_redacted_record_decides_the_same(tmp_path: Path, words: str, min_words: int) -> None:
    policy = POLICY.with_({"min_words": min_words})
    path = play(tmp_path, interrupted_by(words), policy, redaction=BOTH)
    result = replay(read(path))
    assert result.differences == []
    assert any(isinstance(d.action, Cut | Resume) for d in result.decisions), "the words were weighed"


def test_digits_and_numbers_in_a_script_without_spaces_decide_the_same(tmp_path: Path) -> None:
    for at, min_words in enumerate((1, 2, 3, 4, 5)):
        policy = POLICY.with_({"min_words": min_words})
        path = play(tmp_path / str(at), interrupted_by("打4930123456给我"), policy, redaction=BOTH, language="zh")
        assert replay(read(path)).differences == []
        assert "4930123456" not in path.read_text()
        named = play(
            tmp_path / f"n{at}",
            interrupted_by("打4930123456给我"),
            policy,
            redaction=Redaction(numbers=True),
            language="zh",
        )
        assert replay(read(named)).differences == []
        assert "4930123456" not in named.read_text()


def test_keys_end_their_input_also_in_a_redacted_record(tmp_path: Path) -> None:
    events: list[Event] = [
        KeyPressed(1000, "4"),
        KeyPressed(1400, "#", ends=True),
        ReplyStarted(2000, 1),
        KeyPressed(2500, "9", gap_ms=500),
        *speech(2500, 5000, 0.01),
    ]
    result = replay(read(play(tmp_path, events, POLICY, redaction=BOTH)))
    assert result.differences == []
    assert [type(d.action) for d in result.decisions if isinstance(d.action, Answer | Cut)] == [Answer, Cut, Answer]


SOUNDS: list[Event] = [SayRequested(1), ReplyStarted(200, 1)]
SAID: list[Event] = [*speech(1000, 1384), Words(1000, "my card is 4929 1111")]


@pytest.mark.parametrize(
    ("kind", "events", "why"),
    [
        (Cut, [*SOUNDS, KeyPressed(1000, "4")], "key 0 pressed"),
        (Cut, [*SOUNDS, *SAID], "said 'my card is 0000 0000'"),
        (DiscardReply, [UserTyped(10), KeyPressed(1000, "4")], "key 0 pressed"),
    ],
)
def test_no_digit_stands_in_the_evidence_of_a_barge_in(
    tmp_path: Path, kind: type[Action], events: list[Event], why: str
) -> None:
    path = play(tmp_path, events, POLICY, redaction=BOTH)
    actions = [e.action for e in read(path).entries if isinstance(e, Ordered)]
    assert next(action for action in actions if isinstance(action, kind)).why == why
    assert "4929" not in path.read_text()
    assert "key 4" not in path.read_text()


def test_redaction_leaves_the_numbers_of_a_policy_as_they_are(tmp_path: Path) -> None:
    policy = Policy().with_({"stop_phrases": ["code 11"], "backchannels": ["10 4"], "min_words": 2})
    hidden = Redaction(digits=True, numbers=True, arguments=frozenset({"pin"}))
    written = record(tmp_path, hidden)
    written.event(PolicyChanged(5, policy))
    written.close()
    assert read(written.path).entries == [Happened(5, PolicyChanged(5, policy))]


def test_a_hidden_value_that_an_error_quotes_is_hidden_there_and_in_the_log() -> None:
    hidden = Redaction(arguments=frozenset({"pin", "name"}))
    told = hidden.fields({"arguments": '{"pin": 47118, "name": "Ada Lovelace", "day": "Monday"}'})
    assert "47118" not in str(told)
    quoted = hidden.fields({"result": "no customer Ada Lovelace with 47118 on Monday", "error": True})
    assert quoted["result"] == "no customer (hidden) with (hidden) on Monday"
    assert hidden.fields({"why": "KeyError: 'Ada Lovelace'"})["why"] == "KeyError: '(hidden)'"
    assert hidden.fields({"text": "I am Ada Lovelace"})["text"] == "I am Ada Lovelace", "a replay reads the same words"
    other = Redaction(arguments=frozenset({"pin"}))
    assert "Lovelace" not in other.log_line("ValueError: no such customer: Ada Lovelace")
    assert Redaction().log_line("Ada Lovelace") == "Ada Lovelace"


def test_the_hidden_values_are_few_and_not_too_short() -> None:
    values = HiddenValues(most=2)
    for value in ("one1", "two2", "three3", "abc", 7, True, None, ["list"]):
        values.add(value)
    assert values.without("one1 two2 three3 abc 7 True list") == "one1 (hidden) (hidden) abc 7 True list"
