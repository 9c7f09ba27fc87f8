"""Which response is whose, whatever crosses whatever on its way: by hand."""

from __future__ import annotations

import asyncio

import pytest

from bargein.errors import BargeinError, VendorLost, VendorRefused
from bargein.protocols import AgentSaid, ToolCalls
from bargein.vendors.common.openai_realtime.protocol import REPLY, RealtimeProtocol
from bargein_simulators.realtime_events import server_event
from tests.vendors.common.openai_realtime.wire import Line, heard, message, settle


async def test_a_reply_is_asked_for_told_apart_by_its_number_and_heard_whole() -> None:
    line = Line()
    reply = line.reply(7)
    hearing = asyncio.create_task(heard(reply))
    await settle()
    assert line.sent[-1]["response"]["metadata"] == {REPLY: "7"}
    line.created("resp_1", 7)
    assert reply.started
    line.text("resp_1", "Good morning. ")
    line.audio("resp_1")
    await settle()
    line.text("resp_1", "It is nine.")
    line.audio("resp_1")
    line.item_done("resp_1", message("item_1"))
    line.done("resp_1", "completed", "item_1")
    assert await hearing == ("Good morning. It is nine.", 2000.0)
    reply.cancel()
    assert line.kinds() == ["response.create"], "nothing is cancelled that is over"


async def test_a_cut_cancels_by_id_and_what_still_comes_is_dropped() -> None:
    line = Line()
    reply = line.reply(1)
    line.session.begin(reply)
    line.created("resp_1", 1)
    line.audio("resp_1")
    reply.cancel()
    reply.cancel()
    assert line.sent[-1] == {"type": "response.cancel", "response_id": "resp_1"}
    assert line.kinds().count("response.cancel") == 1
    line.audio("resp_1")
    reply.truncate(400, AgentSaid(1, "Good", "morning", ended="cut"))
    truncate, noted = line.sent[-2:]
    assert truncate == {
        "type": "conversation.item.truncate",
        "item_id": "item_1",
        "content_index": 0,
        "audio_end_ms": 400,
    }
    assert noted["previous_item_id"] == "item_1"
    assert '"Good"' in noted["item"]["content"][0]["text"]
    assert '"morning"' in noted["item"]["content"][0]["text"]


async def test_what_was_heard_is_never_more_than_what_has_come() -> None:
    line = Line()
    reply = line.reply(1)
    line.session.begin(reply)
    line.created("resp_1", 1)
    line.audio("resp_1")
    reply.cancel()
    line.audio("resp_1")  # late: the server has it, we have not
    reply.truncate(1_700, None)
    assert line.sent[-1]["audio_end_ms"] == 1000


async def test_an_item_of_which_nothing_was_heard_is_deleted_and_a_whole_one_is_left() -> None:
    line = Line()
    reply = line.reply(1)
    line.session.begin(reply)
    line.created("resp_1", 1)
    line.text("resp_1", "One.", "item_1")
    line.audio("resp_1", "item_1")
    line.item_done("resp_1", message("item_1"))
    line.text("resp_1", "Two.", "item_2")
    line.audio("resp_1", "item_2")
    line.item_done("resp_1", message("item_2"))
    line.done("resp_1", "completed", "item_1", "item_2")
    reply.cancel()
    line.sent.clear()
    reply.truncate(1_000, None)
    assert line.sent == [{"type": "conversation.item.delete", "item_id": "item_2"}]
    reply.truncate(1_000, None)
    assert len(line.sent) == 1, "it is told once"


async def test_a_reply_that_is_cut_before_it_is_born_is_cancelled_at_its_birth_and_its_items_go() -> None:
    line = Line()
    first, second = line.reply(1), line.reply(2)
    line.session.begin(first)
    first.cancel()
    first.truncate(0, None)
    assert line.kinds() == ["response.create"], "there is nothing to cancel yet"
    line.session.begin(second)
    line.created("resp_1", 1)
    assert line.sent[-1] == {"type": "response.cancel", "response_id": "resp_1"}
    line.audio("resp_1")
    line.done("resp_1", "cancelled", "item_1")
    assert {"type": "conversation.item.delete", "item_id": "item_1"} in line.sent
    assert line.sent[-1]["response"]["metadata"] == {REPLY: "2"}, "and now the second may be made"


