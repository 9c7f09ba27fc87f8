"""Measures as CSV, and a story as JSON lines."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from bargein.errors import UsageError
from bargein.recorder.exports.formats import FORMATS, format_named
from bargein.recorder.exports.lines import lines
from bargein.recorder.exports.measures import measures, rows, table
from bargein.recorder.story.telling import tell
from tests.recorder.exports.stories import hold, reply, story, tool, turn, vendor
from tests.recorder.story.calls import spoken_call


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_row_for_each_reply_with_what_each_part_took() -> None:
    told = story(
        facts={"transport": "twilio"},
        turns=(turn(1, "a room", 1000, stt_ms=120.0),),
        replies=(
            reply(1, "Hello", 0, kind="greeting"),
            reply(2, "There are", 3000, unheard="three", turn=1, response_ms=812.34, holds=(hold(2, 3100, 3350),)),
        ),
        tools=(tool("a", "free_rooms", 2, 2800),),
        vendor_calls=(vendor("llm", 2, 2500, 2720), vendor("llm", 2, 2900, 2910), vendor("tts", 2, 2720, None)),
    )
    first, second = read(measures(told))
    assert (first["reply"], first["kind"], first["response_ms"], first["stt_ms"]) == ("1", "greeting", "", "")
    expected = {
        "call": "c1", "agent": "guide", "door": "twilio", "started": "2026-09-21T14:13:20.000Z", "reply": "2",
        "turn": "1", "ended": "cut", "response_ms": "812.3", "stt_ms": "120.0", "llm_first_ms": "220.0",
        "tts_first_ms": "", "realtime_first_ms": "", "holds": "1", "held_ms": "250.0", "first_hold_ms": "40.0",
        "words": "3", "words_heard": "2", "tools": "1", "tools_ms": "100.0",
    }  # fmt: skip
    assert {name: second[name] for name in expected} == expected


def test_a_call_without_replies_has_a_row_and_tables_can_be_joined() -> None:
    one, other = story(replies=(reply(1, "Hello", 0),)), story(call="c2")
    found = read(table([*rows(one), *rows(other)]))
    assert [(row["call"], row["reply"]) for row in found] == [("c1", "1"), ("c2", "")]


def test_no_cell_is_a_formula() -> None:
    (row,) = read(measures(story(agent='=HYPERLINK("http://x")', ended_why='+1, and "more"')))
    assert row["agent"] == '\'=HYPERLINK("http://x")'
    assert row["ended_why"] == '\'+1, and "more"'


async def test_a_story_as_lines_in_the_order_of_time(tmp_path: Path) -> None:
    found = [json.loads(line) for line in lines(tell(await spoken_call(tmp_path))).splitlines()]
    assert (found[0]["type"], found[0]["agent"]) == ("call", "guide")
    assert {"turn", "reply", "decision", "backchannel", "vendor_call"} <= {line["type"] for line in found}
    times = [line["at_ms"] for line in found[1:]]
    assert times == sorted(times)
    cut = next(line for line in found if line["type"] == "reply" and line["ended"] == "cut")
    assert cut["unheard"]


async def test_every_format_writes_every_record(tmp_path: Path) -> None:
    folder = await spoken_call(tmp_path)
    journal = folder / "events.jsonl"
    whole = journal.read_bytes()
    for size in (len(whole), len(whole) // 2):
        journal.write_bytes(whole[:size])
        told = tell(folder)
        assert all(form.write(told) for form in FORMATS.values())


def test_a_format_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="jsonl, vtt, srt, messages, csv"):
        format_named("pdf")
