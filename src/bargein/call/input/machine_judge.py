"""Judges whether a machine has picked up: a voicemail, or an announcement that comes again and again."""

from __future__ import annotations

import re
from collections import deque

from bargein.audio.beep import has_beep
from bargein.call.context import CallContext
from bargein.call.input.turns import Turn, Turns
from bargein.floor import EndingAsked, Floor
from bargein.protocols import UserSaid

AT_ONCE_MS = 4_000  # a person who answers a call has said "hello" by then, and waits
FIRST_TURNS = 3  # in which a beep may be that of a voicemail
LEAST_WORDS = 4  # "yes" is said many times by people, too
MOST_KEPT = 32  # turns
_WORDS = re.compile(r"[^\W_]+")


class MachineJudge:
    """Asks the floor to end the call. Policy: `machine_ms`, `same_turns`."""

    def __init__(self, context: CallContext, floor: Floor, turns: Turns) -> None:
        self._context = context
        self._floor = floor
        self._turns = turns
        self._said: deque[tuple[int, tuple[str, ...]]] = deque(maxlen=MOST_KEPT)

    def turn_over(self, turn: Turn) -> None:
        """A turn is to be answered."""
        longest_ms, spoken_ms = self._floor.policy.idle.machine_ms, self._floor.turn.spoken_ms
        if longest_ms is None or turn.id > FIRST_TURNS or turn.typed:
            return
        if turn.id == 1 and turn.from_ms <= AT_ONCE_MS and spoken_ms >= longest_ms:
            self._end("machine", f"a machine: {spoken_ms / 1000:.0f} s of speech at once")
        elif has_beep(self._turns.audio(turn)):
            self._end("machine", "a machine: its beep was heard")

    def said(self, item: UserSaid) -> None:
        """Words of a turn entered the conversation, or were replaced by better ones."""
        most = self._floor.policy.idle.same_turns
        if not most:
            return
        if self._said and self._said[-1][0] == item.turn:
            self._said.pop()
        words = tuple(_WORDS.findall((item.text or "").casefold()))
        self._said.append((item.turn, words))
        newest = [each for _, each in self._said][-most:]
        if len(newest) == most and len(words) >= LEAST_WORDS and set(newest) == {words}:
            self._end("goodbye", f"a machine: the same words came {most} times")

    def _end(self, cause: str, why: str) -> None:
        self._context.journal.note(self._context.now_ms(), "machine", why=why)
        self._context.feed(EndingAsked(self._context.now_ms(), why, cause=cause))
