"""What words mean for the floor: a stop phrase, a backchannel, nothing, or words for the agent.

Phrases are compared folded: lower case, no punctuation, doubled letters single ("hmmm" is "hm"), so that one
spelling serves for all the ways in which recognisers write a hum. Scripts without spaces (`bargein.units`) are compared
by the character, and spaces inside them do not count.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from bargein.units import units


class WordClass(StrEnum):
    """What a reading amounts to."""

    NOTHING = "nothing"
    BACKCHANNEL = "backchannel"
    WORDS = "words"
    STOP = "stop"


# Phrases by which listeners say "I am listening, go on".
BACKCHANNELS: dict[str, tuple[str, ...]] = {
    "en": (
        "mm", "hm", "mhm", "mm hm", "m hm", "uh huh", "uhuh", "uh", "um", "ah", "oh", "aha", "er", "huh", "ha",
        "yeah", "yea", "yep", "yup", "yes", "ok", "okay", "k", "right", "sure", "i see", "i c", "got it", "gotcha",
        "cool", "wow", "nice", "great", "good", "true", "exactly", "of course", "alright", "all right", "really",
        "makes sense", "go on", "interesting", "mkay",
        # "uh huh" and "mm" as small recognisers write them; said in earnest, more words follow and are read
        "other", "offer", "of her", "amen",
    ),
    "es": (
        "mm", "mhm", "aja", "ah", "eh", "oh", "si", "ya", "claro", "vale", "bueno", "bien", "ok", "okay", "aha",
        "entiendo", "ya veo", "de acuerdo", "exacto", "por supuesto", "sigue", "ah si", "ah ya", "correcto",
    ),
    "de": (
        "mm", "mhm", "hm", "aha", "ah", "ach", "ach so", "oh", "ja", "jaja", "jo", "okay", "ok", "gut", "genau",
        "klar", "stimmt", "richtig", "verstehe", "ich verstehe", "alles klar", "na klar", "eben", "so", "tja",
    ),
    "fr": (
        "mm", "mhm", "hm", "ah", "oh", "euh", "oui", "ouais", "ok", "okay", "d accord", "daccord", "bien", "bon",
        "je vois", "c est ca", "voila", "exactement", "tout a fait", "bien sur", "ah oui", "ah bon", "entendu",
    ),
    "he": ("מ", "ממ", "אהה", "אה", "אהא", "כן", "אוקיי", "אוקי", "בסדר", "נכון", "הבנתי", "אני מבין", "אני מבינה",
           "בטח", "סבבה", "יופי", "טוב", "וואו", "מעולה", "ברור"),
    "hi": ("हम्म", "हूँ", "हाँ", "हां", "जी", "जी हाँ", "जी हां", "अच्छा", "ठीक", "ठीक है", "सही", "सही है", "ओके",
           "हम", "हा", "समझ गया", "समझ गई", "बिल्कुल", "haan", "han", "ji", "acha", "accha", "theek hai", "thik hai"),
    "zh": ("嗯", "恩", "哦", "噢", "喔", "啊", "呃", "是", "是的", "对", "對", "对的", "好", "好的", "行", "明白",
           "知道了", "没错", "沒錯", "可以", "ok", "原来如此", "这样啊", "當然", "当然"),
    "ja": ("うん", "ううん", "ん", "はい", "ええ", "へえ", "へー", "ああ", "あー", "えー", "そう", "そうですね",
           "そうですか", "そうそう", "なるほど", "そうなんだ", "そうなんですか", "わかりました", "ですね", "はいはい"),
}  # fmt: skip

# Phrases that mean "be silent now". They pass every gate.
STOP_PHRASES: dict[str, tuple[str, ...]] = {
    "en": (
        "stop", "wait", "weight", "hold on", "hang on", "one moment", "one second", "just a second", "just a moment",
        "be quiet", "quiet", "shut up", "enough", "pause", "excuse me", "hold it", "that s enough", "cancel",
        "no no", "no stop", "please stop", "let me speak", "let me talk",
    ),
    "es": ("para", "pare", "alto", "espera", "espere", "un momento", "un segundo", "silencio", "basta", "callate",
           "detente", "perdona", "perdon", "cancela"),
    "de": ("stopp", "stop", "halt", "warte", "warten sie", "moment", "einen moment", "moment mal", "ruhe", "still",
           "sei still", "genug", "aufhören", "hör auf", "entschuldigung", "abbrechen"),
    "fr": ("stop", "arrête", "arrêtez", "attends", "attendez", "un instant", "une seconde", "un moment", "silence",
           "tais toi", "taisez vous", "ça suffit", "assez", "pardon", "excusez moi", "annule"),
    "he": ("עצור", "עצרי", "תעצור", "תעצרי", "סטופ", "רגע", "חכה", "חכי", "תחכה", "תחכי", "שקט", "די", "מספיק",
           "רק רגע", "סליחה"),
    "hi": ("रुको", "रुकिए", "रुक जाओ", "रुकें", "ठहरो", "ठहरिए", "एक मिनट", "एक सेकंड", "बस", "चुप", "चुप रहो",
           "बंद करो", "स्टॉप", "ruko", "rukiye", "ek minute", "bas"),
    "zh": ("停", "停下", "停一下", "等等", "等一下", "等一等", "别说了", "別說了", "住口", "安静", "安靜", "闭嘴",
           "打断一下", "够了", "暂停", "稍等"),
    "ja": ("止めて", "止まって", "やめて", "ストップ", "待って", "ちょっと待って", "待ってください", "静かに",
           "黙って", "もういい", "すみません", "ちょっと"),
}  # fmt: skip

# Of these, what also begins ordinary sentences ("para mañana", "enough of them"): it stops only as all that was said.
ALONE: dict[str, tuple[str, ...]] = {
    "en": ("weight", "enough", "quiet", "pause", "no no", "cancel"),
    "es": ("para", "pare", "alto", "perdon", "perdona", "cancela"),
    "de": ("moment", "still", "ruhe", "genug"),
    "fr": ("pardon", "assez"),
    "he": ("די", "רגע", "סליחה"),
    "hi": ("बस", "bas"),
    "zh": ("停", "够了"),
    "ja": ("ちょっと", "すみません", "もういい"),
}

# Words that small recognisers make of laughs, coughs and breaths.
WEAK: dict[str, tuple[str, ...]] = {
    "en": ("you", "nah", "kay", "honey", "thank you", "yeah", "wow"),
}  # fmt: skip

LANGUAGES = tuple(BACKCHANNELS)


def fold(text: str) -> tuple[str, ...]:
    """Text as comparable tokens: words, or single characters in scripts without spaces."""
    kept: list[str] = []
    last = ""
    for char in unicodedata.normalize("NFKD", text.casefold()):
        category = unicodedata.category(char)
        if category[0] == "L" or category[0] == "N" or category in ("Mc", "Mn"):
            if category == "Mn" and (char < "\u0370" or "\u0591" <= char <= "\u05c7"):
                continue  # accents and Hebrew points are spelling; Indic vowel signs are not
            if char == last and char.isascii() and char.isalpha():
                continue
            kept.append(char)
            last = char
        else:
            if category != "Lm":
                kept.append(" ")
            last = ""
    return tuple(units(unicodedata.normalize("NFKC", "".join(kept))))


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The phrases of one language, folded. Make it with `of`."""

    backchannels: frozenset[tuple[str, ...]]
    stops: frozenset[tuple[str, ...]]
    alone: frozenset[tuple[str, ...]]
    weak: frozenset[tuple[str, ...]]
    longest: int

    @staticmethod
    @lru_cache(maxsize=64)
    def of(language: str, backchannels: tuple[str, ...] = (), stop_phrases: tuple[str, ...] = ()) -> Lexicon:
        """The lexicon of a language ("de", "de-AT"), with phrases added. An unknown language has hums only:
        a language we cannot read must not lose words to another one's list."""
        base = language.replace("_", "-").split("-", 1)[0].lower()
        hums = BACKCHANNELS.get(base, ("mm", "hm", "mhm", "mm hm", "uh huh", "ah", "oh", "ok", "okay"))
        calm = frozenset(fold(p) for p in (*hums, *backchannels)) - {()}
        stops = frozenset(fold(p) for p in (*STOP_PHRASES.get(base, ("stop",)), *stop_phrases))
        # A phrase that was added by name wins over our own list, the stop phrase over everything.
        calm -= stops - {()}
        own = {fold(p) for p in stop_phrases}
        alone = frozenset(fold(p) for p in ALONE.get(base, ())) - own
        weak = frozenset(fold(p) for p in WEAK.get(base, ()))
        return Lexicon(calm, stops - {()}, alone, weak, max(len(p) for p in calm | stops))

    def judge(self, text: str) -> tuple[WordClass, int]:
        """What text amounts to, and how many of its words (characters in scripts without spaces) are no backchannel.

        STOP when a stop phrase stands first, hums before it apart: "okay, wait" stops, "it does not stop" is words,
        and so is "enough of them": some phrases stop only when nothing follows.
        """
        tokens = fold(text)
        if not tokens:
            return WordClass.NOTHING, 0
        i = foreign = 0
        first = True
        while i < len(tokens):
            # Before the hum, the stop: "ok stop" must not be read as far as "ok" only.
            if first and (length := self._match(self.stops, tokens, i)) and self._stops(tokens, i, i + length):
                return WordClass.STOP, len(tokens)
            if length := self._match(self.backchannels, tokens, i):
                i += length
            else:
                foreign += 1
                first = False
                i += 1
        return (WordClass.WORDS, foreign) if foreign else (WordClass.BACKCHANNEL, 0)

    def is_weak(self, text: str) -> bool:
        """Whether it is, beside backchannels, one of the phrases that small recognisers make of sounds, once."""
        tokens, i, found = fold(text), 0, 0
        while i < len(tokens):
            if length := self._match(self.weak, tokens, i):
                found += 1
            elif not (length := self._match(self.backchannels, tokens, i)):
                return False
            i += length
        return found == 1

    def may_become_backchannel(self, text: str) -> bool:
        """Whether more words could make it one: "I" becomes "I see" as easily as "I want"."""
        tokens, i = fold(text), 0
        while i < len(tokens):
            if any(len(p) > len(tokens) - i and p[: len(tokens) - i] == tokens[i:] for p in self.backchannels):
                return True
            length = self._match(self.backchannels, tokens, i)
            if not length:
                return False
            i += length
        return False

    def _stops(self, tokens: tuple[str, ...], begin: int, end: int) -> bool:
        return tokens[begin:end] not in self.alone or end == len(tokens)

    def _match(self, phrases: frozenset[tuple[str, ...]], tokens: tuple[str, ...], i: int) -> int:
        for length in range(min(self.longest, len(tokens) - i), 0, -1):
            if tokens[i : i + length] in phrases:
                return length
        return 0
