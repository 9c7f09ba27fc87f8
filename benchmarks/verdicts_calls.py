"""Calls over the telephone, in which a caller interrupts, laughs, coughs and is silent while the agent talks; scored at
the caller's ear, and by the server's own record for the time of its verdicts.

Each caller is one speaker, who interrupts in a voice of their own: what an agent learns of a caller holds for a call.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.errors import BargeinError, Unavailable, UsageError
from bargein.floor import Source
from bargein.floor import actions as do
from bargein.recorder.journal import FILE
from bargein.recorder.reading import Ordered, read
from bargein.vendors.local.espeak import EspeakTTS, worker
from bargein_bench.agent import OPENERS
from bargein_bench.callers.caller_audio import SayLine
from bargein_bench.callers.telephone import RATE
from bargein_bench.judging.outcome import LATE_VERDICT_MS, Known
from bargein_bench.machine import machine
from bargein_bench.measures import SAID_AGAIN_MS, Measure, spread
from bargein_bench.penalty import average_penalty
from bargein_bench.results import CallResult, Event, Results, Want
from bargein_bench.run import APART_MS, judged, listen
from bargein_bench.scenarios import people, synthetic
from bargein_bench.scenarios.clips import RATE as CLIP_RATE
from bargein_bench.scenarios.clips import Clip, Library, read_folder
from bargein_bench.scenarios.scenes import Scored, Staged
from bargein_bench.scenarios.stage import LEVELS, MOST_OF, SPEECH_DB, VARIES_DB
from bargein_bench.targets.twilio import TwilioTarget
from bargein_bench.tuning.splitting import names
from benchmarks import verdicts_agent
from benchmarks.process import server
from benchmarks.rows import Row, row

AT_ONCE = 6
OWN = 3  # interruptions of a caller in one call, at most
OTHERS = 7  # other sounds in one call, at most
FIRST_MS = 2_000.0  # into the agent's speech
AFTER_MS = (3_000.0, 4_000.0)  # from a sound's end to the next one: an answer has begun by then
LAST_MS = 3_000.0
ALL_MS = 33_000.0
ALSO_MADE = ("backchannel", "pause", "whole")  # kinds that are synthesized even where a folder has some
MOST_NOISE_MS = 3_000.0
QUIET_MS = 3_000.0
VERDICT_WITHIN_MS = 2_500.0
TWO_CLOCKS_MS = 300.0
LEAST = 3  # of a kind, however small the share is
YIELDS = ("interruption", "wait")
# Kinds to be ignored: how often each clip is played, and how many sounds there are at most.
IGNORED = {
    "laugh": (2, 60),
    "backchannel": (1, 60),
    "cough": (1, 40),
    "sneeze": (2, 40),
    "line noise": (1, 40),
    "noise": (1, 40),
    "door": (1, 10),
    "keyboard": (1, 10),
    "television": (2, 40),
    "silence": (20, 20),
}
GOALS = {"laugh": "<= 12 %", "backchannel": "<= 12 %", "television": "<= 30 %", "silence": "0"}
NOISE_GOAL = "<= 3 %"
LIVELY = ("laugh", "backchannel")
NOISY = ("cough", "sneeze", "line noise", "noise", "door", "keyboard")


@dataclass(frozen=True, slots=True)
class CallFigures:
    """What the calls gave."""

    results: Results
    verdicts_ms: tuple[float, ...]
    """Of the interruptions yielded to: from the onset to the server's decision to cut."""
    rows: list[Row]
    spreads: list[Measure]


def library(folder: Path | None) -> Library:
    """The sounds of a folder, or those of the packages. Kinds that it does not have, and hums, are synthesized."""
    clips = people.at_hand() if folder is None else read_folder(folder)
    have = {clip.kind for clip in clips}
    try:
        made = asyncio.run(synthetic.spoken())
    except Unavailable:
        made = []
    made += synthetic.throats() + synthetic.noises()
    return Library(clips + [c for c in made if c.kind in ALSO_MADE or c.kind not in have])