async def test_the_next_reply_waits_for_the_end_of_the_one_that_was_cut() -> None:
    line = Line()
    first, second = line.reply(1), line.reply(2)
    line.session.begin(first)
    line.created("resp_1", 1)
    first.cancel()
    line.session.begin(second)
    assert line.kinds() == ["response.create", "response.cancel"]
    line.done("resp_1", "cancelled")
    assert line.kinds()[-1] == "response.create"


async def test_a_cancel_that_crosses_the_end_is_answered_with_an_error_and_that_is_all() -> None:
    line = Line()
    first, second = line.reply(1), line.reply(2)
    line.session.begin(first)
    line.created("resp_1", 1)
    first.cancel()
    line.done("resp_1")
    line.refuse("response_cancel_not_active", None)
    line.session.begin(second)
    line.created("resp_2", 2)
    line.audio("resp_2", "item_2")
    line.done("resp_2", "completed", "item_2")
    assert second.sounded


async def test_one_that_is_refused_because_another_runs_is_sent_again_when_that_has_ended() -> None:
    line = Line()
    reply = line.reply(1)
    line.session.begin(reply)
    line.refuse("conversation_already_has_active_response", "reply_1")
    assert line.kinds() == ["response.create"]
    line.done("resp_of_somebody", "completed")
    assert line.kinds() == ["response.create", "response.create"]
    line.created("resp_1", 1)
    assert reply.started


async def test_a_response_that_nobody_asked_for_is_cancelled_and_its_items_go() -> None:
    line = Line()
    line.created("resp_x", None)
    assert line.sent == [{"type": "response.cancel", "response_id": "resp_x"}]
    line.done("resp_x", "cancelled", "item_x")
    assert line.sent[-1] == {"type": "conversation.item.delete", "item_id": "item_x"}


async def test_where_the_model_answers_by_itself_its_response_becomes_the_reply_whoever_comes_first() -> None:
    for late in (False, True):
        line = Line(vendor_turns=True)
        reply = line.reply(1)
        if not late:
            line.session.expect(reply)
        line.created("resp_1", None)
        line.text("resp_1", "Hello.")
        line.audio("resp_1")
        if late:
            line.session.expect(reply)
        line.item_done("resp_1", message("item_1"))
        line.done("resp_1", "completed", "item_1")
        assert reply.started
        assert reply.sounded
        assert line.sent == []


@pytest.mark.parametrize("over", [False, True])
async def test_a_response_that_answers_nothing_is_not_the_next_turns(over: bool) -> None:
    line = Line(vendor_turns=True)
    line.created("resp_1", None)
    line.audio("resp_1")
    if over:
        line.done("resp_1", "completed", "item_1")
    line.session.forget_early()
    if not over:
        assert line.sent == [{"type": "response.cancel", "response_id": "resp_1"}]
        assert line.session.owes
        line.done("resp_1", "cancelled", "item_1")
    assert line.sent[-1] == {"type": "conversation.item.delete", "item_id": "item_1"}
    assert not line.session.owes
    reply = line.reply(1)
    line.session.expect(reply)
    assert not reply.started
    line.created("resp_2", None)
    assert reply.responses == {"resp_2"}


async def test_of_two_responses_that_come_unasked_the_newer_one_is_the_turns() -> None:
    line = Line(vendor_turns=True)
    line.created("resp_1", None)
    line.done("resp_1", "completed", "item_1")
    line.created("resp_2", None)
    assert line.sent == [{"type": "conversation.item.delete", "item_id": "item_1"}]
    reply = line.reply(1)
    line.session.expect(reply)
    assert reply.responses == {"resp_2"}


