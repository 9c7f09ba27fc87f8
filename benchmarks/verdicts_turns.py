"""The end of a turn: how soon the agent answers, and how often it begins to speak in a pause of the user's. The same
sentences, pauses and moments are played to every policy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bargein.floor.policy_groups import NUMBERS
from bargein_bench.callers.caller_audio import SayLine
from bargein_bench.callers.telephone import RATE
from bargein_bench.judging.outcome import Known
from bargein_bench.measures import Measure, spread
from bargein_bench.results import Event
from bargein_bench.scenarios.clips import RATE as CLIP_RATE
from bargein_bench.scenarios.clips import Clip, Library
from bargein_bench.scenarios.pauses import pausing, with_pause
from bargein_bench.scenarios.scenes import PAUSES_MS, Scored, Staged
from bargein_bench.scenarios.stage import SPEECH_DB, VARIES_DB
from bargein_bench.targets.twilio import TwilioTarget
from benchmarks import verdicts_agent, verdicts_calls
from benchmarks.plot import svg
from benchmarks.process import server
from benchmarks.rows import Row, row

AT_ONCE = 4  # one STT reads for all of them, and answers are timed
TURNS = 12  # of a call
OF_EACH = 20  # sentences of each kind
FIRST_MS = 2_500.0  # the greeting is over
AFTER_MS = (3_800.0, 4_400.0)  # from a turn's end to the next turn: a short answer is over
ANSWERED_MS = 3_400.0  # a later sound is no answer to that turn
MOST_MS = 6_000.0
LAST_MS = 3_800.0
ENDS_MS = 100.0  # of quiet in a recording, after speech that ends in it
QUIETS = ("end_sure_ms", "end_likely_ms", "end_of_turn_ms", "end_hang_ms")
FIXED_MS = 700.0  # as it was
CURVE_MS = (250.0, 400.0, 550.0, 700.0, 1_000.0)
SCALES = (1.0, 1.25, 1.5)
PAUSES = ("pause, made", "pause, recorded")
WHOLES = ("whole, made", "whole, recorded")


@dataclass(frozen=True, slots=True)
class TurnFigures:
    """How one policy ended turns."""

    name: str
    events: tuple[Event, ...]

    @property
    def cut_ins(self) -> Row:
        of = [e for e in self.events if e.scene in PAUSES]
        return row(f"{self.name}: cut-ins over a pause of 0.5 to 2 s", sum(e.cut_ins > 0 for e in of), len(of))

    def answers(self, scenes: Sequence[str] = WHOLES) -> list[float]:
        """From the end of each turn to the first audio, in ms."""
        found = [e.answer_ms for e in self.events if e.scene in scenes and not e.cut_ins]
        return [ms for ms in found if ms is not None and ms < ANSWERED_MS]

    def rows(self) -> list[Row]:
        parts = []
        for scene in PAUSES:
            of = [e for e in self.events if e.scene == scene]
            parts.append(row(f"  {scene}", sum(e.cut_ins > 0 for e in of), len(of)))
        whole = [e for e in self.events if e.scene in WHOLES]
        cut = row(
            f"{self.name}: cut-ins before the end of a turn without a pause",
            sum(e.cut_ins > 0 for e in whole),
            len(whole),
        )
        answered = row(f"{self.name}: such turns answered", len(self.answers()), len(whole))
        return [self.cut_ins, *parts, cut, answered]

    def spreads(self) -> list[Measure]:
        goals = {50: "<= 450", 95: "<= 900"}
        every = [
            spread(f"{self.name}: end of the turn to first audio p{p}", self.answers(), goals[p], p) for p in (50, 95)
        ]
        each = [spread(f"  {scene} p50", self.answers((scene,)), "", 50) for scene in (*WHOLES, *PAUSES)]
        return every + each


def fixed(ms: float) -> dict[str, float]:
    """The numbers of a policy that waits so long after every turn, whatever was said."""
    return {name: ms for name in QUIETS if name in NUMBERS} | (
        {"own_pause_share": 0.0} if "own_pause_share" in NUMBERS else {}
    )


def scaled(by: float) -> dict[str, float]:
    """The policy's own numbers, all longer or shorter."""
    defaults = verdicts_agent.POLICY.numbers()
    return {name: float(str(defaults[name])) * by for name in QUIETS if name in NUMBERS}


