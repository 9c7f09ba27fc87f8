"""TTS: text in, speech out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from bargein.audio.mulaw import Audio
from bargein.protocols.conversation import Word


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """The next chunk of a reply's audio, with the text that begins to sound in it."""

    pcm: Audio
    """At the TTS's own rate, the same in all chunks of a reply."""
    text: str = ""
    """Text that begins to sound with this chunk, "" while earlier text goes on. All texts of a reply, joined, are
    exactly the text that went into the TTS: the words heard are found by it."""
    words: tuple[Word, ...] | None = None
    """Times of the words of `text`, with positions in all text that went into the TTS. In scripts without spaces a word
    is one character with its marks (`bargein.units`). None: the TTS gives no times, and the call estimates them."""
    exact: bool = True
    """The times are the vendor's own. False: an estimate, better than the call's."""
    ahead: bool = False
    """The text comes long before its audio, so its place among the chunks says nothing. The words follow later."""


class TTS(Protocol):
    """Text in, speech out. Any object of this shape is a TTS:

    class Beep:
        name = "beep"
        rate = 8000

        async def speak(self, text):
            async for part in text:
                yield SpeechChunk(Pcm.silence(60 * len(part), self.rate), part)
    """

    name: str
    rate: int
    """Hz of the audio that `speak` gives."""

    def speak(self, text: AsyncIterator[str]) -> AsyncIterator[SpeechChunk]:
        """Speak one reply. text: parts as the LLM writes them, cut anywhere; the TTS chooses where it begins to speak.

        Closing the iterator stops the vendor and frees its connection, once. Raises VendorRefused or VendorLost.
        """
        ...


@runtime_checkable
class SpeaksAhead(Protocol):
    """A TTS that says how far ahead of the listener it must speak. Audio that was made and not heard is lost by a cut,
    and a TTS that is far faster than a listener has little to make ahead."""

    ahead_ms: float
    """Audio, in ms, that is made and not heard: with more, the TTS waits. At most 3 s count."""
