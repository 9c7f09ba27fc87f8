"""Words of other languages than the recordings', by espeak: some to train with, others to try a trained head with.

The recordings hold English and Spanish. A synthetic voice says nothing about people, but it has each language's sounds:
without them the head takes rows of "sh" and "ch" for no words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import numpy as np
import soxr

from bargein.vendors.local.espeak import EspeakTTS
from benchmarks.sound_clips import LabelledSound

GROUP = "words by espeak"
RATE = 16_000
ONSET = 0.02  # of the peak
VARIANTS = ("+m3", "+f1", "+m1", "+m7")  # f3 breathes with a noise that differs from run to run
# Trained with.
TRAINED: Mapping[str, tuple[str, ...]] = {
    "en-us": (
        "I need to change my booking",
        "please listen to me",
        "sorry, what was that",
        "sure, sounds good",
        "she sells sea shells",
        "just a moment",
        "which one is cheaper",
    ),
    "de": (
        "können Sie das wiederholen",
        "ja genau",
        "schon gut",
        "ich möchte etwas anderes",
    ),
    "fr": (
        "je voudrais changer",
        "oui",
        "pardon, un instant",
        "quelle heure est-il",
    ),
    "es": (
        "quiero otra cosa",
        "sí",
        "un segundo",
        "disculpe señor",
    ),
    "it": (
        "vorrei un altro giorno",
        "sì",
        "mi scusi",
    ),
    "pl": (
        "chcę coś innego",
        "tak",
        "dzień dobry",
        "jeszcze raz",
    ),
    "tr": (
        "tamam",
        "başka bir şey istiyorum",
        "affedersiniz",
    ),
    "ja": (
        "すみません",
        "はい",
        "もう一度お願いします",
    ),
    "zh": (
        "好的",
        "请再说一遍",
        "我想换一个",
    ),
    "hi": (
        "माफ़ कीजिए",
        "हाँ",
        "मुझे कुछ और चाहिए",
    ),
    "ar": (
        "عفوا",
        "نعم",
        "أريد شيئا آخر",
    ),
    "ru": (
        "извините",
        "да",
        "я хочу другое",
    ),
    "pt": (
        "com licença",
        "sim",
        "eu quero outra coisa",
    ),
    "sv": (
        "ursäkta mig",
        "ja",
        "jag vill ha något annat",
    ),
    "fi": (
        "anteeksi",
        "kyllä",
        "haluan jotain muuta",
    ),
    "ko": (
        "죄송합니다",
        "네",
        "다른 걸로 주세요",
    ),
    "nl": (
        "wacht even",
        "nee",
        "ik wil iets anders",
    ),
    "cs": (
        "počkejte",
        "ne",
        "prosím",
    ),
    "el": (
        "περίμενε",
        "όχι",
    ),
    "vi": (
        "xin lỗi",
        "không",
    ),
}
# Said by a person who interrupts; no head is trained with these.
TRIED: Mapping[str, tuple[str, ...]] = {
    "en-us": (
        "wait",
        "stop",
        "no",
        "hold on a second",
        "excuse me",
        "actually, I wanted something else",
        "okay but what about tomorrow",
        "hello",
        "yes",
    ),
    "de": (
        "warten Sie bitte",
        "nein",
        "Moment mal",
        "ich habe eine Frage",
        "stopp",
    ),
    "fr": (
        "attendez",
        "non, pas ça",
        "excusez-moi",
        "arrête",
    ),
    "es": (
        "espera un momento",
        "no",
        "para por favor",
        "perdona",
    ),
    "it": (
        "aspetta",
        "scusa un attimo",
        "fermati",
    ),
    "pl": (
        "poczekaj chwilę",
        "nie",
        "przepraszam",
    ),
    "tr": (
        "bekle",
        "hayır",
        "bir dakika",
    ),
    "ja": (
        "ちょっと待って",
        "いいえ",
    ),
    "zh": (
        "等一下",
        "不要",
    ),
    "hi": (
        "रुको",
        "एक मिनट",
    ),
    "ar": (
        "انتظر",
        "لا",
    ),
    "ru": (
        "подождите",
        "нет",
        "стоп",
    ),
    "pt": (
        "espera aí",
        "não",
    ),
    "sv": (
        "vänta lite",
        "nej",
    ),
    "fi": (
        "odota hetki",
        "ei",
    ),
    "ko": ("잠깐만요",),
}


async def spoken(phrases: Mapping[str, tuple[str, ...]], *, each: int = 1) -> list[LabelledSound]:
    """Each phrase in so many voices, as if recorded. The same from run to run: each voice begins in a new process.
    Raises Unavailable without the extra `espeak`."""
    sounds = []
    for number, (language, texts) in enumerate(phrases.items()):
        for k in range(each):
            variant = VARIANTS[(number + k) % len(VARIANTS)]
            tts = EspeakTTS(language=language, variant=variant, words_per_minute=150 + 20 * ((number + k) % 3))
            try:
                for text in texts:
                    chunks = [chunk.pcm async for chunk in tts.speak(_once(text))]
                    wave = np.concatenate([chunk.samples for chunk in chunks]) / 32768
                    wave = soxr.resample(wave, chunks[0].rate, RATE, quality="HQ")
                    onset = int(np.argmax(np.abs(wave) >= ONSET * np.abs(wave).max()))
                    name = f"{language}{variant} {text}"
                    sounds.append(LabelledSound(name, "words", GROUP, wave, RATE, (onset * 1000 / RATE,)))
            finally:
                await tts.aclose()
    return sounds


async def _once(text: str) -> AsyncIterator[str]:
    yield text
