"""What became of one thing that the caller's side did, at the ear.

The agent holds the floor while its line carries sound; the pauses of its own speech are carried, too. So a silence is
where the line carried nothing for SILENCE_MS or more, or where what it carried could not be heard for LASTING_MS (some
servers send silence when they have nothing to say). After a silence the same reply goes on, or another begins, or
nothing comes: the first is a hold, the others are a stop. A stop later than MISS_MS after the onset is not the onset's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller_audio import SpokenLine
from bargein_bench.callers.yielding import audible
from bargein_bench.judging.resumption import moved_samples
from bargein_bench.record import RATE, AudioSpan, Record
from bargein_bench.results import Event, Outcome, Want

MS = RATE // 1000
SILENCE_MS = 60  # a line that is dry for less is the network's, and hardly heard
LASTING_MS = 300  # of silence that was carried: shorter are the pauses within a sentence
PAUSE_MS = 700  # and so long are pauses between sentences, of a voice that nobody has heard before
MISS_MS = 2_000
BEFORE_MS = 250  # it sounds at an onset if it did so shortly before it
LATE_VERDICT_MS = 2_000  # what comes of a sound that is to be ignored may come so late after its end
ITS_OWN_END_MS = 400  # a reply that stops so near to where it would have ended by itself has ended by itself
REACT_MS = 500  # while it does not sound, an agent must have fallen silent again so soon after an onset
BLIP_MS = 250  # no reply is so short
BLIPS = 4
ANSWER_MS = 6_000  # a question is answered within that


@dataclass(frozen=True, slots=True)
class Known:
    """Of the agent, from calls without an interruption. openings: what then sounded; reply_ms: how long the reply
    lasts that is interrupted, None: longer than anybody listened."""

    openings: Sequence[Samples] = ()
    reply_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A silence, in ms of the call. ends: None, nothing came after it; moved: samples lost (or said again, below 0)
    when the same reply went on, None: another did; sounded: ms within it in which a little of the reply was heard."""

    begins: int
    ends: int | None
    moved: int | None
    sounded: int = 0


