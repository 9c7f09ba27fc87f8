"""Clips that need no recording: speech by espeak; doors, keys, traffic, music, lines, coughs, hums and laughs by
arithmetic, seeded.

A slam has the boom and the rattle of a door. Keys come in irregular bursts. Traffic passes by. The music has chords, a
bass and a beat. Sounds of a line are in line_noise.py.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np

from bargein.audio.levels import onset_sample
from bargein.audio.pcm import Pcm, Samples
from bargein.audio.resample import resample
from bargein.errors import Unavailable
from bargein.vendors.local.espeak import EspeakTTS, worker
from bargein.vendors.local.worker_process import WorkerProcess
from bargein_bench.scenarios import formants, line_noise
from bargein_bench.scenarios.clips import RATE, Clip
from bargein_bench.scenarios.formants import Floats

VARIANTS = ("+f2", "+m3", "+f4", "+m7")
COMMANDS = ("stop", "wait", "hold on", "no", "stop it")
BACKCHANNELS = ("mm hmm", "uh huh", "yeah", "right", "okay", "I see")
QUESTIONS = ("What is the weather like tomorrow?", "Can you tell me more about the house at the bend?")
ASK = "Please tell me a long story."
WAITS = ("Wait a second, please.", "Hold on, I have a question.", "Hello, can you hear me?")
# Sentences with a place where people pause, and others that are over where they end.
PAUSING = (
    "I would like to book a table for | four people on Friday evening.",
    "Could you please send the parcel to | my brother in Newcastle instead?",
    "My name is Miller and | I am calling about the bill from last month.",
    "The number is seven three nine | two double five.",
    "What I wanted to ask is | whether you are open on Sunday.",
    "We need the blue one because | the green one does not fit the wall.",
)
WHOLE = (
    "What time do you close today?",
    "Please book a table for four at seven.",
    "That is all I need to know.",
    "How much does the ticket cost?",
    "Yes, please do that.",
    "I live in Newcastle.",
)
TALK = (
    ("+m1", "The council will decide on the new bridge by the end of the month, a spokesman said on Tuesday."),
    ("+f1", "And now to the weather. Rain in the north, and later some sun in the hills, with winds from the west."),
    ("+m5", "The visitors scored twice before the break, and held on until the very last minute of the match."),
)
TALK_HZ = 3_500.0  # through a wall, or from a small loudspeaker
HESITATION = ("Well, um", "I wanted to ask about the opening hours.")
PITCHES_HZ = (105.0, 125.0, 190.0)  # of those who hum
LAUGHS = ((220.0, 5, formants.OPEN), (300.0, 7, formants.OPEN), (380.0, 6, formants.HIGH), (180.0, 3, formants.NASAL))
LINE_HZ = (300.0, 3_400.0)


async def spoken(language: str = "en-us", ask: str = ASK) -> list[Clip]:
    """Speech in several voices: commands, backchannels, questions, the request for a long reply, and hesitant turns.

    ask: the request; its kind is "ask". Raises Unavailable without espeak.
    """
    process = worker()
    clips: list[Clip] = []
    try:
        for number, variant in enumerate(VARIANTS):
            own = number % 2  # half of the sentences in each voice
            tts = EspeakTTS(process, language=language, variant=variant)
            for kind, texts in (
                ("command", COMMANDS),
                ("backchannel", BACKCHANNELS),
                ("question", QUESTIONS),
                ("ask", (ask,)),
                ("whole", WHOLE[own::2]),
            ):
                clips += [_clip(kind, text, await speak(tts, text), variant) for text in texts]
            clips += [on_the_line(_clip("wait", text, await speak(tts, text), variant)) for text in WAITS]
            clips += [await _pausing(tts, text, variant) for text in PAUSING[own::2]]
            parts = [await speak(tts, text) for text in HESITATION]
            silence = np.zeros(int(0.6 * RATE), np.int16)
            clips.append(
                _clip("hesitation", "... ".join(HESITATION), np.concatenate([parts[0], silence, parts[1]]), variant)
            )
        clips.append(await _television(process, language))
    finally:
        with contextlib.suppress(Unavailable):
            await process.aclose()
    return clips


async def _pausing(tts: EspeakTTS, text: str, variant: str) -> Clip:
    """One sentence, spoken without a pause, with the place between its two parts."""
    before, _, after = (part.strip() for part in text.partition("|"))
    words, at_ms, parts = len(before.split()), 0.0, list[Samples]()

    async def whole() -> AsyncIterator[str]:
        yield f"{before} {after}"

    ends: list[float] = []
    async for chunk in tts.speak(whole()):
        ends += [word.end_ms for word in chunk.words or ()]
        parts.append(chunk.pcm.samples)
    samples = resample(Pcm(np.concatenate([*parts, np.zeros(0, np.int16)]), tts.rate), RATE).samples
    clip = _clip("pause", f"{before} ... {after}", samples, variant)
    at_ms = ends[min(words, len(ends)) - 1]
    return replace(clip, pause_ms=min(max(at_ms, clip.onset_ms + 100), clip.end_ms - 100))


async def _television(process: WorkerProcess, language: str) -> Clip:
    """Several people who talk in turns, as a television sounds in the next room."""
    said = [await speak(EspeakTTS(process, language=language, variant=variant), text) for variant, text in TALK]
    room = np.zeros(RATE // 4)
    room[0], room[RATE // 50], room[RATE // 20], room[RATE // 9] = 1.0, 0.5, 0.35, 0.2
    voices: Floats = np.concatenate(said).astype(np.float64)
    signal = _lowpassed(np.asarray(np.convolve(voices, room), np.float64), TALK_HZ)
    return replace(_noise("television", 1, signal), source="espeak")


async def speak(tts: EspeakTTS, text: str) -> Samples:
    """At RATE."""

    async def text_stream() -> AsyncIterator[str]:
        yield text

    chunks = [chunk.pcm.samples async for chunk in tts.speak(text_stream())]
    return resample(Pcm(np.concatenate([*chunks, np.zeros(0, np.int16)]), tts.rate), RATE).samples


def _clip(kind: str, text: str, samples: Samples, variant: str) -> Clip:
    begin = onset_sample(samples, RATE) or 0
    end = len(samples) - (onset_sample(samples[::-1], RATE) or 0)
    return Clip(kind, f"{text} ({variant[1:]})", samples, begin * 1000 / RATE, end * 1000 / RATE, "espeak")


def on_the_line(clip: Clip) -> Clip:
    """The clip as a telephone carries it."""
    spectrum = np.fft.rfft(clip.samples.astype(np.float64))
    hz = np.fft.rfftfreq(len(clip.samples), 1 / RATE)
    band = np.fft.irfft(spectrum * ((hz >= LINE_HZ[0]) & (hz <= LINE_HZ[1])), len(clip.samples))
    return replace(clip, samples=np.clip(np.rint(band), -32_768, 32_767).astype(np.int16))


def noises(seed: int = 1) -> list[Clip]:
    """Three each of doors, keys, traffic and music, and of each sound of a telephone line."""
    rng = np.random.default_rng(seed)
    made = {"door": _door, "keyboard": _keys, "traffic": _traffic, "music": _music}
    room = [_noise(kind, number, make(rng)) for kind, make in made.items() for number in range(1, 4)]
    line = [
        replace(_noise("line noise", number, make(rng)), name=f"{name} {number}")
        for name, make in line_noise.SOUNDS.items()
        for number in range(1, 4)
    ]
    return room + line


def throats(seed: int = 1) -> list[Clip]:
    """Coughs: three of one burst, three of two. Hums, as backchannels: "mm-hmm" and "mm", at each of PITCHES_HZ.
    Laughs: two of "ha", one of "hee", one with closed lips."""
    rng = np.random.default_rng(seed)
    voices = rng.uniform(0.05, 0.35, 6)
    coughs = [formants.cough(rng, lasts_ms=rng.uniform(260, 420), voiced=voice) for voice in voices[:3]]
    coughs += [formants.cough(rng, lasts_ms=480, voiced=voice, again_ms=250) for voice in voices[3:]]
    hums = [hum(rng, pitch_hz=hz) for hz in PITCHES_HZ for hum in (formants.mm_hmm, formants.mm)]
    laughs = [formants.laugh(rng, pitch_hz=hz, bursts=times, vowel=vowel) for hz, times, vowel in LAUGHS]
    return [
        *(_noise("cough", number, cough) for number, cough in enumerate(coughs, 1)),
        *(_noise("backchannel", number, hum) for number, hum in enumerate(hums, 1)),
        *(_noise("laugh", number, laugh) for number, laugh in enumerate(laughs, 1)),
    ]


def _noise(kind: str, number: int, signal: Floats) -> Clip:
    samples = np.rint(signal / np.abs(signal).max() * 20_000).astype(np.int16)
    begin = onset_sample(samples, RATE) or 0
    return Clip(kind, f"{kind} {number}", samples, begin * 1000 / RATE, len(samples) * 1000 / RATE, "made")


def _time(seconds: float) -> Floats:
    return np.arange(int(seconds * RATE)) / RATE


def _lowpassed(signal: Floats, hz: float) -> Floats:
    spectrum = np.fft.rfft(signal)
    bins = np.fft.rfftfreq(len(signal), 1 / RATE)
    return np.asarray(np.fft.irfft(spectrum / (1 + (bins / hz) ** 2), len(signal)))


def _door(rng: np.random.Generator) -> Floats:
    """A boom of the leaf, the crack of the latch, a rattle."""
    t = _time(0.7)
    boom = np.sin(2 * np.pi * rng.uniform(60, 110) * t) * np.exp(-t / 0.09)
    boom += 0.5 * np.sin(2 * np.pi * rng.uniform(150, 260) * t) * np.exp(-t / 0.05)
    crack = rng.normal(0, 1, len(t)) * np.exp(-t / 0.012)
    rattle = rng.normal(0, 0.25, len(t)) * np.exp(-np.abs(t - 0.14) / 0.03)
    return np.asarray(boom + 0.8 * crack + _lowpassed(rattle, 2_500))


def _keys(rng: np.random.Generator) -> Floats:
    """Four seconds of typing: each key has a click down and a softer one up."""
    t = _time(4.0)
    signal = np.zeros(len(t))
    at = 0.05
    while at < 3.8:
        for offset, loud in ((0.0, rng.uniform(0.5, 1.0)), (rng.uniform(0.06, 0.1), rng.uniform(0.15, 0.4))):
            begin = int((at + offset) * RATE)
            size = min(int(0.03 * RATE), len(signal) - begin)
            click = rng.normal(0, loud, size) * np.exp(-np.arange(size) / RATE / 0.004)
            ring = np.sin(2 * np.pi * rng.uniform(1_500, 3_500) * np.arange(size) / RATE)
            signal[begin : begin + size] += click * (1 + ring)
        at += rng.uniform(0.09, 0.3) + (rng.uniform(0.3, 0.7) if rng.random() < 0.12 else 0.0)
    return signal


def _traffic(rng: np.random.Generator) -> Floats:
    """Six seconds at a road: a rumble, and two cars that pass."""
    t = _time(6.0)
    signal = _lowpassed(rng.normal(0, 1, len(t)), 180) * 6
    for _ in range(2):
        near = rng.uniform(1.0, 5.0)
        passing = np.exp(-(((t - near) / rng.uniform(0.5, 0.9)) ** 2))
        signal += 3 * passing * _lowpassed(rng.normal(0, 1, len(t)), 900)
        engine = rng.uniform(70, 120) * (1 + 0.06 * np.tanh(near - t))
        signal += 0.6 * passing * np.sin(2 * np.pi * np.cumsum(engine) / RATE)
    return np.asarray(signal)


def _music(rng: np.random.Generator) -> Floats:
    """Six seconds: four chords, a bass, a beat."""
    t = _time(6.0)
    root = rng.uniform(196, 262)
    signal = np.zeros(len(t))
    beat = 60 / rng.uniform(90, 130)
    for number, at in enumerate(np.arange(0, 6.0, beat)):
        begin = int(at * RATE)
        s = t[: len(t) - begin]
        chord = root * 2 ** ((0, 9, 5, 7)[number // 2 % 4] / 12)
        for ratio in (1, 5 / 4, 3 / 2):
            for harmonic in range(1, 6):
                signal[begin:] += np.sin(2 * np.pi * chord * ratio * harmonic * s) * np.exp(-s / 0.5) / harmonic**1.5
        signal[begin:] += 1.5 * np.sin(np.pi * chord * s) * np.exp(-s / 0.25)
        signal[begin:] += rng.normal(0, 0.6, len(s)) * np.exp(-s / 0.03)
    return signal
