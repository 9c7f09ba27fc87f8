"""What must be so about looks at a sound: a look never cuts, and a word must be missed twice to be lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.rules import Floor
from bargein.floor.speech import Evidence
from tests.floor.world import Seen

Need = Callable[[bool, str], None]
CUTS = (do.Cut, do.DiscardReply)


def check_looks(need: Need, floor: Floor, was: Seen, held: bool, event: ev.Event, actions: Sequence[do.Action]) -> None:
    """held: the reply was held before the event."""
    if not (was.hears_sound or floor.hears_sound):
        need(not actions or do.JudgeSound not in map(type, actions), "a call without a judge is not asked for a look")
        return
    cut = any(isinstance(a, CUTS) for a in actions) if actions else False
    resumed = any(isinstance(a, do.Resume) for a in actions) if actions else False
    undecided = held and not was.dismissed
    for action in actions:
        if isinstance(action, do.JudgeSound):
            need(was.hears_sound, "a call without a judge is not asked for a look")
            need(action.look > was.look, "looks are numbered as they come")
    if isinstance(event, ev.SoundJudged):
        _answered(need, floor, was, undecided, event, actions)
    if isinstance(event, ev.SpeechWindow) and cut and was.empty and was.looked and not floor.sound.aside:
        need(floor.speech.evidence is Evidence.SILENT, "length cuts nothing while the newest look found no words")
    if isinstance(event, ev.Words) and undecided and event.reading == was.reading and event.text == "tell me":
        running = was.evidence is not Evidence.SILENT
        doubtful = (was.empty > 0 and running) or (was.pending and not was.worded) or was.signs > 0
        doubtful = doubtful or (was.unsure and running)
        need(cut or resumed or doubtful, "words cut, unless the newest look found none")
        need(not (cut and was.empty and running), "words do not cut while the newest look found none")
    if held and was.pending:
        waited = floor.now_ms - was.asked_ms
        bound = floor.policy.verdict.sound_wait_ms
        need(not (floor.sound.pending and waited > bound), "no verdict waits longer than sound_wait_ms for a look")


def _answered(
    need: Need, floor: Floor, was: Seen, undecided: bool, e: ev.SoundJudged, actions: Sequence[do.Action]
) -> None:
    if e.look != was.look or not was.pending:
        need(not actions, "(1) a look that is late changes nothing")
        return
    threshold = floor.policy.verdict.sound_threshold
    over = was.evidence is Evidence.SILENT
    none = e.words is not None and e.words < threshold
    surely = none and over and e.words is not None and e.words < threshold / 2 and not was.empty and not was.worded
    foreign = len(set(e.other)) >= 2
    resumed = any(isinstance(a, do.Resume) for a in actions)
    cuts = [a for a in actions if isinstance(a, do.Cut | do.DiscardReply)]
    if undecided:
        twice = none and was.empty >= 1
        weak = over and (was.said == "you" or (bool(was.said) and floor.sound.signs > 0))
        need(not resumed or twice or surely or foreign or weak, "a word must be missed twice to be lost")
        need(resumed or not (twice or foreign), "two looks without words end the hold")
        need(over or not (cuts and none), "a look that finds no words cuts nothing")
    lasted = floor.speech.lasted_ms + was.carried_ms >= floor.policy.verdict.confirm_ms
    need(not cuts or bool(was.said) or lasted, "a look cuts nothing by itself")
