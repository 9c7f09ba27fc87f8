"""How surely the words of a turn are all of it: 1 for words that are whole, 0 for words that hang, 0.5 for neither.

The rules look at the last words, the first words and their number, in this order: nothing was read; digits that were
asked for, or are being dictated; whole turns by themselves; a hesitation, and words after which more has to come; a
clause that waits for another; questions, commands, polite endings; short answers, and all other sentences.

Full stops tell nothing: of 117 recordings that were read at a pause in mid-sentence, Moonshine ended 106 with one, and
9 with a question mark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from bargein.floor.ending_words import WORDS
from bargein.floor.lexicon import fold

Expects = Literal["", "answer", "digits", "spelling"]
"""What the agent has just asked for. answer: a question of any kind. spelling: a name or an address, said in parts."""

Tokens = tuple[str, ...]

SURE = 1.0
WHOLE = 0.95
SHORT = 0.9
SENTENCE = 0.75
FRAGMENT = 0.65  # of 34 callers who said up to three words unasked and paused, 4 went on within 0.4 s
OPEN = 0.5
PARTS = 0.4
DOUBTFUL = 0.2
HANGS = 0.0

FEW = 3  # words of a short phrase
FEW_ANSWER = 5  # words of an answer to a question
CLAUSE = 10  # words of one clause at most
DICTATED = 3  # digits in a row that may be followed by others, though none were asked for
CHARACTERS = 2.0  # of a script without spaces, for a word
_SCRIPTS = ("zh", "ja")
_WITHIN = ("zh", "ja", "hi")  # a question's word stands anywhere
_NAME_OF_NUMBER = re.compile(r"number[a-z]{8}")  # as a redacted record has it
_COMMA = re.compile(r"[,;:،、，；：]")
_UNFINISHED = re.compile(r"([,،、，]|-|–|—|\.\.\.|…)\s*$")
_ASKS = re.compile(r"[?？؟]\W*$")
_COUNT = re.compile(r"(\d{1,2})[\s-]*(?:digit|stellig|chiffre|cifra|dígito|अंक|ספרות|位|桁)", re.IGNORECASE)

# English only: a phrase that begins as a subject does, and has none of these, waits for its verb.
_BEGINNINGS = frozenset(
    fold(
        "the a an my your his her our their its some all none many most this these those another every each over of in"
        " at for from with under between among through during into"
    )
)
_ADJECTIVES = frozenset(
    fold(
        "big small new old good bad great little long short high low young different large next early late important"
        " strange stupid nice beautiful red blue green black white cheap expensive free full whole real main other same"
        " first second third last single double public private special certain possible famous huge tiny easy hard"
        " quick slow fast hot cold warm dark light heavy clean dirty poor rich local national recent previous few"
    )
)
_BEFORE_ADJECTIVES = frozenset(fold("a an the very really quite my your this that some any no such another his her"))
# These end sentences as well: "the day before", "I don't know about that".
_SOFT = frozenset(
    fold("before after since said says that this these those know think do does did have around over through so what")
)
_AND = ("and", "so", "but", "or", "then", "now")
_INVERTED = frozenset(
    fold("is are was were do does did can could will would should may have has had am s re about ll much many time")
)
_VERBS = frozenset(
    fold(
        "is are was were be been am s re has had have do does did can could will would should may might must go goes"
        " went gone come comes came get gets got make makes made take takes took say says said see sees saw want wants"
        " need needs know knows knew think thinks thought look looks work works help helps find finds found give gives"
        " gave call calls tell tells told ask asks feel feels felt keep keeps kept let lets begin begins began seem"
        " seems show shows hear hears heard play plays run runs ran move moves live lives believe bring brings brought"
        " happen happens write writes wrote sit sits sat stand stands stood lose loses lost pay pays paid meet meets"
        " met leave leaves left put puts like likes love loves send sends sent arrive arrives don t doesn isn wasn"
    )
)


@dataclass(frozen=True, slots=True)
class Completeness:
    """What the words of a turn tell of its end."""

    score: float
    """0..1: 1 surely whole, 0 surely hanging, 0.5 nothing known."""
    why: str
    """As the end of a sentence: "... is whole"."""


_NO_VERB = Completeness(DOUBTFUL, "has no verb yet")


@dataclass(frozen=True, slots=True)
class _Phrases:
    """Phrases, folded."""

    phrases: frozenset[Tokens]
    longest: int

    @staticmethod
    def of(text: str) -> _Phrases:
        every = frozenset(fold(phrase) for phrase in text.split(",")) - {()}
        return _Phrases(every, max(map(len, every), default=0))

    def at_end(self, tokens: Tokens) -> int:
        """Length of the longest phrase at the end, 0 for none."""
        most = min(self.longest, len(tokens))
        return next((n for n in range(most, 0, -1) if tokens[-n:] in self.phrases), 0)

    def at_begin(self, tokens: Tokens) -> int:
        """Length of the longest phrase at the beginning, 0 for none."""
        most = min(self.longest, len(tokens))
        return next((n for n in range(most, 0, -1) if tokens[:n] in self.phrases), 0)

    def within(self, tokens: Tokens) -> bool:
        """Whether one stands anywhere."""
        return any(self.at_begin(tokens[i:]) for i in range(len(tokens)))


@dataclass(frozen=True, slots=True)
class _Language:
    """A language's words, folded."""

    name: str
    hanging: _Phrases
    leaning: _Phrases
    fillers: _Phrases
    yes_no: _Phrases
    whole: _Phrases
    closing: _Phrases
    asking: _Phrases
    wh: _Phrases
    opening: _Phrases
    commands: _Phrases
    asks_digits: _Phrases
    asks_spelling: _Phrases
    units: frozenset[str]
    teens: frozenset[str]
    tens: frozenset[str]

    def words(self, tokens: Tokens) -> float:
        """How many words they are, about."""
        return len(tokens) / CHARACTERS if self.name in _SCRIPTS else len(tokens)

    def asks(self, tokens: Tokens) -> bool:
        """Whether they are a question, by their order."""
        begin = self.asking.at_begin(tokens)
        if self.name == "en" and self.wh.at_begin(tokens):
            return not _INVERTED.isdisjoint(tokens[1 : begin + 3])
        return begin > 0 or (self.name in _WITHIN and self.asking.within(tokens))