async def test_it_is_owed_an_answer_from_the_asking_to_the_birth_and_from_a_cancel_to_the_end() -> None:
    line = Line()
    first, second = line.reply(1), line.reply(2)
    told = [line.session.owes]
    line.session.begin(first)
    told.append(line.session.owes)
    line.created("resp_1", 1)
    told.append(line.session.owes)
    first.cancel()
    line.session.begin(second)
    told.append(line.session.owes)
    line.done("resp_1", "cancelled")
    line.refuse("conversation_already_has_active_response", "reply_2")
    told.append(line.session.owes)
    line.done("resp_of_somebody")
    line.created("resp_2", 2)
    told.append(line.session.owes)
    assert told == [False, True, False, True, True, False]


async def test_a_reply_that_never_ends_fails_and_is_cancelled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bargein.vendors.common.openai_realtime.response.MOST_MS", 2_500)
    line = Line()
    reply = line.reply(1)
    hearing = asyncio.create_task(heard(reply))
    await settle()
    line.created("resp_1", 1)
    for _ in range(6):
        line.audio("resp_1")
    with pytest.raises(VendorLost, match="spoke for"):
        await hearing
    assert line.kinds() == ["response.create", "response.cancel"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [("rate_limit_exceeded", VendorLost), ("server_error", VendorLost), ("insufficient_quota", VendorRefused)],
)
async def test_a_failure_is_an_error_with_advice(code: str, kind: type[BargeinError]) -> None:
    line = Line()
    reply = line.reply(1)
    hearing = asyncio.create_task(heard(reply))
    await settle()
    line.created("resp_1", 1)
    line.done("resp_1", "failed", error=code)
    with pytest.raises(kind, match=code):
        await hearing


@pytest.mark.parametrize("go_on", [True, False])
async def test_tools_come_after_the_text_and_the_model_goes_on_only_if_it_is_told_to(go_on: bool) -> None:
    line = Line()
    reply = line.reply(1)
    pieces: list[str] = []

    async def listen() -> None:
        async for piece in reply.audio():
            if isinstance(piece, ToolCalls):
                pieces.append(" and ".join(call.tool for call in piece.calls))
                if go_on:
                    reply.continue_response()
            elif piece.text:
                pieces.append(piece.text)

    hearing = asyncio.create_task(listen())
    await settle()
    call = {"id": "item_2", "type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"}
    line.created("resp_1", 1)
    line.text("resp_1", "Let me see.")
    line.item_done("resp_1", call | {"status": "completed"})
    line.item_done("resp_1", call | {"status": "incomplete", "name": "broken off"})
    line.done("resp_1", "completed", "item_1")
    await settle()
    assert line.kinds().count("response.create") == 1 + go_on
    if go_on:
        line.created("resp_2", 1)
        line.text("resp_2", "Here it is.", "item_3")
        line.done("resp_2", "completed", "item_3")
    await hearing
    assert pieces == ["Let me see.", "look", " Here it is."][: 2 + go_on]


async def test_a_connection_that_is_lost_fails_what_has_sounded_and_asks_again_for_what_has_not() -> None:
    line = Line()
    sounded, silent = line.reply(1), line.reply(2)
    first, second = asyncio.create_task(heard(sounded)), asyncio.create_task(heard(silent))
    await settle()
    line.created("resp_1", 1)
    line.audio("resp_1")
    gone, line.session = line.session, RealtimeProtocol(line.put)
    gone.lost(VendorLost("gone", advice="Again"))
    with pytest.raises(VendorLost):
        await first
    await settle()
    assert line.sent[-1]["response"]["metadata"] == {REPLY: "2"}
    line.created("resp_2", 2)
    line.text("resp_2", "Hello.")
    line.done("resp_2", "completed", "item_2")
    assert (await second)[0] == "Hello."