def scripts(sounds: Library, share: float, seed: int = 1) -> list[Staged]:
    """The calls. share: of the sounds, 0..1."""
    rng = np.random.default_rng(seed)
    callers: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip in _some([c for kind in YIELDS for c in sounds.of(kind)], share, 1_000, rng):
        callers[clip.speaker or clip.name].append(clip)
    owns = [of[n : n + OWN] for of in callers.values() for n in range(0, len(of), OWN)]
    if not owns:
        raise UsageError("There are no interruptions to play", advice="Give a folder whose manifest.json names some")
    others: list[Clip] = []
    for kind, (times, most) in IGNORED.items():
        clips = [_silence()] if kind == "silence" else list(sounds.of(kind))
        others += _some(clips * times, share, most, rng)
    others = [others[int(n)] for n in rng.permutation(len(others))]
    number = max(len(owns), -(-len(others) // OTHERS))
    return [_script(owns[n % len(owns)], others[n::number], rng) for n in range(number)]


def _some(clips: Sequence[Clip], share: float, most: int, rng: np.random.Generator) -> list[Clip]:
    count = min(len(clips), most, max(LEAST, round(share * min(len(clips), most))))
    return [clips[int(n)] for n in rng.permutation(len(clips))[:count]]


def _silence() -> Clip:
    samples = np.zeros(int(QUIET_MS * CLIP_RATE / 1000), np.int16)
    return Clip("silence", "nothing", samples, 0.0, QUIET_MS, "made")


def _script(own: Sequence[Clip], others: Sequence[Clip], rng: np.random.Generator) -> Staged:
    """A call: the caller interrupts, and then interrupts and makes other sounds in any order."""
    caller_db = float(rng.uniform(*SPEECH_DB))
    rest = [*own[1:], *others]
    steps: list[SayLine] = []
    scored: list[Scored] = []
    for clip in (own[0], *(rest[int(n)] for n in rng.permutation(len(rest)))):
        level = rng.uniform(*LEVELS[clip.kind]) if clip.kind in LEVELS else caller_db + rng.uniform(-1, 1) * VARIES_DB
        placed = clip.trimmed(MOST_OF.get(clip.kind, MOST_NOISE_MS))
        if clip.kind != "silence":
            placed = placed.at_level(float(level))
        at_ms = float(rng.uniform(*AFTER_MS)) if steps else FIRST_MS
        step = SayLine(at_ms, placed.at_rate(RATE), 0, name=clip.name, after_agent=not steps, after_step=bool(steps))
        steps.append(step)
        want: Want = "yield" if clip.kind in YIELDS else "ignore"
        scored.append(Scored(step, want, clip.name, scene=_scene(clip)))
    lasts = sum(len(step.samples) * 1000 / RATE + step.at_ms for step in steps) + LAST_MS
    return Staged("call", tuple(steps), tuple(scored), None, lasts)


def _scene(clip: Clip) -> str:
    return f"{clip.kind}, made" if clip.kind in ("backchannel", "laugh") and clip.source != "recorded" else clip.kind


async def play(target: TwilioTarget, calls: Sequence[Staged], known: Known, at_once: int) -> list[CallResult]:
    """Makes the calls, so many at once, and judges them. A call that fails has no events."""
    gate = asyncio.Semaphore(at_once)

    async def one(number: int, script: Staged) -> CallResult:
        async with gate:
            await asyncio.sleep(number % at_once * APART_MS / 1000)
            try:
                record = await target.call(script.steps, script.lasts_ms, seed=number + 1)
            except BargeinError as error:
                return CallResult(number, script.scene, failed=str(error))
        return await asyncio.to_thread(judged, record, script, number, known)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(n, script), name=f"call {n}") for n, script in enumerate(calls)]
    return [task.result() for task in tasks]


async def run(
    sounds: Library, share: float = 1.0, at_once: int = AT_ONCE, env: Mapping[str, str] | None = None
) -> CallFigures:
    """All calls. env: further environment of the server."""
    calls = scripts(sounds, share)
    name = f"{verdicts_agent.__file__}:TALKER"
    with TemporaryDirectory(prefix="bargein-verdicts-") as kept:
        async with server(
            name=name, env={"BARGEIN_MAX_CALLS": str(at_once + 4), **(env or {})}, record=Path(kept)
        ) as at:
            address = f"ws://{at}/twilio/media"
            target = TwilioTarget(address)
            _, known = await listen(target, sounds, 1)
            # Every sentence of the agent's, so that each is known again. The first ones of its replies each alone: in a
            # row, the next reply's would be taken for what comes next in the old one.
            undisturbed = await target.call([], ALL_MS)
            known = replace(known, openings=(*known.openings, undisturbed.agent, *await _openers()))
            done = await play(target, calls, known, at_once)
        verdicts, agreed = await asyncio.to_thread(verdict_times, Path(kept), done)
        done = await asyncio.to_thread(settled, Path(kept), done)
    results = Results(
        address, target.protocol, 1, datetime.now(UTC).isoformat(timespec="seconds"), machine(), tuple(done)
    )
    return CallFigures(results, verdicts, [*rows_of(results), *agreed], spreads_of(results, verdicts))


async def _openers() -> list[Samples]:
    """The first sentences of the agent's replies, in its voice."""
    process, spoken = worker(), list[Samples]()
    try:
        for text in OPENERS:
            spoken.append(resample(Pcm(await synthetic.speak(EspeakTTS(process), text), CLIP_RATE), RATE).samples)
    finally:
        await process.aclose()
    return spoken


