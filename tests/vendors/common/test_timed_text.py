"""Times of vendors on our own text: in every script, in other spelling, and told again."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bargein.audio.pcm import Pcm
from bargein.audio.words import WordClock
from bargein.protocols import SpeechChunk, Word
from bargein.units import spans
from bargein.vendors.common.timed_text import TimedText
from bargein.vendors.common.told_times import Timed

MS = 100.0  # of each character
SENTENCES = {
    "zh": "你好，很高兴认识你。今天我们去公园散步吧，天气非常好！然后一起吃晚饭，你觉得怎么样？好的，明天见。",
    "zh-far": "𠮷野家的牛肉饭很好吃，葛󠄀城也不错。我们下次再一起去吧，好不好？当然可以，没有问题。",
    "ja": "こんにちは、お元気ですか。今日はとても良い天気ですね。一緒に散歩に行きませんか？はい、喜んで。",
    "th": "สวัสดีครับ วันนี้อากาศดีมาก เราไปเดินเล่นที่สวนกันไหม แล้วค่อยกินข้าวเย็นด้วยกันนะ ผมชอบน้ำส้ม",
    "lo": "ສະບາຍດີ ມື້ນີ້ອາກາດດີຫຼາຍ ພວກເຮົາໄປຍ່າງຫຼິ້ນກັນບໍ ແລ້ວກໍກິນເຂົ້າແລງນຳກັນ",
    "km": "សួស្តី ថ្ងៃនេះអាកាសធាតុល្អណាស់។ តើយើងទៅដើរលេងទេ? បាទ ខ្ញុំចង់ទៅណាស់។",
    "my": "မင်္ဂလာပါ။ ဒီနေ့ ရာသီဥတု သိပ်ကောင်းတယ်။ လမ်းလျှောက်သွားကြမလား။",
    "ko": "안녕하세요, 만나서 반갑습니다. 오늘은 날씨가 정말 좋네요! 같이 산책하러 갈까요?",
    "mixed": "我用iPhone 15。他说“OK”，然后买了3台MacBook，花了$4500！Really？はい、そうです。",
    "en": "Well, I'd say it costs a lot; that is cheap! The ferry (a small, old one) leaves soon. Shall I go on?",
    "hi": "नमस्ते, आप कैसे हैं? आज मौसम बहुत अच्छा है।",
}
every = pytest.mark.parametrize("language", SENTENCES)


def by_char(text: str, at_ms: float = 0.0) -> list[Timed]:
    return [(char, at_ms + n * MS, at_ms + (n + 1) * MS) for n, char in enumerate(text)]


def clock_of(text: str, words: tuple[Word, ...]) -> WordClock:
    clock = WordClock()
    clock.add(SpeechChunk(Pcm.silence(len(text) * MS, 8_000), text, words))
    return clock


def letters_end(text: str, begin: int, end: int) -> int:
    """The unit's end without its signs."""
    return max(
        n for n in range(begin + 1, end + 1) if text[n - 1].isalnum() or unicodedata.category(text[n - 1])[0] == "M"
    )


@every
def test_times_of_characters_place_every_unit_where_it_sounds(language: str) -> None:
    text = SENTENCES[language]
    timed = TimedText()
    timed.sent(text)
    words = timed.chars(by_char(text)) + timed.finish()
    assert [(w.begin, w.end) for w in words] == spans(text)
    for word in words:
        assert word.start_ms <= word.begin * MS + MS * 2  # an opening bracket is told before its word
        assert letters_end(text, word.begin, word.end) * MS <= word.end_ms <= word.end * MS


@pytest.mark.parametrize("language", ["zh", "zh-far", "ja"])
@pytest.mark.parametrize("told", ["chars", "words", "punctuated"])
@pytest.mark.parametrize("size", [1, 5, 1_000])
def test_so_many_characters_heard_are_so_many_recorded(language: str, told: str, size: int) -> None:
    text = SENTENCES[language]
    timed = TimedText()
    timed.sent(text)
    words: tuple[Word, ...] = ()
    items = by_char(text)
    if told == "punctuated":
        items = [
            (m.group(), m.start() * MS, letters_end(text, m.start(), m.end()) * MS)
            for m in re.finditer(r"[\W_]*\w[^\w]*", text)
        ]
    for at in range(0, len(items), size):
        words += timed.chars(items[at : at + size]) if told == "chars" else timed.words(items[at : at + size])
    words += timed.finish()
    clock = clock_of(text, words)
    ends = [end for begin, end in spans(text)]
    for begin, end in spans(text):
        sounded = letters_end(text, begin, end)
        heard = clock.heard(sounded * MS)
        assert heard.exact
        assert heard.end == end, text[begin:end]
        assert clock.heard(sounded * MS - MS / 2).end in {0, *ends} - {end}


