"""A call as subtitles of both sides, WebVTT or SRT. Of the agent's words only those that the caller heard are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bargein.recorder.story.call_story import CallStory, StoryWord

CALLER, AGENT = "Caller", "Agent"
CUE_CHARS = 84  # two lines of a subtitle
CUE_MS = 6_000.0
PAUSE_MS = 1_000.0  # between two words: another cue begins
LEAST_MS = 1.0  # a cue that ends where it begins is none
_VTT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\n": " ", "\r": " "})
# SRT has no escapes: players take <...> and {...} for marks.
_SRT = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")", "\n": " ", "\r": " "})


@dataclass(frozen=True, slots=True)
class Cue:
    """Words that are shown together."""

    who: str
    start_ms: float
    end_ms: float
    text: str


def cues(story: CallStory) -> list[Cue]:
    """Of both sides, in the order of their beginnings."""
    found: list[Cue] = []
    for turn in story.turns:
        whole = StoryWord(turn.text or "", turn.from_ms, turn.until_ms)
        found += _cues(CALLER, turn.words or (whole,))
    for backchannel in story.backchannels:
        found += _cues(CALLER, (StoryWord(backchannel.text, backchannel.from_ms, backchannel.until_ms),))
    for reply in story.replies:
        heard = [word for word in reply.words if word.heard]
        if not reply.words and reply.started_ms is not None:
            heard = [StoryWord(reply.text, reply.started_ms, reply.ended_ms or reply.started_ms)]
        found += _cues(AGENT, heard)
    return sorted(found, key=lambda cue: (cue.start_ms, cue.who))


def vtt(story: CallStory) -> str:
    """WebVTT, with a voice tag in each cue."""
    blocks = ["WEBVTT", f"NOTE Call {_line(story.call, _VTT)} of {_line(story.agent, _VTT)}"]
    for cue in cues(story):
        times = f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}"
        blocks.append(f"{times}\n<v {cue.who}>{_line(cue.text, _VTT)}</v>")
    return "\n\n".join(blocks) + "\n"


def srt(story: CallStory) -> str:
    """SubRip, with the speaker before the words."""
    blocks = []
    for number, cue in enumerate(cues(story), 1):
        times = f"{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}"
        blocks.append(f"{number}\n{times}\n{cue.who}: {_line(cue.text, _SRT)}\n")
    return "\n".join(blocks)


def _cues(who: str, words: Iterable[StoryWord]) -> Iterator[Cue]:
    held: list[StoryWord] = []
    for word in words:
        if held and _is_full(held, word):
            yield _cue(who, held)
            held = []
        if word.text.strip():
            held.append(word)
    if held:
        yield _cue(who, held)


def _is_full(held: Sequence[StoryWord], word: StoryWord) -> bool:
    chars = sum(len(each.text) for each in held) + len(word.text)
    late = word.end_ms - held[0].start_ms > CUE_MS or word.start_ms - held[-1].end_ms > PAUSE_MS
    return late or chars > CUE_CHARS


def _cue(who: str, held: Sequence[StoryWord]) -> Cue:
    start_ms = max(0.0, held[0].start_ms)
    end_ms = max(held[-1].end_ms, start_ms + LEAST_MS)
    return Cue(who, start_ms, end_ms, "".join(each.text for each in held).strip())


def _line(text: str, table: dict[int, str]) -> str:
    return text.translate(table).strip()


def _time(ms: float, point: str) -> str:
    whole = round(ms)
    seconds, ms_left = divmod(whole, 1000)
    minutes, s = divmod(seconds, 60)
    hours, m = divmod(minutes, 60)
    return f"{hours:02}:{m:02}:{s:02}{point}{ms_left:03}"
