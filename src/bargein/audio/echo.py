"""Line echo: is an incoming sound the agent's own audio, come back over the phone line, or the caller's?

A phone line returns the agent's audio 20 to 500 ms later and 10 to 40 dB weaker, plus the network's delay. The audio
that was sent and its playing time are known. Frames are only stored until a sound that may be speech comes during the
agent's audio or just after. Then a correlation of pre-emphasised signals (two voices of one pitch must not match) finds
the matching place in the agent's audio, and a short filter is fitted there. If the filter leaves next to no residual,
the sound is echo.

A weak echo differs from noise only after some 100 ms. So a sound far weaker than the agent's audio, on a line without a
known path, is taken for echo that long. A line that stayed quiet for a second of the agent's audio returns no echo:
there is no wait, and one match is taken for chance.

A path that matched twice is known: from then on the echo is subtracted from incoming audio, the filter follows the
line, and a sound is the caller's if its residual exceeds the path's usual residual.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bargein.audio.mulaw import from_mulaw
from bargein.audio.pcm import Samples
from bargein.audio.rings import Floats, emphasised, get, put

EXPLAINED = 0.8  # from this share of echo on, a chunk holds no caller's audio
RING = 1 << 14  # samples stored of each direction: 2 s at 8000 Hz
WAITING = 128  # frames stored until the next question
SPAN_MS = 96  # of incoming audio, for a match
SOONEST_MS, LATEST_MS = -40, 640  # echo delay; negative, because the first incoming frame may have been late
TAPS, BEFORE = 32, 8  # of the filter; BEFORE of them precede the best match
STIFFNESS = 1e-3  # of the fit, by its own energy: a short chunk must not fit every filter
PEAK = 0.15  # of a correlation, squared: a lower peak is no match
SETTLE_FRAMES = 25  # after which the offset of the two clocks is fixed
CHANCE = 0.75  # the share of a chance match: less than EXPLAINED
PROOF = 2  # matches at one place that make a path known
SAME_PLACE = 4  # samples
TRIES = 3  # failed searches of one sound, before searches become rarer
EVERY_MS = 120  # between two of those rarer searches
ANOTHER_MS = 300  # without a question: the next sound is another sound
NOISE_OVER = 1.5  # the line's noise energy, in energies of its quietest frame
NOISE_RISES = 1.05  # at each look: a line may become noisier
LOOK_MS = 1000  # of the past, in which the noise is measured
LEAK = 0.05  # residual of the echo, by energy, until it is measured
FORGET = 0.9  # weight of the past, at each step of the filter
DOUBTS = 3  # windows of a weak sound on an unknown line that count as echo
UNCLEAR = 10.0  # times the line's noise, by energy: a louder echo is found at once
WEAK = 0.1  # of the agent's audio, by energy: no line returns more
CLEAR_FRAMES = 25  # quiet frames during the agent's audio, after which the line counts as free of echo
AUDIBLE = 2.0  # times the line's noise, by energy: less is no speech
QUIET = 4.0  # mean square of digital silence, nearly


class LineEcho:
    """One call's echo. Times are in ms on one clock, audio is at `rate` Hz, and the agent's own at `played_rate` Hz."""

    def __init__(self, rate: int = 8000, played_rate: int | None = None) -> None:
        self._rate = rate
        self._played_rate = played_rate or rate
        self._per_ms = rate / 1000
        self._sent: Samples = np.zeros(RING, np.int16)
        self._sent_end = -RING  # place after the newest sample of the agent's audio
        self._heard: Samples = np.zeros(RING, np.int16)
        self._heard_end = 0  # position after the newest incoming sample
        self._offset: int | None = None  # from a position in incoming audio to a place in sent audio
        self._frames = 0
        self._noise = QUIET  # mean square of the quiet line
        self._lag: int | None = None  # of the known path
        self._taps: Floats = np.zeros(TAPS, np.float32)
        self._squares = np.zeros((TAPS, TAPS), np.float32)
        self._products = np.zeros(TAPS, np.float32)
        self._leak = LEAK
        self._found: tuple[int, int] | None = None  # the lag of the latest match, and its number of matches
        self._asked_at = -RING
        self._searched_at = -RING
        self._failed = 0  # searches in a row
        self._doubts = 0  # of this sound
        self._sounds_from = 0  # place at which the current run of the agent's audio began
        self._clear = False  # the line is known to return no echo
        self._noise_known = False
        self._waiting_sent: deque[tuple[int, NDArray[np.integer[Any]]]] = deque(maxlen=WAITING)
        self._waiting_heard: deque[tuple[int, Samples]] = deque(maxlen=WAITING)

    @property
    def known(self) -> bool:
        """The echo's path is known."""
        return self._lag is not None

    @property
    def delay_ms(self) -> float | None:
        """From the playing time of the agent's audio to its echo. None: the path is not known."""
        return None if self._lag is None else self._lag / self._per_ms

    @property
    def gain_db(self) -> float | None:
        """Level of the echo, in dB of the agent's audio. None: the path is not known."""
        energy = float(np.dot(self._taps, self._taps))
        return None if self._lag is None or energy <= 0 else 10 * float(np.log10(energy))

    # ------------------------------------------------------------------------------------------------- audio

    def played(self, at_ms: float, samples: NDArray[np.integer[Any]]) -> None:
        """The agent's audio (int16, or mu-law codes as uint8) that plays from at_ms on."""
        self._waiting_sent.append((round(at_ms * self._per_ms), samples))

    def silenced(self, at_ms: float) -> None:
        """The agent's audio after at_ms did not play."""
        self._catch_up()
        at = round(at_ms * self._per_ms)
        unheard = self._sent_end - at
        if unheard > 0:
            put(self._sent, at, _SILENCE[: min(unheard, RING)], self._sent_end)
            self._sent_end = at

    def restart(self) -> None:
        """The stream has lost its pace: the offset of the clocks is measured anew."""
        self._catch_up()
        self._offset, self._frames = None, 0

    def clean(self, first_sample: int, at_ms: float, samples: Samples) -> Samples:
        """Incoming audio without echo. first_sample: its position in the stream; at_ms: its arrival. Returns the same
        array when there is no echo to subtract, and never a louder one."""
        size = len(samples)
        if self._frames < SETTLE_FRAMES:
            # A frame can be late, but not early: the earliest gives the offset of the clocks.
            offset = round(at_ms * self._per_ms) - first_sample - size
            self._offset = offset if self._offset is None else min(self._offset, offset)
        self._frames += 1
        self._waiting_heard.append((first_sample, samples))
        if self._lag is None or self._offset is None:
            return samples
        self._catch_up()
        if first_sample + self._offset - self._lag - TAPS >= self._sent_end:
            return samples
        heard = samples.astype(np.float32)
        before = float(np.dot(heard, heard))
        echo = np.convolve(self._reference(first_sample, size, self._lag), self._taps, "valid")
        left = heard - echo
        after = float(np.dot(left, left))
        if after >= 0.9 * before:
            return samples
        if self._frames % 8 == 0 and after <= 0.25 * before and float(np.dot(echo, echo)) > 16 * self._noise * size:
            self._learn(first_sample, size, self._lag)
        cleaned: Samples = np.rint(left).astype(np.int16)
        return cleaned

    def explains(self, first_sample: int, last_sample: int) -> float:
        """The share, 0..1, of echo in these samples (of the last second)."""
        self._catch_up()
        if self._offset is None or last_sample + self._offset - self._ms(LATEST_MS) >= self._sent_end:
            return 0.0  # no agent's audio played for long
        if last_sample - self._asked_at > self._ms(ANOTHER_MS):
            self._failed = self._doubts = 0
            self._look_back(first_sample)
        self._asked_at = last_sample
        heard = get(self._heard, first_sample, last_sample)
        if float(np.dot(heard, heard)) <= AUDIBLE * self._noise * len(heard):
            return 1.0  # as soft as the line's noise: a VAD may still report speech just after an echo
        known = 0.0
        if self._lag is not None:
            known = self._share_by_path(first_sample, last_sample, self._lag)
            if known >= EXPLAINED:
                return known
        if self._failed >= TRIES and last_sample - self._searched_at < self._ms(EVERY_MS):
            return known
        share = max(known, self._search(first_sample, last_sample))
        if share < EXPLAINED and self._in_doubt(heard, last_sample + self._offset):
            self._doubts += 1
            return EXPLAINED
        return share

    def _in_doubt(self, heard: Floats, place: int) -> bool:
        """The sound may be an echo that is still too weak for a match."""
        if self._lag is not None or self._doubts >= DOUBTS or self._clear:
            return False
        size = len(heard)
        if float(np.dot(heard, heard)) > UNCLEAR * self._noise * size:
            return False
        sent = get(self._sent, place - size * (self._ms(LATEST_MS) // size), place).reshape(-1, size)
        ours = float(np.einsum("ij,ij->i", sent, sent).max())
        return float(np.dot(heard, heard)) <= WEAK * ours

    # ------------------------------------------------------------------------------------------------ a known path

    def _share_by_path(self, first: int, last: int, lag: int) -> float:
        heard = get(self._heard, first, last)
        echo = np.convolve(self._reference(first, last - first, lag), self._taps, "valid")
        left = heard - echo
        size = last - first
        before, ours, after = (float(np.dot(x, x)) for x in (heard, echo, left))
        excess = after - 3 * self._leak * ours - AUDIBLE * self._noise * size
        if excess <= 0:
            if ours > 4 * self._noise * size:
                self._leak += 0.1 * (min(after / ours, LEAK) - self._leak)
            return 1.0
        return max(0.0, 1 - excess / min(after, before))

    def _learn(self, first: int, size: int, lag: int) -> None:
        """Update the filter from an echo without a caller's voice."""
        rows = sliding_window_view(self._reference(first, size, lag), TAPS)[:, ::-1]
        self._squares = FORGET * self._squares + rows.T @ rows
        self._products = FORGET * self._products + rows.T @ get(self._heard, first, first + size)
        self._taps = _solve(self._squares, self._products)

    # ------------------------------------------------------------------------------------------------ an unknown path

    def _search(self, first: int, last: int) -> float:
        """Search for the agent's audio in incoming audio up to `last`."""
        assert self._offset is not None
        span = self._ms(SPAN_MS)
        begin = last - span
        heard = get(self._heard, begin, last)
        lags = self._ms(LATEST_MS - SOONEST_MS)
        place = begin + self._offset - self._ms(LATEST_MS)
        sent = get(self._sent, place, place + span + lags)
        x, y = emphasised(heard), emphasised(sent)
        energy = float(np.dot(x, x))
        sums = np.concatenate(([0.0], np.cumsum(y.astype(np.float64) ** 2)))
        energies = sums[span : span + lags] - sums[:lags]
        size = 1 << int(np.ceil(np.log2(len(y))))
        match = np.fft.irfft(np.fft.rfft(y, size) * np.conj(np.fft.rfft(x, size)), size)[:lags]
        loud = energies > max(span * QUIET, float(energies.max()) * 1e-4)
        fit = np.where(loud, match**2 / np.maximum(energies * max(energy, 1.0), 1.0), 0.0)
        best = int(np.argmax(fit))
        if fit[best] < PEAK:
            return self._nothing(last)
        lag = begin + self._offset - (place + best)
        rows = sliding_window_view(self._reference(begin, span, lag), TAPS)[:, ::-1]
        squares, products = rows.T @ rows, rows.T @ heard
        taps = _solve(squares, products)
        part = slice(first - begin, last - begin)
        share = min(self._left(heard, rows, taps), self._left(heard[part], rows[part], taps))
        if share < EXPLAINED:
            self._nothing(last)
            return share
        self._failed = 0
        self._believe(lag, squares, products, taps)
        # On a line without echo so far, one match is chance: the beginnings of two vowels are alike.
        return share if self._lag is not None or not self._clear else min(share, CHANCE)

    def _left(self, heard: Floats, rows: Floats, taps: Floats) -> float:
        left = heard - rows @ taps
        before = float(np.dot(heard, heard))
        after = max(0.0, float(np.dot(left, left)) - self._noise * len(heard))
        return max(0.0, 1 - after / before) if before > 0 else 0.0

    def _believe(self, lag: int, squares: Floats, products: Floats, taps: Floats) -> None:
        """Count a match at this lag. Two matches make a known path."""
        place, times = self._found or (lag, 0)
        times = times + 1 if abs(place - lag) <= SAME_PLACE else 1
        self._found = (lag, times)
        if times >= PROOF:
            self._lag, self._taps, self._squares, self._products = lag, taps, squares, products
            self._leak = LEAK
            self._found = None

    def _nothing(self, last: int) -> float:
        self._searched_at = last
        self._failed += 1
        return 0.0

    # ------------------------------------------------------------------------------------------------------ helpers

    def _reference(self, first: int, size: int, lag: int) -> Floats:
        """The agent's audio for `size` samples from a position on, with the margin of a filter's valid part."""
        assert self._offset is not None
        begin = first + self._offset - lag - (TAPS - 1 - BEFORE)
        return get(self._sent, begin, begin + size + TAPS - 1)

    def _look_back(self, first: int) -> None:
        """Measure the line's noise before a sound. Note a line that stayed quiet during the agent's audio."""
        assert self._offset is not None
        size = self._ms(20)
        span = min(self._ms(LOOK_MS), first) // size * size
        if span < 5 * size:
            return
        frames = get(self._heard, first - span, first).reshape(-1, size)
        levels = np.einsum("ij,ij->i", frames, frames) / size
        least = max(QUIET, NOISE_OVER * float(levels.min()))
        self._noise = min(least, self._noise * NOISE_RISES) if self._noise_known else least
        self._noise_known = True
        quiet = int(np.count_nonzero(levels <= AUDIBLE * self._noise))
        sounding = self._sounds_from + self._ms(LATEST_MS + LOOK_MS) < first + self._offset < self._sent_end
        self._clear = self._clear or (sounding and quiet >= CLEAR_FRAMES and self._lag is None)

    def _catch_up(self) -> None:
        """Write the stored frames into the rings."""
        for at, sent in self._waiting_sent:
            gap = at - self._sent_end
            if abs(gap) <= 1:
                at = self._sent_end  # one run of audio: rounding makes no gap
            elif gap > 0:
                if gap > self._ms(LATEST_MS):
                    self._sounds_from = at
                put(self._sent, self._sent_end, _SILENCE[: min(gap, RING)], at)
            linear = from_mulaw(sent.data) if sent.dtype == np.uint8 else sent.astype(np.int16, copy=False)
            if self._played_rate != self._rate:
                places = np.arange(len(linear) * self._rate // self._played_rate) * (self._played_rate / self._rate)
                linear = np.interp(places, np.arange(len(linear)), linear).astype(np.int16)
            end = at + len(linear)
            put(self._sent, at, linear, end)
            self._sent_end = end
        self._waiting_sent.clear()
        for first, heard in self._waiting_heard:
            if first > self._heard_end:
                missing = min(first - self._heard_end, RING)
                put(self._heard, first - missing, _SILENCE[:missing], first)
            self._heard_end = first + len(heard)
            put(self._heard, first, heard, self._heard_end)
        self._waiting_heard.clear()

    def _ms(self, ms: float) -> int:
        return round(ms * self._per_ms)


_SILENCE = np.zeros(RING, np.int16)


def _solve(squares: Floats, products: Floats) -> Floats:
    stiff = STIFFNESS * float(np.trace(squares)) / TAPS + 1.0
    taps: Floats = np.linalg.solve(squares + stiff * np.eye(TAPS, dtype=np.float32), products).astype(np.float32)
    return taps
