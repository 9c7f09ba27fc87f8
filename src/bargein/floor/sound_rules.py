"""The rules on looks at the sound of an onset: does it hold words, and are they the caller's?

A look can keep a reply from being cut, and never cuts one. It must be wrong twice to lose a word: at 300 ms and at 600,
or, where the sound was too short for two looks, once and very surely. What was passed over is looked at as long as it
goes on, because words may follow a laugh.
"""

from __future__ import annotations

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.actions import Action
from bargein.floor.evidence_rules import on_words
from bargein.floor.moves import begin_onset, resume
from bargein.floor.speech import Evidence
from bargein.floor.speech_rules import consider, judge_at_end, weigh
from bargein.floor.state import FloorState, State

REACH_MS = 600.0  # of the past, in which words that a look has just found may have begun
SURELY = 0.5  # of `sound_threshold`: below it one look at a short sound is enough


def on_sound_judged(floor: FloorState, e: ev.SoundJudged, out: list[Action]) -> None:
    """A look was answered."""
    sound, p = floor.sound, floor.policy.verdict
    if e.look != sound.look or not sound.pending:
        return
    sound.pending = False
    sound.signs = len(set(e.other))
    other = sound.signs + floor.soft >= 2
    if e.words is None and not other:
        go_without(floor, out)
        return
    words = 0.0 if e.words is None else e.words
    first = not sound.empty and not sound.worded
    sound.judged_until_ms = e.until_ms
    sound.worded = words >= p.sound_threshold
    sound.unsure = first and p.sound_threshold <= words < p.sound_sure
    sound.empty = 0 if sound.worded else min(sound.empty + 1, 2)
    over = floor.speech.evidence is Evidence.SILENT
    if sound.aside:
        if words >= max(p.sound_sure, p.sound_threshold) and not other:
            join_in(floor, e, out)
    elif floor.state is not State.BARGE_IN or floor.onset.dismissed:
        return
    elif other:
        pass_over(floor, f"it is not the caller: {e.why or ', '.join(e.other)}", out)
    elif sound.empty == 2 or (over and first and words < p.sound_threshold * SURELY):
        pass_over(floor, f"no words in the sound ({words:.2f})", out)
    else:
        if over and not sound.worded:
            judge_at_end(floor, out)
        if not sound.pending:
            count_said(floor, out)


def pass_over(floor: FloorState, why: str, out: list[Action]) -> None:
    """The sound is no reason to stop: the reply goes on, and the sound is looked at for as long as it lasts."""
    floor.onset.dismissed = True
    floor.sound.aside = floor.speech.evidence is not Evidence.SILENT
    resume(floor, why, "", out)


def join_in(floor: FloorState, e: ev.SoundJudged, out: list[Action]) -> None:
    """Words follow a sound that was passed over: they are an onset of their own."""
    floor.speech.onset_ms = max(floor.speech.onset_ms, e.until_ms - REACH_MS)
    begin_onset(floor)
    floor.sound.empty = 0
    floor.sound.worded = True
    floor.sound.asked_until_ms = e.until_ms
    consider(floor, out)


def count_said(floor: FloorState, out: list[Action]) -> None:
    """What was read while the sound did not say words counts now, unless it still does not."""
    sound = floor.sound
    running = floor.speech.evidence is not Evidence.SILENT
    if sound.said and not (floor.wordless or (sound.unsure and running)):
        said, sound.said = sound.said, ""
        on_words(floor, ev.Words(max(floor.speech.onset_ms, floor.reply.asked_ms), said), out)
    weigh(floor, out)


def go_without(floor: FloorState, out: list[Action]) -> None:
    """The sound could not be looked at: the floor decides on what is there."""
    floor.sound.pending = False
    floor.sound.empty = 0
    floor.sound.unsure = False
    count_said(floor, out)


def sound_late(floor: FloorState, out: list[Action]) -> None:
    """The look was not answered within `sound_wait_ms`."""
    out.append(do.Ignore("sound", f"no look within {floor.policy.verdict.sound_wait_ms:g} ms: decided without"))
    go_without(floor, out)


def on_sound_changed(floor: FloorState, e: ev.SoundChanged, out: list[Action]) -> None:
    """The call can look at sounds from now on, or no more."""
    floor.hears_sound = e.judged
    if not e.judged:
        go_without(floor, out)


def on_line_known(floor: FloorState, e: ev.LineKnown) -> None:
    """How loud callers are on such a line: until this caller's level is known, softer speech is doubted."""
    floor.usual_db = e.usual_db
