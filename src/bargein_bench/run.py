"""One run: learn how the agent opens a call, play every scene, and judge the records."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bargein.errors import BargeinError, UsageError, VendorLost
from bargein_bench.callers.caller_audio import Step
from bargein_bench.callers.yielding import audible
from bargein_bench.judging.outcome import MS, Known, ListeningTimeline
from bargein_bench.judging.repetition import tells
from bargein_bench.record import Record, Target
from bargein_bench.results import CallResult, Event
from bargein_bench.scenarios.clips import Library
from bargein_bench.scenarios.scenes import NotPlayed, Opening, Scene, Staged
from bargein_bench.scenarios.stage import Stage

LISTENS = 2  # calls that only listen, and as many that only ask
LISTEN_MS = 9_000.0  # long enough to tell a greeting from a speech
ANSWER_LISTEN_MS = 14_000.0  # and for the reply to a request
GREETS_WITHIN_MS = 5_000.0
APART_MS = 137.0  # between the begins of two calls, so that their frames are not in step
PAUSE_MS = 1_200  # a longer silence ends a reply


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a run, after each call."""

    done: int
    """Calls that have ended."""
    of: int
    """Calls in all."""
    running: int
    left_s: float | None
    """An estimate. None: unknown."""
    latest: CallResult | None


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """What a run consists of."""

    scenes: Sequence[Scene]
    repeats: int = 10
    """Calls of each scene."""
    at_once: int = 8
    """Calls at the same time."""
    seed: int = 1
    keep: bool = False
    """Keep all records. Otherwise: those with a wrong event, and one of each scene."""


async def listen(target: Target, library: Library, seed: int) -> tuple[Opening, Known]:
    """Learn how the agent opens, from calls without an interruption.

    Raises VendorRefused and VendorLost where no call can be made, VendorLost for an agent that says nothing.
    """
    silent = await _calls(target, [[]] * LISTENS, seed)
    greets = [span for record in silent if (span := _first_reply(record)) and span[0] < GREETS_WITHIN_MS]
    if len(greets) > len(silent) / 2:
        lasts = [end - begin for begin, end in greets if end is not None]
        greeting = statistics.median(lasts) if len(lasts) == len(greets) else None
        opening = Opening(statistics.median(begin for begin, _ in greets), greeting)
    else:
        opening = Opening(None, None)
    openings = [record.agent for record in silent]
    reply_ms = opening.greeting_ms
    if opening.asks:
        stage = Stage(library, target.rate, opening, seed)
        try:
            ask = stage.ask(np.random.default_rng(seed))
        except NotPlayed as why:
            raise UsageError(
                f"The agent waits to be asked, and {why}", advice="Install espeak, or give --sounds"
            ) from None
        asked = await _calls(target, [[ask]] * LISTENS, seed, opening.ask_at_ms() + ANSWER_LISTEN_MS)
        answers = [found for record in asked if (found := _answer(record))]
        if not answers:
            advice = "Choose another request with --ask, or look at the agent's log"
            raise VendorLost("The agent did not answer the request that a call begins with", advice=advice)
        ends = [lasts for _, lasts in answers if lasts is not None]
        reply_ms = statistics.median(ends) if len(ends) == len(answers) else None
        opening = replace(opening, answer_ms=statistics.median(a for a, _ in answers), reply_ms=reply_ms)
        openings += [record.agent for record in asked]
    elif opening.greets_ms is None:
        raise VendorLost("The agent said nothing", advice="Look at the agent's log")
    return opening, Known(openings, reply_ms, tells(openings))


async def _calls(
    target: Target, scripts: Sequence[Sequence[Step]], seed: int, lasts_ms: float = LISTEN_MS
) -> list[Record]:
    try:
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(target.call(s, lasts_ms, seed=seed + n)) for n, s in enumerate(scripts)]
    except ExceptionGroup as failed:
        for error in failed.exceptions:
            if isinstance(error, BargeinError):
                raise error from None  # the calls fail alike: one error is enough
        raise
    return [call.result() for call in calls]


def _first_reply(record: Record) -> tuple[float, float | None] | None:
    """Begin and end of the agent's first reply, in ms. An end of None lies beyond the call."""
    return _speech(record, 0)


def _speech(record: Record, begin: int) -> tuple[float, float | None] | None:
    loud = np.flatnonzero(audible(record.agent)[begin:])
    if not len(loud):
        return None
    breaks = np.flatnonzero(np.diff(loud) > PAUSE_MS)
    last = int(loud[breaks[0]] if len(breaks) else loud[-1]) + 1
    over = len(breaks) > 0 or len(record.agent) // MS - begin - last > PAUSE_MS
    return float(begin + loud[0]), float(begin + last) if over else None


