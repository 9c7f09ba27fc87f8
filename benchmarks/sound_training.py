"""Training of the sound head: looks at rendered sounds, a logistic regression, and its cross-validation by speaker."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bargein.audio.pcm import Pcm
from bargein.audio.silero import SileroModel
from bargein.audio.sound.features import (
    CURVE_NUMBERS,
    LEAD_MS,
    SPECTRUM_NUMBERS,
    curve_numbers,
    embedded_numbers,
    levelled,
    spectrum_numbers,
)
from bargein.audio.sound.front_end import SoundFrontEnd
from benchmarks import spoken_words, synthetic_laughs
from benchmarks.sound_clips import FIRM, HeardSound, LabelledSound, Rendering, Wave, beds_of, render

Array = NDArray[np.float64]

LOOKS_MS = (150, 200, 250, 300, 350, 400, 500, 600, 800, 1000)
LOOKS_EACH = 4  # of one rendering
RENDERINGS: Mapping[str, int] = {"words": 4, "laugh": 10, "cough": 6, "sneeze": 10, "other": 6}
SHARES: Mapping[str, float] = {"words": 0.5, "laugh": 0.15, "cough": 0.15, "sneeze": 0.05, "other": 0.15}
MADE_LAUGHS = 120  # laughs by arithmetic
# Sounds that no person made are trained with, and never counted. Their weights beside all recordings.
MADE_SHARES: Mapping[str, float] = {synthetic_laughs.GROUP: 0.1, spoken_words.GROUP: 0.05}
BURST_MS, MOST_BURSTS = 350, 6  # a laugh may be entered at any of its bursts
HEARS = {"curve": CURVE_NUMBERS, "spectrum": CURVE_NUMBERS + SPECTRUM_NUMBERS, "full": None}  # numbers of each head
PENALTY = {"curve": 1.0, "spectrum": 100.0, "full": 200.0}  # ridge
FOLDS = 8
KEPT = 0.965  # of words in the renderings of training, looks of at least KEPT_FROM_MS: where the threshold is put
KEPT_FROM_MS = 300
THRESHOLD = 0.5  # as it is told: the odds are chosen so
SETTLED = 0.6  # of the same words, whose answer by the spectrum stands
AFTER, AFTER_SHARE = " after ", 0.05  # words that follow another sound, and their weight beside all recordings
WORDS_AFTER_MS = 250  # of words after another sound, from which the whole holds words


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Looks at sounds, one in each row."""

    numbers: NDArray[np.float32]
    """Shape (n, 327): the curve's numbers, the spectrum's, the embeddings'."""
    sound: NDArray[np.str_]
    kind: NDArray[np.str_]
    group: NDArray[np.str_]
    ms: NDArray[np.int64]
    """Since the onset."""
    firm: NDArray[np.bool_]
    """Whether the product would look: the speech was firm by then."""

    @property
    def words(self) -> NDArray[np.bool_]:
        return np.asarray(self.kind == "words")

    def only(self, rows: NDArray[np.bool_]) -> Looks:
        return Looks(
            self.numbers[rows], self.sound[rows], self.kind[rows], self.group[rows], self.ms[rows], self.firm[rows]
        )


