"""What became of one sound of the caller's side, as the caller heard it.

The agent holds the floor while audio of it is carried, pauses of its speech included. So a silence is where no audio
was carried for SILENCE_MS or more, or where the carried audio was inaudible for LASTING_MS (some servers send silence
when they have nothing to say). After a silence the same reply goes on, another begins, or nothing comes: the first is a
hold, the others are a stop. A stop later than MISS_MS after the onset does not belong to the onset.
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
from bargein_bench.judging.repetition import said_again_ms, words_again_ms
from bargein_bench.judging.resumption import moved_samples
from bargein_bench.record import RATE, AudioSpan, Record
from bargein_bench.results import Event, Outcome, Want

MS = RATE // 1000
SILENCE_MS = 60  # shorter dry times come from the network, and are hardly audible
LASTING_MS = 300  # of carried silence: pauses within a sentence are shorter
PAUSE_MS = 700  # of carried silence: pauses between sentences of an unknown voice are shorter
MISS_MS = 2_000
BEFORE_MS = 250  # the agent speaks at an onset if it did so shortly before
LATE_VERDICT_MS = 2_000  # after the end of a sound to be ignored, a stop still belongs to that sound
ITS_OWN_END_MS = 400  # a reply that stops so near to its own end has ended by itself
REACT_MS = 500  # a silent agent that begins to speak must fall silent so soon after an onset
BLIP_MS = 250  # every reply is longer
BLIPS = 4
ANSWER_MS = 6_000  # a question is answered within that
BEGIN_MS = 300  # of quiet, after which the agent begins to speak
AT_ONCE_MS = 200  # two who begin so near to each other could not know
AT_END_MS = 100  # so near to a turn's end a begin cuts nothing off
ANSWER_HEARD_MS = 2_500  # of an answer, which is searched for what was said before


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the agent from calls without an interruption."""

    openings: Sequence[Samples] = ()
    """What the caller heard in them."""
    reply_ms: float | None = None
    """Length of the reply that is interrupted. None: longer than those calls."""
    alike: bool = False
    """Its TTS speaks a text alike each time."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A silence, in ms of the call."""

    begins: int
    ends: int | None
    """None: nothing came after it."""
    moved: int | None
    """Samples of the reply that were lost (above 0) or repeated (below 0). None: another reply began."""
    sounded: int = 0
    """Milliseconds within the silence in which a little of the reply was audible."""


