"""Tools: what an agent can do besides speaking, declared as plain functions with type hints.

    @tool("read")
    async def opening_hours(day: Annotated[str, "a weekday, in English"]) -> str:
        \"\"\"When we are open on that day.\"\"\"
        return HOURS[day]

    agent = Agent(..., tools=[opening_hours, hang_up])

The effect says what an interruption does to it: a *read* is cancelled by a cut; a *commit* is begun only when the words
before it were heard, and then never cancelled; a *terminal* is run when the whole reply was heard, or not at all.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import PydanticSerializationError

from bargein.errors import BargeinError, UsageError, VendorLost
from bargein.protocols import DigitRequest, Effect, HangUp, RecordingRequest, ToolSpec, Transfer

log = logging.getLogger(__name__)

EFFECTS = 'Write @tool("read"), @tool("commit") or @tool("terminal")'
TIMEOUT_S = 8.0  # longer is a long silence on the line, also with fillers: a tool that needs it says so
NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}")  # as the vendors allow


class BadArguments(BargeinError):
    """The model wrote arguments that the tool does not take; the text tells the model which."""


class ToolFailed(BargeinError):
    """The tool could not do it. The text is for the model, and holds nothing of the error itself."""


class FunctionTool:
    """protocols.Tool by shape, of a function. Calling it calls the function, so that it stays testable."""

    def __init__(self, function: Callable[..., Any], effect: Effect, *, name: str | None, timeout_s: float) -> None:
        if isinstance(function, type) or not callable(function):
            raise UsageError(f"{function!r} cannot be a tool", advice="Make a tool of a function")
        self.effect: Effect = effect
        self._function = function
        self.timeout_s = timeout_s
        name = name or function.__name__
        if not NAME.fullmatch(name):
            raise UsageError(f"A tool cannot be called {name!r}", advice="Use up to 64 letters, digits and _")
        description = inspect.getdoc(function)
        if not description:
            raise UsageError(
                f"The tool {name} has no docstring", advice="Write one: it tells the model when to call it"
            )
        self._arguments = _model(function, name)
        self.hangs_up = effect == "terminal" and get_type_hints(function).get("return") is HangUp
        """It ends the call and, by its return type, nothing else."""
        schema = self._arguments.model_json_schema()
        schema.pop("title", None)
        schema.setdefault("properties", {})
        self.spec = ToolSpec(name, description, schema)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    async def run(self, arguments: str) -> str | HangUp | Transfer | DigitRequest | RecordingRequest:
        """protocols.Tool.run. Raises BadArguments, ToolFailed or VendorLost, and nothing else."""
        try:
            given = self._arguments.model_validate_json(arguments or "{}")
        except ValidationError as error:
            raise _bad(self.spec.name, error) from None
        values = {name: getattr(given, name) for name in type(given).model_fields}
        limit = asyncio.timeout(self.timeout_s)
        try:
            async with limit:
                if inspect.iscoroutinefunction(self._function):
                    result = await self._function(**values)
                else:
                    result = await asyncio.to_thread(self._function, **values)
        except BargeinError:
            raise  # its text was written to be read
        except TimeoutError:
            if limit.expired():
                advice = "Tell the caller that it takes too long"
                raise VendorLost(f"{self.spec.name} took longer than {self.timeout_s:g} s", advice=advice) from None
            raise self._failed() from None
        except Exception:
            raise self._failed() from None
        return self._told(result)

    def _failed(self) -> ToolFailed:
        # The trace is the owner's; what is in it (a key, an address, another caller's name) is not for the model.
        log.exception("The tool %s failed", self.spec.name)
        return ToolFailed(f"{self.spec.name} failed", advice="Tell the caller that it did not work")

    def _told(self, result: object) -> str | HangUp | Transfer | DigitRequest | RecordingRequest:
        if isinstance(result, HangUp | Transfer | DigitRequest | RecordingRequest):
            return result
        if self.effect == "terminal" and result is None:
            return HangUp()
        if isinstance(result, str):
            return result
        try:
            return TypeAdapter(Any).dump_json(result).decode()
        except PydanticSerializationError:
            raise self._failed() from None


def tool(
    effect: Effect | None = None, *, name: str | None = None, timeout_s: float = TIMEOUT_S
) -> Callable[[Callable[..., Any]], FunctionTool]:
    """Make a tool of a function: @tool("read"), @tool("commit") or @tool("terminal").

    effect: what an interruption does to it, always to be given. name: another than the function's. timeout_s: how long
    it may take; the call waits as long, and says a filler meanwhile. Every parameter needs a type hint;
    Annotated[type, "words"] describes it to the LLM. Async functions run in the event loop, others in a thread. Raises
    UsageError for what cannot be a tool.
    """
    if effect is None or callable(effect):
        raise UsageError("@tool is not told the tool's effect", advice=EFFECTS)
    if effect not in get_args(Effect):
        raise UsageError(f"A tool's effect cannot be {effect!r}", advice=EFFECTS)
    if not timeout_s > 0:
        raise UsageError(f"A tool's timeout cannot be {timeout_s!r} s", advice="Give seconds above zero")

    def make(function: Callable[..., Any]) -> FunctionTool:
        return FunctionTool(function, effect, name=name, timeout_s=timeout_s)

    return make


def _model(function: Callable[..., Any], name: str) -> type[BaseModel]:
    """What the function takes, as a model of pydantic's."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise UsageError(
            f"A type hint of the tool {name} names nothing: {error}", advice="Import what it names"
        ) from error
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise UsageError(f"The tool {name} takes {parameter}", advice="Give each parameter a name of its own")
        if parameter.name not in hints:
            raise UsageError(
                f"{parameter.name} of the tool {name} has no type hint", advice="Say what the model may give"
            )
        hint = hints[parameter.name]
        words = [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, str)]
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hint, _field(default, words))
    try:
        made: type[BaseModel] = create_model(name, __config__=ConfigDict(extra="forbid"), **fields)
        made.model_json_schema()
    except Exception as error:
        advice = "Use types that JSON has: str, int, float, bool, Literal, lists of them, or pydantic models"
        raise UsageError(f"The tool {name} takes what no model can write", advice=advice) from error
    return made


