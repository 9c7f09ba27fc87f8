"""The vendors that are installed, found by entry points of the group `bargein.vendors`; ours are found like any other.

A vendor that cannot be used is a VendorProblem, with its remedy; the others go on.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from typing import Any

from bargein.errors import Unavailable, UsageError
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.keys import environment_key, web_address
from bargein.vendors.common.option import Value
from bargein.vendors.common.vendor import AgentRecipe, Kind, Part, Vendor

log = logging.getLogger(__name__)

GROUP = "bargein.vendors"
OURS = "bargein"  # the distribution whose vendors go before all others
GUIDE, SCRIPTED, CASCADE, CHOSEN = "guide", "guide-scripted", "cascade", "chosen"  # the server's own agents


@dataclass(frozen=True, slots=True)
class VendorProblem:
    """A vendor, or a part of one, that cannot be used."""

    vendor: str
    """The entry point and its distribution."""
    why: str
    advice: str


@dataclass(frozen=True, slots=True)
class RegisteredPart:
    """A part together with its vendor."""

    vendor: Vendor
    part: Part

    @property
    def kind(self) -> Kind:
        return self.part.kind

    @property
    def name(self) -> str:
        return self.part.name

    @property
    def title(self) -> str:
        return self.part.title

    @property
    def key_variable(self) -> str | None:
        """The variable of the key that the part needs."""
        if self.vendor.key is None or not self.part.takes_key:
            return None
        return self.vendor.key.variables[0]

    @property
    def installed(self) -> bool:
        """Whether the part's module and all its packages can be imported."""
        return all(_is_there(name) for name in (self.part.factory.partition(":")[0], *self.part.packages))

    @property
    def how_to_install(self) -> str:
        return f"Install it: pip install '{self.part.requirement}'" if self.part.requirement else "Install its package"

    def key_set(self, environment: Environment) -> bool | None:
        """Whether the key is set. None: the part needs none."""
        return None if self.key_variable is None else self.vendor.key_in(environment) is not None

    def configured(self, environment: Environment) -> bool:
        """Whether all variables that the part needs are set."""
        return self.key_set(environment) is not False and self.part.unset(environment) is None

    def wanted(self, environment: Environment) -> bool:
        """Whether the user has set the part up: configured, and not only because the part needs no variable."""
        some = any(environment.get(setting.variable) is not None for setting in self.part.settings)
        return self.configured(environment) and (self.key_variable is not None or some)

    def needs(self) -> str | None:
        """The first variable that the part cannot do without."""
        required = [setting.variable for setting in self.part.settings if setting.required]
        return self.key_variable or next(iter(required), None)

    def url(self, environment: Environment) -> str | None:
        """The vendor's address, where it is not the vendor's own."""
        return environment.get(self.vendor.url_variable) if self.key_variable is not None else None

    def demand(self, environment: Environment) -> None:
        """Raises Unavailable that names what to install, the variable to set, or a malformed key's or address's."""
        if not self.installed:
            raise Unavailable(f"{self.title} is not installed", advice=self.how_to_install)
        addresses = [setting.variable for setting in self.part.settings if setting.parameter == "base_url"]
        for address in (self.vendor.url_variable, *addresses):
            web_address(environment.get(address), address)
        if (unset := self.part.unset(environment)) is not None:
            raise Unavailable(f"{self.title} has no {unset.variable}", advice=f"Set {unset.variable}")
        if self.key_set(environment) is not False:
            if self.vendor.key is not None and self.part.takes_key:
                environment_key(environment, *self.vendor.key.variables)
            return
        key, variable = self.vendor.key, self.key_variable
        if key is not None and self.vendor.key_is_elsewhere(environment):
            there = [p.name for p in self.vendor.parts if any(s.variable == key.for_server_of for s in p.settings)]
            raise Unavailable(
                f"{key.for_server_of} is set, so {variable} is not for {self.title}",
                advice=f"Choose {' or '.join(there)}, or set {self.vendor.url_variable}, too",
            )
        raise Unavailable(f"{self.title} has no key", advice=f"Set {variable}")

    def arguments(self, options: Mapping[str, Value], language: str, environment: Environment) -> dict[str, Any]:
        """The factory's keywords: key and address, settings, language, options. Of one name the last counts."""
        given: dict[str, Any] = {}
        if self.key_variable is not None:
            given |= {"api_key": self.vendor.key_in(environment), "base_url": self.url(environment)}
        for setting in self.part.settings:
            if environment.get(setting.variable) is not None:
                secret, plain = environment.secret(setting.variable), environment.get(setting.variable)
                given[setting.parameter] = secret if setting.secret else plain
        return given | dict(self.part.language(language)) | dict(options)

    async def load(self) -> Callable[..., object]:
        """The factory. Raises Unavailable when it cannot be imported."""
        return await self._import(self.part.factory)

    async def load_worker(self) -> Callable[[], Any]:
        """What makes the part's worker process. Raises Unavailable when it cannot be imported."""
        return await self._import(self.part.worker)

    async def _import(self, target: str) -> Callable[..., Any]:
        """In a thread: an SDK takes up to seconds to import, and calls run meanwhile."""
        module, _, attribute = target.partition(":")
        try:
            found: Callable[..., Any] = attrgetter(attribute)(await asyncio.to_thread(importlib.import_module, module))
        except (ImportError, AttributeError) as error:
            missing = error.name or attribute
            raise Unavailable(
                f"{self.title} cannot be loaded: {missing} is missing", advice=self.how_to_install
            ) from error
        return found


