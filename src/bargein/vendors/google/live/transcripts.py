"""The user's words as Gemini transcribes them. A transcription names no turn, and keeps no order with the model's."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bargein.protocols import TurnUpdate, TurnUpdateKind

LEAST_MS = 500  # of a turn's audio, before words can be the turn's
OWED_MS = 1_000  # the same, where the turn before has no words yet
KEPT = 8  # turns


@dataclass(slots=True)
class TranscribedTurn:
    """One turn. Positions are counted in samples of the audio that was pushed."""

    number: int
    begin: int
    end: int | None = None
    text: str = ""
    stale: bool = False
    """The turn goes up once more: its words come anew."""
    finished: bool = False


class LiveTranscripts:
    """rate: Hz of the audio."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._turns: deque[TranscribedTurn] = deque(maxlen=KEPT)
        self._number = 0

    @property
    def awaited(self) -> bool:
        """The newest turn has no words yet."""
        return bool(self._turns) and not self._turns[-1].text

    def started(self, begin: int) -> None:
        """A turn's audio goes up."""
        if self._turns and self._turns[-1].begin == begin:
            self._turns[-1].stale = True
            self._turns[-1].finished = False
            return
        self._turns.append(TranscribedTurn(self._number, begin))
        self._number += 1

    def ended(self, begin: int, end: int) -> None:
        """All of a turn's audio goes up."""
        for turn in self._turns:
            if turn.begin == begin:
                turn.end = end

    def take(self, content: Mapping[str, Any], sent: int) -> list[TurnUpdate]:
        """The transcription in a serverContent. sent: how far the audio went up."""
        final, interim = content.get("inputTranscription") or {}, content.get("interimInputTranscription") or {}
        turn = self._turn(sent)
        if turn is None or not (final or interim):
            return []
        if final.get("text"):
            turn.text = ("" if turn.stale else turn.text) + final["text"]
            turn.stale = False
        turn.finished = turn.finished or bool(final.get("finished"))
        text = f"{turn.text} {interim.get('text') or ''}".strip()
        if not text:
            return []
        # Words that come when the speech is over are no evidence for a turn any more.
        kind: TurnUpdateKind = "words" if turn.end is None else "progress"
        until = max(turn.begin, sent if turn.end is None else min(sent, turn.end))
        return [TurnUpdate(kind, turn.number, text, self._ms(turn.begin), self._ms(until))]

    def _turn(self, sent: int) -> TranscribedTurn | None:
        if not self._turns:
            return None
        newest = self._turns[-1]
        before = self._turns[-2] if len(self._turns) > 1 else None
        if before is None or before.finished:
            return newest
        early = self._ms(sent - newest.begin) < (LEAST_MS if before.text else OWED_MS)
        return before if early and newest.end is None else newest

    def _ms(self, position: int) -> float:
        return position * 1000 / self._rate
