"""Every state that a floor can reach, and every event in each: breadth first, to a fixed point.

Time is counted in windows. A state is a floor seen from its own present: times relative to now and cut off where no
rule can tell them apart any more, ids relative to the newest. Two floors alike in that behave alike for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass

from bargein.floor import actions as do
from bargein.floor import events as ev
from bargein.floor.rules import Floor
from bargein.floor.speech import Evidence
from bargein.floor.timers import timers
from tests.floor.monitor import Monitor
from tests.floor.twins import twin, values
from tests.floor.world import Broken, Seen, liveness

LEVELS = (0.0, 0.35, 0.95)  # quiet, faint, sure; 0.6 between them is firm, and doubtful
SATURATED = 5  # beyond every number of the policies
LONGEST_MS = 60.0  # of a small policy: the sum of all its bounds, twice over


def key(f: Floor) -> tuple[object, ...]:
    """The floor as seen from its present. test_key.py proves that every attribute is in it, and that floors of one key
    behave alike."""
    now, speech, reply, onset, turn, pause = f.now_ms, f.speech, f.reply, f.onset, f.turn, f.pause

    def ago(at: float, matters: bool = True) -> float:
        if not matters:
            return -9.0
        age = now - at
        return -1.0 if age < -1.0 else age if age < SATURATED else SATURATED

    state = f.state
    live, held, on = f.live, state == "barge_in", speech.evidence is not Evidence.SILENT
    run = speech.run_windows
    return (
        state, f.policy.verdict.confirm_ms, f.policy.verdict.doubt_ms, f.stt_words, f.stt_turns, f.says_waiting,
        f.unconfirmed > 0,
        f.failures, f.reprompts, f.left, f.over, ago(f.quiet_since_ms, state == "idle"),
        f.away, f.away_until_ms - now if f.away else -9.0,
        f.leaving, f.leave_by_ms - now if f.leaving else -9.0, f.leave_why,
        # the reply
        turn.id - reply.turn if reply.turn else -1, live and reply.sounding, reply.protected,
        reply.reprompting and live, reply.giving_up and live, reply.filler and live, reply.fillers if live else 0,
        turn.fillers if turn.open or reply.turn else 0,
        ago(reply.silent_from_ms, state in ("thinking", "barge_in") and f.policy.idle.filler_ms is not None),
        min(reply.behind_ms, SATURATED) if live and reply.filler else -9.0,
        max(-1.0, reply.tools_until_ms - now) if live and reply.tools_until_ms else -9.0,
        min(reply.false_holds, f.policy.hold.wary_after), reply.echo_reported,
        reply.far_reported and live, ago(reply.asked_ms, live),
        ago(reply.due_from_ms, state in ("thinking", "barge_in")),
        min(ago(reply.sounding_since_ms, reply.sounding), f.policy.echo.echo_guard_ms), ago(reply.held_since_ms, held),
        # the onset
        onset.dismissed, onset.aside, onset.excused, onset.awaiting_words, onset.doubt, onset.doubt_text,
        onset.unreadable, ago(onset.asked_until_ms, on or held), min(onset.carried_ms, 4),
        ago(onset.carried_until_ms, onset.carried_ms > 0),
        # the sound
        f.hears_sound, f.stt_small, f.usual_db, looked(f, ago),
        # the turn
        max(0.0, turn.keys_until_ms - now) if turn.open else 0.0,
        turn.open, turn.prepared, ago(turn.since_ms, turn.open), turn.since_ms == speech.onset_ms,
        min(turn.spoken_ms, 3) if turn.open or reply.turn else -1, ago(turn.spoken_until_ms, turn.open or on),
        turn.own_level_db, turn.level_db if turn.open else None,
        # the pause
        f.reads_turns, f.pause_read, pause.score if f.pause_read else -9.0, pause.why if f.pause_read else "",
        pause.made, pause.awaiting and f.pause_read, min(pause.own_ms, SATURATED),
        # the speech
        speech.evidence, speech.peak, ago(speech.onset_ms), ago(speech.until_ms), ago(speech.noticed_ms, on),
        speech.level_db if on or run or held else None, run, ago(speech.run_from_ms, run > 0),
    )  # fmt: skip


def looked(f: Floor, ago: Callable[[float, bool], float]) -> tuple[object, ...]:
    """What looks at the sound have told, as far as a rule can tell it apart."""
    sound, join_ms = f.sound, f.policy.verdict.join_ms
    if not sound.look:
        return ()
    on = f.speech.evidence is not Evidence.SILENT or f.state.value == "barge_in"
    asked = min(ago(sound.asked_until_ms, on and sound.asked_until_ms > 0), 3.0)
    age = min(f.now_ms - sound.judged_until_ms, join_ms + 1)  # older: another sound
    return (
        sound.pending, ago(sound.asked_ms, sound.pending), asked,
        sound.empty if on or age <= join_ms else 0, age if sound.empty else -9.0,
        sound.worded, sound.unsure and on, sound.aside, sound.signs, sound.said,
    )  # fmt: skip


# The exhaustive searches: policy, groups of events, levels of speech, whether the STT reads words.
QUIET_OR_SURE = (0.0, 0.95)
FINE = (0.0, 0.35, 0.6, 0.95)

SEARCHES = [
    ("balanced", "", FINE, False),
    ("balanced", "hard", LEVELS, False),
    ("balanced", "page judge", QUIET_OR_SURE, False),
    ("short", "protect hard page", QUIET_OR_SURE, False),
    ("balanced", "late fail", LEVELS, False),
    ("balanced", "stt", QUIET_OR_SURE, True),
    ("balanced", "turns", QUIET_OR_SURE, False),
    ("pausing", "pauses", QUIET_OR_SURE, False),
    ("short", "guesses hard", QUIET_OR_SURE, False),
    ("instant", "page", LEVELS, False),
    ("patient", "hard page", QUIET_OR_SURE, False),
    ("asking", "fail", LEVELS, False),
    ("losing", "late fail", QUIET_OR_SURE, False),
    ("losing", "fail protect", QUIET_OR_SURE, False),
    ("losing", "fail away", QUIET_OR_SURE, False),
    ("losing", "fail unplayed", QUIET_OR_SURE, False),
    ("waiting losing", "tools fail", QUIET_OR_SURE, False),
    ("waiting", "tools away", QUIET_OR_SURE, False),
    ("waiting", "tools unplayed", QUIET_OR_SURE, False),
    ("waiting", "tools ending", QUIET_OR_SURE, False),
    ("waiting", "protect", QUIET_OR_SURE, False),
    ("leaving", "", LEVELS, False),
    ("echoing", "echo", QUIET_OR_SURE, False),
    ("alone", "", FINE, False),
    ("far", "far", (0.0,), False),
    ("looking", "looks", QUIET_OR_SURE, False),
    ("looking", "looks reads", QUIET_OR_SURE, True),
    ("instant", "echo protect", QUIET_OR_SURE, False),
    ("short", "away hard", QUIET_OR_SURE, False),
    ("balanced", "away", QUIET_OR_SURE, False),
    ("short", "away guesses", (0.0,), True),
    ("short", "ending", QUIET_OR_SURE, False),
    ("short", "ending away", QUIET_OR_SURE, False),
    ("short", "unplayed hard", QUIET_OR_SURE, False),
    ("short", "stall", QUIET_OR_SURE, False),
]
GROUPS = (
    "unplayed",
    "hard",
    "page",
    "judge",
    "looks",
    "sound",
    "reads",
    "protect",
    "late",
    "fail",
    "tools",
    "stt",
    "turns",
    "pauses",
    "guesses",
    "echo",
    "far",
    "stall",
    "away",
    "ending",
)


def alphabet(f: Floor, groups: Set[str], levels: tuple[float, ...]) -> Iterator[ev.Event]:
    """Everything that may happen next, of the groups asked for. Ticks are never late: time does not pass a deadline."""
    now, due = f.now_ms, f.deadline
    if due is not None:
        yield ev.Tick(due)
    if due is None or due >= now + 1:
        for speech in levels:
            yield ev.SpeechWindow(now, now + 1, speech)
        if "echo" in groups:
            yield ev.SpeechWindow(now, now + 1, 0.95, echo=0.9)
            yield ev.SpeechWindow(now, now + 1, 0.35, echo=0.9)
            yield ev.SpeechWindow(now, now + 1, 0.95, echo=0.7)  # mostly, but not enough
            yield ev.SpeechWindow(now, now + 1, 0.1, echo=0.9, rise_db=20)
            yield ev.SpeechWindow(now, now + 1, 0.1, rise_db=20)
        if "far" in groups:
            yield ev.SpeechWindow(now, now + 1, 0.95, level_db=-20.0)
            yield ev.SpeechWindow(now, now + 1, 0.95, level_db=-33.0)
        if "stall" in groups:  # audio that was kept back for two windows
            for speech in levels:
                yield ev.SpeechWindow(now - 2, now - 1, speech, came_ms=now + 1)
    yield ev.SayRequested(now)
    yield ev.ReplyStarted(now, f.reply.id)
    yield ev.ReplyEnded(now, f.reply.id)
    yield ev.HungUp(now)
    if "away" in groups:
        yield ev.ClientAway(now, 2)
        yield ev.ClientBack(now)
    if "ending" in groups:
        yield ev.EndingAsked(now, "it has to end", 2)
    if "unplayed" in groups:
        yield ev.ReplyStalled(now, f.reply.id, "the client does not play")
        yield ev.ReplyStalled(now, f.reply.id - 1, "the client does not play")
        yield ev.ReplyEnded(now, f.reply.id, confirmed=False)
        yield ev.ReplyFailed(now, f.reply.id, "lost", confirmed=False)
    if "hard" in groups:
        yield ev.Interrupted(now, "button")
        yield ev.Interrupted(now, "operator")
        yield ev.KeyPressed(now, "5")
        yield ev.KeyPressed(now, "#", ends=True)
        yield ev.UserTyped(now)
    if "page" in groups:
        yield ev.LevelOnset(now, f.reply.id)
        yield ev.LevelOnset(now, f.reply.id - 1)
    if "judge" in groups:
        yield ev.Judged(now, True, 0.9, "a judge")
        yield ev.Judged(now, False, 0.9, "a judge")
    if "far" in groups and f.usual_db is None:
        yield ev.LineKnown(now, -20.0)
    if "sound" in groups:
        yield ev.SoundChanged(now, judged=not f.hears_sound)
    if "reads" in groups:
        for said in ("tell me", "you"):
            if f.onset.awaiting_words:
                yield ev.Words(f.speech.onset_ms, said, f.onset.reading)
    if "looks" in groups:
        since, until, look = f.speech.onset_ms, f.sound.asked_until_ms, f.sound.look
        if f.sound.pending:
            for words in (0.9, 0.4) if "reads" in groups else (0.9, 0.4, 0.1, None):
                yield ev.SoundJudged(since, until, look, words)
            if "reads" not in groups:
                yield ev.SoundJudged(since, until, look, 0.9, ("voice",))
                yield ev.SoundJudged(since, until, look, 0.9, ("voice", "before"))
        yield ev.SoundJudged(since, until, look - 1, 0.1, ("voice", "before"))
    if "protect" in groups:
        yield ev.ReplyProtected(now, f.reply.id, protected=True)
        yield ev.ReplyProtected(now, f.reply.id, protected=False)
    if "late" in groups:
        yield ev.ReplyStarted(now, f.reply.id - 1)
        yield ev.ReplyEnded(now, f.reply.id - 1)
        yield ev.ReplyFailed(now, f.reply.id - 1, "lost")
        yield ev.ReplyProtected(now, f.reply.id - 1, protected=True)
    if "tools" in groups:
        yield ev.ToolsStarted(now, f.reply.id, now + 2)
        yield ev.ToolsEnded(now, f.reply.id)
    if "late" in groups and "tools" in groups:
        yield ev.ToolsStarted(now, f.reply.id - 1, now + 2)
        yield ev.ToolsEnded(now, f.reply.id - 1)
    if "fail" in groups:
        yield ev.ReplyFailed(now, f.reply.id, "lost")
    if "stt" in groups:
        for text in ("stop", "tell me", "mm-hmm", "", None):
            if f.onset.awaiting_words:
                yield ev.Words(f.speech.onset_ms, text, f.onset.reading)
        yield ev.Words(f.reply.asked_ms - 1, "stop", f.onset.reading - 1)
        yield ev.Words(now, "tell me", f.onset.reading - 1)
        yield ev.STTChanged(now, words=not f.stt_words, turns=False)
    if "turns" in groups:
        for text in ("", "mm-hmm", "tell me"):
            yield ev.TurnStarted(now, text)
        yield ev.TurnEnded(now, "tell me")
        yield ev.TurnEnded(now, "")
        yield ev.Words(now, "stop")
        yield ev.Words(now, "mm-hmm")
        if f.live:
            yield ev.TurnStarted(f.reply.asked_ms - 1, "")
        else:
            for ago in range(1, SATURATED + 2):
                yield ev.TurnStarted(now - ago, "")
    if "pauses" in groups:
        for text in ("what time is it?", "and", None):
            yield ev.TurnRead(now, f.pause.reading, f.turn.id, text)
        yield ev.TurnRead(now, f.pause.reading - 1, f.turn.id, "what time is it?")
        yield ev.TurnRead(now, f.pause.reading, f.turn.id - 1, "what time is it?")
    if "guesses" in groups:
        before = (f.turn.since_ms if f.turn.open else f.reply.asked_ms) - 1
        yield ev.TurnStarted(now, "tell me")
        yield ev.TurnEnding(now, "tell me")
        yield ev.TurnEnding(before, "tell me")
        yield ev.TurnResumed(now)
        yield ev.TurnEnded(now, "tell me")
        yield ev.TurnEnded(before, "tell me")


def begin(floor: Floor, groups: Set[str], *, stt: bool) -> Floor:
    """A call's floor, as it begins: whether its STT reads words, and whether its sounds are looked at."""
    if stt or "pauses" in groups:
        floor.handle(ev.STTChanged(0, words=stt, turns=False, small="reads" in groups, reads_turns="pauses" in groups))
    if "looks" in groups:
        floor.handle(ev.SoundChanged(0, judged=True))
    return floor