@pytest.mark.parametrize("count", [7, 20, 30])
@pytest.mark.parametrize("language", ["zh", "ja", "th", "lo"])
def test_seven_twenty_and_thirty_characters(language: str, count: int) -> None:
    text = re.sub(r"[^\w\u0e31-\u0e4e\u0eb1-\u0ecd]", "", SENTENCES[language])
    timed = TimedText()
    timed.sent(text)
    clock = clock_of(text, timed.chars(by_char(text)) + timed.finish())
    position = max(end for _, end in spans(text) if end <= count)
    assert clock.heard(count * MS).text == text[:position]
    assert count - position <= 1, "at most a mark on the last letter is still to come"


@every
@pytest.mark.parametrize("size", [1, 4, 13])
def test_in_pieces_the_times_are_the_same(language: str, size: int) -> None:
    text = SENTENCES[language]
    whole, pieces = TimedText(), TimedText()
    whole.sent(text)
    at_once = whole.chars(by_char(text)) + whole.finish()
    words: tuple[Word, ...] = ()
    shown = ""
    for at in range(0, len(text), size):
        pieces.sent(text[at : at + size])
    for at in range(0, len(text), size):
        words += pieces.chars(by_char(text[at : at + size], at * MS))
        shown += pieces.take()
    words += pieces.finish()
    assert shown + pieces.take(all_of_it=True) == text
    assert [(w.begin, w.end) for w in words] == [(w.begin, w.end) for w in at_once]
    if size >= 4:
        assert sum(a != b for a, b in zip(words, at_once, strict=True)) <= len(text) // size


# --------------------------------------------------------------------------------------------------- told again

STORY = "I think that I can do that, and I think that you can do this and that as well. I think so, too. I can, indeed."


def chunks(text: str, size: int) -> list[tuple[int, str]]:
    """The text in passages of whole words."""
    found: list[tuple[int, str]] = []
    tokens = list(re.finditer(r"\S+\s*", text))
    for at in range(0, len(tokens), size):
        last = tokens[min(at + size, len(tokens)) - 1].end()
        found.append((tokens[at].start(), text[tokens[at].start() : last]))
    return found


def as_words(text: str, at_ms: float) -> list[Timed]:
    return [(m.group(), at_ms + m.start() * MS, at_ms + m.end() * MS) for m in re.finditer(r"\S+", text)]


@given(st.sampled_from([STORY, SENTENCES["en"], SENTENCES["zh"], SENTENCES["mixed"]]), st.data())
@settings(max_examples=80, deadline=None)
def test_a_passage_that_is_told_again_with_its_times_changes_nothing(text: str, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 9))
    kind = data.draw(st.sampled_from(["chars", "words"]))
    passages = [
        by_char(part, at * MS) if kind == "chars" else as_words(part, at * MS) for at, part in chunks(text, size)
    ]
    once, again = TimedText(), TimedText()
    once.sent(text)
    again.sent(text)
    for n, passage in enumerate(passages):
        expected = getattr(once, kind)(passage)
        assert getattr(again, kind)(passage) == expected
        assert once.take() == again.take()
        for back in data.draw(st.lists(st.integers(0, n), max_size=3)):
            assert getattr(again, kind)(passages[back]) == ()
            assert again.take() == ""
    assert once.finish() == again.finish()


@given(st.integers(2, 12))
def test_a_passage_that_is_told_again_with_times_counted_anew_changes_nothing(size: int) -> None:
    once, again = TimedText(), TimedText()
    once.sent(STORY)
    again.sent(STORY)
    for at, part in chunks(STORY, size):
        assert again.chars(by_char(part, at * MS)) == once.chars(by_char(part, at * MS))
        after = (at + len(part)) * MS
        assert again.chars(by_char(part, after), sounding=False) == ()
    assert once.finish() == again.finish()


@given(st.integers(1, 8))
def test_passages_that_each_begin_with_all_before_them_are_taken_once(size: int) -> None:
    once, again = TimedText(), TimedText()
    once.sent(STORY)
    again.sent(STORY)
    for at, part in chunks(STORY, size):
        assert again.words(as_words(STORY[: at + len(part)], 0)) == once.words(as_words(part, at * MS))
    assert once.finish() == again.finish()


def test_a_passage_that_begins_with_the_one_before_and_counts_from_there_keeps_the_pace() -> None:
    text = "Hello there my friend."
    timed = TimedText()
    timed.sent(text)
    first = timed.chars(by_char("Hello there "))
    rest = timed.chars(by_char(text, 1_200)) + timed.finish()  # the second chunk of audio begins at 1,200 ms
    assert [w.end_ms for w in first + rest] == [500, 1_100, 1_400, 2_200]