def looks_at(heard: Sequence[tuple[HeardSound, Sequence[int]]], front_end: SoundFrontEnd) -> Looks:
    """Each sound at its lengths (ms)."""
    numbers: list[NDArray[np.float32]] = []
    rows: list[tuple[str, str, str, int, bool]] = []
    for sound, lengths in heard:
        for ms in lengths:
            samples = sound.samples[: (LEAD_MS + ms) * sound.rate // 1000]
            curve = sound.curve[: max(1, ms // 32)]
            wave, with_sound = levelled(Pcm(samples, sound.rate))
            frames = front_end.mel(wave)
            spectrum = spectrum_numbers(frames, with_sound)
            numbers.append(np.concatenate((curve_numbers(curve), spectrum, embedded_numbers(frames, front_end))))
            rows.append((sound.sound, sound.kind, sound.group, ms, sound.opened and max(curve) >= FIRM))
    names, kinds, groups, lasts, firm = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Looks(
        np.array(numbers, np.float32),
        np.array(names),
        np.array(kinds),
        np.array(groups),
        np.array(lasts, np.int64),
        np.array(firm, bool),
    )


# ------------------------------------------------------------------------------------------------ what is trained on


def training_sounds(
    sounds: Sequence[LabelledSound], model: SileroModel, seed: int = 1
) -> Iterator[tuple[HeardSound, Sequence[int]]]:
    """Renderings of all sounds, each with the lengths at which it is looked at."""
    rng = np.random.default_rng(seed)
    beds = beds_of(sounds)
    names = ["white", "pink", "hum"] * 4 + sorted(beds)
    for sound in sounds:
        bursts = _bursts(sound) if sound.kind == "laugh" else sound
        for start in range(len(bursts.starts_ms)):
            extra = start >= len(sound.starts_ms)
            for _ in range(4 if extra else RENDERINGS[sound.kind]):
                yield from _looked_at(render(bursts, start, _any_rendering(rng, names), model, beds), rng)
    laughs = synthetic_laughs.laughs(MADE_LAUGHS, seed)
    for sound in (*laughs, *asyncio.run(spoken_words.spoken(spoken_words.TRAINED, each=2))):
        for _ in range(2):
            yield from _looked_at(render(sound, 0, _any_rendering(rng, names), model, beds), rng)
    for sound, after_ms in words_after_others(sounds, seed):
        heard = render(sound, 0, _any_rendering(rng, names, speed=False), model, beds)
        if heard.opened:
            yield heard, [ms for ms in LOOKS_MS if ms >= after_ms + WORDS_AFTER_MS]


def _bursts(sound: LabelledSound) -> LabelledSound:
    last_ms = len(sound.wave) * 1000 / sound.rate - 400
    more = np.arange(sound.starts_ms[0] + BURST_MS, last_ms, BURST_MS)[:MOST_BURSTS]
    return replace(sound, starts_ms=(*sound.starts_ms, *(float(ms) for ms in more)))


def _any_rendering(rng: np.random.Generator, beds: Sequence[str], *, speed: bool = True) -> Rendering:
    return Rendering(
        telephone=bool(rng.random() < 0.45),
        speed=float(rng.uniform(0.88, 1.12)) if speed else 1.0,
        level_db=float(rng.uniform(-44, -20)),
        floor_db=float(rng.uniform(-75, -52)),
        bed=beds[int(rng.integers(len(beds)))] if rng.random() < 0.6 else None,
        snr_db=float(rng.uniform(3, 22)),
        tilt_db=float(rng.uniform(-12, 12)),
        seed=int(rng.integers(1 << 31)),
    )


def _looked_at(heard: HeardSound, rng: np.random.Generator) -> Iterator[tuple[HeardSound, Sequence[int]]]:
    if heard.opened:
        yield heard, sorted(int(ms) for ms in rng.choice(LOOKS_MS, LOOKS_EACH, replace=False))


def words_after_others(sounds: Sequence[LabelledSound], seed: int) -> Iterator[tuple[LabelledSound, float]]:
    """Words that follow a laugh, a cough or another sound of the same rate; and how long after its begin (ms)."""
    rng = np.random.default_rng(seed)
    words = [sound for sound in sounds if sound.kind == "words"]
    for first in (sound for sound in sounds if sound.kind != "words" for _ in range(2)):
        of_rate = [sound for sound in words if sound.rate == first.rate]
        if not of_rate:
            continue
        then = of_rate[int(rng.integers(len(of_rate)))]
        after_ms = float(rng.uniform(250, 600))
        a = _from(first)[: int(after_ms * first.rate / 1000)]
        b = _from(then)
        b = b * _peak(a) / max(_peak(b), 1e-9) * 10 ** (rng.uniform(-6, 6) / 20)
        # The group is that of the words: the other sound only covers their beginning.
        yield (
            LabelledSound(
                f"{then.name}{AFTER}{first.name}", "words", then.group, np.concatenate((a, b)), first.rate, (0.0,)
            ),
            after_ms,
        )


def _from(sound: LabelledSound) -> Wave:
    return sound.wave[int(sound.starts_ms[0] * sound.rate / 1000) :]


def _peak(wave: Wave) -> float:
    return float(np.abs(wave).max(initial=0.0))


# ------------------------------------------------------------------------------------------------ regression


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A regression on raw numbers: score = numbers @ weights + bias."""

    weights: Array
    bias: float

    def scores(self, numbers: NDArray[np.float32]) -> Array:
        out: Array = numbers.astype(np.float64) @ self.weights + self.bias
        return out


def fit(numbers: NDArray[np.float32], words: NDArray[np.bool_], weights: Array, penalty: float) -> Fitted:
    """A logistic regression with a ridge, by Newton's method. weights: of each row, mean 1."""
    mean, spread = numbers.mean(0, dtype=np.float64), numbers.std(0, dtype=np.float64) + 1e-3
    x = np.column_stack(((numbers - mean) / spread, np.ones(len(numbers))))
    y = words.astype(np.float64)
    ridge = np.full(x.shape[1], penalty)
    ridge[-1] = 1e-6
    b = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ b, -30, 30)))
        slope = x.T @ (weights * (p - y)) + ridge * b
        bend = (x * (weights * np.maximum(p * (1 - p), 1e-5))[:, None]).T @ x + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        b -= step
        if np.abs(step).max() < 1e-6:
            break
    return Fitted(b[:-1] / spread, float(b[-1] - (b[:-1] * mean / spread).sum()))


