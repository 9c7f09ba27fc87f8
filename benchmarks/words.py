"""How many of the words heard are known at a cut, where the TTS gives no word times.

espeak says texts of several languages; its own times are the truth. Its speech is made worse: silence before and behind
each sentence, longer pauses, a hiss. And a reader's recording, at the places that are known in it.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import numpy as np

from bargein.audio.envelope import Envelope
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.phone_alignment import LearnedPace, heard_of
from bargein.units import spans
from bargein.vendors.local.espeak import EspeakTTS, worker
from bargein.vendors.local.worker_process import WorkerProcess
from bargein_bench.scenarios.readers import INTERRUPTIONS, recording
from benchmarks.table import Check

CUTS = 200  # of each voice and kind
LEAD_MS, TAIL_MS, PAUSE_MS = 300, 400, 250  # at most
HISS = 6.0  # of 32768
AHEAD_MS = 1_500.0

REPLIES = {
    "en": (
        (
            "Thanks for calling Northside Dental.",
            "We are open from 8 to 6 on weekdays, and until noon on Saturdays.",
            "Would you like to book a check-up, or is it something urgent?",
        ),
        (
            "I found two flights for you.",
            "The first leaves at 7:45 in the morning, with a stop in Chicago; the second is direct, but costs $80.",
            "Both have seats by the window, as far as I can see.",
        ),
        (
            "That is a good question.",
            "Bread rises because yeast eats the sugar in the dough and gives off gas, which gluten holds like a net.",
            "If you knead it too little the net is weak, and the loaf stays flat.",
        ),
        (
            "Your parcel was handed to the courier this morning.",
            "The tracking number is 7729, and it should arrive on June 21st between 2 and 4 p.m.",
            "The courier needs a signature, so please make sure that you are at home.",
        ),
    ),
    "de": (
        (
            "Schön, dass Sie anrufen.",
            "Für den Umzug brauchen wir Ihre neue Anschrift, das Datum und die Nummer Ihres Stromzählers.",
            "Haben Sie den Zählerstand vom letzten Montag zur Hand?",
        ),
        (
            "Der nächste Zug nach Freiburg fährt um 17 Uhr 12 von Gleis 8.",
            "Sie müssen einmal umsteigen, und zwar in Karlsruhe; dort haben Sie ungefähr zwanzig Minuten Zeit.",
        ),
    ),
    "fr": (
        (
            "Merci de votre patience.",
            "Votre commande est partie hier soir, elle arrivera sans doute jeudi matin avant 11 heures.",
            "Souhaitez-vous que le livreur vous appelle avant de passer chez vous?",
        ),
    ),
    "es": (
        (
            "Gracias por esperar.",
            "He encontrado tres habitaciones libres para el fin de semana, dos con vistas al mar y una al jardín.",
            "¿Prefiere usted que le reserve una de ellas ahora mismo?",
        ),
    ),
}
VOICES = (
    ("en-us+f3", 165),
    ("en-us+m7", 210),
    ("en-gb+f2", 140),
    ("en-gb-scotland+m4", 175),
    ("de+m3", 150),
    ("de+f4", 190),
    ("fr-fr+f3", 165),
    ("es+m2", 170),
)
TALE = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
    "foolishness, it was the epoch of belief, it was the epoch of incredulity, it was the season of light, it was "
    "the season of darkness, it was the spring of hope, it was the winter of despair, we had everything before "
    "us, we had nothing before us, we were all going direct to heaven, we were all going direct the other way, in "
    "short, the period was so far like the present period, that some of its noisiest authorities insisted on its "
    "being received, for good or for evil, in the superlative degree of comparison only."
)
TALE_FILE = "two_cities.wav"


@dataclass(frozen=True, slots=True)
class CutSentence:
    """A sentence as it was spoken."""

    text: str
    pcm: Pcm
    ends_ms: tuple[float, ...]
    """Of its words."""

    def envelope(self, until_ms: float | None = None) -> Envelope:
        """Of its sound, or its sound so far."""
        end = len(self.pcm) if until_ms is None else round(until_ms * self.pcm.rate / 1000)
        return Envelope.of(Pcm(self.pcm.samples[:end], self.pcm.rate))

    def off(self, end: int, ms: float) -> int:
        """By how many words a place in its text is wrong at a moment."""
        return abs(sum(begin < end for begin, _ in spans(self.text)) - bisect_right(self.ends_ms, ms))


def measure() -> list[Check]:
    """Cuts within one word of the truth, for each voice."""
    return [*asyncio.run(_voices()), _tale()]


async def _voices() -> list[Check]:
    process, checks = worker(), list[Check]()
    try:
        for variant, speed in VOICES:
            replies = [
                [await _say(process, variant, speed, sentence, (n, m)) for m, sentence in enumerate(reply)]
                for n, reply in enumerate(REPLIES[variant[:2]])
            ]
            checks += _cuts(f"{variant} at {speed}", replies)
    finally:
        await process.aclose()
    return checks


def _cuts(voice: str, replies: list[list[CutSentence]]) -> Iterator[Check]:
    """The cuts of one voice, with all that may be known of it."""
    dice = random.Random(voice)  # noqa: S311
    off: dict[str, list[int]] = {}
    sentences = sum(map(len, replies))
    for reply in replies:
        pace = LearnedPace()
        for said in reply:
            whole = said.envelope()
            for _ in range(-(-CUTS // sentences)):
                ms = dice.uniform(0, said.pcm.ms)
                known = {
                    "all of the sentence's audio is known": (whole, True, pace.pace),
                    "1.5 s ahead are known": (said.envelope(ms + AHEAD_MS), ms + AHEAD_MS > said.pcm.ms, pace.pace),
                    "only what has played, pace learned": (said.envelope(ms), False, pace.pace),
                    "only what has played, nothing learned": (said.envelope(ms), False, None),
                }
                for what, (sound, ended, learned) in known.items():
                    if said is reply[0] and "learned" in what and "nothing" not in what:
                        continue
                    end = heard_of(said.text, sound, ms, whole=ended, pace=learned)
                    off.setdefault(what, []).append(said.off(end, ms))
            pace.learn(said.text, whole)
    for what, words in off.items():
        yield Check(f"within one word, {voice}: {what}", sum(n <= 1 for n in words), len(words))


async def _say(process: WorkerProcess, variant: str, speed: int, text: str, number: tuple[int, int]) -> CutSentence:
    """A sentence with the silences and pauses of a real voice."""
    dice = random.Random(f"{variant} {number}")  # noqa: S311
    language, plus, kind = variant.partition("+")

    async def pieces() -> AsyncIterator[str]:
        yield text

    tts = EspeakTTS(process, language=language, variant=plus + kind, words_per_minute=speed)
    parts, ends_ms, shift_ms = [_silence(dice.randrange(LEAD_MS), tts.rate)], list[float](), 0.0
    shift_ms = len(parts[0]) * 1000 / tts.rate
    async for chunk in tts.speak(pieces()):
        ends_ms += [word.end_ms + shift_ms for word in chunk.words or ()]
        last = chunk.text.rstrip().endswith((".", "?", "!"))
        pause = _silence(dice.randrange(TAIL_MS if last else PAUSE_MS), tts.rate)
        shift_ms += len(pause) * 1000 / tts.rate
        parts += [chunk.pcm.samples, pause]
    sound = np.concatenate(parts) + np.random.default_rng(1).normal(0, HISS, sum(map(len, parts)))
    return CutSentence(text, Pcm(sound.clip(-32_768, 32_767).astype(np.int16), tts.rate), tuple(ends_ms))


def _silence(ms: int, rate: int) -> Samples:
    return np.zeros(ms * rate // 1000, np.int16)


def _tale() -> Check:
    """A reader's recording, at both ends of the phrases whose places are known."""
    samples, rate = recording(TALE_FILE)
    sound, right, checks = Envelope.of(Pcm(samples, rate)), 0, 0
    for phrase in INTERRUPTIONS:
        if phrase.file != TALE_FILE:
            continue
        begin = TALE.index(phrase.text)
        for place, position in ((begin, phrase.onset), (begin + len(phrase.text), phrase.end)):
            end = heard_of(TALE, sound, position * 1000 / rate + 50, whole=True, pace=None)
            true = sum(first < place for first, _ in spans(TALE))
            right += abs(sum(first < end for first, _ in spans(TALE)) - true) <= 1
            checks += 1
    return Check("within one word, a reader, at the ends of known phrases", right, checks)
