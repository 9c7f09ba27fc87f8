"""Splits a record into episodes.

Consequences of the record's own decisions are left out: its ticks, the next reply, the end of a reply that it had cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

from bargein.floor import Event, Floor, SpeechWindow, State, TurnStarted, Words
from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.recorder.reading import Happened, Noted, Ordered, Recording
from bargein_bench.tuning.endings import endings_of
from bargein_bench.tuning.episodes import CallEpisodes, Episode, EpisodeLook, EpisodeReading
from bargein_bench.tuning.outcome import OutcomeWatch
from bargein_bench.tuning.truth import Label, Truth, by_labels, by_record

# The weakest onset of any policy that is tried: weaker windows begin no episode.
LEAST_SPEECH = 0.15  # 0..1
LEAST_LOUD, LEAST_LOUD_DB = 0.04, 9.0
QUIET_MS = 700  # of quiet end an episode: longer than any speech_gap_ms, verdict_timeout_ms and join_ms that is tried
LONGEST_MS = 15_000  # an episode that does not end (music) is closed, and the next one begins
TOLERANCE_MS = 300  # evidence may come so long before its label's onset: two clocks, and the VAD's windows

_BY_HAND = ev.KeyPressed | ev.UserTyped | ev.Interrupted
_REPLYS = ev.LevelOnset | ev.ReplyStarted | ev.ReplyProtected | ev.ReplyEnded | ev.ReplyFailed | ev.ReplyStalled
_LEFT_OUT = ev.Tick | ev.PolicyChanged | ev.SayRequested | ev.HungUp | _BY_HAND


def names(recording: Recording) -> tuple[str, ...]:
    """The names that a label may have for the call: its id, and its stream's, which a caller by phone knows."""
    notes = (e.facts.get("stream") for e in recording.entries if isinstance(e, Noted) and e.kind == "call")
    streams = [stream for stream in notes if isinstance(stream, str)]
    return tuple(dict.fromkeys((recording.header.call, *streams[:1])))


def split(recording: Recording, labels: Sequence[Label] = ()) -> CallEpisodes:
    """The episodes of a record. labels: of this call, in their order.

    An odd record raises nothing: `same` says whether it can be believed.
    """
    splitter = _Splitter(recording, labels)
    for entry in recording.entries:
        if isinstance(entry, Happened):
            splitter.happened(entry.event)
        elif isinstance(entry, Ordered):
            splitter.ordered(entry)
    return splitter.result()


class _Open:
    """An episode under way."""

    def __init__(self, floor: Floor, at_ms: float, reply_since_ms: float) -> None:
        self.reply_since_ms = reply_since_ms
        self.floor = copy(floor)
        self.reply = floor.reply.id
        self.begin_ms = self.busy_ms = at_ms
        self.protected = floor.reply.protected
        self.watch = OutcomeWatch()
        self.seen: list[tuple[float, Event]] = []
        self.evidence: list[Event] = []
        self.readings: list[EpisodeReading] = []
        self.looks: list[EpisodeLook] = []
        self.labels: list[Label] = []
        self.late_label = self.by_hand = False


