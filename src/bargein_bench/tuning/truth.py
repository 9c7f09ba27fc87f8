"""What a person would have done at an onset: by a label, or else by the record.

By the record, in this order:
- words that are no backchannel: yield
- read as a backchannel: ignore
- most of the audio is the agent's own echo, or a judge said so: ignore
- `ADDRESSED_MS` and more of clear speech: yield; unknown, where no words were read in it
- shorter, and no words were read in it: ignore
- shorter, and never read: unknown; it may be a cough, or "stop"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from bargein.errors import UsageError
from bargein.floor import (
    Event,
    Judged,
    Lexicon,
    SpeechWindow,
    TurnEnded,
    TurnEnding,
    TurnStarted,
    WordClass,
    Words,
)
from bargein_bench.results import Want

FILE = "labels.jsonl"
ADDRESSED_MS = 700  # shared definition: speech to the agent that a miss is counted for
CLEAR = 0.5  # 0..1: a window of speech, whatever any policy calls one
FAINT, LOUD, LOUD_DB = 0.3, 0.08, 15.0  # where an onset is dated from, whatever any policy finds
PAUSE_MS = 200  # shorter pauses lie inside words
ECHO = 0.8  # 0..1: share of a window's sound that is the agent's own

# label: of the bench; the rest as above; hand: a key, typed words or a button; protected: no policy could have cut;
# mixed: two labels that want different things, or one that begins within a hold for something else
Why = Literal["label", "words", "backchannel", "echo", "judge", "long", "noise", "", "hand", "protected", "mixed"]


class Label(msgspec.Struct, frozen=True):
    """A sound of the user's side, and what a person would do. Times in ms."""

    call: str
    """Id of the call; or of its stream, from a phone."""
    onset_ms: float
    """On the call's clock, or on the caller's, which begins some ms sooner."""
    end_ms: float
    want: Want
    scene: str = ""
    onset_clock: Literal["call"] = "call"


@dataclass(frozen=True, slots=True)
class Truth:
    """What a person would have done."""

    want: Want | None
    """None: unknown, or not to be scored."""
    why: Why
    onset_ms: float
    """Latencies count from here."""


def read_labels(path: Path) -> tuple[dict[str, list[Label]], int]:
    """Labels by call, in their order, and the number of unreadable lines. Raises UsageError for an unreadable file."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        advice = "Name a file of lines such as the bench writes"
        raise UsageError(f"{path} cannot be read: {error.strerror}", advice=advice) from None
    found: dict[str, list[Label]] = {}
    bad = 0
    for line in lines:
        if not line.strip():
            continue
        try:
            label = msgspec.json.decode(line, type=Label)
        except (msgspec.MsgspecError, UnicodeError):
            bad += 1
        else:
            if label.end_ms < label.onset_ms:
                bad += 1
            else:
                found.setdefault(label.call, []).append(label)
    for labels in found.values():
        labels.sort(key=lambda label: label.onset_ms)
    return found, bad


def by_labels(labels: Sequence[Label]) -> Truth:
    """By one label or more, in their order."""
    first = labels[0]
    if any(label.want != first.want for label in labels):
        return Truth(None, "mixed", first.onset_ms)
    return Truth(first.want, "label", first.onset_ms)


def by_record(events: Sequence[Event], lexicon: Lexicon, from_ms: float) -> Truth:
    """By the events of an episode. from_ms: words that begin before it do not count."""
    windows = [e for e in events if isinstance(e, SpeechWindow)]
    onset_ms, lasted_ms = _longest(windows)
    if onset_ms is None:
        onset_ms = next((w.at_ms for w in windows if _audible(w)), from_ms)
    said = {_said(e, lexicon) for e in events if e.at_ms >= from_ms} - {None}
    judged = [e.interrupts for e in events if isinstance(e, Judged)]
    audible = [w for w in windows if _audible(w)]
    echoed = sum(w.echo >= ECHO for w in audible)
    if said & {WordClass.WORDS, WordClass.STOP}:
        return Truth("yield", "words", onset_ms)
    if WordClass.BACKCHANNEL in said:
        return Truth("ignore", "backchannel", onset_ms)
    if judged:
        return Truth("yield" if judged[-1] else "ignore", "judge", onset_ms)
    if audible and echoed * 2 > len(audible):
        return Truth("ignore", "echo", onset_ms)
    nothing = WordClass.NOTHING in said
    if lasted_ms >= ADDRESSED_MS:
        return Truth(None, "", onset_ms) if nothing else Truth("yield", "long", onset_ms)
    return Truth("ignore", "noise", onset_ms) if nothing else Truth(None, "", onset_ms)


def _audible(w: SpeechWindow) -> bool:
    return w.speech >= FAINT or (w.speech >= LOUD and w.rise_db >= LOUD_DB)


def _said(event: Event, lexicon: Lexicon) -> WordClass | None:
    """What it read as; None: it is no reading."""
    if not isinstance(event, Words | TurnStarted | TurnEnded | TurnEnding) or event.text is None:
        return None
    said, _ = lexicon.judge(event.text)
    # An announced turn without words, or a stream that has none yet, says nothing; only a reading that found none does.
    if said is WordClass.NOTHING and not (isinstance(event, Words) and event.reading is not None):
        return None
    return said


def _longest(windows: Sequence[SpeechWindow]) -> tuple[float | None, float]:
    """Begin of the longest clear speech, with its faint begin, and its length."""
    best: tuple[float | None, float] = (None, 0.0)
    begin: float | None = None
    until = faint_from = faint_until = -1e9
    for w in windows:
        if w.echo >= ECHO:
            continue
        if _audible(w):
            if w.at_ms - faint_until > PAUSE_MS:
                faint_from = w.at_ms
            faint_until = w.until_ms
        if w.speech < CLEAR:
            continue
        if begin is None or w.at_ms - until > PAUSE_MS:
            begin = faint_from
        until = w.until_ms
        if until - begin > best[1]:
            best = (begin, until - begin)
    return best
