"""The shape of a choice of an agent's parts: by a page (JSON) or in a file (TOML). The registry knows the parts and
checks their options.

    language = "en"
    instructions = "You are the receptionist of a small hotel."
    greeting = "Hello, this is the hotel."
    preset = "balanced"
    tools = ["hotel:book"]

    [stt]
    name = "deepgram-flux"
    options = { eot_threshold = 0.8 }

    [llm]
    name = "groq"

    [tts]
    name = "aura"
    options = { voice = "aura-2-thalia-en" }

    [policy]
    confirm_ms = 400
"""

from __future__ import annotations

import importlib
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bargein.errors import BargeinError, UsageError
from bargein.floor.policy import PRESETS
from bargein.protocols import Tool

Text = Annotated[str, Field(max_length=20_000)]  # a page's whole message may have 64 KiB
Line = Annotated[str, Field(min_length=1, max_length=80)]
Said = Annotated[str, Field(max_length=4_000)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
Shape = TypeVar("Shape", bound=BaseModel)

Reprompted = Literal[
    "silence", "failed", "late", "back", "not_transferred", "machine", "goodbye", "deaf", "gave_up", "handed_on"
]  # fmt: skip


class PartChoice(BaseModel):
    """A part by its name in the registry. An option that is not given has the part's own default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Line
    options: dict[Line, str | bool | int | float | list[str] | None] = Field(default_factory=dict)


class AgentChoice(BaseModel):
    """An agent as it is asked for. An stt, llm or tts that is None is the best there is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stt: PartChoice | None = None
    llm: PartChoice | None = None
    tts: PartChoice | None = None
    realtime: PartChoice | None = None
    """A realtime model in place of the other three. None: there is none."""
    language: Language = "en"
    instructions: Text | None = None
    """None: the part's own, or the server's."""
    greeting: Said | None = None
    """None: the part's own, or the server's."""
    preset: Literal["instant", "balanced", "patient"] | None = None
    """Of the policy. None: balanced."""


class BrowserChoice(AgentChoice):
    """The `choice` of a hello. Protocol bargein.v1 calls stt, llm and tts by the names transcriber, model and voice."""

    stt: PartChoice | None = Field(default=None, alias="transcriber")
    llm: PartChoice | None = Field(default=None, alias="model")
    tts: PartChoice | None = Field(default=None, alias="voice")


class TomlAgent(AgentChoice):
    """A file's agent."""

    name: Line | None = None
    """None: the file's name."""
    description: Text = ""
    protected: Said = ""
    """The beginning of the greeting that nothing interrupts."""
    reprompts: dict[Reprompted, Said] = Field(default_factory=dict)
    fillers: tuple[Said, ...] | None = None
    """What to say, in turn, while an answer or a tool takes long."""
    background: Line | None = None
    """As in Agent."""
    background_db: float = -45.0
    """As in Agent."""
    voicemail: Said | None = None
    """"hang_up", or the message to leave."""
    max_prompt_tokens: Annotated[int, Field(ge=500)] | None = None
    spoken_form: bool = True
    """As in Agent."""
    hide_thoughts: bool = True
    """As in Agent."""
    tools: tuple[Annotated[str, Field(pattern=r"^[\w.]+:\w+$")], ...] = ()
    """Entries "module:function"."""
    policy: dict[str, Any] = Field(default_factory=dict)
    """Single numbers, above the preset's."""


def shaped(shape: type[Shape], data: object, what: str) -> Shape:
    """Data as that shape. Raises UsageError that names the first key that is wrong, and what is allowed there."""
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise _complaint(shape, first, what) from None


def _complaint(shape: type[BaseModel], first: Any, what: str) -> UsageError:
    path = [str(step) for step in first["loc"]]
    where = ".".join(path)[:120] or "it"
    if first["type"] == "extra_forbidden":
        parts = PartChoice if len(path) > 1 else shape
        return UsageError(
            f"{what} has a key {where}",
            advice=f"Allowed there are: {', '.join(field.alias or name for name, field in parts.model_fields.items())}",
        )
    advice = {
        "preset": f"Choose one of {', '.join(PRESETS)}",
        "language": 'Give a language tag such as "en" or "pt-BR"',
        "tools": 'Give a list of entries such as "module:function"',
    }.get(path[0] if path else "", "Change that key")
    return UsageError(f"{what}, key {where}: {first['msg']}", advice=advice)


def read_toml(file: str | Path) -> TomlAgent:
    """Raises UsageError that names the key (or the line) that is wrong."""
    path = Path(file)
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", advice="Write the agent as FILE.toml") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no TOML: {error}", advice="Correct that line") from None
    agent = shaped(TomlAgent, data, str(file))
    return agent if agent.name is not None else agent.model_copy(update={"name": path.stem})


def load_tools(entries: tuple[str, ...], folder: Path) -> tuple[Tool, ...]:
    """The tools behind "module:function"; modules beside the file are found, too. Raises UsageError."""
    sys.path.insert(0, str(folder.resolve()))
    try:
        return tuple(_tool(entry) for entry in entries)
    finally:
        sys.path.remove(str(folder.resolve()))


def _tool(entry: str) -> Tool:
    name, _, attribute = entry.partition(":")
    try:
        module = importlib.import_module(name)
    except BargeinError:
        raise
    except Exception as error:
        raise UsageError(
            f"The tool {entry}: {name} failed with {type(error).__name__}: {error}",
            advice="Let the module stand beside the TOML file, or install it",
        ) from error
    tool: Any = getattr(module, attribute, None)
    if not all(hasattr(tool, name) for name in ("spec", "effect", "run")):
        found = "nothing" if tool is None else f"a {type(tool).__name__}, and no tool"
        raise UsageError(f"The tool {entry}: there is {found}", advice="Make a tool of the function with bargein.tools")
    made: Tool = tool
    return made
