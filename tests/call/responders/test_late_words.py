"""Words of a turn that was answered before they were known."""

from __future__ import annotations

from bargein.call.input.turns import Turn
from bargein.call.record.conversation import Conversation
from bargein.call.responders.late_words import KEPT, LateWords
from bargein.notices import Transcript
from bargein.protocols import UserSaid
from tests.call.parts import Parts


class KnownWords:
    """What the streaming STT knows, by turn."""

    def __init__(self) -> None:
        self.words: dict[int, str] = {}

    def known(self, turn: Turn, until_ms: float) -> str:
        return self.words.get(turn.id, "")


def made() -> tuple[LateWords, KnownWords, Conversation, Parts]:
    conversation, known, parts = Conversation(), KnownWords(), Parts()
    return LateWords(parts.context, conversation, known), known, conversation, parts  # type: ignore[arg-type]


def said(conversation: Conversation) -> list[str | None]:
    return [item.text for item in conversation.items if isinstance(item, UserSaid)]


def test_words_that_come_late_are_put_where_they_belong() -> None:
    late, known, conversation, parts = made()
    late.answered(Turn(1, 0.0, None))
    late.answered(Turn(2, 0.0, None))
    known.words[1] = "the first"
    late.update()
    assert said(conversation) == ["the first", None]
    texts = [n.text for n in parts.notices if isinstance(n, Transcript)]
    assert texts == [None, None, "the first"]
    assert [facts["text"] for kind, facts in parts.notes.notes if kind == "user"] == texts


def test_the_same_words_are_written_once() -> None:
    late, known, _, parts = made()
    known.words[1] = "the first"
    late.answered(Turn(1, 0.0, None))
    late.update()
    late.update()
    assert len(parts.notices) == 1


def test_what_the_batch_stt_read_is_not_undone_by_a_stream_that_knows_less() -> None:
    late, known, conversation, _ = made()
    turn = Turn(1, 0.0, None)
    late.answered(turn)
    late.read(turn, "read in one piece")
    late.answered(Turn(2, 0.0, None))
    known.words[2] = "and the second"
    late.update()
    assert said(conversation) == ["read in one piece", "and the second"]
    known.words[1] = "read in"
    late.update()
    assert said(conversation) == ["read in one piece", "and the second"]


def test_a_stream_that_forgets_what_it_knew_undoes_nothing() -> None:
    late, known, conversation, _ = made()
    known.words[1] = "the first"
    late.answered(Turn(1, 0.0, None))
    known.words.clear()
    late.update()
    assert said(conversation) == ["the first"]


def test_a_turn_that_went_on_after_its_answer_is_one_turn() -> None:
    late, known, conversation, _ = made()
    turn = Turn(1, 0.0, None)
    known.words[1] = "what are owls"
    late.answered(turn)
    known.words[1] = "what are owls and hawks"
    late.answered(turn)
    assert said(conversation) == ["what are owls and hawks"]


def test_words_of_a_turn_long_past_are_waited_for_no_more() -> None:
    late, known, conversation, _ = made()
    for turn in range(1, KEPT + 2):
        late.answered(Turn(turn, 0.0, None))
    known.words[1] = "too late"
    known.words[2] = "just in time"
    late.update()
    assert said(conversation)[:2] == [None, "just in time"]
