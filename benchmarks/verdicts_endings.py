"""How much quiet ends a turn, offline: which wait the floor chooses at each pause inside recorded sentences, and at
their ends, with the words that Moonshine reads there; and what fixed waits would have come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bargein.audio.pcm import Samples
from bargein.floor import Answer, Floor, Policy, SpeechWindow, STTChanged, Tick, TurnRead
from bargein.vendors.local.moonshine_gate import RATE, SpeechGate
from bargein.vendors.local.moonshine_recognizer import Recognizer
from bargein_bench.scenarios.clips import Clip, read_folder
from bargein_bench.scenarios.people import at_hand
from benchmarks.rows import Row, row

WINDOW = 512  # samples: 32 ms
HOLD, GO_ON, FIRM = 0.3, 0.15, 0.5  # of speech: it begins, it lasts, it is clear
GAP = 3  # windows of quiet between two stretches of speech
LEAD_MS, ROOM_MS = 300, 1_000  # of silence before a recording, and after it
LOOK_MS = 130  # of quiet that is read with the words
LEAST_MS = 500.0  # a pause that is long for a sentence
INSERTED_MS = np.linspace(500.0, 2_000.0, 151)  # pauses that are put where one was
FIXED_MS = (300.0, 400.0, 500.0, 700.0, 900.0, 1_200.0)
GOALS_MS = {50: 450.0, 95: 900.0}  # to the first audio
PIPELINE_MS = 110.0  # from the decision to the first audio of a reply that was made ahead


@dataclass(frozen=True, slots=True)
class PauseWait:
    """A pause, or the end of a recording."""

    clip: str
    text: str
    pause_ms: float | None
    """None: the recording ends."""
    wait_ms: float
    """The quiet after which the floor answers."""


def rows(folder: Path | None) -> list[Row]:
    """Raises Unavailable without Moonshine."""
    clips = at_hand() if folder is None else read_folder(folder)
    waits = [wait for clip in clips if clip.kind in ("interruption", "pause", "whole") for wait in waits_of(clip)]
    return table(waits)


def table(waits: Sequence[PauseWait]) -> list[Row]:
    """The floor's waits against fixed ones."""
    inner = [(w.pause_ms, w.wait_ms) for w in waits if w.pause_ms is not None]
    ends = np.array([w.wait_ms for w in waits if w.pause_ms is None])
    made = [
        row("hang, of the pauses inside sentences", sum(w > 700 for _, w in inner), len(inner), "waits over 700 ms")
    ]
    if len(ends):
        made += [
            row(
                f"ends that are answered within {goal:.0f} ms",
                int((ends + PIPELINE_MS <= goal).sum()),
                len(ends),
                f"{percent} % and more: p{percent} is {np.percentile(ends, percent) + PIPELINE_MS:.0f} ms",
            )
            for percent, goal in GOALS_MS.items()
        ]
    made += _cut_ins("by evidence", inner, None)
    for fixed_ms in FIXED_MS:
        made += _cut_ins(f"fixed {fixed_ms:.0f} ms", inner, fixed_ms)
    return made


def _cut_ins(name: str, inner: Sequence[tuple[float, float]], fixed_ms: float | None) -> list[Row]:
    waits = [(pause, wait if fixed_ms is None else fixed_ms) for pause, wait in inner]
    put_in = [(float(more), wait) for _, wait in waits for more in INSERTED_MS]
    long = [(pause, wait) for pause, wait in waits if pause >= LEAST_MS]
    share = sum(pause > wait for pause, wait in put_in) / max(1, len(put_in))
    return [
        row(f"{name}: cut-ins, pauses of 0.5 to 2 s put in", round(share * len(waits)), len(waits), "the mean of 151"),
        row(f"{name}: cut-ins, pauses of 0.5 s and more as made", sum(p > w for p, w in long), len(long)),
    ]


def waits_of(clip: Clip, policy: Policy | None = None) -> list[PauseWait]:
    """The pauses inside a recording, and its end."""
    gate, recognizer = _parts()
    lead, room = np.zeros(LEAD_MS * RATE // 1000, np.int16), np.zeros(ROOM_MS * RATE // 1000, np.int16)
    wave = np.concatenate((lead, clip.samples, room))
    stretches = _stretches(gate.probabilities(wave.astype(np.float32) / np.float32(32768)))
    found: list[PauseWait] = []
    for n, (_, end) in enumerate(stretches):
        after = stretches[n + 1][0] if n + 1 < len(stretches) else None
        text = recognizer.read(_so_far(wave, stretches[0][0], end, after))
        pause_ms = None if after is None else (after - end) * WINDOW * 1000 / RATE
        found.append(PauseWait(clip.name, text, pause_ms, wait_ms(text, policy or Policy())))
    return found


def wait_ms(text: str, policy: Policy) -> float:
    """The quiet after which a floor answers a turn of these words."""
    floor = Floor(policy)
    floor.handle(STTChanged(0, words=True, turns=False, reads_turns=True))
    for at in (0.0, 32.0, 64.0):
        floor.handle(SpeechWindow(at, at + 32, 0.95))
    for at in (96.0, 128.0, 160.0, 192.0, 224.0):
        floor.handle(SpeechWindow(at, at + 32, 0.01))
    if not floor.pause.awaiting and floor.deadline is not None:
        floor.handle(Tick(floor.deadline))
    floor.handle(TurnRead(floor.now_ms, floor.pause.reading, floor.turn.id, text))
    while (due := floor.deadline) is not None:
        if any(isinstance(action, Answer) for action in floor.handle(Tick(due))):
            return float(due - floor.turn.spoken_until_ms)
    raise AssertionError("a turn is answered in time")


def _so_far(wave: Samples, first: int, end: int, after: int | None) -> Samples:
    """The turn as it is read in a pause."""
    begin = max(0, first * WINDOW - LEAD_MS * RATE // 1000)
    look = LOOK_MS * RATE // 1000
    until = min(end * WINDOW + look, after * WINDOW if after is not None else len(wave))
    heard = wave[begin:until]
    return np.concatenate((heard, np.zeros(end * WINDOW + look - until, np.int16)))


def _stretches(probabilities: np.ndarray[tuple[int], np.dtype[np.float32]]) -> list[tuple[int, int]]:
    """Clear speech, in windows: from, to."""
    found: list[tuple[int, int]] = []
    begin, end, peak = -1, 0, 0.0
    for n, speech in enumerate((*probabilities, *[0.0] * (GAP + 1))):
        if begin < 0 and speech >= HOLD:
            begin, end, peak = n, n + 1, float(speech)
        elif begin >= 0 and speech >= GO_ON:
            end, peak = n + 1, max(peak, float(speech))
        elif begin >= 0 and n + 1 - end >= GAP:
            if peak >= FIRM:
                found.append((begin, end))
            begin = -1
    return found


_made: list[tuple[SpeechGate, Recognizer]] = []


def _parts() -> tuple[SpeechGate, Recognizer]:
    """Loaded once."""
    if not _made:
        _made.append((SpeechGate(), Recognizer()))
    return _made[0]


if __name__ == "__main__":
    import sys

    from rich.console import Console

    from benchmarks.rows import show_rows

    show_rows(Console(), "The end of a turn, offline", rows(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