def test_text_that_repeats_itself_is_not_taken_for_a_passage_that_is_told_again() -> None:
    text = "No no no no. I said no no no no. No no no no. I said no no no no."
    timed = TimedText()
    timed.sent(text)
    words: tuple[Word, ...] = ()
    for at, part in chunks(text, 4):
        words += timed.chars(by_char(part, at * MS))
    words += timed.finish()
    assert [w.begin for w in words] == [m.start() for m in re.finditer(r"\S+", text)]
    assert [w.end_ms for w in words] == [m.end() * MS for m in re.finditer(r"\S+", text)]


# ------------------------------------------------------------------------------------------------ other spelling


@pytest.mark.parametrize("kind", ["chars", "words"])
@pytest.mark.parametrize("size", [1, 2, 50])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("It costs $5 today, or $21 tomorrow.", "It costs five dollars today or twenty one dollars tomorrow"),
        ("Dr. Smith lives at 12 St. James St. here.", "Doctor Smith lives at twelve Saint James Street here"),
        ("Call 555 0199 now, please.", "Call five five five zero one nine nine now please"),
        ("I paid 20 % of it, then 3.14 more.", "I paid twenty percent of it then three point one four more"),
        ("On 14.03.2026 we met again.", "On the fourteenth of march twenty twenty six we met again"),
    ],
)
def test_words_that_are_spelled_out_last_until_the_next_word(kind: str, size: int, text: str, told: str) -> None:
    timed = TimedText()
    timed.sent(text)
    words: tuple[Word, ...] = ()
    for at, part in chunks(told, size):
        words += timed.chars(by_char(part, at * MS)) if kind == "chars" else timed.words(as_words(part, at * MS))
    words += timed.finish()
    assert [(w.begin, w.end) for w in words] == spans(text)
    truth = {word.strip(",.").casefold(): end for word, _, end in as_words(told, 0)}
    known = [(text[w.begin : w.end].strip(",."), w.end_ms) for w in words]
    compared = [(truth[word.casefold()], end) for word, end in known if word.casefold() in truth]
    assert len(compared) >= 3
    assert all(end == at for at, end in compared)
    assert [w.end_ms for w in words] == sorted(w.end_ms for w in words)


def test_a_number_that_ends_the_text_has_the_time_of_its_words() -> None:
    timed = TimedText()
    timed.sent("That makes $42.")
    words = timed.words(as_words("That makes forty two dollars", 0)) + timed.finish()
    assert (words[-1].start_ms, words[-1].end_ms) == (1_100, 2_800)
    assert not timed.owed


def test_a_character_a_syllable_and_its_accent_may_be_told_in_other_forms() -> None:
    timed = TimedText()
    timed.sent("Crème brûlée ＡＢＣ ガ")
    words = timed.chars(by_char("cre\u0300me bru\u0302le\u0301e abc ｶﾞ")) + timed.finish()
    assert [(w.begin, w.end) for w in words] == [(0, 5), (6, 12), (13, 16), (17, 18)]


# ------------------------------------------------------------------------------------------------- wrong times


def test_times_that_go_back_or_are_missing_lose_no_word() -> None:
    text = "One two three four five six."
    timed = TimedText()
    timed.sent(text)
    told: list[Timed] = [
        ("One", 0, 200),
        ("two", 200, 400),
        ("three", 0, 0),
        ("four", 600, 800),
        ("six.", 1_000, 1_200),
    ]
    words = timed.words(told) + timed.finish()
    assert [w.begin for w in words][:4] == [0, 4, 8, 14]
    assert [w.end_ms for w in words] == sorted(w.end_ms for w in words)
    assert words[-1].end_ms == 1_200


def test_what_is_no_part_of_the_text_moves_nothing() -> None:
    timed = TimedText()
    timed.sent("Once upon a time there was a fox, and the fox was red.")
    assert timed.words(as_words("zebra quagga unrelated words entirely", 0)) == ()
    assert timed.take() == ""
    words = timed.words(as_words("Once upon a time there was a fox", 4_000))
    assert [w.begin for w in words] == [0, 5, 10, 12, 17, 23, 27, 29]
    assert words[0].start_ms == 4_000


@given(st.text(st.sampled_from("ab, .!你好กำ5$“”\n")), st.integers(0, 40))
def test_for_any_text_and_position_the_units_heard_are_those_that_have_ended(text: str, position: int) -> None:
    timed = TimedText()
    timed.sent(text)
    words = timed.chars(by_char(text)) + timed.finish()
    clock = clock_of(text, words)
    heard = clock.heard(position * MS)
    ended = [w for w in words if w.end_ms <= position * MS]
    assert text.startswith(heard.text) or text.strip().startswith(heard.text)
    if ended and position:
        following = next((w.begin for w in words if w.begin >= ended[-1].end), len(text))
        assert ended[-1].end <= heard.end <= following
    else:
        assert heard.end == 0
