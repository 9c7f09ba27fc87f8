"""The moments worth hearing: failures of every kind, worst first, and two good examples. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, zip_longest

from bargein_bench.record import RATE, Record
from bargein_bench.report.faults import STALE_MS
from bargein_bench.report.figures import seconds
from bargein_bench.report.html import short
from bargein_bench.report.kinds import kind_of
from bargein_bench.results import CallResult, Event, Results

MOST_FAILURES = 24
BEFORE_MS, AFTER_MS, MOST_MS = 2_000.0, 6_000.0, 10_000.0  # a moment lasts 8 s, and 10 s for long sounds
DRY_MS = 1_000.0  # a longer pause does not come from the network
LATE_SHARE = 0.01  # of a call's frames


@dataclass(frozen=True, slots=True)
class PlotMark:
    """A mark in a drawing."""

    at_ms: float
    """On the call's clock."""
    name: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A part of a call. Times on the call's clock."""

    title: str
    """The scene."""
    description: str
    """What happened."""
    group: str
    """Of failures like this one."""
    call: CallResult
    begins_ms: float
    ends_ms: float
    zero_ms: float
    """The moment that the drawing counts from."""
    marks: tuple[PlotMark, ...] = ()
    speech: tuple[float, float] | None = None
    """Begin and end of the caller's speech."""
    good: bool = False


@dataclass(frozen=True, slots=True)
class ShownCase:
    """What the report shows."""

    shown: list[Moment]
    """Failures, at most MOST_FAILURES."""
    rest: Counter[str]
    """How many more failures there are, by group."""
    good: list[Moment]
    """Examples."""


def choose(results: Results, most: int = MOST_FAILURES) -> ShownCase:
    """The worst of every group, then the next of every group: many of one kind hide no other."""
    groups: dict[str, list[tuple[float, Moment]]] = {}
    for cost, moment in _failures(results):
        groups.setdefault(moment.group, []).append((cost, moment))
    ranked = [[m for _, m in sorted(of, key=lambda pair: -pair[0])] for of in groups.values()]
    ranked.sort(key=len, reverse=True)
    turns = [m for round_ in zip_longest(*ranked) for m in round_ if m is not None]
    recorded = [m for m in turns if m.call.record is not None]
    # Moments without a record are not shown, and counted all the same.
    shown = recorded[:most]
    kept = {id(m) for m in shown}
    order = list(groups)
    rest = Counter(m.group for m in turns if id(m) not in kept)
    return ShownCase(sorted(shown, key=lambda m: order.index(m.group)), rest, list(_good(results)))


def _failures(results: Results) -> Iterable[tuple[float, Moment]]:
    for call in results.calls:
        for event in call.events:
            if event.right is False:
                moment = of_event(call, event)
                if event.recovered is False:
                    moment = replace(
                        moment, description=f"{moment.description} A question afterwards was not answered."
                    )
                yield (event.overlap_ms if event.want == "yield" else event.hold_ms or 0.0), moment
            elif event.recovered is False:
                yield 0.0, _unanswered(call, event)
        if call.stale_ms > STALE_MS:
            description = f"{seconds(call.stale_ms)} of the old reply sounded after its own flush."
            place = call.record.cleared[0].at * 1000 / RATE if call.record and call.record.cleared else 0.0
            yield call.stale_ms, _at(call, "old sound after a flush", description, place, "flush")
        if call.late > LATE_SHARE * call.frames:
            description = (
                f"{call.late} of {call.frames} frames came late; the line was dry for {seconds(call.gap_ms)} in all."
            )
            yield call.late, _at(call, "late sound", description, _first_dry(call.record), "line runs dry")


def of_event(call: CallResult, event: Event) -> Moment:
    begins = event.onset_ms - BEFORE_MS
    ends = min(max(event.onset_ms + AFTER_MS, event.end_ms + 1_000), begins + MOST_MS)
    group = event.scene if event.want == "ignore" else f"{event.scene}, {event.outcome}"
    return Moment(
        f"{short(event.scene, 60)}: {short(event.sound, 60)}",
        explained(event),
        group,
        call,
        begins,
        ends,
        event.onset_ms,
        tuple(_marks(call.record, event)),
        (event.onset_ms, event.end_ms),
        event.right is True,
    )