class _Splitter:
    """Follows a record with a floor of its own."""

    def __init__(self, recording: Recording, labels: Sequence[Label]) -> None:
        self._recording = recording
        self._floor = Floor(recording.header.policy, language=recording.header.language)
        self._labels = list(labels)
        self._open: _Open | None = None
        self._done: list[Episode] = []
        self._clock_ms = 0.0
        self._asked: dict[int, float] = {}
        self._looked: dict[int, float] = {}
        self._reply_since_ms = 0.0
        self._decided: list[tuple[str, int, float]] = []
        self._ordered: list[tuple[str, int, float]] = []
        self._unmatched = 0

    def happened(self, event: Event) -> None:
        floor = self._floor
        now_ms = event.until_ms if isinstance(event, SpeechWindow) else event.at_ms
        self._clock_ms = max(self._clock_ms, now_ms)
        at_ms = now_ms if isinstance(event, SpeechWindow) else self._clock_ms  # words carry the time of their begin
        self._meet_labels(event)
        busy = self._busy(event)
        if self._open is None and busy and floor.live:
            self._open = _Open(floor, event.at_ms if isinstance(event, SpeechWindow) else at_ms, self._reply_since_ms)
        reply = floor.reply.id
        actions = floor.handle(event)
        if floor.reply.id != reply:
            self._reply_since_ms = floor.now_ms
        self._note(actions, at_ms)
        if self._open is not None:
            self._follow(self._open, event, at_ms, actions, busy=busy)

    def ordered(self, entry: Ordered) -> None:
        self._clock_ms = max(self._clock_ms, entry.at_ms)
        if isinstance(entry.action, do.Hold | do.Resume | do.Cut | do.DiscardReply):
            self._ordered.append((type(entry.action).__name__, entry.action.reply, entry.at_ms))

    def result(self) -> CallEpisodes:
        if self._open is not None:
            self._end(self._open)
        mine, theirs = [d[:2] for d in self._decided], [o[:2] for o in self._ordered]
        # A killed process has not written its last orders.
        same = mine == theirs if self._recording.complete else mine[: len(theirs)] == theirs
        lag = tuple(o[2] - d[2] for d, o in zip(self._decided, self._ordered, strict=False))
        unmatched = self._unmatched + len(self._labels)
        ends = endings_of(self._recording)
        return CallEpisodes(names(self._recording), tuple(self._done), same, lag, unmatched, ends)

    def _note(self, actions: Sequence[do.Action], at_ms: float) -> None:
        for action in actions:
            if isinstance(action, do.ReadWords):
                self._asked[action.reading] = at_ms
            elif isinstance(action, do.JudgeSound):
                self._looked[action.look] = at_ms
            elif isinstance(action, do.Hold | do.Resume | do.Cut | do.DiscardReply):
                self._decided.append((type(action).__name__, action.reply, at_ms))

    def _busy(self, event: Event) -> bool:
        """Whether an event begins an episode, or continues one."""
        if isinstance(event, SpeechWindow):
            return _is_evidence(event)
        if isinstance(event, Words | TurnStarted):
            # Late words of an answered turn say nothing about this reply.
            return event.at_ms >= self._reply_since_ms and bool(event.text)
        return isinstance(event, ev.Judged) or (
            isinstance(event, ev.LevelOnset) and event.reply == self._floor.reply.id
        )

    def _meet_labels(self, event: Event) -> None:
        """The onset of a label has come: the label belongs to the episode that has just begun, or begins one."""
        while isinstance(event, SpeechWindow) and self._labels and self._labels[0].onset_ms < event.until_ms:
            label = self._labels.pop(0)
            now = self._open
            if now is not None and (now.labels or label.onset_ms - now.begin_ms > TOLERANCE_MS):
                if self._floor.state is not State.BARGE_IN:
                    self._close()
                    now = None
                elif not now.labels:
                    now.late_label = True  # the reply is held for something else
            if now is None:
                if not self._floor.live:
                    self._unmatched += 1
                    continue
                now = self._open = _Open(self._floor, event.at_ms, self._reply_since_ms)
            now.labels.append(label)
            now.busy_ms = max(now.busy_ms, label.end_ms)

    def _follow(self, now: _Open, event: Event, at_ms: float, actions: Sequence[do.Action], *, busy: bool) -> None:
        if isinstance(event, Words) and event.reading is not None and event.reading in self._asked:
            asked_ms = self._asked.pop(event.reading)
            now.readings.append(EpisodeReading(asked_ms, at_ms - asked_ms, event.at_ms, event.text))
            now.evidence.append(event)
        elif isinstance(event, ev.SoundJudged):
            if (asked := self._looked.pop(event.look, None)) is not None:
                now.looks.append(EpisodeLook(asked, at_ms - asked, event.words, event.other, event.why))
        elif not isinstance(event, _LEFT_OUT) and not self._others(now, event):
            now.seen.append((at_ms, event))
            now.evidence.append(event)
        if isinstance(event, ev.HungUp):
            self._end(now)
            return
        now.watch.apply(actions, at_ms)
        if isinstance(event, ev.ReplyEnded | ev.ReplyFailed | ev.ReplyStalled) and event.reply == now.reply:
            now.watch.end(at_ms)
        if busy:
            now.busy_ms = max(now.busy_ms, at_ms)
        now.by_hand = now.by_hand or isinstance(event, _BY_HAND)
        quiet = at_ms - now.busy_ms >= QUIET_MS and self._floor.state is not State.BARGE_IN
        if quiet or now.by_hand or self._floor.reply.id != now.reply or at_ms - now.begin_ms >= LONGEST_MS:
            self._close()

    def _others(self, now: _Open, event: Event) -> bool:
        """Whether an event belongs to another reply, or to one that the record had cut by then."""
        return isinstance(event, _REPLYS) and (event.reply != now.reply or now.watch.cut_ms is not None)

    def _end(self, now: _Open) -> None:
        """The call is over: a reply that was not cut by then was never late."""
        if now.watch.cut_ms is None:
            now.watch.end(self._clock_ms)
            now.seen.append((self._clock_ms, ev.ReplyEnded(self._clock_ms, now.reply)))
        self._close()

    def _close(self) -> None:
        now, self._open = self._open, None
        if now is None or not now.seen:
            return
        truth = self._truth(now)
        scene = now.labels[0].scene if now.labels else ""
        floor, outcome = now.floor, now.watch.outcome
        end_ms = now.seen[-1][0]
        self._done.append(
            Episode(
                self._recording.header.call,
                floor,
                now.begin_ms,
                end_ms,
                truth.onset_ms,
                tuple(now.seen),
                tuple(now.readings),
                tuple(now.looks),
                truth.want,
                truth.why,
                scene,
                outcome,
            )
        )

    def _truth(self, now: _Open) -> Truth:
        if now.by_hand:
            return Truth(None, "hand", now.begin_ms)
        if now.protected:
            return Truth(None, "protected", now.begin_ms)
        if now.late_label:
            return Truth(None, "mixed", now.begin_ms)
        if now.labels:
            return by_labels(now.labels)
        from_ms = max(now.begin_ms - now.floor.policy.endpointing.pre_roll_ms, now.reply_since_ms)
        return by_record(now.evidence, now.floor.lexicon, from_ms)


def _is_evidence(w: SpeechWindow) -> bool:
    return w.speech >= LEAST_SPEECH or (w.speech >= LEAST_LOUD and w.rise_db >= LEAST_LOUD_DB)
