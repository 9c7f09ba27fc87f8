"""Vendors that cannot be used: each is a problem with its remedy, and the others go on."""

from __future__ import annotations

from importlib.metadata import Distribution, EntryPoint
from pathlib import Path

import pytest

from bargein.errors import UsageError
from bargein.server.catalogue import open_agents
from bargein.server.doctor import examine
from bargein.server.registry import GROUP, OURS, Registry, read_entry_points
from bargein.vendors.common.vendor import AgentRecipe, ApiKey, Part, Vendor
from tests.server.kit import bare, settings

SPEECH = Part("tts", "acme-tts", "Acme speech", factory="acme:Speech")
ACME = Vendor("acme", "Acme", ApiKey(("ACME_API_KEY",)), (SPEECH,), (AgentRecipe("acme", {"tts": "acme-tts"}),))
TWIN = Vendor("acme", "Another Acme")
GREEDY = Vendor(
    "greedy",
    "Greedy",
    parts=(Part("tts", "espeak", "Mine", factory="x:Y"), Part("tts", "greedy", "Mine", factory="x:Y")),
    agents=(AgentRecipe("cascade"), AgentRecipe("voxtral"), AgentRecipe("mine")),
)
NO_VENDOR = {"name": "acme"}


class Installed(Distribution):
    """A distribution of that name."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def read_text(self, filename: str) -> str | None:
        return None

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


def point(attribute: str, distribution: str = "stranger", module: str = __name__) -> EntryPoint:
    made = EntryPoint(attribute.lower(), f"{module}:{attribute}", GROUP)
    vars(made).update(dist=Installed(distribution))
    return made


OWN = point("VENDOR", OURS, "bargein.vendors.local")
SCRIPTED = point("VENDOR", OURS, "bargein.vendors.scripted")


def read(*points: EntryPoint) -> Registry:
    return read_entry_points([*points, OWN])


def test_a_strangers_vendor_stands_beside_ours() -> None:
    registry = read(point("ACME"))
    assert [vendor.name for vendor in registry.vendors] == ["local", "acme"]
    assert registry.find("tts", "acme-tts").key_variable == "ACME_API_KEY"
    assert registry.agent_names == ["voxtral", "acme"]
    assert registry.problems == ()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (point("ACME", module="no_such_module"), "failed with ModuleNotFoundError"),
        (point("NOTHING"), "failed with AttributeError"),
        (point("NO_VENDOR"), "is a dict, and no Vendor"),
    ],
)
def test_a_vendor_that_cannot_be_loaded_is_named_and_the_rest_goes_on(bad: EntryPoint, why: str) -> None:
    registry = read(bad, point("ACME", "good"))
    assert [vendor.name for vendor in registry.vendors] == ["local", "acme"]
    (problem,) = registry.problems
    assert problem.vendor == f"vendor {bad.name} of stranger"
    assert why in problem.why
    assert problem.advice


def test_of_two_vendors_of_one_name_the_first_counts_and_ours_is_first() -> None:
    registry = read(point("TWIN", "z-stranger"), point("ACME", "a-stranger"))
    assert [vendor.title for vendor in registry.vendors] == ["This machine", "Acme"]
    assert [problem.vendor for problem in registry.problems] == ["vendor twin of z-stranger"]
    ours = read_entry_points([point("ACME", "a-stranger"), point("TWIN", OURS)])
    assert [vendor.title for vendor in ours.vendors] == ["Another Acme"]


def test_names_of_parts_and_agents_that_are_taken_are_left_out_alone() -> None:
    registry = read(point("GREEDY"))
    assert [part.name for part in registry.parts if part.vendor.name == "greedy"] == ["greedy"]
    assert registry.find("tts", "espeak").vendor.name == "local"
    assert registry.agent_names == ["voxtral", "mine"]
    assert [recipe.parts for recipe in registry.recipes("voxtral")] == [{"llm": "voxtral-local"}]
    assert [problem.why for problem in registry.problems] == [
        "there is a tts 'espeak' already",
        "there is an agent 'cascade' already",
        "there is an agent 'voxtral' already",
    ]


def test_without_our_own_entry_points_the_remedy_is_to_install() -> None:
    (problem,) = read_entry_points([]).problems
    assert "Install it" in problem.advice


async def test_problems_are_shown_by_the_doctor_and_with_the_agents() -> None:
    registry = read(point("NO_VENDOR"), SCRIPTED)
    findings = await examine(settings(), bare(), registry=registry)
    (finding,) = [finding for finding in findings if "no_vendor" in finding.what]
    assert (finding.state, finding.what) == ("fails", "vendor no_vendor of stranger")
    async with open_agents(settings(), bare(), registry=registry) as catalogue:
        assert catalogue.missing[0].part == "vendor no_vendor of stranger"
        assert catalogue.default.name == "guide"


async def test_an_agent_that_nobody_has_is_refused_with_those_that_are_there() -> None:
    registry = read(point("ACME"), SCRIPTED)
    with pytest.raises(UsageError, match=r"Choose one of guide, guide-scripted, cascade, voxtral, acme, or give FILE"):
        async with open_agents(settings(agent="nobody"), bare(), registry=registry):
            pass


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Vendor("Acme Inc.", "Acme"), "The vendor name 'Acme Inc.' cannot be"),
        (lambda: Vendor("acme", "Acme", ApiKey(())), "has a key without a variable"),
        (
            lambda: Vendor("acme", "Acme", parts=("tts",)),  # type: ignore[arg-type]
            "lists a str where a Part belongs",
        ),
        (
            lambda: Part("voice", "acme", "Acme", factory="a:B"),  # type: ignore[arg-type]
            "has the kind 'voice'. Give one of stt, llm, tts",
        ),
        (lambda: Part("tts", "acme", "Acme", factory="acme.Speech"), "names nothing"),
        (lambda: AgentRecipe("file.py:agent"), "The agent name 'file.py:agent' cannot be"),
    ],
)
def test_a_vendor_that_cannot_be_is_refused_where_it_is_made(make: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        make()  # type: ignore[operator]
