"""A record is told: what was said, heard, held and decided; and what is left of it, where it is torn."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from bargein.errors import UsageError
from bargein.floor import Answer, ContinueReply, KeyPressed, Listen, Policy, ReplyStarted, SayFiller
from bargein.recorder.journal import FILE, FileJournal
from bargein.recorder.reading import read
from bargein.recorder.redaction import Redaction
from bargein.recorder.story.call_story import CallStory, StoryWord
from bargein.recorder.story.telling import tell
from tests.recorder.story.calls import spoken_call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asyncio.run(spoken_call(tmp_path_factory.mktemp("calls")))


@pytest.fixture(scope="module")
def story(folder: Path) -> CallStory:
    return tell(folder)


def rewritten(folder: Path, root: Path, lines: Iterable[bytes]) -> Path:
    """Another record, of these lines."""
    path = root / folder.name
    path.mkdir()
    (path / FILE).write_bytes(b"\n".join(lines) + b"\n")
    return path


def lines_of(folder: Path) -> list[bytes]:
    return (folder / FILE).read_bytes().splitlines()


def test_the_header_and_the_end(story: CallStory) -> None:
    assert (story.call, story.agent, story.language, story.preset) == ("c1", "guide", "en", "balanced")
    assert (story.ended_why, story.missing, story.live, story.recording) == ("the user hung up", (), False, None)
    assert story.started_s is not None


def test_each_turn_has_its_words_where_they_were_said(story: CallStory) -> None:
    first, second = story.turns
    assert (first.text, first.reply, first.over) == ("have you got a room for Friday", 2, None)
    assert "".join(word.text for word in first.words) == first.text
    assert first.words[0].start_ms == first.from_ms
    assert first.words[-1].end_ms == pytest.approx(first.until_ms)
    assert second.over is not None
    assert (second.over.reply, second.over.text) == (2, "There are three rooms free on")
    assert first.decided_ms is not None
    assert first.until_ms < first.decided_ms < second.from_ms


def test_each_reply_has_its_words_as_heard(story: CallStory) -> None:
    greeting, cut, last = story.replies
    assert [r.kind for r in story.replies] == ["greeting", "reply", "reply"]
    assert [r.ended for r in story.replies] == ["completed", "cut", "cut"]
    assert all(word.heard for word in greeting.words)
    assert "".join(w.text for w in cut.words if w.heard).strip() == cut.text == "There are three rooms free on"
    assert "".join(w.text for w in cut.words if not w.heard) == cut.unheard
    assert cut.timed
    assert cut.response_ms is not None
    assert (cut.turn, last.turn) == (1, 2)


def test_a_word_after_a_hold_sounds_after_the_hold(story: CallStory) -> None:
    greeting = story.replies[0]
    (hold,) = greeting.holds
    assert (hold.verdict, hold.text) == ("resume", "mhm")
    assert "mhm" in hold.verdict_why
    before = [w for w in greeting.words if w.end_ms <= hold.at_ms]
    beyond = [w for w in greeting.words if w.start_ms >= hold.until_ms]
    assert [w.text for w in before[-1:] + beyond[:1]] == ["I ", "you "]
    held = next(w for w in greeting.words if w.text == "help ")
    assert held.end_ms - held.start_ms == pytest.approx(200 + hold.until_ms - hold.at_ms)
    assert greeting.ended_ms is not None
    assert abs(greeting.words[-1].end_ms - greeting.ended_ms) <= 40


def test_a_hold_that_was_cut_says_why(story: CallStory) -> None:
    (hold,) = story.replies[1].holds
    assert (hold.verdict, hold.source) == ("cut", "speech")
    assert "stop phrase" in hold.verdict_why
    kinds = [d.kind for d in story.decisions if d.major and d.at_ms < 5600]
    assert kinds == ["say", "hold", "resume", "answer", "hold", "cut"]


def test_the_vendors_times_are_there(story: CallStory) -> None:
    parts = [(v.part, v.reply) for v in story.vendor_calls]
    assert ("llm", 2) in parts
    assert ("tts", 2) in parts
    assert all(v.first_ms is not None and v.fault is None for v in story.vendor_calls)


def test_the_measures_count(story: CallStory) -> None:
    told = story.measures
    assert (told.turns, told.replies, told.holds, told.resumes, told.cuts) == (2, 3, 2, 1, 2)
    assert told.words_heard < told.words_made
    assert len(told.hold_ms) == len(told.onset_to_hold_ms) == 2


def test_a_story_goes_through_json(story: CallStory) -> None:
    assert msgspec.json.decode(msgspec.json.encode(story), type=CallStory) == story


def test_a_journal_that_was_read_tells_the_same(folder: Path, story: CallStory) -> None:
    assert tell(read(folder)) == story


def test_an_older_record_has_estimated_words_and_says_so(folder: Path, tmp_path: Path) -> None:
    later = (b'"note":"words"', b'"note":"sounds"', b'"note":"vendor"')
    old = tell(rewritten(folder, tmp_path, [li for li in lines_of(folder) if not any(kind in li for kind in later)]))
    cut = old.replies[1]
    assert not cut.timed
    assert "".join(w.text for w in cut.words if w.heard) == cut.text
    heard = [w for w in cut.words if w.heard]
    assert cut.started_ms == heard[0].start_ms
    assert heard[-1].end_ms == pytest.approx(cut.holds[0].at_ms)
    assert [w.heard for w in cut.words] == sorted((w.heard for w in cut.words), reverse=True)
    assert any("estimated" in sentence for sentence in old.missing)


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_a_journal_that_was_cut_tells_its_beginning(folder: Path, tmp_path: Path, share: float) -> None:
    whole = (folder / FILE).read_bytes()
    path = rewritten(folder, tmp_path, [whole[: int(len(whole) * share)]])
    torn = tell(path)
    assert torn.ended_why is None
    assert "before the call did" in torn.missing[-1]
    assert torn.replies[0].kind == "greeting"


def test_torn_lines_are_counted(folder: Path, tmp_path: Path) -> None:
    lines = lines_of(folder)
    lines[5] = b'{"at":12,"event":"No'
    lines[9] = b"\xff\xfe\x00"
    lines.insert(20, b'{"at":0.0,"note":"lost","lines":7}')
    torn = tell(rewritten(folder, tmp_path, lines))
    first, second = torn.missing
    assert first.startswith("2 lines of the journal cannot be read: what happened between")
    assert second == "7 lines of the journal never reached the disk."
    assert torn.ended_why == "the user hung up"


def test_a_journal_cut_in_its_middle_says_what_it_lacks(folder: Path, tmp_path: Path) -> None:
    whole = (folder / FILE).read_bytes()
    begin = whole.index(b'"SpeechWindow","at_ms":2496')
    end = whole.index(b'"SpeechWindow","at_ms":5024')
    torn = tell(rewritten(folder, tmp_path, [whole[:begin] + whole[end + 20 :]]))
    assert torn.missing[0].startswith("1 line of the journal cannot be read: what happened between 2.5 and 5.")
    assert torn.ended_why == "the user hung up"


def test_a_journal_without_its_first_line_is_told(folder: Path, tmp_path: Path) -> None:
    headless = tell(rewritten(folder, tmp_path, lines_of(folder)[1:]))
    assert headless.replies[1].text == "There are three rooms free on"
    assert "first line" in headless.missing[0]
    assert headless.started_s is None


@pytest.mark.parametrize("content", [b"", b"hello\n", b'{"at": 1, "note": "nothing of ours"}\n', b"\x00" * 500])
def test_another_file_is_no_record(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UsageError, match="no record"):
        tell(tmp_path)


def test_an_empty_folder_is_no_record(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        tell(tmp_path)


def test_what_was_redacted_in_the_record_is_redacted_in_its_words(tmp_path: Path) -> None:
    journal = FileJournal(
        tmp_path, "c2", agent="a", policy=Policy(), language="en", redaction=Redaction(digits=True, numbers=True)
    )
    journal.event(ReplyStarted(100.0, 1))
    words = ["Call ", "+4930123456 ", "code ", "4711"]
    journal.note(
        900.0, "words", reply=1, heard=4, played_ms=800, reply_kind="say", text=words, times=[0, 1] * 4, timed=True
    )
    journal.note(900.0, "tool_began", id="t", tool="pay", reply=1, effect="commit", arguments='{"pin": "1234"}')
    journal.close()
    told = tell(tmp_path / "c2")
    text = "".join(word.text for word in told.replies[0].words)
    assert "4711" not in text
    assert "30123456" not in text
    assert told.tools[0].arguments == '{"pin": "0000"}'


def test_a_reply_behind_a_filler_is_told_under_its_new_number(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, "c3", agent="a", policy=Policy(), language="en")
    journal.action(100.0, Listen(1, 50.0, "speech"))
    journal.action(900.0, Answer(1, 1, "quiet"))
    journal.action(1500.0, SayFiller(2, "slow"))
    journal.note(1600.0, "sounds", reply=2, reply_kind="filler")
    journal.event(ReplyStarted(1600.0, 2))
    journal.note(1700.0, "vendor", part="llm", name="m", reply=1, asked_ms=900.0, first_ms=1650.0, chars=3, why=None)
    journal.action(2000.0, ContinueReply(3, "the filler is over"))
    journal.event(ReplyStarted(2000.0, 3))
    journal.close()
    told = tell(tmp_path / "c3")
    assert [(r.reply, r.kind, r.turn) for r in told.replies] == [(3, "reply", 1), (2, "filler", None)]
    assert told.turns[0].reply == 3
    assert told.vendor_calls[0].reply == 3


def test_keys_belong_to_the_turn_in_which_they_were_pressed(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, "c4", agent="a", policy=Policy(), language="en")
    for at_ms, key in ((100.0, "4"), (200.0, "2")):
        journal.event(KeyPressed(at_ms, key))
        journal.action(at_ms, Listen(1, at_ms, "key"))
    journal.action(2000.0, Answer(1, 1, "no key follows"))
    journal.note(2001.0, "user", turn=1, text="42", over=None)
    journal.close()
    (turn,) = tell(tmp_path / "c4").turns
    assert (turn.keys, turn.text, turn.reply) == ("42", "42", 1)


def test_an_outage_lasts_until_the_part_is_back(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, "c5", agent="a", policy=Policy(), language="en")
    journal.note(100.0, "outage", code="voice_lost", why="gone")
    journal.note(300.0, "outage", code="model_lost", why="gone, too")
    journal.note(500.0, "outage", code="voice_lost", over=True)
    journal.note(600.0, "not_transferred", to="+49", why="busy")
    journal.note(700.0, "user", turn="no number", text=3)  # of another version: passed over
    journal.close()
    told = tell(tmp_path / "c5")
    assert [(f.code, f.until_ms) for f in told.faults] == [("voice_lost", 500.0), ("model_lost", None)]
    assert told.events[0].text == "+49 was not reached: busy"


def test_words_are_text_whatever_they_hold(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, "c6", agent="a", policy=Policy(), language="en")
    journal.event(ReplyStarted(0.0, 1))
    journal.note(900.0, "heard", reply=1, ended="completed", text="</script><b>日本語 …", unheard="", exact=True)
    journal.close()
    told = tell(tmp_path / "c6").replies[0]
    assert "".join(word.text for word in told.words) == "</script><b>日本語 …"
    assert isinstance(told.words[0], StoryWord)
    assert json.loads(msgspec.json.encode(told))["text"] == told.text


def test_the_records_of_a_call_that_changed_its_server_know_of_each_other(tmp_path: Path) -> None:
    for name in ("c7", "c7-1", "c7-2", "c71", "c8"):
        journal = FileJournal(tmp_path, name, agent="a", policy=Policy(), language="en")
        journal.note(0.0, "call", id=name if name in ("c71", "c8") else "c7", agent="a")
        journal.close()
    assert tell(tmp_path / "c7").parts == ("c7-1", "c7-2")
    assert tell(tmp_path / "c7-1").parts == ("c7", "c7-2")
    assert tell(tmp_path / "c71").parts == tell(tmp_path / "c8").parts == ()
