"""Whatever the network does, each call ends on both sides, and each side hears of its end once."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sip.kit import Phone, SimNetwork, offer

ENDS = ["caller", "callee", "both", "cancel", "reinvite", "crossed", "transfer"]


@settings(max_examples=250, deadline=None)
@given(
    st.integers(0, 10_000), st.sampled_from([0.0, 0.2, 0.5]), st.sampled_from(ENDS), st.sampled_from([None, 60, 2500])
)
def test_every_call_ends_on_both_sides(seed: int, loss: float, ending: str, answer_ms: float | None) -> None:
    asyncio.run(_run(random.Random(seed), loss, ending, answer_ms))


async def _run(chance: random.Random, loss: float, ending: str, answer_ms: float | None) -> None:
    net = SimNetwork()

    def fate(_: bytes) -> list[float]:
        """Lost, repeated, out of order."""
        copies = 0 if chance.random() < loss else 2 if chance.random() < 0.2 else 1
        return [chance.uniform(1, 700) for _ in range(copies)]

    net.fate = fate
    # A BYE that is lost eleven times is made good by the session timer.
    alice = Phone(net, "10.0.0.1", session_expires_s=120)
    bob = Phone(net, "10.0.0.2", answer_ms=answer_ms, session_expires_s=120)
    call = alice.call(bob)
    tasks: list[asyncio.Future[object]] = []
    net.run(chance.uniform(0, 4000) if ending == "cancel" else 8000)
    mine = None
    if call.result.done() and call.result.exception() is None:
        mine = alice.adopt(call.result.result())
    if mine is not None and ending in ("reinvite", "crossed"):
        tasks.append(asyncio.ensure_future(mine.reinvite(offer(version=2))))
        if ending == "crossed" and bob.dialogs[0].over is None:
            tasks.append(asyncio.ensure_future(bob.dialogs[0].reinvite(offer("10.0.0.2", version=2))))
    if mine is not None and ending == "transfer":
        bob.dialogs[0].on_refer = lambda uri: None
        tasks.append(asyncio.ensure_future(mine.refer(bob.dialogs[0].remote.uri, within_s=9)))
    await asyncio.sleep(0)
    net.run(chance.uniform(0, 3000))
    if ending in ("callee", "both"):
        for dialog in bob.dialogs:
            dialog.hang_up()
    if ending != "callee" or mine is None:
        if mine is None:
            call.cancel()
        else:
            mine.hang_up()
    net.run(400_000)
    if call.result.done() and call.result.exception() is None and mine is None:
        mine = alice.adopt(call.result.result())
        mine.hang_up()
        net.run(400_000)
    assert (alice.core.dialogs, bob.core.dialogs, bob.core.waiting) == (0, 0, 0)
    assert (len(alice.core.transactions), len(bob.core.transactions)) == (0, 0)
    assert (len(alice.core.timers), len(bob.core.timers)) == (0, 0)
    assert len(bob.calls) <= 1
    assert len(bob.overs) == len(bob.dialogs)
    assert len(bob.cancelled) + len(bob.dialogs) == len(bob.calls)
    assert len(alice.overs) <= len(alice.dialogs)  # a dialog that was over before the test took it says nothing
    assert all(dialog.over for dialog in [*alice.dialogs, *bob.dialogs])
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.done() for task in tasks)