class ListeningTimeline:
    """Judges one record."""

    def __init__(self, record: Record, known: Known) -> None:
        self._record, self._known = record, known
        self.loud = audible(record.agent)
        self._alive = _alive(record, self.loud)

    def judge(self, scene: str, sound: str, want: Want, call: int, spoken: SpokenLine, until: int) -> Event:
        """What became of a sound during a reply. until: place at which the next step begins."""
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
            self._cut_ins(onset, end) if want == "yield" else 0,
            self._said_again_ms(last) if outcome == "stopped" and want == "yield" else None,
        )

    def judge_quiet(self, scene: str, sound: str, want: Want, call: int, spoken: SpokenLine) -> Event:
        """What became of speech while the agent was silent: the agent must not talk over it."""
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
            cut_ins=self._cut_ins(onset, end) if want == "yield" else 0,
        )

    def answers(self, question: SpokenLine) -> bool:
        """Whether a question was answered: the agent fell silent for it, if need be, and then spoke."""
        onset, end = question.onset // MS, question.end // MS
        last = self._gaps(onset, min(onset + MISS_MS, len(self._alive)))[1]
        if self._alive[max(0, onset - BEFORE_MS) : onset].any() and last is None:
            return False
        begins = max(onset, last.begins if last is not None else onset)
        return bool(self.loud[max(begins, end) : end + ANSWER_MS].any())

    def _cut_ins(self, onset: int, end: int) -> int:
        """How often the agent began to speak in a turn of the user's."""
        quiet = _silences(self.loud, max(0, onset - BEGIN_MS), end, BEGIN_MS)
        return sum(onset + AT_ONCE_MS < ends < end - AT_END_MS for _, ends in quiet)

    def _said_again_ms(self, last: Gap | None) -> float | None:
        """How much of the answer was heard before. None: no answer, or it cannot be told."""
        if last is None or last.ends is None:
            return None
        replies = [_span_at(self._record.spans, place) for place in (last.begins * MS - 1, last.ends * MS + MS)]
        texts = [self._record.texts.get(span.reply or "") for span in replies if span is not None]
        if len(texts) == 2 and texts[0] is not None and texts[1] is not None:
            return words_again_ms(texts[0], texts[1])
        if not self._known.alike:
            return None
        agent, begins = self._record.agent, last.ends
        begun = max((e for _, e in _silences(self.loud, 0, last.begins, PAUSE_MS) if e <= last.begins), default=0)
        return said_again_ms(agent[begun * MS : last.begins * MS], agent[begins * MS : (begins + ANSWER_HEARD_MS) * MS])

    def first_audio_ms(self) -> float | None:
        return float(np.argmax(self.loud)) if self.loud.any() else None

    def _gaps(self, onset: int, until: int) -> tuple[list[Gap], Gap | None]:
        """The silences from an onset on, and the silence that ended the reply, which is not in the list."""
        found: list[Gap] = []
        silences = _silences(self._alive, max(0, onset - BEFORE_MS), until)
        for begins, ends in sorted(silences + self._handed_over(onset, until)):
            if ends <= onset:
                continue  # a silence before the onset
            if found and begins < (found[-1].ends or 0):
                continue  # within the silence before
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
        """The silence, with the one that follows a short sound after it: that sound is too short to be recognised."""
        if gap.ends is None:
            return gap
        sounded, loud_from = 0, gap.ends
        for begins, ends in _silences(self._alive, gap.ends, until + BLIPS * BLIP_MS)[:BLIPS]:
            if begins - loud_from > BLIP_MS:
                break
            sounded, loud_from = sounded + begins - loud_from, ends
            second = self._gap_at(begins, ends)
            if second is not None and second.moved is not None:  # the blip is of the same reply
                return Gap(gap.begins, second.ends, second.moved, sounded)
            both = self._gap_at(gap.begins, ends)
            if both is not None and both.moved is not None:
                return Gap(gap.begins, both.ends, both.moved - sounded * MS, sounded)
        return gap

    def _handed_over(self, onset: int, until: int) -> list[tuple[int, int]]:
        """Where another reply began without a silence, where the protocol says so."""
        pairs = pairwise(self._record.spans)
        changes = [(a.end // MS, b.begin // MS) for a, b in pairs if a.reply != b.reply]
        return [(b, max(b + 1, e)) for b, e in changes if e - b < SILENCE_MS and onset < b < until]

    def _gap_at(self, begins: int, ends: int) -> Gap | None:
        """The silence between two places. None: a long pause of the voice."""
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
        """A carried silence: a pause of the voice, or silence that the server sends."""
        if span.reply is not None:
            return None
        agent, openings = self._record.agent, self._known.openings
        moved = moved_samples(agent, begins * MS, ends * MS, span.end, agent[:0], openings)
        if moved is None:
            return Gap(begins, ends, None) if ends - begins > PAUSE_MS else None
        pause = moved - (ends - begins) * MS  # without an interruption the voice makes the same pause
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
    """Silences from begin on, of those that begin before `until`. An end beyond the record is its length."""
    edges = np.flatnonzero(np.diff(np.concatenate(([True], alive, [True])).astype(np.int8)))
    spans = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(b, e) for b, e in spans if e - b >= least and e > begin and b < until]


def _span_at(spans: Sequence[AudioSpan], place: int) -> AudioSpan | None:
    """The span that carried this place, or the nearest one within 4 ms."""
    best = min(spans, key=lambda s: max(s.begin - place, place - s.end, 0), default=None)
    if best is None or max(best.begin - place, place - best.end) > 4 * MS:
        return None
    return best


def _joined(spans: Sequence[AudioSpan]) -> list[AudioSpan]:
    """Spans of one reply with no silence between them, as one."""
    joined = list(spans[:1])
    for before, after in pairwise(spans):
        if after.begin - before.end < SILENCE_MS * MS and before.reply == after.reply:
            joined[-1] = AudioSpan(joined[-1].begin, after.end, before.reply, joined[-1].first)
        else:
            joined.append(after)
    return joined