def _field(default: Any, words: list[str]) -> Any:
    from_pydantic: dict[str, Any] = {"description": " ".join(words)} if words else {}
    return Field(default, **from_pydantic)


def _bad(name: str, error: ValidationError) -> BadArguments:
    told = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors()[:5])
    return BadArguments(f"{name} was not run: {told}", advice="Call it again with other arguments")


@tool("terminal")
def hang_up(reason: str = "the conversation is over") -> HangUp:
    """End the call, once your words were heard. Say goodbye in the same reply, before calling this."""
    return HangUp(reason)


@tool("read")
async def collect_digits(
    count: Annotated[int, Field(ge=1, le=64), "how many digits, where that is known"] | None = None,
    end_key: Annotated[Literal["#", "*"], "the key that ends the input at once"] = "#",
    timeout_s: Annotated[float, Field(gt=0, le=60), "how long the next key may take"] | None = None,
) -> DigitRequest:
    """Have the caller key in digits, such as a number of an account or a PIN. Ask for the digits in your own words,
    in the same reply, and say nothing after calling this: the keys come as the caller's next words, all at once."""
    return DigitRequest(count, end_key, timeout_s)


@tool("read")
async def recording_consent(
    agrees: Annotated[bool, "true: the caller agrees; false: the caller refuses, or takes the agreement back"],
) -> RecordingRequest:
    """Call this once the caller has said whether the call may be recorded, and whenever the caller changes it."""
    return RecordingRequest(agrees)


def transfer_to(numbers: Mapping[str, str]) -> FunctionTool:
    """A tool that hands the caller on to one of these: name -> telephone number (E.164). Raises UsageError for none."""
    if not numbers:
        raise UsageError("There is no number to transfer callers to", advice='Give at least one: {"sales": "+4930..."}')
    names = Literal[tuple(numbers)]  # type: ignore[valid-type]

    def transfer(to: Any) -> Transfer:
        return Transfer(numbers[to])

    transfer.__doc__ = f"Hand the caller on, once your words were heard, to one of: {', '.join(numbers)}."
    transfer.__annotations__ = {"to": names, "return": Transfer}
    return FunctionTool(transfer, "terminal", name="transfer", timeout_s=TIMEOUT_S)
