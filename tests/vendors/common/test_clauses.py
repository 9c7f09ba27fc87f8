"""Clauses: cut as early as is certain, never inside a word or a number, and nothing is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bargein.vendors.common.clauses import HARD_AT, SOFT_AT, clauses, cut


async def pieces(*parts: str) -> AsyncIterator[str]:
    for part in parts:
        yield part


async def cut_up(*parts: str, first_soft_at: int = 90) -> list[str]:
    return [clause async for clause in clauses(pieces(*parts), first_soft_at=first_soft_at)]


@pytest.mark.parametrize(
    "wanted",
    [
        ["Hello there. ", "How are you? ", "Fine! ", "Good; ", "so: ", "go on… ", "yes"],
        ["One.\n\n", "Two\n", "three"],
        ["Pi is 3.14, not 3. ", "At 7:30 we had 10,000 of them."],
        ["Dr. Smith met Mrs. Jones, e.g. at 5 p.m. on St. James St. in town. ", "Yes."],
        ["J. S. Bach and J.R.R. Tolkien. ", "Both."],
        ["No. ", "That is wrong."],
        ["See No. 5 there. ", "And fig. 2."],
        ["1. Wash it. ", "2. Dry it."],
        ['He said "Stop." ', "And (it did!) ", "stop."],
        ["Wait... ", "what?! ", "No."],
        ["你好。", "你好吗？", "很好！"],
        ["「はい。」", "そうです。"],
        ["（はい｡）", "「そうです。」", "では、また。"],
        ["សួស្តី។ ", "បាទ៕ ", "អរគុណ។"],
        ["မင်္ဂလာပါ။ ", "ဟုတ်ကဲ့။"],
        ["नमस्ते। ", "आप कैसे हैं? ", "ठीक।"],
        ["كيف حالك؟ ", "بخير."],
        ["Mail me at a.b@c.example or see bargein.md. ", "Thanks."],
        ['"Yes," she said. ', "¡Hola! ", "¿Qué tal?"],
    ],
)
async def test_a_text_is_cut_where_a_speaker_would_breathe(wanted: list[str]) -> None:
    assert await cut_up("".join(wanted)) == wanted


@pytest.mark.parametrize("start", ["\n", "\n\n  ", "... ", "— ", "😀. ", '"'])
async def test_what_cannot_be_spoken_goes_with_what_follows(start: str) -> None:
    assert await cut_up(start, "Hello there. ", "More.") == [f"{start}Hello there. ", "More."]


async def test_a_new_paragraph_does_not_hold_the_rest_back() -> None:
    assert await cut_up("One.\n", "\nTwo. ", "Three. ", "Four.") == ["One.\n", "\nTwo. ", "Three. ", "Four."]


async def test_a_clause_is_given_as_soon_as_the_space_behind_it_has_come() -> None:
    pulled: list[str] = []

    async def text() -> AsyncIterator[str]:
        for piece in ("Hel", "lo", ".", " ", "There", "! ", "End"):
            pulled.append(piece)
            yield piece

    given_at = [(clause, len(pulled)) async for clause in clauses(text())]
    assert given_at == [("Hello. ", 4), ("There! ", 6), ("End", 7)]


async def test_the_first_clause_may_end_at_an_early_comma_and_the_others_not() -> None:
    text = "Well, let me think about that, if I may, for a moment. It is simple, I think, and short, so to say."
    assert await cut_up(text, first_soft_at=24) == [
        "Well, let me think about that, ",
        "if I may, for a moment. ",
        "It is simple, I think, and short, so to say.",
    ]


async def test_a_long_stretch_is_cut_at_a_comma_and_a_longer_one_at_a_space() -> None:
    comma = "word " * 20 + "then, " + "word " * 5 + "end."
    assert await cut_up(comma) == ["word " * 20 + "then, ", "word " * 5 + "end."]
    spaces = "word " * 60 + "end."
    assert [len(clause) for clause in await cut_up(spaces)] == [HARD_AT + 5, 99]


async def test_a_number_is_whole_however_it_comes() -> None:
    assert await cut_up("It costs 3", ".", "1", "4 at 7", ":", "30.", " ", "Yes") == ["It costs 3.14 at 7:30. ", "Yes"]


async def test_text_without_any_space_is_not_held_for_ever() -> None:
    assert [len(clause) for clause in await cut_up("x" * 1000)] == [200, 200, 200, 400]
    assert (await cut_up("word " * 20 + "x" * 400))[0] == "word " * 20


async def test_no_text_is_no_clause() -> None:
    assert await cut_up() == []
    assert await cut_up("", "") == []


async def test_white_space_before_a_clause_does_not_move_where_it_is_cut_blind() -> None:
    text = "a" * SOFT_AT + "、\n" + "x" * 3 * HARD_AT
    assert _bare(await cut_up(*text)) == _bare(await cut_up(text))


TEXTS = st.lists(
    st.one_of(
        st.sampled_from(
            ["Dr. ", "No. ", "3.14", "10,000 ", ". ", ".\n", "\n", "。", "!”", ", ", " — ", "e.g. ", "word "]
        ),
        st.text(max_size=30),
        st.text("ab .,!?;:\n\"')]…。、5", max_size=60),
        st.just("x" * 150),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(TEXTS)
async def test_all_clauses_joined_are_the_text(parts: list[str]) -> None:
    given_out = await cut_up(*parts)
    assert "".join(given_out) == "".join(parts)
    assert all(given_out)
    assert all(len(clause.rstrip()) <= 2 * HARD_AT for clause in given_out)


@settings(deadline=None)
@given(TEXTS)
async def test_where_a_clause_ends_does_not_depend_on_the_pieces(parts: list[str]) -> None:
    text = "".join(parts)
    by_part, by_letter, whole = await cut_up(*parts), await cut_up(*text), await cut_up(text)
    assert _bare(by_part) == _bare(by_letter) == _bare(whole)


@settings(deadline=None)
@given(TEXTS)
def test_what_was_certain_stays_certain_when_more_comes(parts: list[str]) -> None:
    text = "".join(parts)
    end = cut(text)
    assert end <= len(text)
    if end:
        assert text[:end].rstrip() == text[: cut(text + "z")].rstrip()


def _bare(found: list[str]) -> list[str]:
    return [bare for clause in found if (bare := clause.strip())]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("今日はとても良い天気ですから、散歩に行きましょう。", "今日はとても良い天気ですから、"),
        ("我们今天早上去公园散步，然后一起吃饭。", "我们今天早上去公园散步，"),
        ("วันนี้อากาศดีมากจริงๆนะครับ เราไปเดินเล่นกันไหม", "วันนี้อากาศดีมากจริงๆนะครับ "),
        ("ມື້ນີ້ອາກາດດີຫຼາຍແທ້ໆສຳລັບພວກເຮົາ ໄປຫຼິ້ນກັນ", "ມື້ນີ້ອາກາດດີຫຼາຍແທ້ໆສຳລັບພວກເຮົາ "),
        ("하지만 저는 오늘 정말 바빠서, 내일 갈게요.", "하지만 저는 오늘 정말 바빠서, "),
    ],
)
async def test_the_first_clause_ends_early_in_every_script(text: str, first: str) -> None:
    assert (await cut_up(text, first_soft_at=24))[0] == first


async def test_a_long_chinese_text_without_any_sign_is_cut_sooner_than_a_latin_one() -> None:
    chinese = await cut_up("好" * 300)
    assert len(chinese[0]) < 80
    assert "".join(chinese) == "好" * 300
    assert len((await cut_up("a" * 900))[0]) == HARD_AT


async def test_a_cut_without_any_space_parts_no_mark_from_its_letter() -> None:
    for clause in await cut_up("ก้" * 400):
        assert not clause.startswith("\u0e49")