async def test_one_whose_text_was_given_already_is_not_asked_for_twice() -> None:
    line = Line()
    reply = line.reply(1)
    hearing = asyncio.create_task(heard(reply))
    await settle()
    line.created("resp_1", 1)
    line.text("resp_1", "Good")
    await settle()
    gone, line.session = line.session, RealtimeProtocol(line.put)
    gone.lost(VendorLost("gone", advice="Again"))
    with pytest.raises(VendorLost):
        await hearing
    assert line.kinds() == ["response.create"]


async def test_items_of_a_conversation_that_is_gone_are_not_shortened_their_words_are_told_anew() -> None:
    line = Line()
    reply = line.reply(1)
    line.session.begin(reply)
    line.created("resp_1", 1)
    line.text("resp_1", "Good morning. ")
    line.audio("resp_1")
    line.done("resp_1", "completed", "item_1")
    line.epoch += 1
    line.sent.clear()
    said = AgentSaid(1, "Good", "morning.", ended="cut")
    reply.cancel()
    reply.truncate(400, said)
    assert (line.sent, line.retold) == ([], [said])


async def test_of_a_reply_in_two_conversations_the_first_part_is_told_anew_and_the_second_shortened() -> None:
    line = Line()
    reply = line.reply(1)
    line.session.begin(reply)
    line.created("resp_1", 1)
    line.text("resp_1", "One.", "item_1")
    line.audio("resp_1", "item_1")
    line.done("resp_1", "completed", "item_1")
    line.epoch += 1
    line.session = RealtimeProtocol(line.put)
    line.session.begin(reply)
    line.created("resp_2", 1)
    line.text("resp_2", "Two three.", "item_2")
    line.audio("resp_2", "item_2")
    reply.cancel()
    line.sent.clear()
    reply.truncate(1_500, AgentSaid(1, "One. Two", "three.", ended="cut"))
    assert [said.text.strip() for said in line.retold] == ["One."]
    truncate, noted = line.sent
    assert (truncate["item_id"], truncate["audio_end_ms"]) == ("item_2", 500)
    assert noted["previous_item_id"] == "item_2"


async def test_over_webrtc_a_cut_clears_what_the_server_still_sends() -> None:
    line = Line(webrtc=True)
    reply = line.reply(1)
    line.session.begin(reply)
    line.created("resp_1", 1)
    line.session.event(server_event("output_audio_buffer.started", response_id="resp_1"))
    line.text("resp_1", "Good morning to you all.")
    line.done("resp_1", "completed", "item_1")
    reply.cancel()
    assert line.kinds() == ["response.create", "output_audio_buffer.clear"], "there is nothing to cancel"
    line.session.event(server_event("conversation.item.truncated", item_id="item_1", content_index=0, audio_end_ms=900))
    reply.truncate(500, AgentSaid(1, "Good", "morning", ended="cut"))
    assert line.sent[-2]["audio_end_ms"] == 500, "the far end was behind, by a hold"


async def test_over_webrtc_what_was_heard_may_be_known_before_the_server_says_what_it_sent() -> None:
    line = Line(webrtc=True)
    reply = line.reply(1)
    line.session.begin(reply)
    line.created("resp_1", 1)
    line.text("resp_1", "Good morning to you all.")
    reply.cancel()
    reply.truncate(500, AgentSaid(1, "Good", "morning", ended="cut"))
    line.sent.clear()
    for ms in (900, 500):
        line.session.event(
            server_event("conversation.item.truncated", item_id="item_1", content_index=0, audio_end_ms=ms)
        )
    assert [event["audio_end_ms"] for event in line.sent] == [500], "once"


async def test_over_webrtc_sound_that_begins_after_the_cut_is_cleared_too() -> None:
    line = Line(webrtc=True)
    reply = line.reply(1)
    line.session.begin(reply)
    line.created("resp_1", 1)
    reply.cancel()
    assert line.kinds() == ["response.create", "response.cancel"]
    line.session.event(server_event("output_audio_buffer.started", response_id="resp_1"))
    assert line.kinds()[-1] == "output_audio_buffer.clear"
