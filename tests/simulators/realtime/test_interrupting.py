"""The simulated model, interrupted: cancelled, refused a second answer, and shortened to what was heard."""

from __future__ import annotations

import pytest

from bargein_simulators.openai_realtime import RealtimeSimulator
from bargein_simulators.realtime_session import RealtimeSession
from tests.simulators.realtime.kit import (
    LONG,
    SPOKEN_ANSWER,
    WORDS,
    Connection,
    audio,
    of,
    order,
    recorded,
    speaking,
    text,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")  # as its server


# -------------------------------------------------------------------------------------------------------- interruptions


async def test_speech_cuts_the_answer_and_gets_its_own_where_the_server_interrupts(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    cut = (await speaking(connection, sim))[0]["response"]["id"]
    sim.respond, sim.speed = (lambda said, items: WORDS), 0
    await connection.feed(recorded("interruption-3.wav"))
    events = await connection.until("rate_limits.updated")
    done = of(events, "response.done")[0]["response"]
    assert (done["id"], done["status"]) == (cut, "cancelled")
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert order(await connection.until("rate_limits.updated")) == SPOKEN_ANSWER


async def test_speech_leaves_the_answer_alone_where_the_client_interrupts(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    await connection.configure(
        turn_detection={"type": "server_vad", "create_response": False, "interrupt_response": False}
    )
    await speaking(connection, sim)
    await connection.feed(recorded("interruption-3.wav"))
    await connection.next("input_audio_buffer.committed")
    await connection.wire.response.cancel()
    done = (await connection.next("response.done"))["response"]
    assert done["status_details"]["reason"] == "client_cancelled"


async def test_an_answer_of_the_servers_own_that_is_one_too_many_is_refused_without_an_event_id(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    await connection.configure(turn_detection={"type": "server_vad", "interrupt_response": False})
    running = (await speaking(connection, sim))[0]["response"]["id"]
    await connection.feed(recorded("interruption-3.wav"))
    error = (await connection.next("error"))["error"]
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", None)
    assert running in error["message"]


async def test_a_cancelled_answer_ends_in_order_after_at_most_two_more_deltas(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    begun = await speaking(connection, sim)
    await connection.wire.response.cancel(response_id=begun[0]["response"]["id"])
    rest = await connection.until("rate_limits.updated")
    assert len(of(rest, "response.output_audio.delta")) <= 2
    assert [kind for kind in order(rest) if kind != "deltas"] == SPOKEN_ANSWER[5:]
    item = of(rest, "conversation.item.done")[0]["item"]
    event = text(begun + rest)
    assert item["status"] == "incomplete"
    assert item["content"] == [{"type": "output_audio", "transcript": event}]
    assert LONG.startswith(event)
    assert len(event) < len(LONG)
    done = of(rest, "response.done")[0]["response"]
    assert (done["status"], done["output"]) == ("cancelled", [item])
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}


async def test_an_answer_that_is_cancelled_before_it_began_has_no_output(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    sim.faults.append("slow")
    await connection.wire.response.create()
    await connection.next("response.created")
    await connection.wire.response.cancel()
    events = await connection.until("rate_limits.updated")
    assert order(events) == ["response.done", "rate_limits.updated"]
    assert (events[0]["response"]["status"], events[0]["response"]["output"]) == ("cancelled", [])


async def test_a_second_answer_is_refused_while_one_runs_and_never_created(
    connection: Connection, sim: RealtimeSimulator
) -> None:
    running = (await speaking(connection, sim))[0]["response"]["id"]
    await connection.wire.response.create(event_id="mine")
    error = (await connection.next("error"))["error"]
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "mine")
    assert error["message"] == (
        f"Conversation already has an active response in progress: {running}. "
        "Wait until the response is finished before creating a new one."
    )
    await connection.wire.response.cancel()
    rest = await connection.until("rate_limits.updated")
    assert not of(rest, "response.created")
    assert len(of(rest, "response.done")) == 1


# ----------------------------------------------------------------------------------------------------------- truncation


async def test_truncation_deletes_the_text_and_sets_what_was_heard(
    connection: Connection, sim: RealtimeSimulator, session: RealtimeSession
) -> None:
    item = of(await connection.answer(), "conversation.item.done")[0]["item"]["id"]
    at = int(session.items[item].truth[2].end_ms) + 1
    await connection.wire.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=at)
    event = await connection.next("conversation.item.truncated")
    assert (event["item_id"], event["content_index"], event["audio_end_ms"]) == (item, 0, at)
    await connection.wire.conversation.item.retrieve(item_id=item)
    assert (await connection.next("conversation.item.retrieved"))["item"]["content"] == [{"type": "output_audio"}]
    assert session.items[item].heard() == "One two three"
    sim.respond = lambda said, items: f"I remember: {items[0].text}."
    assert text(await connection.answer()) == "I remember: ."


async def test_an_answer_that_is_cut_and_shortened_at_once_keeps_no_text_either(
    connection: Connection, sim: RealtimeSimulator, session: RealtimeSession
) -> None:
    begun = await speaking(connection, sim)
    item = of(begun, "conversation.item.added")[0]["item"]["id"]
    await connection.wire.response.cancel()
    await connection.wire.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=100)
    rest = await connection.until("rate_limits.updated")
    assert of(rest, "conversation.item.truncated")[0]["audio_end_ms"] == 100
    assert of(rest, "response.done")[0]["response"]["output"][0]["content"][0]["transcript"] == text(begun + rest)
    await connection.wire.conversation.item.retrieve(item_id=item)
    assert (await connection.next("conversation.item.retrieved"))["item"]["content"] == [{"type": "output_audio"}]
    assert (session.items[item].text, session.items[item].heard()) == ("", "")


async def test_a_cut_answer_that_nobody_shortened_was_heard_as_far_as_it_was_made(
    connection: Connection, sim: RealtimeSimulator, session: RealtimeSession
) -> None:
    begun = await speaking(connection, sim)
    await connection.wire.response.cancel()
    rest = await connection.until("rate_limits.updated")
    item = session.items[of(rest, "conversation.item.done")[0]["item"]["id"]]
    assert item.ms == len(audio(begun + rest)) / 48
    assert item.heard() in LONG
    assert 0 < len(item.heard()) <= len(text(begun + rest))


async def test_an_item_cannot_be_shortened_beyond_its_end(connection: Connection) -> None:
    events = await connection.answer()
    item, has = of(events, "conversation.item.done")[0]["item"]["id"], len(audio(events)) // 48
    await connection.wire.conversation.item.truncate(
        item_id=item, content_index=0, audio_end_ms=has + 60, event_id="e1"
    )
    error = (await connection.next("error"))["error"]
    assert (error["code"], error["event_id"]) == ("invalid_value", "e1")
    assert error["message"] == f"Audio content of {has}ms is already shorter than {has + 60}ms"
    await connection.wire.conversation.item.truncate(item_id=item, content_index=0, audio_end_ms=has)
    await connection.next("conversation.item.truncated")


async def test_a_deleted_item_is_gone(connection: Connection, session: RealtimeSession) -> None:
    item = of(await connection.answer(), "conversation.item.done")[0]["item"]["id"]
    await connection.wire.conversation.item.delete(item_id=item)
    assert (await connection.next("conversation.item.deleted"))["item_id"] == item
    await connection.wire.conversation.item.retrieve(item_id=item)
    assert (await connection.next("error"))["error"]["code"] == "item_retrieve_invalid_item_id"
    assert session.deleted == [item]