class ListeningTimeline:
    """Listens to one record."""

    def __init__(self, record: Record, known: Known) -> None:
        self._record, self._known = record, known
        self.loud = audible(record.agent)
        self._alive = _alive(record, self.loud)

    def judge(self, scene: str, sound: str, want: Want, call: int, spoken: SpokenLine, until: int) -> Event:
        """What became of a sound during a reply. until: the place where something else happens."""
        onset, end = spoken.onset // MS, spoken.end // MS
        if not self._alive[max(0, onset - BEFORE_MS) : onset + 1].any():
            return Event(scene, sound, want, call, onset, end, "unheard")
        late = onset + MISS_MS if want == "yield" else end + LATE_VERDICT_MS
        gaps, last = self._gaps(onset, min(late, until // MS))
        holds = [gap for gap in gaps if gap.moved is not None]
        outcome: Outcome = "stopped" if last is not None else "held" if holds else "through"
        if last is not None and self._ended_by_itself(onset, last.begins):
            outcome = "unheard"
        first = gaps[0].begins if gaps else last.begins if last else None
        moved = [gap.moved for gap in holds if gap.moved is not None]
        answer = None if last is None or last.ends is None else float(last.ends - end)
        return Event(
            scene,
            sound,
            want,
            call,
            float(onset),
            float(end),
            outcome,
            None if first is None else float(max(0, first - onset)),
            None if last is None else float(max(0, self._last_audible(last.begins) - onset)),
            float(sum(gap.ends - gap.begins - gap.sounded for gap in holds if gap.ends is not None)),
            sum(max(0, m) for m in moved) / MS if moved else None,
            sum(max(0, -m) for m in moved) / MS if moved else None,
            answer,
            float(self.loud[onset:end].sum()),
        )

    def judge_quiet(self, scene: str, sound: str, want: Want, call: int, spoken: SpokenLine) -> Event:
        """What became of words while the agent did not hold the floor, or hardly: it must not talk over them."""
        onset, end = spoken.onset // MS, spoken.end // MS
        over = self.loud[onset:end]
        last = onset + (len(over) - int(np.argmax(over[::-1])) if over.any() else 0)
        silent = last - onset <= REACT_MS
        after = np.flatnonzero(self.loud[end : end + ANSWER_MS])
        answer = float(after[0]) if len(after) else None
        return Event(
            scene,
            sound,
            want,
            call,
            float(onset),
            float(end),
            "stopped" if silent else "through",
            float(last - onset) if silent else None,
            float(last - onset) if silent else None,
            answer_ms=answer,
            overlap_ms=float(over.sum()),
        )

    def answers(self, question: SpokenLine) -> bool:
        """A question was answered: the agent fell silent for it if need be, and then began to speak."""
        onset, end = question.onset // MS, question.end // MS
        last = self._gaps(onset, min(onset + MISS_MS, len(self._alive)))[1]
        if self._alive[max(0, onset - BEFORE_MS) : onset].any() and last is None:
            return False
        begins = max(onset, last.begins if last is not None else onset)
        return bool(self.loud[max(begins, end) : end + ANSWER_MS].any())

    def first_audio_ms(self) -> float | None:
        return float(np.argmax(self.loud)) if self.loud.any() else None

    def _gaps(self, onset: int, until: int) -> tuple[list[Gap], Gap | None]:
        """Silences that begin from an onset on, and the one that ended the reply: it is not in the list."""
        found: list[Gap] = []
        silences = _silences(self._alive, max(0, onset - BEFORE_MS), until)
        for begins, ends in sorted(silences + self._handed_over(onset, until)):
            if ends <= onset:
                continue  # a breath before it
            if found and begins < (found[-1].ends or 0):
                continue  # within one that is told already
            gap = self._gap_at(begins, ends)
            if gap is not None and gap.moved is None:
                gap = self._beyond_a_blip(gap, until)
            if gap is None:
                continue
            if gap.moved is None:
                return found, gap
            found.append(gap)
        return found, None

    def _beyond_a_blip(self, gap: Gap, until: int) -> Gap:
        """A sound between two silences that is too short to be told: what follows the second tells of both."""
        if gap.ends is None:
            return gap
        sounded, loud_from = 0, gap.ends
        for begins, ends in _silences(self._alive, gap.ends, until + BLIPS * BLIP_MS)[:BLIPS]:
            if begins - loud_from > BLIP_MS:
                break
            sounded, loud_from = sounded + begins - loud_from, ends
            second = self._gap_at(begins, ends)
            if second is not None and second.moved is not None:  # and the blip, then, was of the same
                return Gap(gap.begins, second.ends, second.moved, sounded)
            both = self._gap_at(gap.begins, ends)
            if both is not None and both.moved is not None:
                return Gap(gap.begins, both.ends, both.moved - sounded * MS, sounded)
        return gap

    def _handed_over(self, onset: int, until: int) -> list[tuple[int, int]]:
        """Where another reply took over without a silence, on wires that tell."""
        pairs = pairwise(self._record.spans)
        changes = [(a.end // MS, b.begin // MS) for a, b in pairs if a.reply != b.reply]
        return [(b, max(b + 1, e)) for b, e in changes if e - b < SILENCE_MS and onset < b < until]

    def _gap_at(self, begins: int, ends: int) -> Gap | None:
        """None: no silence of anybody's making, but a long pause within what was carried."""
        if ends >= len(self._alive):
            return Gap(begins, None, None)
        before = _span_at(self._record.spans, begins * MS - 1)
        after = _span_at(self._record.spans, ends * MS + MS)
        if before is None or after is None:
            return Gap(begins, ends, None)
        if before is after:
            return self._gap_within(before, begins, ends)
        if before.reply is not None or after.reply is not None:
            if before.reply != after.reply or before.first is None or after.first is None:
                return Gap(begins, ends, None)
            return Gap(begins, ends, after.first - (before.first + before.end - before.begin))
        agent = self._record.agent
        discarded = [c.samples for c in self._record.cleared if abs(c.at - before.end) < MS * SILENCE_MS]
        tail = discarded[0] if discarded else agent[:0]
        return Gap(begins, ends, moved_samples(agent, before.end, after.begin, after.end, tail, self._known.openings))

    def _gap_within(self, span: AudioSpan, begins: int, ends: int) -> Gap | None:
        """A silence that was carried: a pause of the voice's, or of a server that sends silence, too."""
        if span.reply is not None:
            return None
        agent, openings = self._record.agent, self._known.openings
        moved = moved_samples(agent, begins * MS, ends * MS, span.end, agent[:0], openings)
        if moved is None:
            return Gap(begins, ends, None) if ends - begins > PAUSE_MS else None
        pause = moved - (ends - begins) * MS  # undisturbed it makes the same pause
        return None if abs(pause) < SILENCE_MS * MS else Gap(begins, ends, moved)

    def _last_audible(self, before: int) -> int:
        before_it = self.loud[:before]
        return before - int(np.argmax(before_it[::-1])) if before_it.any() else before

    def _ended_by_itself(self, onset: int, stops: int) -> bool:
        if self._known.reply_ms is None:
            return False
        begun = [s.begin // MS for s in _joined(self._record.spans) if s.begin // MS <= onset]
        return bool(begun) and abs(stops - begun[-1] - self._known.reply_ms) < ITS_OWN_END_MS


def _alive(record: Record, loud: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which milliseconds the agent holds the floor for."""
    alive = np.zeros(len(loud), bool)
    for span in record.spans:
        alive[span.begin // MS : -(-span.end // MS)] = True
    for begins, ends in _silences(loud, 0, len(loud), LASTING_MS):
        alive[begins:ends] = False
    return alive


def _silences(alive: NDArray[np.bool_], begin: int, until: int, least: int = SILENCE_MS) -> list[tuple[int, int]]:
    """Where nothing is, from a begin on; those that begin before `until`. An end beyond the record is its length."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], alive, [True])).astype(np.int8)))
    spans = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(b, e) for b, e in spans if e - b >= least and e > begin and b < until]


def _span_at(spans: Sequence[AudioSpan], place: int) -> AudioSpan | None:
    """That which carried this place, or the nearest one some ms beside it."""
    best = min(spans, key=lambda s: max(s.begin - place, place - s.end, 0), default=None)
    if best is None or max(best.begin - place, place - best.end) > 4 * MS:
        return None
    return best


def _joined(spans: Sequence[AudioSpan]) -> list[AudioSpan]:
    """Stretches with no silence between them, as one."""
    joined = list(spans[:1])
    for before, after in pairwise(spans):
        if after.begin - before.end < SILENCE_MS * MS and before.reply == after.reply:
            joined[-1] = AudioSpan(joined[-1].begin, after.end, before.reply, joined[-1].first)
        else:
            joined.append(after)
    return joined
