"""Both responders do all that a call asks of one."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from bargein.call.responders.chat import ChatResponder
from bargein.call.responders.realtime import RealtimeResponder
from bargein.call.responders.responder import PreparedStats, Responder


@pytest.mark.parametrize("kind", [ChatResponder, RealtimeResponder])
def test_a_responder_has_every_method_with_the_same_parameters(kind: type) -> None:
    for name, wanted in vars(Responder).items():
        if name.startswith("_") or not callable(wanted):
            continue
        found, expected = inspect.signature(getattr(kind, name)), inspect.signature(wanted)
        assert [str(p.kind) + p.name for p in found.parameters.values()] == [
            str(p.kind) + p.name for p in expected.parameters.values()
        ], name
        assert inspect.iscoroutinefunction(getattr(kind, name)) == inspect.iscoroutinefunction(wanted), name


def test_what_preparing_has_cost_is_counted_from_nothing_under_the_names_that_clients_read() -> None:
    assert dataclasses.asdict(PreparedStats()) == {"used": 0, "forgotten": 0, "wasted_chars": 0, "wasted_ms": 0.0}
