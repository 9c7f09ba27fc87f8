"""What is spoken of a written text, and where each spoken position stands in it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bargein.audio.pcm import Pcm
from bargein.audio.text_map import TextMap
from bargein.audio.words import WordClock
from bargein.protocols import SpeechChunk, Word
from bargein.spoken_form import as_spoken, spoken_text
from bargein.spoken_form.clauses import ClauseForm
from bargein.spoken_form.markdown import MarkdownForm
from bargein.units import spans

WRITTEN = {
    "heading": ("## Title ##\nText.\n# Two", "Title ##\nText.\nTwo"),
    "emphasis": ("a **b** *c* __d__ _e_ ***f*** ~~g~~.", "a b c d e f g."),
    "within a word": ("un**believ**able and snake_case_name", "unbelievable and snake case name"),
    "no emphasis": ("2 * 3 = 6, 2*3, a 5* hotel, ~5 km", "2 * 3 = 6, 2*3, a 5* hotel, ~5 km"),
    "list": (
        "- one\n* two\n  + three\n1. four\n• five\n- [x] six\n-7 degrees",
        "one\ntwo\n  three\n1. four\nfive\nsix\n-7 degrees",
    ),
    "links": ("See [our site](https://a.example/b?c=d) and [that][1].", "See our site and that."),
    "nested link": ("[**the** _docs_](http://a.b/c_(d)) now", "the docs now"),
    "image": ("![a cat](http://a.b/cat.png) sits", "a cat sits"),
    "note": ("True.[^1] [laughs] Really.", "True. [laughs] Really."),
    "address": ("Go to https://www.example.com/path?x=1#y, or www.foo.org.", "Go to example.com, or foo.org."),
    "address in brackets": (
        "(see http://user@host.io:8080/x) <https://a.io/b> mailto:me@b.org",
        "(see host.io) a.io me@b.org",
    ),
    "user without a path": (
        "http://a:b@c and https://me@host.io. http://a@b@c:80?x http://u:p@www.d.io#y",
        "c and host.io. c d.io",
    ),
    "address of numbers": ("http://[::1]:80/x http://[::2] http://10.0.0.1:80", "[::1] [::2] 10.0.0.1"),
    "no address": ("https is h and www too, http: //x", "https is h and www too, http: //x"),
    "code": ("Run `pip install a_b`:\n```python\nx = 1 * 2\n```\nDone", "Run pip install a_b:\n\nx = 1 * 2\n\nDone"),
    "table": ("| a | b |\n|---|:-:|\n| 1 | 2 |\nend", " a , b \n\n 1 , 2 \nend"),
    "table of single dashes": ("a | b\n-|-\n1 | 2\n\n|a|b|\n|-|-|\n|1|2|", "a , b\n\n1 , 2\n\na,b\n\n1,2"),
    "table with sides": ("|a|\n| :-: |\n|1|\n:- | -:\n|:-|\nend", "a\n\n1\n\n\nend"),
    "table of a terminal": ("+-+-+\n|a|b|\n+-+-+", "\na,b\n"),
    "no table": ("+-\n: so\n|\n- | x", "+-\n: so\n\n, x"),
    "rule": ("one\n---\n* * *\n===\ntwo", "one\n\n\n\ntwo"),
    "quote": ("> so\n> > it is", " so\n it is"),
    "escape": (r"\*not\* \# \x", r"*not* # \x"),
    "each sign of ASCII is escaped": (
        "\\!\\\"\\#\\$\\%\\&\\'\\(\\)\\*\\+\\,\\-\\.\\/\\:\\;\\<\\=\\>\\?\\@\\[\\\\\\]\\^\\_\\`\\{\\|\\}\\~",
        "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    ),
    "no escape": ("\\5 \\a \\é \\– `\\$` a\\ b", "\\5 \\a \\é \\– \\$ a\\ b"),
    "amounts": (r"It is \$5 \& 20\%.", "It is $5 & 20%."),
    "broken line": ("one\\\ntwo", "one\ntwo"),
    "pictures": ("Hi 👋🏽! Great😀work ❤️ 👨‍👩‍👧 1️⃣ 🇩🇪 → ok", "Hi ! Great work   1  → ok"),
    "own markup": ('Wait <break time="1s"/> a < b > c <3', 'Wait <break time="1s"/> a < b > c <3'),
    "tags of HTML": (
        "One<br>two<br/>three, <b>bold</b> <a href='https://a.b'>here</a>.<ul><li>four</li><li>five</li></ul>",
        "One\ntwo\nthree, bold here.\nfour\nfive\n",
    ),
    "entities": (
        "Bed &amp; breakfast &#39;B&#x27;&nbsp;&lt;3 AT&T &nothing; &",
        "Bed & breakfast 'B' <3 AT&T &nothing; &",
    ),
    "address of mail": ("<me@b.org> and <you@c.org>", "me@b.org and you@c.org"),
    "address with brackets": ("(see https://a.io/b_(c)) (https://a.io/b)", "(see a.io) (a.io)"),
    "sources": ("True【4:0†source】. 【重要】 so【12†L3-L5】", "True. 【重要】 so"),
    "dots of lists": ("● one\n■ two\n・部屋\n・ 窓\n– three", "one\ntwo\n部屋\n窓\n– three"),
    "heading without a space": ("###标题\n#tag\n##two\nx", "标题\n#tag\ntwo\nx"),
    "chinese": ("我**好**，见[这里](https://a.cn/b)。😀再见", "我好，见这里。 再见"),
    "plain": (
        "Well, it costs $5.50 & 20 %; e.g. 3-4 items (or so)!",
        "Well, it costs $5.50 & 20 %; e.g. 3-4 items (or so)!",
    ),
    "unclosed": ("**never closed and [this too and `that", "never closed and [this too and that"),
}


@pytest.mark.parametrize(("written", "spoken"), WRITTEN.values(), ids=WRITTEN.keys())
def test_marks_are_not_spoken(written: str, spoken: str) -> None:
    assert spoken_text(written) == spoken


def cut_up(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in itertools.pairwise(places)]


marked = st.text(st.sampled_from("*_`~#>|-+=[]()! \nabhr1.:/w@$😀\u200d\ufe0f\\<>&;【†】・●你"), max_size=40)
texts = st.one_of(marked, st.sampled_from([written for written, _ in WRITTEN.values()]), st.text(max_size=30))


@given(texts, st.lists(st.integers(0, 400), max_size=30))
@settings(max_examples=400, deadline=None)
def test_the_result_does_not_depend_on_the_pieces(text: str, cuts: list[int]) -> None:
    whole, pieces = MarkdownForm(one := TextMap()), MarkdownForm(other := TextMap())
    at_once = whole.add(text) + whole.finish()
    spoken = "".join(pieces.add(part) for part in cut_up(text, cuts)) + pieces.finish()
    assert spoken == at_once
    assert one.written == other.written == text
    assert len(one) == len(spoken)
    places = [one.at(n) for n in range(len(spoken) + 1)]
    assert places == [other.at(n) for n in range(len(spoken) + 1)]
    assert places == sorted(places)
    assert places[-1] <= len(text)


@given(texts, st.lists(st.integers(0, 400), max_size=30))
@settings(deadline=None)
def test_so_it_is_with_a_function_of_ones_own(text: str, cuts: list[int]) -> None:
    whole, pieces = ClauseForm(one := TextMap(), str.upper), ClauseForm(other := TextMap(), str.upper)
    at_once = whole.add(text) + whole.finish()
    assert "".join(pieces.add(part) for part in cut_up(text, cuts)) + pieces.finish() == at_once == text.upper()
    assert one.written == other.written == text
    assert [one.at(n) for n in range(len(one) + 1)] == [other.at(n) for n in range(len(other) + 1)]


def clock_of(written: str, ms: float = 100) -> WordClock:
    """Each unit of the spoken text lasts 100 ms."""
    form = MarkdownForm(places := TextMap())
    spoken = form.add(written) + form.finish()
    words = tuple(Word(n * ms, (n + 1) * ms, *span) for n, span in enumerate(spans(spoken)))
    clock = WordClock(places)
    clock.add(SpeechChunk(Pcm.silence(len(words) * ms, 8_000), spoken, words))
    return clock


@given(texts)
@settings(deadline=None)
def test_what_was_heard_is_the_beginning_of_the_written_text_and_grows(text: str) -> None:
    clock = clock_of(text)
    ends = []
    for n in range(len(clock.words) + 1):
        heard = clock.heard(n * 100)
        assert heard.text == text[: heard.end].strip()
        ends.append(heard.end)
    assert ends == sorted(ends)
    clock.finish()
    assert not clock.words or clock.heard(len(clock.words) * 100).end == len(text)


def test_marks_belong_to_the_words_that_they_mark() -> None:
    written = "# Hello\n**one two** [three](http://a.b/c) _four_ 👍"
    clock = clock_of(written)
    assert [clock.heard(n * 100).text for n in range(6)] == [
        "",
        "# Hello",
        "# Hello\n**one",
        "# Hello\n**one two**",
        "# Hello\n**one two** [three](http://a.b/c)",
        written,
    ]
    shown = [written[w.begin : w.end] for w in clock.words]
    assert shown == ["# Hello", "**one", "two**", "[three](http://a.b/c)", "_four_"]
    assert clock.between(150, 350) == "one two three", "an echo has no marks"


@pytest.mark.parametrize(
    ("piece", "spoken"),
    [
        ("Hello there", "Hello there"),
        ("**Hello", "Hello"),
        ("- item", "item"),
        ("# Title", "Title"),
        ("Hello*", "Hello"),
        ("Hello **", "Hello "),
        ("see [this", "see "),
        ("go to http", "go to "),
        ("a < b", "a < b"),
        ("that is 5", "that is 5"),
        ("hello 👋", "hello "),
        ("1", "1"),
    ],
)
def test_only_a_tail_that_may_still_be_a_mark_is_held_back(piece: str, spoken: str) -> None:
    assert MarkdownForm(TextMap()).add(piece) == spoken


async def test_a_function_of_ones_own_gets_clauses_and_the_words_around_its_changes_keep_their_places() -> None:
    got: list[str] = []

    def form(clause: str) -> str:
        got.append(clause)
        return clause.replace("kg", "kilograms")

    async def text() -> AsyncIterator[str]:
        for piece in ("It weighs 5 k", "g, or more. ", "Really"):
            yield piece

    places = TextMap()
    spoken = "".join([piece async for piece in as_spoken(text(), places, form)])
    assert spoken == "It weighs 5 kilograms, or more. Really"
    assert got == ["It weighs 5 kg, ", "or more. ", "Really"]
    assert places.at(spoken.index(",")) == places.written.index(",")
    assert places.at(spoken.index("Really")) == places.written.index("Really")