INTERRUPTS = {ev.Interrupted, ev.KeyPressed, ev.TurnStarted, ev.Judged, ev.LevelOnset}


def cause_of(floor: Floor, event: ev.Event) -> str:
    """What makes a floor move on this event: its class, or the timer's name."""
    if isinstance(event, ev.Tick):
        due = [timer for timer in timers(floor) if timer[0] <= event.at_ms]
        return min(due, key=lambda timer: timer[0])[1].__name__
    return type(event).__name__


class Endless(Exception):
    """A search saw more states than it may: that proves nothing, neither way."""


@dataclass(frozen=True, slots=True)
class Found:
    """How much a search saw."""

    states: int
    edges: int
    transitions: frozenset[tuple[str, str, str]]
    """Changes of the state: from, by which event or timer, to."""


def search(
    floor: Floor,
    groups: Set[str] = frozenset(),
    *,
    levels: tuple[float, ...] = LEVELS,
    most: int = 1_000_000,
    monitor: Monitor | None = None,
) -> Found:
    """All states reachable from this floor. monitor: the world as it is then; None: a call begins. Raises Broken, with
    the shortest way there, at the first broken promise."""
    first = Monitor() if monitor is None else monitor
    seen = {(key(floor), first)}
    known = 1
    line: deque[tuple[Floor, Monitor, tuple[object, ...]]] = deque([(floor, first, ())])
    edges = 0
    transitions: set[tuple[str, str, str]] = set()
    while line:
        here, monitor, way = line.popleft()
        was = Seen.of(here)
        for event in alphabet(here, groups, levels):
            there = twin(here)
            try:
                actions = there.handle(event)
                after = monitor.step(there, was, event, actions)
                edges += 1
                if there.state is not here.state:
                    transitions.add((here.state.value, cause_of(here, event), there.state.value))
                if edges % 5 == 0:
                    _alone(here, there, event, actions)
                if type(event) in INTERRUPTS and not getattr(event, "ends", False):  # what ends is answered
                    _twice(there, event)
                node = (key(there), after)
                seen.add(node)
                if len(seen) == known:  # it was among them
                    continue
                known += 1
                liveness(there, LONGEST_MS)
            except Broken as broken:
                raise Broken(f"{broken}\n  the way: {_told((way, event))}") from None
            if known > most:
                raise Endless(f"more than {most} states: the search does not end")
            line.append((there, after, (way, event)))
    return Found(len(seen), edges, frozenset(transitions))


def _alone(before: Floor, after: Floor, event: ev.Event, actions: Sequence[object]) -> None:
    """(6) The same floor and the same event give the same, whatever other floors did in between."""
    again = twin(before)
    if again.handle(event) != actions or values(again) != values(after):
        raise Broken("(6) a floor remembers something outside itself")


def _twice(after: Floor, event: ev.Event) -> None:
    """(7) Interrupting twice is interrupting once."""
    for action in twin(after).handle(event):
        if isinstance(action, (do.Cut, do.DiscardReply, do.Hold)):
            raise Broken(f"(7) the second {event} did {action}")


def _told(way: object) -> list[ev.Event]:
    events: list[ev.Event] = []
    while isinstance(way, tuple) and way:
        way, event = way
        events.append(event)
    return events[::-1]