def verdict_times(kept: Path, calls: Sequence[CallResult]) -> tuple[tuple[float, ...], list[Row]]:
    """From the onset of each interruption yielded to until the server's cut, by the server's own records; and how often
    the records say the same as the caller's ear. They differ where this machine was too slow, and a line ran dry."""
    cuts = _cuts(kept)
    found, agreed = list[float](), {"yield": list[bool](), "ignore": list[bool]()}
    for call in calls:
        for event in call.events:
            if event.right is None or call.call_id not in cuts:
                continue
            first = _first_cut(event, cuts[call.call_id])
            found += first if event.want == "yield" and event.right else []
            agreed[event.want].append(bool(first) == (event.outcome == "stopped"))
    return tuple(found), [
        row(f"{what}: the server's record agrees with the ear", sum(of), len(of), "a check of this run")
        for what, of in (("interruptions", agreed["yield"]), ("other sounds", agreed["ignore"]))
    ]


def settled(kept: Path, calls: Sequence[CallResult]) -> list[CallResult]:
    """The same calls. Where the ear and the server's record differ, the record says whether a reply was ended."""
    cuts = _cuts(kept)
    return [
        replace(call, events=tuple(_settled(event, cuts[call.call_id]) for event in call.events))
        if call.call_id in cuts
        else call
        for call in calls
    ]


def _settled(event: Event, cuts: Sequence[float]) -> Event:
    cut = bool(_first_cut(event, cuts))
    if event.right is None or cut == (event.outcome == "stopped"):
        return event
    return replace(event, outcome="stopped" if cut else "held", stop_ms=event.hold_ms if cut else None)


def _cuts(kept: Path) -> dict[str, list[float]]:
    """When the server ended replies, by the names that a call has."""
    cuts: dict[str, list[float]] = {}
    for path in kept.rglob(FILE):
        recording = read(path)
        at = [
            e.at_ms
            for e in recording.entries
            if isinstance(e, Ordered) and isinstance(e.action, do.Cut) and e.action.barge_in.source != Source.HANG_UP
        ]
        cuts |= dict.fromkeys(names(recording), at)
    return cuts


def _first_cut(event: Event, cuts: Sequence[float]) -> list[float]:
    """How long after the onset the reply was ended for this sound. Empty: it was not."""
    within = VERDICT_WITHIN_MS if event.want == "yield" else event.end_ms - event.onset_ms + LATE_VERDICT_MS
    return [at - event.onset_ms for at in cuts if -TWO_CLOCKS_MS < at - event.onset_ms < within][:1]


def rows_of(results: Results) -> list[Row]:
    """Yields, and false cuts of each kind."""
    events = [event for event in results.events if event.right is not None]
    rows = []
    for kind in YIELDS:
        of = [e for e in events if e.scene == kind]
        rows.append(row(f"{kind}: yielded to", sum(e.right is True for e in of), len(of), ">= 99 %"))
    for kind in IGNORED:
        for scene in (kind, f"{kind}, made"):
            of = [e for e in events if e.scene == scene]
            if of or scene == kind:
                goal = NOISE_GOAL if kind in NOISY else GOALS.get(kind, "")
                rows.append(row(f"{scene}: ended the reply", sum(e.outcome == "stopped" for e in of), len(of), goal))
    every = (("coughs, sneezes and noises", NOISY, NOISE_GOAL), ("laughs and backchannels", LIVELY, "<= 12 %"))
    for what, kinds, goal in every:
        of = [e for e in events if e.scene.partition(",")[0] in kinds]
        rows.append(row(f"{what} together: ended the reply", sum(e.outcome == "stopped" for e in of), len(of), goal))
    yields = [e for e in events if e.want == "yield"]
    rows.append(
        row("interruptions: the agent spoke again before their end", sum(e.cut_ins > 0 for e in yields), len(yields))
    )
    told = [e.said_again_ms for e in yields if e.said_again_ms is not None]
    rows.append(row("answers that repeat what was heard", sum(ms >= SAID_AGAIN_MS for ms in told), len(told)))
    return rows


def spreads_of(results: Results, verdicts: Sequence[float]) -> list[Measure]:
    """Times of the interruptions yielded to, and the one number for the whole."""
    events = [event for event in results.events if event.right is not None]
    yields = [e for e in events if e.want == "yield" and e.outcome == "stopped"]
    stops = [e.hold_ms for e in yields if e.hold_ms is not None]
    last = [e.stop_ms for e in yields if e.stop_ms is not None]
    answers = [e.answer_ms for e in yields if e.answer_ms is not None]
    gaps = [e.gap_ms for e in events if e.want == "ignore" and e.outcome == "held"]
    made = [
        spread(f"{what} p{percent}", values, goal if percent == 50 else "", percent)
        for what, values, percents, goal in (
            ("onset to silence", stops, (50, 95, 99), "p50 <= 80"),
            ("onset to the reply's last sound", last, (50, 99), ""),
            ("verdict of true interruptions", list(verdicts), (50, 95), "not later than before by more than 5 ms"),
            ("answer after an interruption", answers, (50, 95), ""),
            ("silence for a sound to be ignored", gaps, (50, 95), ""),
        )
        for percent in percents
    ]
    if (found := average_penalty(events)) is not None:
        value, low, high, n = found
        made.append(Measure("APT", value, low, high, n, "ms", False, "average penalty time"))
    return made