@lru_cache(maxsize=16)
def _language(tag: str) -> _Language | None:
    name = tag.replace("_", "-").split("-", 1)[0].lower()
    w = WORDS.get(name)
    if w is None:
        return None
    of = _Phrases.of
    numbers = [frozenset(t for phrase in text.split(",") for t in fold(phrase)) for text in (w.units, w.teens, w.tens)]
    return _Language(
        name, of(w.hanging), of(w.leaning), of(w.fillers), of(w.yes_no), of(w.whole), of(w.closing), of(w.asking),
        of(w.wh), of(w.opening), of(w.commands), of(w.asks_digits), of(w.asks_spelling), *numbers
    )  # fmt: skip


@lru_cache(maxsize=256)
def completeness(text: str, language: str = "en", expects: Expects = "", digits: int = 0) -> Completeness:
    """How surely the words are the whole turn. expects: what the agent asked for.
    digits: how many of them, 0 where that was not told."""
    tokens = fold(text)
    known = _language(language)
    if not tokens:
        return Completeness(OPEN, "nothing was read")
    if known is None:
        asked = bool(_ASKS.search(text))
        return Completeness(WHOLE if asked else OPEN, "is a question" if asked else "is in a language without a list")
    found = _digits(known, tokens, expects, digits) or _by_itself(known, tokens, expects) or _hangs(known, text, tokens)
    if found == _NO_VERB and expects == "answer":
        found = None
    if found is None and expects == "spelling" and known.words(tokens) <= FEW_ANSWER:
        found = Completeness(PARTS, "may be a part of what is dictated")
    return found or _sentence(known, text, tokens, expects)


def expected(said: str, language: str = "en") -> tuple[Expects, int]:
    """What the agent asked for with the words that were heard last, and how many digits (0: not told)."""
    last = re.split(r"(?<=[.!?。！？।])\s+", said.strip())[-1] if said.strip() else ""
    known = _language(language)
    if not last:
        return "", 0
    asked = bool(_ASKS.search(last))
    if known is None:
        return ("answer" if asked else ""), 0
    tokens = fold(last)
    wishes = asked or known.asks(tokens) or known.commands.at_begin(tokens) > 0 or known.closing.at_end(tokens) > 0
    wishes = wishes or known.closing.at_begin(tokens) > 0  # "please ..."
    if wishes and known.asks_digits.within(tokens):
        count = _COUNT.search(last)
        return "digits", int(count.group(1)) if count else _count_word(known, tokens)
    if wishes and known.asks_spelling.within(tokens):
        return "spelling", 0
    return ("answer" if asked else ""), 0


# ------------------------------------------------------------------------------------------------------------ digits


def _digits(known: _Language, tokens: Tokens, expects: Expects, wanted: int) -> Completeness | None:
    """Digits at the end."""
    run, parts = _run(known, tokens)
    if expects == "digits":
        if wanted and run >= wanted:
            return Completeness(SURE, f"has all {wanted} digits")
        if run:
            return Completeness(HANGS, f"has {run} digits" + (f" of {wanted}" if wanted else ", more may follow"))
        return None
    if run >= DICTATED and parts >= DICTATED:
        return Completeness(DOUBTFUL, f"has {run} digits, more may follow")
    return None


def _run(known: _Language, tokens: Tokens) -> tuple[int, int]:
    """Digits at the end: how many, and in how many words or figures."""
    run = parts = 0
    followed = False  # by a word for one digit
    for token in reversed(tokens):
        if token.isdigit() or _NAME_OF_NUMBER.fullmatch(token):
            size = len(token)
            run, parts, followed = run + size, parts + size, False
            continue
        if token in known.units:
            size = 1
        elif token in known.teens:
            size = 2
        elif token in known.tens:
            size = 1 if followed else 2
        else:
            break
        run, parts, followed = run + size, parts + 1, token in known.units
    return run, parts


