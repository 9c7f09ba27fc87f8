"""Subtitles of both sides: when each word was heard, and no text that a player would take for a mark."""

from __future__ import annotations

import re
from pathlib import Path

from bargein.recorder.exports.subtitles import CUE_CHARS, CUE_MS, cues, srt, vtt
from bargein.recorder.story.telling import tell
from tests.recorder.exports.stories import noise, reply, story, turn, words
from tests.recorder.story.calls import spoken_call


def test_both_sides_in_webvtt_with_a_voice_each() -> None:
    told = story(
        turns=(turn(1, "have you a room", 1000),),
        replies=(reply(1, "There are three", 3_700_000, unheard="rooms"),),
        backchannels=(noise("mhm", 3_700_200), noise("", 5000)),
    )
    assert vtt(told) == (
        "WEBVTT\n\n"
        "NOTE Call c1 of guide\n\n"
        "00:00:01.000 --> 00:00:01.800\n<v Caller>have you a room</v>\n\n"
        "01:01:40.000 --> 01:01:40.600\n<v Agent>There are three</v>\n\n"
        "01:01:40.200 --> 01:01:40.500\n<v Caller>mhm</v>\n"
    )
    assert srt(told).startswith("1\n00:00:01,000 --> 00:00:01,800\nCaller: have you a room\n\n2\n01:01:40,000 --> ")


def test_a_long_reply_is_cut_into_cues_at_pauses_and_at_a_length_that_can_be_read() -> None:
    long = reply(1, " ".join(f"word{n}" for n in range(40)), 0)
    paused = words("one two", 20_000) + words("three four", 21_500)
    found = cues(story(replies=(long, reply(2, "", 20_000, words=paused))))
    assert all(len(cue.text) <= CUE_CHARS and cue.end_ms - cue.start_ms <= CUE_MS for cue in found)
    assert " ".join(cue.text for cue in found[:-2]).split() == [f"word{n}" for n in range(40)]
    assert [cue.text for cue in found[-2:]] == ["one two", "three four"]


def test_what_a_caller_says_makes_no_marks_and_no_cues() -> None:
    text = "<b>x</b> --> 00:00:09.000\n\n2\n00:00:01,000 {\\an8} &amp; </v>"
    said = turn(1, text, 0, words=())
    made = vtt(story(turns=(said,), call="c<1>\n"))
    assert made.count("-->") == 1
    assert "<b>" not in made
    assert made.count("</v>") == 1
    assert "&amp;amp; &lt;/v&gt;</v>" in made
    flat = srt(story(turns=(said,)))
    assert len(re.findall("^[0-9]+$", flat, re.MULTILINE)) == 1
    assert not re.search("[<{]", flat)


def test_a_reply_whose_words_times_are_not_known_is_one_cue() -> None:
    old = reply(1, "There are three", 3000, words=(), unheard="rooms")
    assert [(cue.text, cue.start_ms, cue.end_ms) for cue in cues(story(replies=(old,)))] == [
        ("There are three", 3000, 3600)
    ]
    assert cues(story(turns=(turn(1, None, 0),), replies=(reply(1, "", 0, started_ms=None),))) == []


async def test_a_recorded_call(tmp_path: Path) -> None:
    found = cues(tell(await spoken_call(tmp_path)))
    assert [cue.start_ms for cue in found] == sorted(cue.start_ms for cue in found)
    assert found[0].text.startswith("Good evening how")
    assert {cue.who for cue in found} == {"Caller", "Agent"}
    assert "view" not in " ".join(cue.text for cue in found), "it was never heard"
