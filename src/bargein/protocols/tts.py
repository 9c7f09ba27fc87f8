"""TTS: text in, speech out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from bargein.audio.mulaw import Sound
from bargein.protocols.conversation import Word


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """The next stretch of a reply's sound.

    pcm: at the voice's own rate, the same in every stretch of a reply.
    text: text that begins to sound with this stretch ("" while an earlier one goes on). All texts of a reply,
    joined, are exactly the text that went into the voice.
    words: times of words, from the voice itself; None when the voice gives no times for `text`
    (the call then estimates them from the characters, and says so).
    exact: whether those times are the voice's own, and no estimate of a better kind.
    ahead: text comes long before its sound, so that where it stands among the stretches says nothing; its words
    follow, with a later stretch.
    """

    pcm: Sound
    text: str = ""
    words: tuple[Word, ...] | None = None
    exact: bool = True
    ahead: bool = False


class TTS(Protocol):
    """Text in, speech out. Closing the iterator stops the vendor and frees its connection, once.
    Raises VendorRefused or VendorLost."""

    name: str
    rate: int  # Hz of what it gives

    def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        """text: pieces as a model writes them, cut anywhere. The voice chooses where to begin speaking."""
        ...
