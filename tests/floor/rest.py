"""From every state, time alone leads to rest."""

from __future__ import annotations

from copy import copy

from bargein.floor import events as ev
from bargein.floor.rules import Floor
from tests.floor.seen import Broken

MOST_TICKS = 40


def liveness(floor: Floor, longest_ms: float) -> int:
    """From here, time alone (and a playout that ends what it plays) leads to rest. Returns how many steps it took.

    Raises Broken when a deadline stays due after its tick, or rest does not come in time or steps.
    """
    f = copy(floor)
    began = f.now_ms
    for n in range(MOST_TICKS):
        if f.over or (f.state.value == "idle" and f.deadline is None):
            return n
        due = f.deadline
        if due is None:
            if f.state.value != "speaking":
                raise Broken(f"(5) {f.state} waits for nothing")
            f.handle(ev.ReplyEnded(f.now_ms, f.reply.id))
            continue
        if due - began > longest_ms:
            raise Broken(f"(5) not at rest after {due - began} ms")
        before = (f.state, f.speech.evidence, f.reply.id, due)
        acted = f.handle(ev.Tick(due))
        if (f.state, f.speech.evidence, f.reply.id, f.deadline) == before and not acted:
            raise Broken(f"(5) the deadline {due} stays due in {f.state}")
    raise Broken(f"(5) {MOST_TICKS} ticks do not end {floor.state}")
