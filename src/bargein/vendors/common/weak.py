"""Callbacks that do not keep their owner alive: an owner and its part hold each other in no circle."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec
from weakref import WeakMethod

P = ParamSpec("P")


def weakly(method: Callable[P, None]) -> Callable[P, None]:
    """The bound method as a function that does nothing once the method's object is gone."""
    known = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        alive = known()
        if alive is not None:
            alive(*args, **kwargs)

    return call