def is_made(looks: Looks) -> NDArray[np.bool_]:
    """Whether no person made the sound."""
    return np.isin(looks.group, list(MADE_SHARES))


def row_weights(looks: Looks) -> Array:
    """At each length each kind its share, and within a kind each recording the same; so the length tells nothing of
    words. Mean 1."""
    clip = np.array([re.sub(r"#\d+$", "", str(name)) for name in looks.sound])
    made = is_made(looks)
    after = np.array([AFTER in name for name in clip], bool)
    out = np.zeros(len(clip))
    for ms in sorted(set(looks.ms.tolist())):
        at = looks.ms == ms
        counts = Counter(clip[at])
        parts = [(at & (looks.kind == kind) & ~made & ~after, share) for kind, share in SHARES.items()]
        parts += [(at & (looks.group == group), share) for group, share in MADE_SHARES.items()]
        for rows, share in (*parts, (at & after, AFTER_SHARE)):
            each = np.array([1 / counts[name] for name in clip[rows]])
            out[rows] = each / each.sum() * share if len(each) else 0.0
    out /= out.mean()
    return out


def folds(looks: Looks, count: int = FOLDS, seed: int = 0) -> NDArray[np.int64]:
    """The fold of each row: groups whole, each kind spread over all folds. What no person made: -1, always trained."""
    rng = np.random.default_rng(seed)
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for group in sorted(set(looks.group.tolist()) - MADE_SHARES.keys()):
        found = Counter(looks.kind[looks.group == group].tolist())
        kinds["laugh" if "laugh" in found else found.most_common(1)[0][0]].append(group)
    fold: dict[str, int] = dict.fromkeys(MADE_SHARES, -1)
    for kind in sorted(kinds):
        for number in rng.permutation(len(kinds[kind])):
            fold[kinds[kind][int(number)]] = len(fold) % count
    return np.array([fold[group] for group in looks.group.tolist()], np.int64)


def train_one(looks: Looks, head: str) -> Fitted:
    """head: a name of HEARS."""
    return fit(looks.numbers[:, : HEARS[head]], looks.words, row_weights(looks), PENALTY[head])


def threshold_rows(looks: Looks) -> NDArray[np.bool_]:
    """Looks that the threshold stands on: at words alone, firm, of KEPT_FROM_MS and more."""
    alone = np.array([AFTER not in name for name in looks.sound.tolist()], bool) & ~is_made(looks)
    return np.asarray(looks.words & looks.firm & alone & (looks.ms >= KEPT_FROM_MS))


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Scores of heads that never heard the sound's group. Below 0 means: no words."""

    train: Array
    test: Array
    zero: float
    """The raw score at the threshold."""
    slope: float
    """By which a score becomes log odds, as many as there are."""

    def settled(self, train: Looks) -> float:
        """The score that the share SETTLED of the words reaches."""
        return float(np.quantile(self.train[threshold_rows(train)], 1 - SETTLED))


def held_out(train: Looks, test: Looks | None, head: str, seed: int = 0) -> HeldOut:
    """Cross-validation by group. The threshold of a look stands on other groups than the look's, too."""
    tested_on = test or train.only(np.zeros(len(train.ms), bool))
    both = Looks(*(np.concatenate((getattr(train, f), getattr(tested_on, f))) for f in Looks.__slots__))
    fold = folds(both, seed=seed)
    in_train, in_test = fold[: len(train.ms)], fold[len(train.ms) :]
    scores, tested = np.zeros(len(in_train)), np.zeros(len(in_test))
    for k in range(FOLDS):
        fitted = train_one(train.only(in_train != k), head)
        scores[in_train == k] = fitted.scores(train.numbers[in_train == k][:, : HEARS[head]])
        tested[in_test == k] = fitted.scores(tested_on.numbers[in_test == k][:, : HEARS[head]])
    heard = in_train >= 0  # what no person made is in every fold's training
    counts = threshold_rows(train) & heard
    zero = float(np.quantile(scores[counts], 1 - KEPT))
    less, less_tested = np.zeros(len(in_train)), np.zeros(len(in_test))
    for k in range(FOLDS):
        others = float(np.quantile(scores[counts & (in_train != k)], 1 - KEPT))
        less[in_train == k], less_tested[in_test == k] = others, others
    firm = heard & train.firm
    weights = row_weights(train)[firm]
    odds = fit(scores[firm, None].astype(np.float32), train.words[firm], weights / weights.mean(), 1e-6)
    return HeldOut(scores - less, tested - less_tested, zero, float(odds.weights[0]))