def explained(event: Event) -> str:
    """What the agent did, and what it should have done."""
    hold, stop = seconds(event.hold_ms), seconds(event.stop_ms)
    match event.want, event.outcome:
        case "yield", "stopped":
            answer = (
                "" if event.answer_ms is None else f" It answered {seconds(event.answer_ms)} after the caller's end."
            )
            return f"It was silent {stop} after the onset, for good.{answer}"
        case "yield", "held":
            back = seconds(event.gap_ms)
            return f"It fell silent after {hold}, for {back} in all, and took the floor back. It should have yielded."
        case "yield", "through":
            return f"It talked on: both sounded for {seconds(event.overlap_ms)}. It should have yielded."
        case "ignore", "stopped":
            return f"Its reply ended {stop} after the onset. A person would have gone on."
        case "ignore", "held":
            lost = "" if event.lost_ms is None else f", with {event.lost_ms:.0f} ms of the reply lost"
            again = f" and {event.repeated_ms:.0f} ms said again" if event.repeated_ms else ""
            return f"It fell silent after {hold}, for {seconds(event.gap_ms)} in all, and went on{lost}{again}."
        case "ignore", "through":
            return "It talked on, as a person would."
        case _:
            return "It was not speaking: nothing can be said."


def _marks(record: Record | None, event: Event) -> Iterable[PlotMark]:
    yield PlotMark(event.onset_ms, "onset")
    yield PlotMark(event.end_ms, "end")
    silent = None if event.hold_ms is None else event.onset_ms + event.hold_ms
    stopped = None if event.stop_ms is None else event.onset_ms + event.stop_ms
    if silent is not None and stopped is not None and abs(silent - stopped) < 60:
        yield PlotMark(stopped, "silent, stopped")
    else:
        if silent is not None:
            yield PlotMark(silent, "silent")
        if stopped is not None:
            yield PlotMark(stopped, "stopped")
    if event.outcome == "held" and silent is not None:
        begins = [s.begin * 1000 / RATE for s in record.spans] if record else []
        # gap_ms is of all holds together; a span of the record is more exact.
        goes_on = next((b for b in begins if silent < b <= silent + event.gap_ms + 60), silent + event.gap_ms)
        yield PlotMark(goes_on, "goes on")
    if event.answer_ms is not None:
        yield PlotMark(event.end_ms + event.answer_ms, "answers")


def _unanswered(call: CallResult, event: Event) -> Moment:
    """From the question on, which is the last step of the script."""
    title = f"after {short(event.scene, 60)}: no answer"
    description = "This went as it should, but a plain question afterwards was not answered."
    if call.record is None or not call.record.spoken:
        return replace(_at(call, title, description, event.end_ms, "end"), group="no answer afterwards")
    spoken = max(call.record.spoken, key=lambda s: s.onset)
    onset, end = spoken.onset * 1000 / RATE, spoken.end * 1000 / RATE
    moment = _at(call, title, description, onset, "question")
    ends = min(max(moment.ends_ms, end + 4_000), moment.begins_ms + MOST_MS)
    return replace(moment, group="no answer afterwards", ends_ms=ends, speech=(onset, end))


def _at(call: CallResult, title: str, description: str, ms: float, mark: str) -> Moment:
    return Moment(title, description, title, call, ms - BEFORE_MS, ms + AFTER_MS, ms, (PlotMark(ms, mark),))


def _first_dry(record: Record | None) -> float:
    """Where the audio first ran dry for a moment, in the middle of speech."""
    pairs = pairwise(record.spans) if record else ()
    dry = (a.end * 1000 / RATE for a, b in pairs if 0 < (b.begin - a.end) * 1000 / RATE < DRY_MS)
    return next(dry, 0.0)


def _good(results: Results) -> Iterable[Moment]:
    """A clear interruption that was yielded to, and a backchannel or cough that the agent talked through.

    Each is the median of its kind, so the report does not boast.
    """
    held = [(c, e) for c in results.calls if c.record for e in c.events if e.right]
    yielded = [pair for pair in held if pair[1].want == "yield" and pair[1].stop_ms is not None]
    clear = [pair for pair in yielded if pair[1].scene == "interruption"] or yielded
    passed = [pair for pair in held if kind_of(pair[1]).sounds in ("backchannels", "coughs")]
    passed = [pair for pair in passed if pair[1].outcome == "held"] or passed
    if clear:
        yield of_event(*_middle(clear, [e.stop_ms or 0.0 for _, e in clear]))
    if passed:
        yield of_event(*_middle(passed, [e.gap_ms for _, e in passed]))


def _middle(pairs: Sequence[tuple[CallResult, Event]], by: Sequence[float]) -> tuple[CallResult, Event]:
    order = sorted(range(len(pairs)), key=lambda k: by[k])
    return pairs[order[(len(order) - 1) // 2]]
