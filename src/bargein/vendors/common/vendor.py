"""What a vendor says of itself, as data: its parts, their options, its key, where it is, and the agents it knows.

A vendor is a package with one object, registered by an entry point of the group `bargein.vendors`:

    # acme_voices/__init__.py
    VENDOR = Vendor(
        name="acme",
        title="Acme",
        key=ApiKey(("ACME_API_KEY",)),
        parts=(Part("tts", "acme-tts", "Acme speech", factory="acme_voices.speech:AcmeSpeech"),),
    )

    # pyproject.toml
    [project.entry-points."bargein.vendors"]
    acme = "acme_voices:VENDOR"

Importing that module imports no SDK: a part's factory is loaded when the part is made, in a thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from pydantic import SecretStr

from bargein.errors import UsageError
from bargein.vendors.common.environment import Environment, url_variable
from bargein.vendors.common.option import Option, Value

Kind = Literal["stt", "llm", "tts", "realtime"]
KINDS: tuple[Kind, ...] = ("stt", "llm", "tts")
"""The kinds of a cascade. A realtime part takes the place of all three."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_TARGET = re.compile(r"[\w.]+:\w+")


def primary_language(language: str) -> Mapping[str, Value]:
    """The language without its region: "pt-BR" is given as language="pt"."""
    return {"language": language.partition("-")[0].lower()}


def no_language(language: str) -> Mapping[str, Value]:
    """The part is not told the language."""
    return {}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A vendor's key in the environment."""

    variables: tuple[str, ...]
    """Variables that may hold the key, the usual one first."""
    for_server_of: str = ""
    """A variable with another server's address. While it is set, the key is for that server only, unless the vendor's
    own address is set as well."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable of the environment that one part reads, besides the vendor's key and address."""

    variable: str
    parameter: str
    """The name of the factory's parameter. An option of that name goes before the variable."""
    required: bool = False
    """The part cannot be had without the variable."""
    instead: tuple[str, ...] = ()
    """Variables that, all set, make a required one unnecessary."""
    secret: bool = False
    """The value is a key: the factory gets a SecretStr."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a vendor offers: an STT, an LLM, a TTS or a realtime model."""

    kind: Kind
    name: str
    """Unique within its kind, as in TOML and on the page."""
    title: str
    factory: str
    """ "module:attribute", a class or function. Called with keywords: `api_key` and `base_url` (where the vendor has a
    key), the settings, the language and the options."""
    options: tuple[Option, ...] = ()
    settings: tuple[Setting, ...] = ()
    packages: tuple[str, ...] = ()
    """Modules that must be importable."""
    requirement: str = ""
    """What to install for `packages`, such as "bargein[deepgram]"."""
    languages: tuple[str, ...] = ()
    """Primary languages that the part knows. Empty: many."""
    language: Callable[[str], Mapping[str, Value]] = no_language
    """From an agent's language (a tag such as "pt-BR") to the factory's keywords."""
    rank: int | None = None
    """Place among the parts of its kind when the best one is wanted, the lowest first. None: only by name."""
    streams: bool = False
    """An STT that listens as the user speaks. Otherwise it reads whole turns."""
    takes_key: bool = True
    """The factory gets the vendor's key and address."""
    local: bool = False
    """The part runs on this machine."""
    fallback: bool = False
    """A local stt or tts that stands in while a vendor's is away."""
    own_server: bool = False
    """An llm on a machine of the user's own. The guide uses one without being asked."""
    worker: str = ""
    """ "module:function" that makes a worker process. All calls share one, and the factory gets it as `process`."""
    scripted: bool = False
    """The llm is a script and no language model."""
    instructions: str | None = None
    """Instructions of an agent with this part that has none. None: the server's."""
    greeting: str | None = None
    """Greeting of an agent with this part that has none. None: the server's."""

    def __post_init__(self) -> None:
        _demand_name("part", self.name)
        if self.kind not in get_args(Kind):
            known = ", ".join(get_args(Kind))
            raise UsageError(f"Part {self.name!r} has the kind {self.kind!r}", advice=f"Give one of {known}")
        for target in (self.factory, *([self.worker] if self.worker else [])):
            if not _TARGET.fullmatch(target):
                raise UsageError(
                    f"Part {self.name!r}: {target!r} names nothing", advice='Write it as "module:attribute"'
                )

    def speaks(self, language: str) -> bool:
        """Whether the part knows an agent's language."""
        return not self.languages or language.partition("-")[0].lower() in self.languages

    def read(self, options: Mapping[str, object]) -> dict[str, Value]:
        """The options as the factory takes them. Raises UsageError for an unknown option, or one out of range."""
        known = {option.name: option for option in self.options}
        for name in options:
            if name not in known:
                allowed = f"Known are: {', '.join(known)}" if known else "Leave it out"
                raise UsageError(f"{self.name} has no option {name[:80]!r}", advice=allowed)
        return {name: known[name].read(value) for name, value in options.items() if value is not None}

    def demand_visitors(self, options: Mapping[str, object]) -> None:
        """Raises UsageError for an option that only the server's owner may set."""
        for option in self.options:
            if option.name in options:
                option.demand_visitors(options[option.name])

    def unset(self, environment: Environment) -> Setting | None:
        """A required setting that the environment lacks."""
        for setting in self.settings:
            replaced = bool(setting.instead) and all(environment.get(name) for name in setting.instead)
            if setting.required and environment.get(setting.variable) is None and not replaced:
                return setting
        return None


