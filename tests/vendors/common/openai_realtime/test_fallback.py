"""What the model believes of a reply that another voice said in its place."""

from __future__ import annotations

from bargein.protocols import AgentSaid
from bargein.vendors.common.openai_realtime.response import OpenAIResponse
from tests.vendors.common.openai_realtime.wire import Line, call, message


def begun(line: Line) -> OpenAIResponse:
    reply = line.reply(1)
    line.session.begin(reply)
    line.created("resp_1", 1)
    return reply


def written(line: Line, *, silence: bool = False) -> OpenAIResponse:
    """A reply that the model has written whole, without sound or with digital silence, and that was stopped."""
    reply = begun(line)
    line.text("resp_1", "Good morning to you.")
    if silence:
        line.audio("resp_1")
    line.item_done("resp_1", message("item_1"))
    line.done("resp_1", "completed", "item_1")
    reply.cancel()
    return reply


def deleted(line: Line) -> list[str]:
    return [event["item_id"] for event in line.sent if event["type"] == "conversation.item.delete"]


def shortened(line: Line) -> bool:
    return "conversation.item.truncate" in line.kinds()


def test_the_model_is_told_what_another_voice_said_in_its_place() -> None:
    line = Line()
    said = AgentSaid(1, "This call is recorded.")
    line.reply(1).truncate(900, said, by_fallback=True)
    assert line.told == [said]
    assert line.sent == []


def test_words_with_digital_silence_that_still_run_are_told_as_the_fallback_said_them() -> None:
    line = Line()
    reply = begun(line)
    line.text("resp_1", "Good morning to you.")
    line.audio("resp_1")
    reply.cancel()
    said = AgentSaid(1, "Good morning to you.")
    reply.truncate(1_400, said, by_fallback=True)
    line.done("resp_1", "cancelled", "item_1")
    assert line.told == [said]
    assert deleted(line) == ["item_1"]
    assert not shortened(line)


def test_words_with_more_silence_than_the_fallback_spoke_are_told_as_the_fallback_said_them() -> None:
    line = Line()
    reply = written(line, silence=True)
    said = AgentSaid(1, "Good morning to you.")
    reply.truncate(600, said, by_fallback=True)
    assert line.told == [said]
    assert deleted(line) == ["item_1"]
    assert not shortened(line)


def test_words_without_sound_are_told_up_to_where_the_fallback_was_cut() -> None:
    line = Line()
    reply = written(line)
    said = AgentSaid(1, "Good morning", "to you.", ended="cut")
    reply.truncate(500, said, by_fallback=True)
    assert line.told == [said]
    assert deleted(line) == ["item_1"]
    assert "conversation.item.create" not in line.kinds(), "the note of the cut is told with what was said"


def test_words_without_sound_that_no_voice_said_are_taken_back() -> None:
    line = Line()
    reply = written(line)
    reply.truncate(0, None)
    assert deleted(line) == ["item_1"]
    assert line.told == []


def test_of_a_reply_in_two_conversations_the_words_are_told_once() -> None:
    line = Line()
    reply = begun(line)
    line.text("resp_1", "Good morning to you.")
    line.audio("resp_1")
    line.done("resp_1", "completed", "item_1")
    line.epoch += 1
    reply.cancel()
    line.sent.clear()
    said = AgentSaid(1, "Good morning to you.")
    reply.truncate(600, said, by_fallback=True)
    assert (line.told, line.retold, line.sent) == ([said], [], [])


def test_an_item_that_ends_between_the_cut_and_the_report_is_taken_back_and_a_call_stays() -> None:
    line = Line()
    reply = begun(line)
    line.text("resp_1", "Good morning to you.")
    reply.cancel()
    line.text("resp_1", "It is nine.", "item_2")
    line.item_done("resp_1", call("item_3"))
    line.done("resp_1", "cancelled", "item_1", "item_2")
    said = AgentSaid(1, "Good morning to you.")
    reply.truncate(1_400, said, by_fallback=True)
    assert sorted(deleted(line)) == ["item_1", "item_2"]
    assert line.told == [said]
