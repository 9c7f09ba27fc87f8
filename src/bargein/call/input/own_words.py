"""Tells by words whether a transcript is only the agent's own speech, come back through the user's microphone."""

from __future__ import annotations

from bargein.call.record.ledger import Ledger
from bargein.floor import Floor, Lexicon, WordClass
from bargein.floor.lexicon import fold

MIN_WORDS = 2  # a single word may be said by both at once


class OwnWords:
    """Compares the words of a transcript with what the agent was saying then."""

    def __init__(self, floor: Floor, ledger: Ledger) -> None:
        self._floor = floor
        self._ledger = ledger

    def explain(self, text: str, onset_ms: float, until_ms: float) -> bool:
        """Whether all of `text`, recognized between two moments of the call, is the agent's own."""
        agent = self._ledger.echo_words(onset_ms, until_ms)
        return is_own_words(text, agent, self._floor.language)


def is_own_words(text: str, agent: str, language: str) -> bool:
    """Whether the agent has just said every word of `text`, in that order. A stop phrase never counts as the agent's
    own, unless the agent said that very phrase."""
    lexicon = Lexicon.of(language)
    recognized = fold(text)
    own = fold(agent)
    if len(recognized) < MIN_WORDS or lexicon.judge(text)[0] is WordClass.BACKCHANNEL:
        return False
    said = iter(own)
    return all(word in said for word in recognized)
