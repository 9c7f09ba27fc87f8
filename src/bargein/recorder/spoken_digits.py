"""Where a user's speech may hold digits that are to be kept out of the recording, by what the call tells its journal.

A user's words have no times of their own here: a turn in which digits were said is left out whole, and so is a sound
whose words were digits, and a key. Speech whose words are not known yet is not settled; what is still not settled when
its time to be written has come is left out, too.
"""

from __future__ import annotations

from collections import deque

from bargein.floor import Action, CloseTurn, Dismiss, Event, KeyPressed, Listen, SpeechWindow
from bargein.protocols import Journal
from bargein.units import digit_words, units

SPEECH = 0.3  # of a window of the VAD
QUIET_MS = 3_000.0  # after speech that became no turn: it held no words
BEFORE_MS, AFTER_MS = 600.0, 200.0  # about a key: its tone is heard before the network tells of it
EDGE_MS = 300.0  # about a turn
SPANS = 256


class SpokenDigits:
    """protocols.Journal by shape, before the call's own."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._spans: deque[tuple[float, float]] = deque(maxlen=SPANS)
        self._turns: dict[int, tuple[float, float]] = {}  # begin and end of turns whose words may still come
        self._open: int | None = None
        self._speech_ms: tuple[float, float] | None = None  # begin and end of speech that is not settled

    def spans(self, from_ms: float, until_ms: float) -> list[tuple[float, float]]:
        """What is to be left out between two moments, as far as it is known now."""
        found = [(begin, end) for begin, end in self._spans if begin < until_ms and end > from_ms]
        if self._open is not None:
            found.append((self._turns[self._open][0] - EDGE_MS, float("inf")))
        if self._speech_ms is not None:
            found.append((self._speech_ms[0] - EDGE_MS, self._speech_ms[1] + EDGE_MS))
        return found

    def settled(self, until_ms: float) -> bool:
        """The words of all that was said before a moment are known."""
        begins = [self._turns[self._open][0]] if self._open is not None else []
        begins += [self._speech_ms[0]] if self._speech_ms is not None else []
        return all(begin - EDGE_MS >= until_ms for begin in begins)

    # ------------------------------------------------------------------------------------------------ the Journal

    def event(self, event: Event) -> None:
        self._journal.event(event)
        match event:
            case SpeechWindow():
                self._window(event)
            case KeyPressed(at_ms):
                self._spans.append((at_ms - BEFORE_MS, at_ms + AFTER_MS))
            case _:
                pass

    def action(self, at_ms: float, action: Action) -> None:
        self._journal.action(at_ms, action)
        match action:
            case Listen(turn, from_ms):
                begin = min(from_ms, self._turns.get(turn, (from_ms, 0.0))[0])
                self._turns = {**dict(list(self._turns.items())[-8:]), turn: (begin, at_ms)}
                self._open = turn
            case Dismiss(onset_ms, until_ms, text):
                self._judge(text, onset_ms, max(until_ms, self._spoken_until(until_ms)))
                self._speech_ms = None
            case CloseTurn(turn) if turn == self._open:
                self._end_turn(turn)
            case _:
                pass

    def note(self, at_ms: float, kind: str, **facts: object) -> None:
        self._journal.note(at_ms, kind, **facts)
        turn = facts.get("turn")
        if kind == "user" and isinstance(turn, int) and turn in self._turns:
            self._end_turn(turn)
            self._judge(str(facts.get("text") or ""), *self._turns[turn])
        elif kind == "look" and (text := str(facts.get("text") or "")) and self._speech_ms is not None:
            self._judge(text, *self._speech_ms)

    def close(self) -> None:
        self._journal.close()

    def _window(self, window: SpeechWindow) -> None:
        if window.speech >= SPEECH:
            begin = window.at_ms if self._speech_ms is None else self._speech_ms[0]
            self._speech_ms = (begin, window.until_ms)
        elif self._speech_ms is not None and window.until_ms - self._speech_ms[1] > QUIET_MS:
            self._speech_ms = None

    def _spoken_until(self, otherwise_ms: float) -> float:
        return otherwise_ms if self._speech_ms is None else self._speech_ms[1]

    def _end_turn(self, turn: int) -> None:
        """The turn's words are known, or there are none."""
        begin, end = self._turns[turn]
        if turn == self._open:
            end = max(end, self._spoken_until(end))
            self._turns[turn] = begin, end
            self._open = self._speech_ms = None

    def _judge(self, text: str, begin_ms: float, end_ms: float) -> None:
        if any(digit_words(units(text))):
            self._spans.append((begin_ms - EDGE_MS, end_ms + EDGE_MS))