def _answer(record: Record) -> tuple[float, float | None] | None:
    """From the end of the request to the reply, and how long the reply lasts, in ms."""
    if not record.spoken:
        return None
    end = record.spoken[0].end // MS
    found = _speech(record, end)
    if found is None:
        return None
    begin, last = found
    return begin - end, None if last is None else last - begin


async def run(
    target: Target,
    library: Library,
    plan: BenchPlan,
    opening: Opening,
    known: Known,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> tuple[tuple[CallResult, ...], dict[str, str]]:
    """Play all calls of the plan.

    on_progress: called after each call. Returns the calls in the order of their numbers, and the scenes that were left
    out, with the reason. A failed call is a result, and does not end the run.
    """
    stage = Stage(library, target.rate, opening, plan.seed)
    staged, left_out = _staged(stage, plan)
    kept: set[str] = set()
    done: list[CallResult] = []
    loop = asyncio.get_running_loop()
    began, gate, running = loop.time(), asyncio.Semaphore(plan.at_once), 0
    owed = sum(s.lasts_ms for s in staged)

    async def one(number: int, script: Staged) -> None:
        nonlocal running, owed
        async with gate:
            running += 1
            await asyncio.sleep(number % plan.at_once * APART_MS / 1000)
            result = await _play(target, script, number, plan.seed, known)
            running -= 1
        owed -= script.lasts_ms
        wrong = any(event.right is False for event in result.events)
        if not (plan.keep or wrong or result.scene not in kept):
            result = replace(result, record=None)
        kept.add(result.scene)
        done.append(result)
        spent = loop.time() - began
        left = owed / 1000 / plan.at_once if spent else None
        on_progress(Progress(len(done), len(staged), running, left, result))

    on_progress(Progress(0, len(staged), 0, owed / 1000 / plan.at_once, None))
    async with asyncio.TaskGroup() as group:
        for number, script in enumerate(staged):
            group.create_task(one(number, script), name=f"bench call {number}")
    return tuple(sorted(done, key=lambda r: r.number)), left_out


def _staged(stage: Stage, plan: BenchPlan) -> tuple[list[Staged], dict[str, str]]:
    """The scripts, scene after scene in turns: a run that is broken off has played every scene."""
    staged, left_out = [], {}
    for number in range(plan.repeats):
        for scene in plan.scenes:
            try:
                staged.append(stage.set(scene, number))
            except NotPlayed as why:
                left_out[scene.name] = str(why)
    return staged, left_out


async def _play(target: Target, script: Staged, number: int, seed: int, known: Known) -> CallResult:
    try:
        record = await target.call(script.steps, script.lasts_ms, echo=script.echo, seed=seed + number)
    except BargeinError as error:
        return CallResult(number, script.scene, failed=str(error))
    # Judging takes long: in a thread, because the event loop times the other calls.
    return await asyncio.to_thread(judged, record, script, number, known)


def judged(record: Record, script: Staged, number: int, known: Known) -> CallResult:
    """The result of a call."""
    timeline = ListeningTimeline(record, known)
    spoken_by_step = {id(spoken.step): spoken for spoken in record.spoken}
    question = spoken_by_step.get(id(script.question))
    recovered = timeline.answers(question) if question is not None else None
    events: list[Event] = []
    for index, scored in enumerate(script.scored):
        spoken = spoken_by_step.get(id(scored.step))
        if spoken is None:
            continue
        scene = scored.scene or script.scene
        if scored.in_reply:
            later = [spoken_by_step.get(id(other.step)) for other in script.scored[index + 1 :]] + [question]
            until = min((s.onset for s in later if s is not None), default=len(record.agent))
            event = timeline.judge(scene, scored.sound, scored.want, number, spoken, until)
        else:
            event = timeline.judge_quiet(scene, scored.sound, scored.want, number, spoken)
        last = index == len(script.scored) - 1
        events.append(replace(event, recovered=recovered if last else None))
    return CallResult(
        number,
        script.scene,
        tuple(events),
        None if events else "the agent never spoke where the scene is played",
        record.call_id,
        timeline.first_audio_ms(),
        record.frames,
        record.late,
        record.gap_ms,
        record.stale_ms,
        record.most_queued_ms,
        record.faults,
        record.closed_by,
        record,
    )
