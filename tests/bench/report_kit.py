"""Runs that never were, for the report: agents of which one knows what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bargein.audio.pcm import Samples
from bargein_bench.callers.caller_audio import SayLine, SpokenLine
from bargein_bench.record import RATE, AudioSpan, Record, ServerNote
from bargein_bench.results import CallResult, Event, Results, Want
from tests.sounds import labels, load

ONSET_MS, LASTS_MS = 4_000.0, 14_000.0
SOUND_MS = {"interruption": 1_500.0, "backchannel": 400.0, "cough": 350.0, "silence": 6_000.0}

Behave = Callable[[Event, np.random.Generator], Event]


def yields(event: Event, rng: np.random.Generator) -> Event:
    """Stops for words, holds for a cough and goes on."""
    soon = float(rng.uniform(30, 110))
    if event.want == "yield":
        answer = float(rng.uniform(500, 1_200))
        return replace(event, outcome="stopped", hold_ms=soon, stop_ms=soon, answer_ms=answer, overlap_ms=soon)
    if event.scene == "silence":
        return replace(event, outcome="through", overlap_ms=3_000.0)
    gap = float(rng.uniform(250, 450))
    return replace(event, outcome="held", hold_ms=soon, gap_ms=gap, lost_ms=0.0, repeated_ms=0.0, overlap_ms=soon)


def ignores(event: Event, rng: np.random.Generator) -> Event:
    return replace(event, outcome="through", overlap_ms=event.end_ms - event.onset_ms)


def stops(event: Event, rng: np.random.Generator) -> Event:
    soon = float(rng.uniform(180, 400))
    return replace(event, outcome="stopped", hold_ms=soon, stop_ms=soon, answer_ms=900.0, overlap_ms=soon)


def run(behave: Behave, scenes: dict[str, int] | None = None, *, seed: int = 1, real: bool = False) -> Results:
    """scenes: how many calls of each; real: of recorded voices, which is nicer to look at, and slower."""
    rng = np.random.default_rng(seed)
    calls: list[CallResult] = []
    for scene, times in (scenes or {"interruption": 24, "backchannel": 20, "cough": 20, "silence": 2}).items():
        for _ in range(times):
            want: Want = "ignore" if scene in ("backchannel", "cough", "silence", "door") else "yield"
            end = ONSET_MS + SOUND_MS.get(scene, 800.0)
            blank = Event(scene, f"{scene}.wav", want, len(calls) + 1, ONSET_MS, end, "through")
            event = replace(behave(blank, rng), recovered=True)
            calls.append(CallResult(event.call, scene, (event,), frames=500, record=record(event, real=real)))
    return Results(
        "ws://127.0.0.1:8080/twilio/media", "twilio", seed, "2026-11-21T12:00:00Z", "a machine", tuple(calls)
    )


def record(event: Event, *, real: bool = False) -> Record:
    """Sound that is as the event says it was."""
    speech_like, said = _voice(event) if real else _tones(event)
    agent, caller = np.zeros(int(LASTS_MS * 8), np.int16), _room()
    times: list[tuple[float, float]] = [(500.0, 9_000.0)]
    if event.stop_ms is not None:
        times = [(500.0, event.onset_ms + event.stop_ms)]
        if event.answer_ms is not None:
            times.append((event.end_ms + event.answer_ms, event.end_ms + event.answer_ms + 3_000))
    elif event.outcome == "held" and event.hold_ms is not None:
        silent = event.onset_ms + event.hold_ms
        times = [(500.0, silent), (silent + event.gap_ms, 9_000.0)]
    spans = [AudioSpan(int(b * 8), int(e * 8)) for b, e in times]
    first = 0
    for s in spans:
        agent[s.begin : s.end] = np.resize(speech_like[first:], s.end - s.begin)
        first += s.end - s.begin
    onset, end = int(event.onset_ms * 8), int(event.end_ms * 8)
    if event.scene != "silence":
        caller[onset:end] += said[: end - onset]
    spoken = (SpokenLine(SayLine(0.0, said, name=event.sound), onset, end),)
    hold = "hold: speech 0.62" if event.hold_ms is not None else "no hold"
    return Record(agent, caller, spoken, spans, notes=(ServerNote(onset + 400, hold),), frames=500)


def _tones(event: Event) -> tuple[Samples, Samples]:
    return _tone(220.0, 12_000.0), _tone(660.0, event.end_ms - event.onset_ms)


def _tone(hz: float, ms: float) -> Samples:
    at = np.arange(int(ms * 8)) / RATE
    made: Samples = np.rint(8_000 * np.sin(2 * np.pi * hz * at)).astype(np.int16)
    return made


def _voice(event: Event) -> tuple[Samples, Samples]:
    kind = next((k for k in ("backchannel", "cough") if k == event.scene), "interruption")
    label = labels(kind)[event.call % len(labels(kind))]
    said = load(label.file).samples[int(label.onset_ms * 16) :: 2]
    length = int((event.end_ms - event.onset_ms) * 8)
    return load("speech.wav").samples[::2], np.pad(said[:length], (0, max(0, length - len(said))))


def _room() -> Samples:
    made: Samples = np.rint(np.random.default_rng(1).normal(0, 12, int(LASTS_MS * 8))).astype(np.int16)
    return made