def scripts(sounds: Library, share: float, seed: int = 1) -> list[Staged]:
    """The calls: turns that end, and turns with a pause. share: of OF_EACH."""
    rng = np.random.default_rng(seed)
    recorded = [c for c in sounds.of("interruption") if c.exact and c.active_ms <= MOST_MS]
    pools = {
        "pause, made": list(sounds.of("pause")),
        "pause, recorded": pausing(recorded, MOST_MS),
        "whole, made": [c for c in sounds.of("whole") if c.source != "recorded"],
        "whole, recorded": [c for c in recorded if _ends(c)]
        + [c for c in sounds.of("whole") if c.source == "recorded"],
    }
    count = max(2, round(OF_EACH * share))
    turns: list[tuple[str, Clip]] = []
    for scene, clips in pools.items():
        for n in rng.permutation(len(clips))[:count]:
            clip = clips[int(n)]
            if scene in PAUSES:
                pause_ms = float(rng.uniform(*PAUSES_MS))
                clip = replace(with_pause(clip, pause_ms), name=f"{clip.name}, pausing for {pause_ms:.0f} ms")
            turns.append((scene, clip.trimmed(clip.active_ms)))
    turns = [turns[int(n)] for n in rng.permutation(len(turns))]
    number = -(-len(turns) // TURNS)
    return [_script(turns[n::number], rng) for n in range(number)]


def _ends(clip: Clip) -> bool:
    """The speech ends before the recording does: it was not cut off."""
    return len(clip.samples) * 1000 / CLIP_RATE - clip.end_ms >= ENDS_MS


def _script(turns: Sequence[tuple[str, Clip]], rng: np.random.Generator) -> Staged:
    caller_db = float(rng.uniform(*SPEECH_DB))
    steps: list[SayLine] = []
    scored: list[Scored] = []
    for scene, clip in turns:
        at_ms = float(rng.uniform(*AFTER_MS)) if steps else FIRST_MS
        samples = clip.at_level(caller_db + float(rng.uniform(-1, 1)) * VARIES_DB).at_rate(RATE)
        step = SayLine(at_ms, samples, 0, name=clip.name, after_step=bool(steps))
        steps.append(step)
        scored.append(Scored(step, "yield", clip.name, in_reply=False, scene=scene))
    lasts = sum(len(step.samples) * 1000 / RATE + step.at_ms for step in steps) + LAST_MS
    return Staged("turns", tuple(steps), tuple(scored), None, lasts)


async def run(
    name: str,
    calls: Sequence[Staged],
    numbers: Mapping[str, float] | None = None,
    at_once: int = AT_ONCE,
    env: Mapping[str, str] | None = None,
) -> TurnFigures:
    """Every call with one policy. numbers: of it that are not the defaults. env: further environment of the server."""
    more = {
        "BARGEIN_MAX_CALLS": str(at_once + 4),
        verdicts_agent.SETTING: json.dumps(dict(numbers or {})),
        **(env or {}),
    }
    async with server(name=f"{verdicts_agent.__file__}:BRIEF", env=more) as address:
        done = await verdicts_calls.play(TwilioTarget(f"ws://{address}/twilio/media"), calls, Known(), at_once)
    return TurnFigures(name, tuple(event for call in done for event in call.events))


def draw(picture: Path, fixed_quiet: Sequence[TurnFigures], evidence: Sequence[TurnFigures]) -> None:
    """The curve of waiting against cutting in, as SVG."""
    curves = {"fixed quiet": _points(fixed_quiet), "by evidence": _points(evidence)}
    title = "The end of a turn: waiting against cutting in"
    x_name = "end of the turn to first audio, p50, ms"
    y_name = "cut-ins over a pause of 0.5 to 2 s, %"
    picture.write_text(svg(title, x_name, y_name, curves, ticks=tuple(range(0, 1_401, 200))))


def _points(figures: Sequence[TurnFigures]) -> list[tuple[float, float]]:
    made = [(float(np.median(f.answers())), 100 * (f.cut_ins.share or 0.0)) for f in figures if f.answers()]
    return sorted(made)
