"""What is wrong with the agent, in plain words, worst first; and the verdict in one sentence. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bargein_bench.measures import SAID_AGAIN_MS, Measure
from bargein_bench.report.figures import at, counted, known, many, middle, seconds, share, within
from bargein_bench.report.html import short
from bargein_bench.report.kinds import KINDS, interruptions, kind_of
from bargein_bench.results import Event, Results

# Above these values there is a fault. Shares 0..1, times in ms.
MISSED = 0.01  # of interruptions
MISSED_HARD = 0.25  # of those that people miss, too: at the last word, in loud noise
ANY_SOUND = 0.5  # of all sounds to be ignored, of two kinds and more
CUT_INS = 0.05  # of the user's turns, into which the agent began to speak
REPEATS = 0.05  # of the answers
SLOW_STOP_MS = 500  # median, onset to the last sound
LONG_GAP_MS = 1_500  # median silence for a sound that is to be ignored
LOST_MS, REPEATED_MS = 200, 700  # median, of the reply at a hold
SLOW_ANSWER_MS = 3_000  # median, the caller's end to the next reply
UNANSWERED = 0.02  # of the questions afterwards
LATE = 0.01  # of frames
UNHEARD = 0.25  # of events at which the agent was silent: the run says little
STALE_MS = 20  # one frame, which may be on its way when a flush comes


@dataclass(frozen=True, slots=True)
class ReportedFault:
    """A fault of the agent."""

    name: str
    figures: str
    """The numbers that show the fault."""
    weight: float
    """Faults are listed from the heaviest down."""

    def __str__(self) -> str:
        return f"{self.name}: {self.figures}"


OTHER_SCENES = {
    "command": ("Ignores short commands", MISSED),
    "thinking": ("Talks over what is said as it thinks", MISSED_HARD),
    "last word": ("Talks over an interruption at its last word", MISSED_HARD),
    "pause": ("Begins to speak in a pause of the user's", MISSED_HARD),
    "whole": ("Speaks over the user's turn", MISSED),
    "noise 0 dB": ("Misses interruptions in loud noise", MISSED_HARD),
}


def faults(results: Results) -> list[ReportedFault]:
    """All faults, the worst first."""
    parts = (_yielding, _taking_the_floor, _false_stops, _going_on, _line, _calls)
    found = [fault for part in parts for fault in part(results)]
    return sorted(found, key=lambda fault: -fault.weight)


def verdict(results: Results, measures: Sequence[Measure]) -> str:
    """One sentence, from the measures."""
    by_name = {m.name: m for m in measures if m.value is not None}
    parts = []
    if (yields := by_name.get("R_Y")) is not None:
        latency = by_name.get("L_Y")
        how = f" in {latency.value:.2f} s ({within(latency)})" if latency is not None and yields.value else ""
        parts.append(f"yields to {share(yields.value)} of interruptions {_sure(yields)}{how}")
    named = (
        ("S_BC", "backchannels"),
        ("laughs ignored", "laughs"),
        ("S_VT", "coughs"),
        ("S_ND", "other people's talk"),
    )
    ignored = [
        f"{share(s.value)} of {sounds} {_sure(s)}" for name, sounds in named if (s := by_name.get(name)) is not None
    ]
    if ignored:
        parts.append("goes on through " + _listed(ignored))
    if not parts:
        return f"Nothing could be judged in {many(len(results.calls), 'call')}."
    sentence = ", and ".join(parts)
    return sentence[0].upper() + sentence[1:] + "."


def _sure(measure: Measure) -> str:
    """The n and the interval of a share."""
    return f"(n {measure.n}, {within(measure)})"


def _yielding(results: Results) -> Iterable[ReportedFault]:
    judged = [e for e in results.events if e.right is not None]
    asked = interruptions(judged)
    missed = _missed(asked)
    if missed > MISSED:
        name = "Ignores interruptions" if missed >= 0.5 else "Misses interruptions"
        yield ReportedFault(name, _yielded(asked), 100 * missed)
    for scene in dict.fromkeys(e.scene for e in judged if e.want == "yield" and e not in asked):
        of = [e for e in judged if e.scene == scene and e.want == "yield"]
        name, most = OTHER_SCENES.get(scene, (f"Misses “{short(scene, 40)}”", MISSED))
        if (missed := _missed(of)) > most:
            yield ReportedFault(name, _yielded(of), 60 * missed)
    stops = known(e.stop_ms for e in asked if e.outcome == "stopped")
    if (median := at(50, stops)) is not None and median > SLOW_STOP_MS:
        figures = f"{middle(stops)} from onset to silence in the median, {seconds(at(95, stops))} at the 95th percent"
        yield ReportedFault("Slow to stop", figures, 20 + min(40, (median - SLOW_STOP_MS) / 50))
    answers = known(e.answer_ms for e in asked)
    if (median := at(50, answers)) is not None and median > SLOW_ANSWER_MS:
        yield ReportedFault("Slow to answer", f"{middle(answers)} after the interruption in the median", 15)


def _taking_the_floor(results: Results) -> Iterable[ReportedFault]:
    """The agent interrupts, or says again what was heard."""
    turns = [e for e in results.events if e.want == "yield" and e.right is not None and e.scene != "pause"]
    cut_ins = sum(e.cut_ins > 0 for e in turns)
    if turns and cut_ins / len(turns) > CUT_INS:
        figures = f"into {counted(cut_ins, len(turns))} turns of the user's, pauses in mid-sentence not counted"
        yield ReportedFault("Begins to speak before the user has finished", figures, 60 * cut_ins / len(turns))
    told = known(e.said_again_ms for e in turns)
    again = sum(ms >= SAID_AGAIN_MS for ms in told)
    if told and again / len(told) > REPEATS:
        yield ReportedFault(
            "Answers with what was heard before", f"{counted(again, len(told))} answers", 40 * again / len(told)
        )


def _false_stops(results: Results) -> Iterable[ReportedFault]:
    ignored = [e for e in results.events if e.want == "ignore" and e.right is not None]
    per_kind = {k: [e for e in ignored if kind_of(e) is k] for k in KINDS}
    stopped = {k: sum(e.right is False for e in of) for k, of in per_kind.items()}
    bad = [k for k, of in per_kind.items() if of and stopped[k] / len(of) >= ANY_SOUND]
    in_all = sum(stopped.values())
    if len(bad) > 1 and in_all / len(ignored) >= ANY_SOUND:
        each = ", ".join(f"{counted(stopped[k], len(of))} {k.sounds}" for k, of in per_kind.items() if stopped[k])
        figures = f"{counted(in_all, len(ignored))} sounds that a person ignores ended the reply ({each})"
        yield ReportedFault("Stops for any sound", figures, 95 * in_all / len(ignored))
        return
    for k, of in per_kind.items():
        if of and stopped[k] / len(of) > k.most:
            yield ReportedFault(k.fault, f"{counted(stopped[k], len(of))} ended the reply", 70 * stopped[k] / len(of))


def _missed(of: Sequence[Event]) -> float:
    return sum(e.right is False for e in of) / len(of) if of else 0.0


def _yielded(of: Sequence[Event]) -> str:
    got = sum(e.right is True for e in of)
    text = f"{counted(got, len(of))} {'was' if got == 1 else 'were'} yielded to"
    took_back = sum(e.outcome == "held" for e in of)
    return f"{text}; at {took_back} it fell silent and then talked on" if took_back else text


def _going_on(results: Results) -> Iterable[ReportedFault]:
    held = [e for e in results.events if e.want == "ignore" and e.outcome == "held"]
    if held and (gap := at(50, [e.gap_ms for e in held])) is not None and gap > LONG_GAP_MS:
        gaps = [e.gap_ms for e in held]
        figures = f"{middle(gaps)} in the median of {many(len(held), 'sound')} that a person ignores"
        yield ReportedFault("Falls silent for long", figures, 25)
    lost, again = known(e.lost_ms for e in held), known(e.repeated_ms for e in held)
    if lost and (at(50, lost) or 0.0) > LOST_MS:
        yield ReportedFault("Loses words as it goes on", f"{middle(lost)} of the reply in the median", 30)
    if again and (at(50, again) or 0.0) > REPEATED_MS:
        yield ReportedFault("Repeats itself as it goes on", f"{middle(again)} of the reply in the median", 20)


def _line(results: Results) -> Iterable[ReportedFault]:
    stale = [call.stale_ms for call in results.calls if call.stale_ms > STALE_MS]
    if stale:
        figures = f"{seconds(sum(stale))} of the old reply in {counted(len(stale), len(results.calls))} calls"
        yield ReportedFault("Plays old sound after its own flush", figures, 35 + 30 * len(stale) / len(results.calls))
    frames, late = sum(c.frames for c in results.calls), sum(c.late for c in results.calls)
    if frames and late / frames > LATE:
        figures = f"{counted(late, frames)} frames came when the line had run dry in the middle of speech"
        yield ReportedFault("Sound arrives late", figures, 20 + 60 * late / frames)
    broken: Counter[str] = Counter()
    for call in results.calls:
        broken.update(call.faults)
    if broken:
        worst, n = broken.most_common(1)[0]
        yield ReportedFault("Breaks the protocol", f"{many(broken.total(), 'time')}, {n} by “{short(worst, 80)}”", 18)


def _calls(results: Results) -> Iterable[ReportedFault]:
    calls = results.calls
    failed = [call.failed for call in calls if call.failed]
    if failed:
        why = short(Counter(failed).most_common(1)[0][0], 120)
        yield ReportedFault(
            "Calls failed", f"{counted(len(failed), len(calls))}, most of them: {why}", 98 * len(failed) / len(calls)
        )
    asked = [e.recovered for e in results.events if e.recovered is not None]
    if asked and (unanswered := asked.count(False)) / len(asked) > UNANSWERED:
        figures = f"{counted(unanswered, len(asked))} questions afterwards were not answered"
        yield ReportedFault("Does not recover", figures, 85 * unanswered / len(asked))
    left = sum(call.closed_by not in ("", "us") for call in calls)
    if left:
        yield ReportedFault(
            "Hangs up", f"{counted(left, len(calls))} calls were ended by its side", 60 * left / len(calls)
        )
    events = results.events
    unheard = sum(e.right is None for e in events)
    if events and unheard / len(events) > UNHEARD:
        figures = f"at {counted(unheard, len(events))} events it was not speaking, and nothing can be said of them"
        yield ReportedFault("Little could be judged", figures, 50 * unheard / len(events))


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
