"""Recorded calls for the tuner's tests: a floor decides, with its own ticks, and writes a journal as a call does."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from bargein.floor import (
    Answer,
    Cut,
    DiscardReply,
    Event,
    Floor,
    JudgeSound,
    Policy,
    ReadWords,
    ReplyStarted,
    SayRequested,
    SoundChanged,
    SoundJudged,
    SpeechWindow,
    STTChanged,
    Tick,
    Words,
)
from bargein.recorder.journal import FileJournal
from bargein_bench.tuning.truth import Label

WINDOW_MS = 32.0
READING_MS = 90.0  # from a question to its words
LOOK_MS = 5.0


def windows(
    from_ms: float, until_ms: float, speech: float = 0.95, *, echo: float = 0.0, level_db: float | None = None
) -> list[Event]:
    found: list[Event] = []
    while from_ms < until_ms:
        rise_db = 30.0 if speech > 0.5 else 0.0
        found.append(SpeechWindow(from_ms, from_ms + WINDOW_MS, speech, echo, rise_db, level_db))
        from_ms += WINDOW_MS
    return found


def sound(*stretches: tuple[float, float, float], lasts_ms: float) -> list[Event]:
    """A whole line of windows: quiet but for (from_ms, until_ms, speech)."""
    found: list[Event] = []
    at_ms = 0.0
    while at_ms < lasts_ms:
        p = next((p for begin, end, p in stretches if begin <= at_ms < end), 0.01)
        found += windows(at_ms, at_ms + 1, p)
        at_ms += WINDOW_MS
    return found


def record(
    root: Path,
    call: str,
    world: Sequence[Event],
    policy: Policy,
    *,
    reads: str | None = None,
    looks: float | None = None,
    stt: bool = False,
    close: bool = True,
    stream: str | None = None,
) -> Path:
    """A call that `world` happens to. Replies begin to sound 20 ms after they are ordered.

    reads: the answer to every reading; looks: the probability of words in every look at a sound; None: there is none.
    stream: what a phone line calls it.
    """
    journal, floor = FileJournal(root, call, agent="test", policy=policy, language="en"), Floor(policy)
    waiting: list[tuple[float, Event]] = []

    def feed(event: Event) -> None:
        journal.event(event)
        for action in floor.handle(event):
            journal.action(floor.now_ms + 5, action)
            if isinstance(action, Answer) or type(action).__name__ in ("Say", "Reprompt"):
                waiting.append((floor.now_ms + 20, ReplyStarted(floor.now_ms + 20, floor.reply.id)))
            elif isinstance(action, ReadWords) and reads is not None:
                waiting.append((floor.now_ms + READING_MS, Words(action.from_ms + 300, reads, action.reading)))
            elif isinstance(action, JudgeSound):
                told = SoundJudged(action.onset_ms, action.until_ms, action.look, looks)
                waiting.append((floor.now_ms + LOOK_MS, told))
            elif isinstance(action, Cut | DiscardReply):
                waiting[:] = [w for w in waiting if not isinstance(w[1], ReplyStarted)]

    def until(now_ms: float) -> None:
        while True:
            waiting.sort(key=lambda w: w[0])
            due = floor.deadline
            if waiting and waiting[0][0] < now_ms and (due is None or waiting[0][0] <= due):
                feed(waiting.pop(0)[1])
            elif due is not None and due < now_ms:
                feed(Tick(due))
            else:
                return

    if stream is not None:
        journal.note(0.0, "call", id=call, transport="twilio", stream=stream)
    feed(STTChanged(0.0, words=stt, turns=False))
    if looks is not None:
        feed(SoundChanged(0.0, judged=True))
    feed(SayRequested(0.0))
    for event in world:
        until(event.until_ms if isinstance(event, SpeechWindow) else event.at_ms)
        feed(event)
    if close:
        journal.note(floor.now_ms, "bye", reason="over")
    journal.close()
    return journal.path


def write_labels(path: Path, labels: Iterable[Label]) -> None:
    path.write_text("".join(json.dumps({f: getattr(x, f) for f in x.__struct_fields__}) + "\n" for x in labels))


def coughs_and_interruptions(root: Path, number: int, policy: Policy, seed: int = 1) -> list[Label]:
    """Calls of some 30 s with, every 3 s, a cough (90-220 ms, sure) or an interruption (800-1500 ms: longer than
    any preset waits where nobody reads words); their labels are written beside them."""
    r = random.Random(seed)
    labels: list[Label] = []
    for n in range(number):
        call, stretches = f"call-{n}", []
        for k in range(1, 10):
            begin, cough = k * 3000 + r.uniform(0, 400), r.random() < 0.5
            end = begin + (r.uniform(90, 220) if cough else r.uniform(800, 1500))
            stretches.append((begin, end, 0.95))
            labels.append(Label(call, begin, end, "ignore" if cough else "yield", "cough" if cough else "clear"))
        record(root, call, sound(*stretches, lasts_ms=31_000), policy)
    write_labels(root / "labels.jsonl", labels)
    return labels
