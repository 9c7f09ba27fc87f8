"""Words of a turn that was answered before anybody had read it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bargein.call.input.turns import Turn
from bargein.call.output.late_words import LateWords
from bargein.call.record.conversation import Conversation
from bargein.notices import Transcript
from bargein.protocols import UserSaid


class Heard:
    """What the ears know, by turn."""

    def __init__(self) -> None:
        self.words: dict[int, str] = {}

    def known(self, turn: Turn, until_ms: float) -> str:
        return self.words.get(turn.id, "")


def made() -> tuple[LateWords, Heard, Conversation, list[Any]]:
    conversation, heard = Conversation(), Heard()
    told: list[Any] = []
    hands = SimpleNamespace(notify=told.append, journal=SimpleNamespace(note=lambda *_, **__: None), now_ms=lambda: 0.0)
    late = LateWords(conversation, heard, hands)  # type: ignore[arg-type]
    return late, heard, conversation, told


def said(conversation: Conversation) -> list[str | None]:
    return [item.text for item in conversation.items if isinstance(item, UserSaid)]


def test_words_that_the_ears_bring_late_are_put_where_they_belong() -> None:
    late, heard, conversation, told = made()
    late.over(Turn(1, 0.0, None))
    late.over(Turn(2, 0.0, None))
    heard.words[1] = "the first"
    late.came()
    assert said(conversation) == ["the first", None]
    assert [n.text for n in told if isinstance(n, Transcript)] == [None, None, "the first"]


def test_what_a_reader_read_is_not_undone_by_ears_that_know_less() -> None:
    late, heard, conversation, _ = made()
    turn = Turn(1, 0.0, None)
    late.over(turn)
    late.read(turn, "read by the reader")
    late.over(Turn(2, 0.0, None))
    heard.words[2] = "and the second"
    late.came()
    assert said(conversation) == ["read by the reader", "and the second"]
    heard.words[1] = "read by"
    late.came()
    assert said(conversation) == ["read by the reader", "and the second"]


def test_ears_that_forget_what_they_knew_undo_nothing() -> None:
    late, heard, conversation, _ = made()
    heard.words[1] = "the first"
    late.over(Turn(1, 0.0, None))
    heard.words.clear()
    late.came()
    assert said(conversation) == ["the first"]
