"""Words of a TTS that gives no word times: which of them have sounded, by the sound of what it makes.

The texts and the audio are known when they enter the output, which a TTS fills faster than it empties. A piece is audio
with the texts that are spoken in it. Where each text's frame follows the text's audio, a piece is a sentence; else a
piece lasts until the TTS has said that it is silent.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from bargein.audio.alignment import PACE, align, align_begun
from bargein.audio.envelope import Envelope
from bargein.audio.pcm import Samples
from bargein.audio.phone_alignment import LearnedPace, heard_of
from bargein.protocols import Word

AGAIN_MS = 100.0  # of playback, until a text that should be over is looked at again


@dataclass(slots=True)
class Sentence:
    """A text that the TTS speaks."""

    text: str
    since_ms: float
    """Audio that its piece had when it was announced."""
    ended: bool = False
    """Its frame has entered the output."""
    frame: object | None = None
    """To be passed on once the text has been heard. None: not come out of the output yet."""
    passed: bool = False


@dataclass(slots=True)
class Piece:
    """Audio, and the texts spoken in it."""

    sentences: list[Sentence] = field(default_factory=list)
    sound: Envelope = field(default_factory=Envelope)
    whole: bool = False
    """No more enters."""
    behind: bool = False
    """The frames of its texts follow its audio: a frame that comes out has been heard."""
    last: bool = False
    """The TTS is silent after it."""

    @property
    def text(self) -> str:
        """Of all its sentences."""
        return "".join(each.text for each in self.sentences)

    def text_until(self, last: int) -> str:
        """Of its sentences up to this one."""
        return "".join(each.text for each in self.sentences[: last + 1])

    def waiting_for(self, text: str, *, end: bool) -> Sentence | None:
        """The first sentence of this text whose frame has not entered the output (end), or not come out of it."""
        for each in self.sentences:
            if each.text.rstrip() == text.rstrip() and not (each.ended if end else each.frame is not None):
                return each
        return None


class UntimedText:
    """The texts of one call. `announce`, `made`, `end` and `end_all` tell what enters the output; `played`, `come` and
    `finish` what has come out. Frames that come out of `come`, `played` and `finish` are to be passed on now."""

    def __init__(self) -> None:
        self._pace = LearnedPace()
        self._pieces: deque[Piece] = deque()
        self._since_ms = 0.0  # played since the first of them began
        self._look_ms = 0.0  # when its next text may be over
        self._ahead = False  # the frames of this context's texts enter before their audio

    @property
    def pace(self) -> float | None:
        """Of the voice, beside a usual one. None: not known yet."""
        return self._pace.pace

    def __bool__(self) -> bool:
        return bool(self._pieces)

    # ------------------------------------------------------------------------------------------- into the output

    def announce(self, text: str, *, joined: bool = False) -> None:
        """The TTS will speak it next. joined: the text has its own spaces."""
        piece = self._open()
        if piece.sentences and not joined and not piece.sentences[-1].text.endswith(" "):
            piece.sentences[-1].text += " "
        piece.sentences.append(Sentence(text, piece.sound.ms))

    def made(self, samples: Samples, rate: int) -> None:
        """The TTS's audio, mono."""
        self._open().sound.push(samples, rate)

    def end(self, text: str, *, joined: bool = False) -> None:
        """The frame that puts a text into the context has entered."""
        piece = self._open()
        sentence = piece.waiting_for(text, end=True)
        if sentence is None:
            self.announce(text, joined=joined)
            sentence = piece.sentences[-1]
        sentence.ended = True
        if piece.sound.ms == sentence.since_ms and any(map(str.isalnum, text)):
            self._ahead = True
        if not self._ahead and all(each.ended for each in piece.sentences):
            piece.whole = piece.behind = True

    def end_all(self) -> None:
        """The TTS has said that it is silent now."""
        self._ahead = False
        if self._pieces:
            self._pieces[-1].whole = self._pieces[-1].last = True

    # --------------------------------------------------------------------------------------- out of the output

    def come(self, text: str, frame: object) -> list[object]:
        """The frame that puts a text into the context has come."""
        for piece in self._pieces:
            sentence = piece.waiting_for(text, end=False)
            if sentence is None:
                continue
            sentence.frame = frame
            if not piece.behind:
                return []
            while self._pieces[0] is not piece:
                self._pop()  # its texts were lost
            sentence.passed = True
            if all(each.passed for each in piece.sentences):
                self._pop()
            return [frame]
        return [frame]

    def played(self, ms: float) -> list[object]:
        """More of the audio has played."""
        self._since_ms += ms
        if self._since_ms < self._look_ms or not self._pieces or self._pieces[0].behind:
            return []
        piece = self._pieces[0]
        waiting = next((n for n, each in enumerate(piece.sentences) if not each.passed), None)
        if waiting is None or piece.sentences[waiting].frame is None:
            return []
        due: list[object] = []
        words = self._rough(piece)
        heard = max((word.end for word in words if word.end_ms <= self._since_ms), default=0)
        self._look_ms = self._since_ms + AGAIN_MS
        for n, sentence in enumerate(piece.sentences[waiting:], waiting):
            end = len(piece.text_until(n).rstrip())
            if heard < end or sentence.frame is None:
                over_ms = next((word.end_ms for word in words if word.end >= end), 0.0)
                self._look_ms = max(over_ms, self._look_ms)
                break
            sentence.passed = True
            due.append(sentence.frame)
        return due

    def finish(self) -> list[object]:
        """All has played that entered before the TTS was silent."""
        due: list[object] = []
        while self._pieces:
            piece = self._pieces[0]
            due += [each.frame for each in piece.sentences if each.frame is not None and not each.passed]
            self._pop()
            if piece.last:
                break
        return due

    def drop(self) -> None:
        """The reply is over: what has not played is never said."""
        self._pieces.clear()
        self._since_ms = self._look_ms = 0.0
        self._ahead = False

    def heard(self) -> str:
        """What has been heard of the texts that were not passed on."""
        heard, played_ms = "", self._since_ms
        for piece in self._pieces:
            over = piece.whole and played_ms >= piece.sound.ms
            end = heard_of(piece.text, piece.sound, played_ms, whole=piece.whole, pace=self._pace.pace)
            at = 0
            for sentence in piece.sentences:
                if not sentence.passed:
                    heard += sentence.text[: max(end - at, 0)]
                at += len(sentence.text)
            if not over:
                break
            played_ms -= piece.sound.ms
            heard += " " if heard and not heard.endswith(" ") else ""
        return heard.strip()

    # -------------------------------------------------------------------------------------------------- pieces

    def _open(self) -> Piece:
        """The piece that more may enter."""
        if not self._pieces or self._pieces[-1].whole:
            self._pieces.append(Piece())
        return self._pieces[-1]

    def _pop(self) -> None:
        """The first piece has played."""
        piece = self._pieces.popleft()
        self._since_ms = self._look_ms = 0.0
        if piece.whole:
            self._pace.learn(piece.text, piece.sound)

    def _rough(self, piece: Piece) -> tuple[Word, ...]:
        """Its words by its pauses, at little cost: good enough to pass on what was said a while ago."""
        if piece.whole:
            return align(piece.text, piece.sound).words
        return align_begun(piece.text, piece.sound, PACE * (self._pace.pace or 1.0))
