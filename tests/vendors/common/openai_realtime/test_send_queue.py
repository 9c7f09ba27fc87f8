"""What waits to be sent, its order, its bound, and what of it outlives a connection."""

from __future__ import annotations

from bargein.vendors.common.openai_realtime.send_queue import WAITING, RealtimeSendQueue

NOTE, COMMIT, CREATE, CANCEL = (
    {"type": kind}
    for kind in ("conversation.item.create", "input_audio_buffer.commit", "response.create", "response.cancel")
)


def opened(*, lasting: bool, full: list[str] | None = None) -> RealtimeSendQueue:
    outbox = RealtimeSendQueue(lasting=lasting, full=lambda: (full if full is not None else []).append("full"))
    outbox.opens()
    return outbox


def sent(outbox: RealtimeSendQueue, until: int = 0) -> list[str]:
    orders = []
    while (order := outbox.due(until)) is not None:
        orders.append(order.kind)
    return orders


def test_what_is_urgent_goes_first_and_the_rest_after_the_sound_that_it_waits_for() -> None:
    outbox = opened(lasting=False)
    outbox.put(COMMIT, after=100)
    outbox.put(CREATE)
    outbox.put(CANCEL, urgent=True)
    assert sent(outbox) == ["response.cancel"]
    assert outbox.after == 100
    assert sent(outbox, 100) == ["input_audio_buffer.commit", "response.create"]


def test_a_break_ends_all_orders_but_those_of_a_conversation_that_lasts() -> None:
    for lasting, kept in ((False, []), (True, [NOTE["type"], COMMIT["type"], NOTE["type"]])):
        outbox = opened(lasting=lasting)
        for event in (NOTE, COMMIT, CREATE):
            outbox.put(event)
        outbox.put(CANCEL, urgent=True)
        outbox.breaks()
        outbox.put(NOTE)
        outbox.put(CREATE)
        outbox.opens()
        assert sent(outbox) == kept


def test_too_much_is_told_and_a_long_break_keeps_the_newest() -> None:
    full: list[str] = []
    outbox = opened(lasting=True, full=full)
    for _ in range(WAITING + 1):
        outbox.put(NOTE)
    assert full == ["full"]
    outbox.breaks()
    for _ in range(WAITING):
        outbox.put(COMMIT)
    outbox.opens()
    assert sent(outbox) == [COMMIT["type"]] * WAITING
    assert full == ["full"]
