"""Room echo: is an incoming sound the agent's own audio, come from the client's loudspeaker through the room, or the
caller's?

A client that knows what it plays at each sample of its microphone's stream sends both (docs/protocol.md). The delay is
then that of the devices and the air alone (a Bluetooth loudspeaker: up to 400 ms), and nearly constant. Frames are only
stored until a sound that may be speech comes during the agent's audio or just after. Then a correlation of
pre-emphasised signals finds the delay. 32 ms of an echo suffice: another voice has no such peak. A faint echo has a
lower peak, at the same delay again and again.

A path that matched twice is known. A room answers for some 100 ms: a long filter learns it (room_filter.py), and the
echo that it knows is subtracted. It takes a second to learn, and a loudspeaker's distortion and a canceller's residue
cannot be subtracted. So the judgement compares what is left, in bands of the spectrum, with the powers of the agent's
audio as they fade in the room: the usual share of them in each band is learnt, and a sound is the caller's if it stands
out.

A room that stayed quiet during the agent's audio (a browser's own canceller works) returns no echo: there, a first
match is taken for chance. A path on which the filter never finds an echo is forgotten.
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
from bargein.audio.room_filter import BLOCK, PARTS, REACH, RoomFilter

RATE = 16_000  # Hz, of both directions
PER_MS = RATE // 1000
RING = 1 << 15  # samples stored of each signal: 2 s
WINDOW = 512  # samples that are judged: one window of the VAD
EXPLAINED = 0.8  # from this share of echo on, a window holds no caller's audio
SURELY = 0.4  # below this share one window suffices; above it, two in a row
LATEST = 640 * PER_MS  # delay
SPAN = 96 * PER_MS  # of incoming audio, for a match
PEAK = 0.15  # of a correlation, squared: the share of the sound that one delayed copy explains
FAINT = 0.05  # of a peak at the same place again
ALONE = 1.3  # times the next peak, of a faint one: chance has several of one height
CLEAR_ALONE = 2.5  # the same, where no echo is expected: vowels of two voices have a peak for each period
CLEAR_PEAK = 0.3  # of a peak whose neighbour counts as the same place: the direct sound and a reflection
SAME, NEAR = 3 * PER_MS, 30 * PER_MS  # between two matches of one place, and of one path
PROOF, CLEAR_PROOF = 2, 4  # matches at one place that make a path known; in a room without echo so far
TRIES = 6  # failed searches of one sound, before searches become rarer
EVERY = 120 * PER_MS  # between two of those rarer searches
ANOTHER = 300 * PER_MS  # without a question: the next sound is another sound
BEFORE = 96  # samples of the filter before the first match: a reflection may have matched
REPLAY = 12  # blocks before a match that are learnt from at once
YOUNG = 50  # blocks with sound, until a path is no more new
PROVEN = 0.01  # of the sound is subtracted by a true path, after three times YOUNG at the latest
FADE = 0.7  # of an echo's power, each 16 ms: a room of 0.75 s
TAIL = 20  # blocks in which an echo fades
MARGIN, NEW_MARGIN = 5.0, 3.0  # times the usual power of what is left; so much more on a new path
LEARN, NEW_LEARN = 0.15, 0.7  # of the difference to the usual share; where a new path has more than the usual
LOOK = 1000 * PER_MS  # between two measurements of the noise
LEAST_WINDOWS = 6  # for a measurement
NOISE_OVER = 1.5  # the noise, in powers of its softer windows
NOISE_RISES = 2.0  # at most, from a measurement within a sound
AUDIBLE = 2.0  # times the noise: less is no speech
QUIET = 4.0  # mean square of digital silence, nearly
ONSET_WINDOWS = 6  # before a sound: its soft onset may lie in them
QUIET_ROOM = 4.0  # times the usual power: a room whose loudest windows are softer returned no echo

_SILENCE = np.zeros(RING, np.int16)
_TAPER = np.hanning(WINDOW).astype(np.float32)
_TILT = np.minimum(np.arange(WINDOW // 2 + 1) / 32, 4).astype(np.float32)  # speech is softer at high frequencies
_EDGES = np.array((3, 5, 7, 9, 11, 13, 15, 18, 21, 25, 30, 36, 43, 52, 63, 76, 92, 112, 136, 165, 200, 232))
BANDS = len(_EDGES) - 1  # from 90 to 7250 Hz
QUIETEST = 100.0  # power of a band
_FADES = (FADE ** np.arange(TAIL, dtype=np.float32))[:, None]


class RoomEcho:
    """One call's echo, at 16000 Hz. Positions count the samples of the microphone's stream."""

    def __init__(self) -> None:
        self._sent, self._heard = np.zeros(RING, np.int16), np.zeros(RING, np.int16)
        self._left = np.zeros(RING, np.int16)  # of what was heard, without the echo
        self._sent_end = -RING  # position after the newest sample of the loudspeaker
        self._heard_end = 0
        self._heard_from: int | None = None
        self._sounds_from = 0  # where the current run of the agent's audio began
        self._waiting_sent: deque[tuple[int, NDArray[np.integer[Any]]]] = deque()
        self._waiting_heard: deque[tuple[int, Samples]] = deque()
        self._stored_sent = self._stored_heard = 0  # samples that wait
        self._lag: int | None = None  # of the known path, in samples
        self._filter = RoomFilter()
        self._age = 0  # blocks with sound, since the path is known
        self._came = self._subtracted = 0.0  # energies, since the path is known
        self._usual = np.zeros(BANDS, np.float32)  # power of what is left, in powers of the fading reference
        self._fading: tuple[int, Floats] = (-RING, self._usual)  # the newest window of echo: its end, and what was left
        self._noise = np.full(BANDS, QUIETEST, np.float32)
        self._noise_known = False
        self._level = QUIET  # mean square of the quiet room
        self._clear = False  # the room is known to return no echo
        self._found: tuple[int, int] | None = None  # the lag of the latest match, and its number of matches
        self._failed = 0  # searches in a row
        self._before = 0.0  # the share of the window before
        self._asked_at = self._searched_at = self._looked_at = -RING

    @property
    def known(self) -> bool:
        """The echo's path is known."""
        return self._lag is not None

    @property
    def delay_ms(self) -> float | None:
        """From the loudspeaker's samples to their echo. None: the path is not known."""
        return None if self._lag is None else self._lag / PER_MS

    # ------------------------------------------------------------------------------------------------- audio

    def sounded(self, first_sample: int, samples: NDArray[np.integer[Any]]) -> None:
        """The loudspeaker's samples (int16, or mu-law codes as uint8) at a position of the microphone's stream. Comes
        before `clean` has the microphone's. Positions without samples were silent."""
        self._waiting_sent.append((first_sample, samples))
        self._stored_sent += len(samples)
        while self._stored_sent > RING and len(self._waiting_sent) > 1:
            self._stored_sent -= len(self._waiting_sent.popleft()[1])

    def restart(self) -> None:
        """The stream has lost its pace. Both directions share their positions, so nothing is lost."""

    def clean(self, first_sample: int, at_ms: float, samples: Samples) -> Samples:
        """Incoming audio without echo. Returns the same array when there is no echo to subtract, and never a louder
        one."""
        self._waiting_heard.append((first_sample, samples))
        self._stored_heard += len(samples)
        while self._stored_heard > RING and len(self._waiting_heard) > 1:
            self._stored_heard -= len(self._waiting_heard.popleft()[1])
        if self._lag is None:
            return samples
        end = first_sample + len(samples)
        if not self._waiting_sent and first_sample - self._lag - PARTS * BLOCK >= self._sent_end:
            return samples
        self._catch_up()
        for begin in range(max(first_sample, end - RING // 2), end, BLOCK):
            self._subtract(begin, min(begin + BLOCK, end))
        if len(samples) > RING // 2:
            return samples
        left, heard = get(self._left, first_sample, end), samples.astype(np.float32)
        if float(np.dot(left, left)) >= 0.9 * float(np.dot(heard, heard)):
            return samples
        return left.astype(np.int16)

    def _subtract(self, begin: int, end: int) -> None:
        if self._lag is None:
            return
        place = end - self._lag + BEFORE
        reference = get(self._sent, place - REACH, place)
        if float(np.dot(reference, reference)) < QUIET * REACH:
            return
        heard = get(self._heard, begin, end)
        step = self._filter.step(reference, heard)
        put(self._left, begin, np.clip(step.left, -32768, 32767).astype(np.int16), end)
        before = float(np.dot(heard, heard))
        if before > 4 * self._level * len(heard):
            self._age += 1
            self._came += before
            self._subtracted += before - float(np.dot(step.left, step.left))
            if self._age % (3 * YOUNG) == 0:
                if self._subtracted < PROVEN * self._came:
                    self._lag, self._clear, self._found = None, True, None
                self._came, self._subtracted = 0.0, 0.0

    # -------------------------------------------------------------------------------------------- judgement

    def explains(self, first_sample: int, last_sample: int) -> float:
        """The share, 0..1, of echo in these samples (of the last second)."""
        if not self._waiting_sent and last_sample - LATEST >= self._sent_end:
            return 0.0  # no agent's audio played for long
        self._catch_up()
        if last_sample - self._asked_at > ANOTHER:
            self._failed = 0
            self._look_back(first_sample, within=False)
            self._found = None if self._clear else self._found
            self._before = 0.0 if self._lag is None else 1.0
        elif last_sample - self._looked_at > LOOK:
            self._look_back(first_sample, within=True)
        self._asked_at = last_sample
        if self._lag is None:
            return self._search(last_sample) if self._may_search(last_sample) else 0.0
        share = self._share(last_sample, self._lag)
        if share < EXPLAINED and self._age > YOUNG and self._may_search(last_sample):
            self._search(last_sample)  # the devices may have changed
        before, self._before = self._before, share
        # One window may stand out by chance.
        return max(share, before) if SURELY <= share < EXPLAINED else share

    def _share(self, last: int, lag: int) -> float:
        left = _bands(get(self._left, last - WINDOW, last)[None])[0]
        sent = self._fading_reference(last, lag)
        new = max(0.0, 1 - self._age / YOUNG)
        allowed = MARGIN * (1 + NEW_MARGIN * new) * self._usual * sent + AUDIBLE * self._noise
        at, fading = self._fading
        if last - at <= 2 * WINDOW:
            allowed = np.maximum(allowed, fading)  # an echo fades longer in some rooms, but it does not grow
        share = 1 - float(np.maximum(0, left - allowed).sum()) / max(float(left.sum()), 1.0)
        if share < EXPLAINED and new and self._fits(last, lag) >= FAINT:
            share = 1.0
        if share >= EXPLAINED:
            self._fading = (last, left)
            ratio = left / np.maximum(sent, 1)
            loud = (left > 4 * self._noise) & (sent > 1e-3 * float(sent.max()))
            rate = np.where(ratio > self._usual, NEW_LEARN if new else LEARN, LEARN)
            self._usual = np.where(loud, self._usual + rate * (ratio - self._usual), self._usual).astype(np.float32)
        return share

    def _fading_reference(self, last: int, lag: int) -> Floats:
        """Powers of the loudspeaker's audio that still sounds in the window up to `last`."""
        end = last - lag + BEFORE
        rows = sliding_window_view(get(self._sent, end - (TAIL + 1) * BLOCK, end), WINDOW)[::-BLOCK]
        sums: Floats = (_bands(rows) * _FADES).sum(axis=0)
        return sums

    def _fits(self, last: int, lag: int) -> float:
        """The peak of the correlation near a known lag."""
        begin, room = last - 2 * WINDOW, 10 * PER_MS
        x = emphasised(get(self._heard, begin, last))
        return float(_fit(x, emphasised(get(self._sent, begin - lag - room, last - lag + room))).max())

    # -------------------------------------------------------------------------------------- an unknown path

    def _may_search(self, last: int) -> bool:
        return self._failed < TRIES or last - self._searched_at >= EVERY

    def _search(self, last: int) -> float:
        """Search for the loudspeaker's audio in incoming audio up to `last`."""
        begin = last - SPAN
        x = emphasised(get(self._heard, begin, last))
        fit = _fit(x, emphasised(get(self._sent, begin - LATEST, last)))
        best = int(np.argmax(fit))
        lag, peak = LATEST - best, float(fit[best])
        fit[max(0, best - NEAR // 2) : best + NEAR // 2] = 0
        ratio = peak / max(float(fit.max()), 1e-9)
        alone = ratio >= (CLEAR_ALONE if self._clear else ALONE)
        place, times = self._found or (lag, 0)
        off = abs(place - lag)
        again = times > 0 and off <= SAME
        if self._lag is not None:
            found = peak >= PEAK and abs(lag - self._lag) > NEAR
        else:
            found = peak >= PEAK or (peak >= FAINT and alone and again)
        if not found:
            self._searched_at = last
            self._failed += 1
            if self._lag is None and peak >= FAINT:
                self._found = (lag, 1)
            return 0.0
        self._failed = 0
        times = times + 1 if again or (peak >= CLEAR_PEAK and off <= NEAR) else 1
        self._found = (lag, times)
        sure = alone or not self._clear
        if times >= (PROOF if sure else CLEAR_PROOF):
            self._begin(min(lag, place), last)
        elif not sure or self._lag is not None:
            return 0.0
        return 1.0

    def _begin(self, lag: int, last: int) -> None:
        """The path is known from now on."""
        self._lag, self._found, self._clear = lag, None, False
        self._filter = RoomFilter()
        self._age, self._came, self._subtracted, self._before = 0, 0.0, 0.0, 1.0
        for _ in range(2):
            for begin in range(last - REPLAY * BLOCK, last, BLOCK):
                self._subtract(begin, begin + BLOCK)
        heard = _bands(get(self._heard, last - WINDOW, last)[None])[0]
        sent = self._fading_reference(last, lag)
        mean = float(heard.sum()) / max(float(sent.sum()), 1.0)
        self._usual = np.maximum(heard / np.maximum(sent, 1), mean).astype(np.float32)

    def _look_back(self, first: int, *, within: bool) -> None:
        """Measure the room's noise. Note a room that stayed quiet during the agent's audio. within: a sound runs, whose
        softest moments may be louder than the noise."""
        self._looked_at = first
        count = min(first - (self._heard_from or 0), RING - 2 * WINDOW) // WINDOW
        if count < LEAST_WINDOWS:
            return
        windows = get(self._left, first - count * WINDOW, first).reshape(count, WINDOW)
        softer = max(2, count // 8)
        noise = NOISE_OVER * np.partition(_bands(windows), softer, axis=0)[softer]
        if within and self._noise_known:
            noise = np.minimum(noise, NOISE_RISES * self._noise)
        self._noise, self._noise_known = np.maximum(noise, QUIETEST), True
        levels = np.einsum("ij,ij->i", windows, windows) / WINDOW
        self._level = max(QUIET, float(np.partition(levels, softer)[softer]))
        sounding = self._sounds_from + LATEST + LOOK < first < self._sent_end
        if not within and self._lag is None and sounding and count * WINDOW >= LOOK:
            levels = levels[-LOOK // WINDOW - ONSET_WINDOWS : -ONSET_WINDOWS]
            usual = max(QUIET, float(np.median(levels)))
            self._clear = float(np.partition(levels, -3)[-3]) <= QUIET_ROOM * usual

    # ------------------------------------------------------------------------------------------------ helpers

    def _catch_up(self) -> None:
        """Write the stored frames into the rings."""
        for at, sent in self._waiting_sent:
            if at - self._sent_end > LATEST:
                self._sounds_from = at
            self._silent_until(at)
            linear = from_mulaw(sent.tobytes()) if sent.dtype == np.uint8 else sent.astype(np.int16, copy=False)
            end = at + len(linear)
            put(self._sent, at, linear, end)
            self._sent_end = end
        self._waiting_sent.clear()
        self._stored_sent = 0
        for first, heard in self._waiting_heard:
            if self._heard_from is None:
                self._heard_from = self._heard_end = first
            if first > self._heard_end:
                missing = min(first - self._heard_end, RING)
                put(self._heard, first - missing, _SILENCE[:missing], first)
                put(self._left, first - missing, _SILENCE[:missing], first)
            end = first + len(heard)
            put(self._heard, first, heard, end)
            put(self._left, first, heard, end)
            self._heard_end = end
        self._waiting_heard.clear()
        self._stored_heard = 0
        sent_end = self._sent_end
        self._silent_until(self._heard_end)
        self._sent_end = sent_end

    def _silent_until(self, end: int) -> None:
        """The loudspeaker was silent from its newest sample on."""
        missing = min(end - self._sent_end, RING)
        if missing > 0:
            put(self._sent, end - missing, _SILENCE[:missing], end)


def _bands(rows: Floats) -> Floats:
    """Powers in BANDS bands of each row."""
    spectra = np.fft.rfft(rows * _TAPER, axis=1)
    powers = (np.square(spectra.real) + np.square(spectra.imag)) * _TILT
    return np.add.reduceat(powers, _EDGES, axis=1)[:, :-1].astype(np.float32)


def _fit(x: Floats, y: Floats) -> Floats:
    """At each place of y: the share of x that a scaled copy of y explains."""
    places = len(y) - len(x)
    size = 1 << (len(y) - 1).bit_length()
    match = np.fft.irfft(np.fft.rfft(y, size) * np.conj(np.fft.rfft(x, size)), size)[:places]
    sums = np.concatenate(([0.0], np.cumsum(y.astype(np.float64) ** 2)))
    energies = sums[len(x) : len(x) + places] - sums[:places]
    loud = energies > max(len(x) * QUIET, float(energies.max()) * 1e-5)
    shares = match**2 / np.maximum(energies * max(float(np.dot(x, x)), 1.0), 1.0)
    return np.where(loud, shares, 0.0).astype(np.float32)