@dataclass(frozen=True, slots=True)
class Registry:
    """All vendors, ours first."""

    vendors: tuple[Vendor, ...] = ()
    problems: tuple[VendorProblem, ...] = ()

    @property
    def parts(self) -> tuple[RegisteredPart, ...]:
        return tuple(RegisteredPart(vendor, part) for vendor in self.vendors for part in vendor.parts)

    def find(self, kind: Kind, name: str) -> RegisteredPart:
        """Raises UsageError for a name that no part of the kind has."""
        parts = self.of_kind(kind)
        for part in parts:
            if part.name == name:
                return part
        known = ", ".join(part.name for part in parts)
        raise UsageError(f"There is no {kind} {name[:80]!r}", advice=f"Choose one of {known}")

    def of_kind(self, kind: Kind) -> list[RegisteredPart]:
        """The best first, those without a rank last."""
        parts = [part for part in self.parts if part.kind == kind]
        return sorted(parts, key=lambda part: float("inf") if part.part.rank is None else part.part.rank)

    def fallback(self, kind: Kind, language: str) -> RegisteredPart | None:
        """The local part of a kind that stands in while a vendor's is away."""
        parts = [part for part in self.of_kind(kind) if part.part.fallback and part.installed]
        return next((part for part in parts if part.part.speaks(language)), None)

    def recipes(self, agent: str) -> list[AgentRecipe]:
        """The recipes of an agent, the preferred one first."""
        return sorted((r for vendor in self.vendors for r in vendor.agents if r.name == agent), key=lambda r: r.rank)

    @property
    def agent_names(self) -> list[str]:
        return list(dict.fromkeys(recipe.name for vendor in self.vendors for recipe in vendor.agents))

    def hide(self, text: str, environment: Environment) -> str:
        """A text without any vendor's key. No error should hold a key, and none may."""
        for vendor in self.vendors:
            for secret in vendor.secrets(environment):
                text = text.replace(secret, "(the key)")
        return text


@functools.cache
def installed_vendors() -> Registry:
    """The registry of this process. Problems are logged once."""
    registry = read_entry_points(entry_points(group=GROUP))
    for problem in registry.problems:
        log.warning("%s: %s. %s", problem.vendor, problem.why, problem.advice)
    return registry


def read_entry_points(points: Iterable[EntryPoint]) -> Registry:
    """The vendors of these entry points, with a problem for each that cannot be used. Raises nothing."""
    ordered = sorted(points, key=lambda point: (_distribution(point) != OURS, _distribution(point), point.name))
    vendors: list[Vendor] = []
    problems: list[VendorProblem] = []
    for point in ordered:
        where = f"vendor {point.name} of {_distribution(point) or 'an unknown distribution'}"
        loaded = _load(point, where)
        if isinstance(loaded, VendorProblem):
            problems.append(loaded)
            continue
        if any(vendor.name == loaded.name for vendor in vendors):
            why = f"another distribution has a vendor {loaded.name!r} already"
            problems.append(VendorProblem(where, why, f"Uninstall one of them, or rename {point.value}"))
            continue
        kept, clashes = _without_clashes(loaded, vendors, ours=_distribution(point) == OURS)
        problems += [VendorProblem(where, why, f"Rename it in {point.value}") for why in clashes]
        vendors.append(kept)
    if not any(_distribution(point) == OURS for point in ordered):
        why = "none is registered: this is no installed Bargein"
        problems.insert(0, VendorProblem("vendors of bargein", why, "Install it: pip install -e . (or `make run`)"))
    return Registry(tuple(vendors), tuple(problems))


def _load(point: EntryPoint, where: str) -> Vendor | VendorProblem:
    try:
        loaded = point.load()
    except (Exception, SystemExit) as error:
        why = f"{point.value} failed with {type(error).__name__}: {str(error)[:200]}"
        advice = f"Update or uninstall {_distribution(point)}"
        return VendorProblem(where, why, advice)
    if not isinstance(loaded, Vendor):
        advice = "Let the entry point name a bargein.vendors.common.vendor.Vendor"
        return VendorProblem(where, f"{point.value} is a {type(loaded).__name__}, and no Vendor", advice)
    return loaded


def _without_clashes(vendor: Vendor, before: Iterable[Vendor], *, ours: bool) -> tuple[Vendor, list[str]]:
    """The vendor without the parts and agents whose names are taken, and why each was left out.

    Our vendors may share an agent, as voxtral: each gives another way to have it."""
    taken = {(part.kind, part.name) for other in before for part in other.parts}
    agents = {GUIDE, SCRIPTED, CASCADE, CHOSEN}
    if not ours:
        agents |= {recipe.name for other in before for recipe in other.agents}
    why: list[str] = []
    parts: list[Part] = []
    for part in vendor.parts:
        if (part.kind, part.name) in taken:
            why.append(f"there is a {part.kind} {part.name!r} already")
        else:
            taken.add((part.kind, part.name))
            parts.append(part)
    recipes: list[AgentRecipe] = []
    for recipe in vendor.agents:
        if recipe.name in agents:
            why.append(f"there is an agent {recipe.name!r} already")
        else:
            recipes.append(recipe)
    return replace(vendor, parts=tuple(parts), agents=tuple(recipes)), why


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else ""


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
