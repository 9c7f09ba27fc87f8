"""What a page's visitor may set of a part: a choice, a number, a voice; never a file, nor weights to be fetched."""

from __future__ import annotations

import pytest

from bargein.errors import UsageError
from bargein.server.registry import installed_vendors
from bargein.vendors.common.option import Option
from bargein.vendors.common.vendor import KINDS, Part

MODEL = Option("model", "Model", "a", ("a", "b"))
FOLDER = Option("folder", "Folder")
VOICE = Option("voice", "Voice", visitors=True)
SPEED = Option("speed", "Speed", 1, kind="number", least=0, most=2)
PART = Part("tts", "x", "X", "x:X", options=(MODEL, FOLDER, VOICE, SPEED))


@pytest.mark.parametrize(
    "options", [{}, {"model": "b"}, {"voice": "anything"}, {"speed": 2}, {"folder": None}, {"model": None}]
)
def test_a_visitor_may_choose(options: dict[str, object]) -> None:
    PART.demand_visitors(options)


@pytest.mark.parametrize("options", [{"model": "c"}, {"folder": "/etc"}, {"folder": ""}, {"model": "/etc/x"}])
def test_a_visitor_may_name_nothing_of_their_own(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="on a page"):
        PART.demand_visitors(options)


def test_no_part_of_ours_lets_a_visitor_name_weights_or_an_address() -> None:
    registry = installed_vendors()
    parts = [part.part for kind in (*KINDS, "realtime") for part in registry.of_kind(kind)]
    free = {(option.name, part.name) for part in parts for option in part.options if option.visitors}
    assert {name for name, _ in free} <= {"voice", "language"}
    assert not {part for _, part in free} & {"voxtral-local", "voxtral-vllm", "ollama"}
    local = registry.find("llm", "voxtral-local").part
    with pytest.raises(UsageError):
        local.demand_visitors({"model": "some/weights"})
