"""Whether a stretch of sound holds speech that is worth reading, and where in it.

A small recogniser answers nearly every sound with words: it read each of 49 recorded noises as something ("You",
"Thank you", "Yeah" for a cough). A level tells nothing here: coughs are as loud as talk. Silero's voice activity does:
over every half second of those noises it reached 0.98 in two windows in one place only, half a sneeze, while 72 of 75
people who interrupt do so within 350 ms, and 74 within 600 ms.

The state of the network is made anew for each stretch. (The recogniser has such a gate of its own, but its state
leaks from one call into the next: the same sound was read in three ways, depending on what was read before.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bargein.audio.vad import CONTEXT, WINDOW, SileroModel

RATE = 16000
SIZE, PAST = WINDOW[RATE], CONTEXT[RATE]  # samples of a window, and of what the network sees from before it

SURE, SURE_WINDOWS = 0.98, 2  # beyond every noise measured but half a sneeze
POSSIBLE = 0.5  # where speech begins
ENDING = 0.3  # speech fades: a window counts to its end for longer than to its beginning
LEAD_MS = 150  # kept in front: consonants begin before the voice; more room noise is read as "You"
TAIL_MS = 100

Wave = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GatedSpeech:
    """Speech in a stretch of sound, with a little room around it. begin, end: in samples, end exclusive."""

    begin: int
    end: int


def locate(probabilities: NDArray[np.float32], length: int) -> GatedSpeech | None:
    """Where the speech is, from the probability of each window (shape (windows,)) of a wave of `length` samples.

    None: there is none, or it may as well be a noise.
    """
    if np.count_nonzero(probabilities >= SURE) < SURE_WINDOWS:
        return None
    possible = np.flatnonzero(probabilities >= POSSIBLE)
    last = np.flatnonzero(probabilities >= ENDING)[-1]
    begin = max(0, int(possible[0]) * SIZE - LEAD_MS * RATE // 1000)
    end = min(length, (int(last) + 1) * SIZE + TAIL_MS * RATE // 1000)
    return GatedSpeech(begin, end)


class SpeechGate:
    """Silero over one stretch of sound, from silence on (4 ms for a second)."""

    def __init__(self) -> None:
        self._model = SileroModel()

    def probabilities(self, wave: Wave) -> NDArray[np.float32]:
        """wave: shape (samples,), -1..1, 16 kHz. Returns the probability of speech in each window of 32 ms, the last
        one filled up with silence."""
        count = -(-len(wave) // SIZE)
        padded = np.zeros(PAST + count * SIZE, np.float32)
        padded[PAST : PAST + len(wave)] = wave
        state = np.zeros((2, 1, 128), np.float32)
        found = np.zeros(count, np.float32)
        for index in range(count):
            window = padded[None, index * SIZE : (index + 1) * SIZE + PAST]
            found[index : index + 1], state = self._model.run(window, state, RATE)
        return found