@dataclass(frozen=True, slots=True)
class AgentRecipe:
    """An agent that `--agent NAME` serves. Recipes of several vendors may share a name: the first whose parts are
    configured is served."""

    name: str
    parts: Mapping[Kind, str] = field(default_factory=dict)
    """Parts by name. A kind of the cascade that is not named is the best there is."""
    where_set: Mapping[Kind, str] = field(default_factory=dict)
    """Parts that are taken only where they are configured."""
    description: str = ""
    instructions: str | None = None
    """None: those of the parts, or the server's."""
    greeting: str | None = None
    """None: that of the parts, or the server's."""
    rank: int = 1
    """Place among the recipes of this name, the lowest first."""

    def __post_init__(self) -> None:
        _demand_name("agent", self.name)


@dataclass(frozen=True, slots=True)
class Vendor:
    """A vendor, whole."""

    name: str
    """Unique, as in BARGEIN_<NAME>_URL."""
    title: str
    key: ApiKey | None = None
    """None: no part of the vendor needs a key."""
    parts: tuple[Part, ...] = ()
    agents: tuple[AgentRecipe, ...] = ()
    url_variable: str = ""
    """A variable with the vendor's address, where it is not the vendor's own. "": BARGEIN_<NAME>_URL."""
    simulator: str = ""
    """The vendor's address at a simulator, such as "http://{server}/v1". "": nothing simulates the vendor."""

    def __post_init__(self) -> None:
        _demand_name("vendor", self.name)
        if not self.url_variable:
            object.__setattr__(self, "url_variable", url_variable(self.name))
        if self.key is not None and not self.key.variables:
            raise UsageError(
                f"Vendor {self.name!r} has a key without a variable", advice='Give ApiKey(("ACME_API_KEY",))'
            )
        _demand_all(self.name, self.parts, Part)
        _demand_all(self.name, self.agents, AgentRecipe)

    def key_in(self, environment: Environment) -> SecretStr | None:
        """The key, if there is one that is meant for the vendor."""
        if self.key is None or self.key_is_elsewhere(environment):
            return None
        return environment.secret(*self.key.variables)

    def key_is_elsewhere(self, environment: Environment) -> bool:
        """Whether a key is set that is for another server only."""
        return (
            self.key is not None
            and bool(self.key.for_server_of)
            and environment.get(self.key.for_server_of) is not None
            and environment.get(self.url_variable) is None
            and environment.secret(*self.key.variables) is not None
        )

    def secrets(self, environment: Environment) -> list[str]:
        """Every key of the vendor that the environment has."""
        variables = list(self.key.variables) if self.key else []
        variables += [setting.variable for part in self.parts for setting in part.settings if setting.secret]
        return [value for name in variables if (value := environment.get(name)) is not None]


def _demand_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(f"The {what} name {str(name)[:80]!r} cannot be", advice="Give a-z, 0-9 and -, at most 40")


def _demand_all(vendor: str, listed: Iterable[object], kind: type) -> None:
    for each in listed:
        if not isinstance(each, kind):
            raise UsageError(
                f"Vendor {vendor!r} lists a {type(each).__name__} where a {kind.__name__} belongs",
                advice=f"Give {kind.__name__}(...)",
            )
