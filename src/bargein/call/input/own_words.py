"""Is what we heard only ourselves? By words: the agent's own, come back through the user's microphone."""

from __future__ import annotations

from bargein.floor import Lexicon, WordClass
from bargein.floor.lexicon import fold

MIN_WORDS = 2  # a single word may be said by both at once


def is_own_words(text: str, agent: str, language: str) -> bool:
    """Whether every word of `text` was just said by the agent, in that order. A stop phrase never counts as ours,
    unless the agent said that very phrase."""
    lexicon = Lexicon.of(language)
    heard = fold(text, spaced=lexicon.spaced)
    own = fold(agent, spaced=lexicon.spaced)
    if len(heard) < MIN_WORDS or lexicon.judge(text)[0] is WordClass.BACKCHANNEL:
        return False
    said = iter(own)
    return all(word in said for word in heard)
