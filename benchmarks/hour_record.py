"""A synthetic record of a long call: a scripted user and agent, decided by a real floor, with synthetic sound."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bargein.floor import (
    Action,
    Answer,
    Cut,
    Event,
    Floor,
    Hold,
    Policy,
    ReplyEnded,
    ReplyStarted,
    Resume,
    SpeechWindow,
    STTChanged,
    Tick,
    TurnEnded,
    Words,
)
from bargein.recorder.audio_file import AUDIO_FILE, AudioFile
from bargein.recorder.audio_recorder import MAX_BYTES
from bargein.recorder.journal import FileJournal

CYCLE_MS = 12_000
WINDOW_MS = 32
WORD_MS = 250
REPLY_TEXT = "well there are three rooms free on that day and two of them look over the lake which is quiet now"
REPLY = REPLY_TEXT.split()
ASKED_TEXT = "have you got a room for me on friday the"
RATE = 16_000
BLOCK = RATE * 2016 // 1000


class LongCall:
    """Writes the record as it happens. cycles: of twelve seconds each."""

    def __init__(self, root: Path, name: str, cycles: int) -> None:
        policy = Policy.balanced()
        self.journal = FileJournal(root, name, agent="benchmark", policy=policy, language="en")
        self._floor = Floor(policy, language="en")
        self._due: list[tuple[float, int, Event]] = []
        self._count = itertools.count()
        self._end_ms = cycles * CYCLE_MS
        self._reply: tuple[int, float] | None = None  # the reply that sounds, and when its audio ends
        self._held_ms: float | None = None
        self.spoken: list[tuple[int, float, float]] = []  # lane, from, until

    def write(self) -> None:
        self.journal.note(0.0, "call", id=self.journal.path.parent.name, agent="benchmark", began_ms=0.0)
        self._feed(STTChanged(0.0, words=True, turns=True, small=False, reads_turns=False))
        for event in self._user():
            while self._due and self._due[0][0] <= event.at_ms:
                self._pass(heapq.heappop(self._due)[2])
            self._pass(event)
        self.journal.note(self._end_ms, "bye", reason="the user hung up")
        self.journal.close()

    # -------------------------------------------------------------------------------------------------- the user

    def _user(self) -> Iterator[Event]:
        """Windows all the time, words and ends of turns where they are spoken."""
        for at_ms in range(0, self._end_ms, WINDOW_MS):
            cycle, inside = divmod(at_ms, CYCLE_MS)
            speaks, said = False, ""
            for from_ms, until_ms, text in _script(cycle):
                if from_ms <= inside < until_ms:
                    speaks = True
                if until_ms <= inside < until_ms + WINDOW_MS:
                    said = text
                    self.spoken.append((0, cycle * CYCLE_MS + from_ms, cycle * CYCLE_MS + until_ms))
            yield SpeechWindow(at_ms, at_ms + WINDOW_MS, 0.95 if speaks else 0.02)
            if said:
                began = at_ms - next(u - f for f, u, text in _script(cycle) if text == said)
                yield Words(began, said)
                if said != "mhm":
                    self._at(at_ms + 300.0, TurnEnded(at_ms + 300.0, said))

    # ------------------------------------------------------------------------------------------------- the floor

    def _pass(self, event: Event) -> None:
        if isinstance(event, ReplyEnded):
            if self._reply is None or self._reply[0] != event.reply:
                return  # it was cut
            if self._held_ms is not None or event.at_ms < self._reply[1]:
                self._at(
                    max(self._reply[1], event.at_ms + 20.0),
                    ReplyEnded(max(self._reply[1], event.at_ms + 20), event.reply),
                )
                return
            self._over(event.reply, len(REPLY), "completed", event.at_ms)
        while self._floor.deadline is not None and self._floor.deadline <= event.at_ms:
            self._feed(Tick(self._floor.deadline))
        self._feed(event)

    def _feed(self, event: Event) -> None:
        self.journal.event(event)
        for action in self._floor.handle(event):
            self.journal.action(event.at_ms, action)
            self._do(event.at_ms, action)

    def _do(self, at_ms: float, action: Action) -> None:
        match action:
            case Answer(reply=reply, turn=turn):
                self.journal.note(at_ms, "user", turn=turn, text=ASKED_TEXT, over=None)
                started, ended = at_ms + 600.0, at_ms + 600.0 + WORD_MS * len(REPLY)
                asked = {"reply": reply, "asked_ms": at_ms, "stopped": False, "why": None, "chars": 90}
                self.journal.note(at_ms + 300, "vendor", part="llm", name="model", first_ms=at_ms + 250.0, **asked)
                self.journal.note(at_ms + 600, "vendor", part="tts", name="voice", first_ms=at_ms + 580.0, **asked)
                self._at(started, ReplyStarted(started, reply))
                self._at(ended, ReplyEnded(ended, reply))
                self._reply = (reply, ended)
                self.spoken.append((1, started, ended))
            case Hold():
                self._held_ms = at_ms
            case Resume() if self._held_ms is not None and self._reply is not None:
                waited = at_ms - self._held_ms
                self._reply, self._held_ms = (self._reply[0], self._reply[1] + waited), None
                self.spoken[-1] = (1, self.spoken[-1][1], self.spoken[-1][2] + waited)
            case Cut(reply=reply):
                heard = int((at_ms - self.spoken[-1][1]) / WORD_MS)
                self.spoken[-1] = (1, self.spoken[-1][1], at_ms)
                self._over(reply, heard, "cut", at_ms)
            case _:
                pass

    def _over(self, reply: int, heard: int, ended: str, at_ms: float) -> None:
        self._reply = self._held_ms = None
        times = [place * WORD_MS for at in range(len(REPLY)) for place in (at, at + 1)]
        facts = {"text": [f"{word} " for word in REPLY], "times": times, "timed": True, "reply_kind": "reply"}
        self.journal.note(at_ms, "words", reply=reply, heard=heard, played_ms=heard * WORD_MS, **facts)
        text, rest = " ".join(REPLY[:heard]), " ".join(REPLY[heard:])
        self.journal.note(at_ms, "heard", reply=reply, ended=ended, text=text, unheard=rest, exact=True)

    def _at(self, at_ms: float, event: Event) -> None:
        heapq.heappush(self._due, (at_ms, next(self._count), event))


def _script(cycle: int) -> list[tuple[int, int, str]]:
    """What the user says in a cycle: from, until (ms) and the words."""
    said = [(200, 2200, ASKED_TEXT)]
    if cycle % 3 == 1:
        said.append((5000, 5320, "mhm"))
    if cycle % 4 == 3:
        said.append((6000, 7500, "wait stop that is not what I meant"))
    return said


def write_sound(folder: Path, spoken: list[tuple[int, float, float]], lasted_ms: float) -> None:
    """Two lanes, with noise where there is speech."""
    file = AudioFile(folder / AUDIO_FILE, RATE, MAX_BYTES)
    file.open()
    noise = (np.random.default_rng(1).standard_normal(BLOCK) * 2500).astype(np.int16)
    for at in range(0, int(lasted_ms * RATE / 1000), BLOCK):
        block = np.zeros((BLOCK, 2), np.int16)
        for lane, from_ms, until_ms in spoken:
            first, last = (int(ms * RATE / 1000) - at for ms in (from_ms, until_ms))
            if first < BLOCK and last > 0:
                block[max(0, first) : last, lane] = noise[max(0, first) : max(0, min(last, BLOCK))]
        file.write(block)
    file.close()


def write_record(root: Path, name: str, *, cycles: int, sound: bool) -> Path:
    """The record's folder. cycles: of twelve seconds each."""
    call = LongCall(root, name, cycles)
    call.write()
    folder = call.journal.path.parent
    if sound:
        write_sound(folder, call.spoken, cycles * CYCLE_MS)
    return folder
