"""Finds a voice that falls silent in the middle of a reply and goes on telling words: they are not heard."""

from __future__ import annotations

from bargein.audio.levels import dbfs
from bargein.call.output.read_ahead import has_words
from bargein.protocols import SpeechChunk

AUDIBLE_DBFS = -60.0  # below this nothing is heard on any line; the noise of a bad microphone lies at -50
SILENT_MS = 2_000  # of silence in place of words: the voice has failed. Recorded voices breathe for half a second
PAUSE_MS = 600.0  # of silence go out at once; the rest waits, until it is known to be a pause
EDGE_MS = 100.0  # a word that begins so late in a silence is not taken to be silent
LATE_MS = 1_000.0  # text without times that comes later in a silence may be of words that have sounded


def is_audible(chunk: SpeechChunk) -> bool:
    """Whether the chunk's audio can be heard."""
    return dbfs(chunk.pcm.samples) >= AUDIBLE_DBFS


class QuietVoice:
    """One reply's audio, slice by slice. Times in ms from its first sample."""

    def __init__(self) -> None:
        self.failed = False
        """Words were told of a silence of SILENT_MS."""
        self._held: list[SpeechChunk] = []
        self._ms = 0.0  # of all audio
        self._audible_ms = 0.0  # where the last audible slice ends
        self._starts: list[float] = []  # of the words that begin after that
        self._untimed = False  # a text without times came with the silence

    def push(self, chunk: SpeechChunk) -> list[SpeechChunk]:
        """Take the next slice. Returns what is to be played now."""
        quiet_ms = self._ms - self._audible_ms
        self._ms += chunk.pcm.ms
        if chunk.words and chunk.exact:
            self._starts += [word.start_ms for word in chunk.words]
        if len(chunk.pcm) and is_audible(chunk):
            self._audible_ms, self._untimed = self._ms, False
            self._starts = [start_ms for start_ms in self._starts if start_ms >= self._ms]
            return [*self.flush(), chunk]
        if chunk.words is None and len(chunk.pcm) and quiet_ms < LATE_MS:
            self._untimed = self._untimed or has_words(chunk.text)
        quiet_ms = self._ms - self._audible_ms
        if quiet_ms <= PAUSE_MS:
            return [chunk]
        if quiet_ms < SILENT_MS:
            self._held.append(chunk)
            return []
        told = any(self._audible_ms <= start_ms < self._ms - EDGE_MS for start_ms in self._starts)
        self.failed = told or self._untimed
        return [] if self.failed else [*self.flush(), chunk]

    def flush(self) -> list[SpeechChunk]:
        """What waits is a pause."""
        held, self._held = self._held, []
        return held
