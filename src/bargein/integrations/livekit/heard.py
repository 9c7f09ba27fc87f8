"""The words of the agent that the user has heard, for LiveKit's chat history."""

from __future__ import annotations

from collections.abc import Callable

from livekit.agents.voice import io

from bargein.audio.pcm import Pcm
from bargein.audio.phone_alignment import LearnedPace, heard_of
from bargein.audio.words import WordClock
from bargein.integrations.livekit.segment import OutputSegment, timed
from bargein.protocols import SpeechChunk
from bargein.vendors.common.timed_text import TimedText
from bargein.vendors.common.told_times import Timed


class FloorText(io.TextOutput):
    """Takes the agent's text on its way to the transcription that was there before, if one was there."""

    def __init__(self, next_in_chain: io.TextOutput | None, nothing_sounds: Callable[[], bool]) -> None:
        super().__init__(label="Bargein", next_in_chain=next_in_chain)
        self.text = ""
        """Of the segment that sounds."""
        self.timed: list[Timed] = []
        self._next = next_in_chain
        self._nothing_sounds = nothing_sounds
        self._flushed = False

    async def capture_text(self, text: str) -> None:
        if self._flushed and self._nothing_sounds():
            self.reset()  # the text before was never said
        self._flushed = False
        self.text += text
        self.timed += timed([text])
        if self._next is not None:
            await self._next.capture_text(text)

    def flush(self) -> None:
        self._flushed = True
        if self._next is not None:
            self._next.flush()

    def reset(self) -> None:
        """The segment is over."""
        self.text, self.timed = "", []


class HeardHistory:
    """Joins what was heard of a reply's segments. A reply is one message of LiveKit's."""

    def __init__(self) -> None:
        self._reply = ""
        self._text = ""
        self._pace = LearnedPace()

    def add(self, reply: str, segment: OutputSegment, text: str, times: list[Timed]) -> str:
        """A segment of the reply is over. Returns what was heard of it."""
        if reply != self._reply:
            self._reply, self._text = reply, ""
        if segment.cleared:
            heard = self._heard(segment, text, times)
        else:
            heard = text
            if not times:
                self._pace.learn(text, segment.sound)
        self._text += heard
        return heard

    def take(self) -> str:
        """What was heard of the reply, whose message is made now."""
        text, self._text = self._text, ""
        return text

    def _heard(self, segment: OutputSegment, text: str, times: list[Timed]) -> str:
        if not times:
            played_ms = segment.ms(segment.played)
            end = heard_of(text, segment.sound, played_ms, whole=segment.whole, pace=self._pace.pace)
            return text[:end].strip()
        clock, told = WordClock(), TimedText()
        told.sent(text)
        timed_words = (*told.words(times), *told.finish())
        clock.add(SpeechChunk(Pcm.silence(0, segment.rate), text, timed_words, ahead=True))
        clock.grow(segment.made, segment.rate)
        if segment.whole:
            clock.finish()
        return clock.heard(segment.ms(segment.played)).text
