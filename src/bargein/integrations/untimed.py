"""Words of a TTS that gives no word times: which of them have sounded, by the lengths of their characters.

A sentence that has been played whole tells the speaker's pace, and is where the next estimate begins.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from bargein.audio.lengths import syllables
from bargein.units import spans

PACE_MS = 60.0  # a letter, until a sentence has told the pace: a usual voice
LEARNED = 0.5  # weight of the newest sentence
PLAYED = 0.5  # of a text's estimated length has played when its frame comes: the frame comes behind its audio


@dataclass(slots=True)
class Sentence:
    """A text that the TTS speaks. frame: to be passed on once the text has been heard; None: not come yet."""

    text: str
    frame: object | None = None

    @property
    def letters(self) -> float:
        return sum(map(syllables, self.text))


class UntimedText:
    """The texts of one reply, as the TTS speaks them."""

    def __init__(self, pace_ms: float = PACE_MS) -> None:
        self.pace_ms = pace_ms
        """Of a letter."""
        self._sentences: deque[Sentence] = deque()
        self._since_ms = 0.0  # played since the first of them began

    def announce(self, text: str) -> None:
        """The TTS will speak it next."""
        self._sentences.append(Sentence(text))

    def come(self, text: str, frame: object) -> list[object]:
        """The frame that puts a text into the context has come. Returns the frames to be passed on now."""
        sentence = next((each for each in self._sentences if each.frame is None and each.text == text), None)
        if sentence is None:
            sentence = Sentence(text)
            self._sentences.append(sentence)
        sentence.frame = frame
        letters = sentence.letters
        if sentence is self._sentences[0] and letters and self._since_ms >= PLAYED * letters * self.pace_ms:
            self.pace_ms += LEARNED * (self._since_ms / letters - self.pace_ms)
            self._since_ms = 0.0
            self._sentences.popleft()
            return [frame]
        return []

    def played(self, ms: float) -> list[object]:
        """More of the context has played. Returns the frames whose texts have been heard."""
        if not self._sentences:
            return []
        self._since_ms += ms
        done: list[object] = []
        while self._sentences:
            sentence = self._sentences[0]
            length_ms = sentence.letters * self.pace_ms
            if sentence.frame is None or self._since_ms < length_ms:
                break
            self._since_ms -= length_ms
            done.append(self._sentences.popleft().frame)
        return done

    def finish(self) -> list[object]:
        """All of the context has played. Returns the frames that are left."""
        left = [each.frame for each in self._sentences if each.frame is not None]
        self._sentences.clear()
        self._since_ms = 0.0
        return left

    def heard(self) -> str:
        """What has been heard of the texts that were not passed on."""
        heard: list[str] = []
        left = self._since_ms
        for sentence in self._sentences:
            end = 0
            for _, stop in spans(sentence.text):
                left -= sum(map(syllables, sentence.text[end:stop])) * self.pace_ms
                if left < 0:
                    return " ".join([*heard, sentence.text[:end]]).strip()
                end = stop
            heard.append(sentence.text)
        return " ".join(heard).strip()
