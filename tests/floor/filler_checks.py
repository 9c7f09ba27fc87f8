"""What must be true when a filler begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bargein.floor.rules import Floor
from tests.floor.world import Seen


class Waiting(Protocol):
    """What a watcher knows of the reply that is waited for."""

    turn: int
    answers: int
    asking: bool
    filler: bool
    tools: bool
    fillers: int


def check_filler(need: Callable[[bool, str], None], floor: Floor, was: Seen, world: Waiting) -> int:
    """Returns how many fillers the newest turn has had with this one."""
    answers = world.answers and not world.asking
    need(bool(world.tools or answers) and not world.filler, "a filler fills the time of an answer or a tool")
    idle, newest = floor.policy.idle, world.turn > 0 and world.answers == world.turn
    again_ms = idle.filler_again_ms if newest and world.fillers else idle.filler_ms
    silent_ms = floor.now_ms - was.silent_from_ms
    need(again_ms is not None and silent_ms >= again_ms, "a filler comes after filler_ms of silence")
    fillers = world.fillers + newest
    need(fillers <= idle.max_fillers, "at most max_fillers are said in a turn")
    return fillers