def _count_word(known: _Language, tokens: Tokens) -> int:
    """ "the six digits": the number before a word for digits. 0: none."""
    numbers = {word: n for n, word in enumerate(("four", "five", "six", "seven", "eight", "nine", "ten"), 4)}
    if known.name != "en":
        return 0
    pairs = pairwise(tokens)
    return next((numbers[one] for one, two in pairs if one in numbers and two.startswith("digit")), 0)


# ------------------------------------------------------------------------------------------------------- other words


def _by_itself(known: _Language, tokens: Tokens, expects: Expects) -> Completeness | None:
    """A turn that is known as a whole."""
    if tokens in known.yes_no.phrases:
        return Completeness(SURE if expects == "answer" else SHORT, "is an answer by itself")
    if tokens in known.closing.phrases and tokens in known.whole.phrases:
        return Completeness(SURE, "is whole by itself")
    if tokens in known.whole.phrases:
        return Completeness(WHOLE, "is whole by itself")
    return None


def _hangs(known: _Language, text: str, tokens: Tokens) -> Completeness | None:
    """More has to come."""
    if known.fillers.at_end(tokens):
        return Completeness(HANGS, "ends with a hesitation")
    closing = known.closing.at_end(tokens)
    hanging, leaning = known.hanging.at_end(tokens), known.leaning.at_end(tokens)
    if closing and closing >= max(hanging, leaning):
        return None
    last = " ".join(tokens[-max(hanging, leaning) :]) if known.name not in _SCRIPTS else ""
    shown = f"hangs on {last!r}" if last else "hangs"
    if hanging > leaning:
        return Completeness(HANGS, shown)
    if leaning:
        if known.yes_no.at_begin(tokens) and known.words(tokens) <= FEW_ANSWER:
            return Completeness(SHORT, "is a short answer")
        if known.wh.at_begin(tokens) and known.words(tokens) > 2 and (known.name != "en" or known.asks(tokens)):
            return Completeness(WHOLE if _ASKS.search(text) else SENTENCE, "is a question")
        if tokens[-1] in _SOFT and len(tokens) > FEW:
            return Completeness(PARTS, shown)
        return Completeness(OPEN if _ASKS.search(text) else HANGS, shown)
    if _UNFINISHED.search(text):
        return Completeness(DOUBTFUL, "is written as unfinished")
    single = known.words(tokens) <= CLAUSE and not _COMMA.search(text)
    if known.opening.at_begin(tokens) and single:
        return Completeness(DOUBTFUL, "is a clause that waits for another")
    if known.name != "en" or _ASKS.search(text):
        return None
    if len(tokens) > 1 and tokens[-1] in _ADJECTIVES and tokens[-2] in _BEFORE_ADJECTIVES:
        return Completeness(HANGS, f"hangs on {tokens[-1]!r}")
    if single and known.wh.at_begin(tokens) and known.words(tokens) > 2 and not known.asks(tokens):
        return Completeness(DOUBTFUL, "is a clause that waits for another")
    if single and _lacks_verb(tokens):
        return _NO_VERB
    return None


def _lacks_verb(tokens: Tokens) -> bool:
    """English: it begins as a sentence does, and its verb has not come."""
    begin = next((i for i, token in enumerate(tokens) if token not in _AND), 0)
    if tokens[begin] not in _BEGINNINGS:
        return False
    return not any(t in _VERBS or (len(t) > 4 and t.endswith(("ed", "es"))) for t in tokens)


def _sentence(known: _Language, text: str, tokens: Tokens, expects: Expects) -> Completeness:
    """Nothing hangs."""
    words = known.words(tokens)
    if known.closing.at_end(tokens):
        return Completeness(SURE if words > 1 else WHOLE, "is whole")
    if known.asks(tokens) and words > 2:
        return Completeness(SURE if _ASKS.search(text) else WHOLE, "is a whole question")
    if _ASKS.search(text):
        return Completeness(WHOLE, "is a question")
    if expects == "answer" and words <= FEW_ANSWER:
        return Completeness(SURE if words <= FEW else WHOLE, "is an answer")
    if words > 2 and known.commands.at_begin(_asked_politely(known, tokens)):
        return Completeness(WHOLE, "is a command")
    if words <= FEW:
        verb = known.name != "en" or known.commands.at_begin(tokens) or not _VERBS.isdisjoint(tokens)
        return Completeness(SHORT if verb else FRAGMENT, "is short")
    return Completeness(SENTENCE, "may be whole")


def _asked_politely(known: _Language, tokens: Tokens) -> Tokens:
    """Without the "please" or "okay" before a command."""
    begin = known.closing.at_begin(tokens) or known.yes_no.at_begin(tokens)
    return tokens[begin:]
