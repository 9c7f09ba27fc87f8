"""One episode, decided again under one policy.

Time passes by the floor's own deadlines. A look is answered by the record's reading that was asked at nearly the same
time, or by the next later one; where there is none, it gets no answer, and that is counted. So is a look at the sound;
where the record has none that is near, the sound could not be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from bargein.floor import (
    Event,
    Floor,
    JudgeSound,
    Policy,
    PolicyChanged,
    ReadWords,
    SoundJudged,
    SpeechWindow,
    State,
    Tick,
    Words,
)
from bargein.floor.events import ReplyEnded, ReplyFailed, ReplyStalled
from bargein.floor.speech import Evidence
from bargein_bench.tuning.episodes import Episode
from bargein_bench.tuning.outcome import Outcome, OutcomeWatch

NEARLY_MS = 160  # five windows: so much more or less speech has the same words
AFTER_MS = 5_000  # after the last evidence, for a reply that is held
TICKS = 64  # at most, between two events

_NOTHING = Outcome()


def play(episode: Episode, policy: Policy) -> Outcome:
    """What a floor with this policy does with the episode."""
    first = _first(episode, policy)
    if first is None:
        return _NOTHING
    replay = _Replay(episode, policy)
    replay.run(episode.seen[first:])
    replay.end()
    return replay.watch.outcome


def _first(episode: Episode, policy: Policy) -> int | None:
    """How many events may be skipped: windows that are no evidence to this policy change nothing while it is quiet.
    None: all of them."""
    if episode.floor.state is State.BARGE_IN or episode.floor.speech.evidence is not Evidence.SILENT:
        return 0
    p = policy.hold
    hold, loud, rise = p.hold_threshold, p.loud_threshold, p.loud_rise_db
    for i, (_, event) in enumerate(episode.seen):
        if (
            not isinstance(event, SpeechWindow)
            or event.speech >= hold
            or (event.speech >= loud and event.rise_db >= rise)
        ):
            return max(0, i - 1)  # the one before ends a run of windows that began before the episode
    return None


class _Replay:
    __slots__ = ("_due_ms", "_floor", "_looks", "_readings", "_waiting", "watch")

    def __init__(self, episode: Episode, policy: Policy) -> None:
        self.watch = OutcomeWatch()
        self._floor: Floor = copy(episode.floor)
        self._readings = episode.readings
        self._looks = episode.looks
        self._waiting: list[tuple[float, Words | SoundJudged]] = []
        self._due_ms = float("-inf")  # nothing is due before; the truth may be later, and is asked for then
        if policy != episode.floor.policy:
            self._feed(PolicyChanged(self._floor.now_ms, policy), self._floor.now_ms)

    def run(self, seen: Sequence[tuple[float, Event]]) -> None:
        floor, watch, handle = self._floor, self.watch, self._floor.handle
        state, evidence = floor.state, floor.speech.evidence
        for at_ms, event in seen:
            if at_ms > self._due_ms:
                self._pass_time(at_ms)
                if watch.over:
                    return
            if actions := handle(event):
                self._apply(actions, at_ms)
                if watch.over:
                    return
            if isinstance(event, ReplyEnded | ReplyFailed | ReplyStalled):
                watch.end(at_ms)
                return
            # By a window, deadlines come nearer only when the state or the evidence changes; otherwise they wander off.
            # Any other event may change the deadline: a held reply that begins to sound, STT that is lost.
            if (
                actions
                or not isinstance(event, SpeechWindow)
                or state is not floor.state
                or evidence is not floor.speech.evidence
            ):
                state, evidence = floor.state, floor.speech.evidence
                self._due_ms = float("-inf")

    def end(self) -> None:
        """No more evidence: what is held is decided by time, and by answers that are on their way."""
        floor, watch = self._floor, self.watch
        if not watch.over and (
            floor.state is State.BARGE_IN or self._waiting or floor.speech.evidence is not Evidence.SILENT
        ):
            self._pass_time(floor.now_ms + AFTER_MS)

    def _pass_time(self, until_ms: float) -> None:
        """Hand in deadlines and answers that lie before."""
        for _ in range(TICKS):
            deadline = self._floor.deadline
            due = float("inf") if deadline is None else deadline
            answer = min(self._waiting, key=lambda w: w[0], default=None)
            if answer is not None and answer[0] <= due:
                if answer[0] >= until_ms:
                    self._due_ms = answer[0]
                    return
                self._waiting.remove(answer)
                self._feed(answer[1], answer[0])
            elif due < until_ms:
                self._feed(Tick(due), due)
            else:
                self._due_ms = due
                return
            if self.watch.over:
                return

    def _feed(self, event: Event, at_ms: float) -> None:
        self._apply(self._floor.handle(event), at_ms)

    def _apply(self, actions: Sequence[object], at_ms: float) -> None:
        for action in actions:
            if isinstance(action, ReadWords):
                self._answer(action.reading, at_ms)
            elif isinstance(action, JudgeSound):
                self._look(action, at_ms)
        self.watch.apply(actions, at_ms)  # type: ignore[arg-type]

    def _answer(self, reading: int, at_ms: float) -> None:
        near = min(self._readings, key=lambda r: abs(r.asked_ms - at_ms), default=None)
        if near is None or abs(near.asked_ms - at_ms) > NEARLY_MS:
            near = next((r for r in self._readings if r.asked_ms > at_ms), None)
        if near is None:
            self.watch.unanswered += 1
        else:
            when = max(at_ms, near.asked_ms) + near.after_ms
            self._waiting.append((when, Words(near.at_ms, near.text, reading)))

    def _look(self, asked: JudgeSound, at_ms: float) -> None:
        near = [look for look in self._looks if abs(look.asked_ms - at_ms) <= NEARLY_MS]
        best = min(near, key=lambda look: abs(look.asked_ms - at_ms), default=None)
        if best is None:
            self._waiting.append((at_ms, SoundJudged(asked.onset_ms, asked.until_ms, asked.look, None)))
        else:
            told = SoundJudged(asked.onset_ms, asked.until_ms, asked.look, best.words, best.other, best.why)
            self._waiting.append((at_ms + best.after_ms, told))
