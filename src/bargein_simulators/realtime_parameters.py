"""The parameters of a client's events, checked by the SDK's types, and refused in the vendor's words.

The types tell which parameters there are, which of them are required, and their kinds. `LIMITS` has the ranges, which
the types lack.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from openai.types.realtime import RealtimeFunctionTool, RealtimeResponseCreateParams
from openai.types.realtime.realtime_audio_formats import AudioPCM
from pydantic import BaseModel

VOICES: Final = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")

Limits = tuple[float | None, float | None]

LIMITS: Mapping[str, Limits] = {
    # By the end of the parameter's path: smallest and largest value. None: no limit.
    "turn_detection.threshold": (0.0, 1.0),
    "turn_detection.prefix_padding_ms": (0, None),
    "turn_detection.silence_duration_ms": (0, None),
    "output.speed": (0.25, 1.5),
    "max_output_tokens": (1, 4_096),
    "truncation.retention_ratio": (0.0, 1.0),
    "audio_end_ms": (0, None),
}
LONGEST: Mapping[str, int] = {"event_id": 512, "item.id": 32}
MOST_METADATA, LONGEST_METADATA_KEY, LONGEST_METADATA = 16, 64, 512
REQUIRED: Mapping[type[BaseModel], tuple[str, ...]] = {  # the SDK's types call them optional
    AudioPCM: ("type", "rate"),
    RealtimeFunctionTool: ("type", "name"),
}
TOOL_NAME, LONGEST_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]+"), 64
KINDS: Mapping[type, str] = {str: "a string", int: "an integer", float: "a decimal", bool: "a boolean"}


class RealtimeRefused(Exception):
    """An event of the client is answered with an `error`. code, message, param: in the vendor's words."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


def check_event(model: type[BaseModel], event: Mapping[str, Any]) -> None:
    """Check an event of the client. Raises RealtimeRefused for the first parameter that the vendor refuses."""
    _check_model(model, event, "")


def invalid(param: str, value: object, supported: Sequence[str]) -> RealtimeRefused:
    """The refusal of a value that is none of the supported ones."""
    quoted = [f"'{name}'" for name in supported]
    comma = "," if len(quoted) > 2 else ""
    names = quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])}{comma} and {quoted[-1]}"
    shown = repr(value) if isinstance(value, str) else _short(value)
    return RealtimeRefused("invalid_value", f"Invalid value: {shown[:80]}. Supported values are: {names}.", param)


def missing(param: str) -> RealtimeRefused:
    """The refusal of an event that lacks a parameter."""
    return RealtimeRefused("missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def unknown(param: str) -> RealtimeRefused:
    """The refusal of an event with a parameter that the vendor does not know."""
    return RealtimeRefused("unknown_parameter", f"Unknown parameter: '{param}'.", param)


def out_of_range(param: str, value: float, limits: Limits, *, whole: bool) -> RealtimeRefused | None:
    """The refusal of a number outside its limits. None: it is within them."""
    least, most = limits
    kind = "integer" if whole else "decimal"
    if least is not None and value < least:
        code, words, bound = f"{kind}_below_min_value", f"{kind} below minimum value. Expected a value >=", least
    elif most is not None and value > most:
        code, words, bound = f"{kind}_above_max_value", f"{kind} above maximum value. Expected a value <=", most
    else:
        return None
    return RealtimeRefused(code, f"Invalid '{param}': {words} {bound}, but got {value} instead.", param)


# ----------------------------------------------------------------------------------------------------- by the types


@cache
def _fields(model: type[BaseModel]) -> dict[str, tuple[object, bool]]:
    """The fields of a type, by their names on the wire: the annotation, and whether the field is required."""
    model.model_rebuild()  # the SDK builds its types late
    also = REQUIRED.get(model, ())
    return {
        field.alias or name: (field.annotation, field.is_required() or name in also)
        for name, field in model.model_fields.items()
    }


@cache
def _members(annotation: Any) -> tuple[Any, ...]:
    """The kinds that an annotation allows, without None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return tuple(member for each in get_args(annotation) for member in _members(each))
    return () if annotation is type(None) else (annotation,)


def _check(annotation: object, value: object, path: str) -> None:
    members = _members(annotation)
    if value is None or Any in members or object in members:
        return  # the vendor takes null for every parameter that may be left out
    models = [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]
    if models and isinstance(value, Mapping):
        _check_model(_chosen(models, value, path), value, path)
        return
    lists = [member for member in members if get_origin(member) is list]
    if lists and isinstance(value, list):
        if path.endswith("output_modalities"):
            _check_modalities(value, path)
        for index, each in enumerate(value):
            _check(get_args(lists[0])[0], each, f"{path}[{index}]")
        return
    mappings = [member for member in members if get_origin(member) is dict]
    if mappings and isinstance(value, Mapping):
        if path.endswith("metadata"):
            _check_metadata(value, path)
        for key, each in value.items():
            _check(get_args(mappings[0])[1], each, f"{path}.{key}")
        return
    _check_plain(members, value, path)


def _check_plain(members: tuple[Any, ...], value: object, path: str) -> None:
    """A string, a number, a boolean, or one of a few values."""
    literals = [choice for member in members if get_origin(member) is Literal for choice in get_args(member)]
    kinds = [member for member in members if member in KINDS]
    if value in literals and type(value) in {type(choice) for choice in literals}:
        return
    if path.endswith("output.voice") and isinstance(value, str):
        if value not in VOICES:
            raise invalid(path, value, VOICES)
        return
    if isinstance(value, bool):
        fits = bool in kinds
    elif isinstance(value, int):
        fits = int in kinds or float in kinds
    else:
        fits = type(value) in kinds
    if fits:
        _check_limits(value, path, whole=int in kinds and float not in kinds)
        return
    if literals and isinstance(value, type(literals[0])):
        raise invalid(path, value, [str(choice) for choice in literals])
    wanted = [KINDS[kind] for kind in kinds] or [KINDS[type(choice)] for choice in literals[:1]]
    if any((isinstance(m, type) and issubclass(m, BaseModel)) or get_origin(m) is dict for m in members):
        wanted.append("an object")
    if any(get_origin(member) is list for member in members):
        wanted.append("an array")
    expected = wanted[0] if len(wanted) == 1 else f"one of {', '.join(wanted[:-1])} or {wanted[-1]}"
    raise RealtimeRefused(
        "invalid_type", f"Invalid type for '{path}': expected {expected}, but got {_kind(value)} instead.", path
    )


def _check_limits(value: object, path: str, *, whole: bool) -> None:
    if isinstance(value, str):
        for end, most in LONGEST.items():
            if (path == end or path.endswith(f".{end}")) and len(value) > most:
                words = f"string too long. Expected a string with maximum length {most}"
                message = f"Invalid '{path}': {words}, but got a string with length {len(value)} instead."
                raise RealtimeRefused("string_above_max_length", message, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        for end, limits in LIMITS.items():
            if path == end or path.endswith(f".{end}"):
                refusal = out_of_range(path, value, limits, whole=whole)
                if refusal is not None:
                    raise refusal


def _check_modalities(value: list[object], path: str) -> None:
    if value not in (["audio"], ["text"]):
        message = f"Invalid modalities: {_short(value)}. Supported combinations are: ['text'] and ['audio']."
        raise RealtimeRefused("invalid_value", message, path)


def _check_metadata(value: Mapping[str, object], path: str) -> None:
    if len(value) > MOST_METADATA:
        words = f"too many properties. Expected an object with at most {MOST_METADATA} properties"
        message = f"Invalid '{path}': {words}, but got an object with {len(value)} properties instead."
        raise RealtimeRefused("object_above_max_properties", message, path)
    for key, each in value.items():
        if len(key) > LONGEST_METADATA_KEY or (isinstance(each, str) and len(each) > LONGEST_METADATA):
            message = (
                f"Invalid '{path}': keys have at most {LONGEST_METADATA_KEY} characters, values {LONGEST_METADATA}."
            )
            raise RealtimeRefused("string_above_max_length", message, f"{path}.{key[:LONGEST_METADATA_KEY]}")


def _chosen(models: list[type[BaseModel]], value: Mapping[str, Any], path: str) -> type[BaseModel]:
    """The one of several types that the object is. Raises RealtimeRefused for a `type` or `role` that none has."""
    for name in ("type", "role"):
        choices = {model: _constants(model, name) for model in models}
        if len(models) == 1 or not all(choices.values()):
            continue
        given = value.get(name)
        if given is None:
            raise missing(f"{path}.{name}")
        fitting = [model for model, constants in choices.items() if given in constants]
        if not fitting:
            raise invalid(f"{path}.{name}", given, [each for constants in choices.values() for each in constants])
        models = fitting
    return models[0]


@cache
def _constants(model: type[BaseModel], name: str) -> tuple[str, ...]:
    """The values of a field that tells one type from another."""
    field = _fields(model).get(name)
    members = _members(field[0]) if field is not None else ()
    return tuple(choice for member in members if get_origin(member) is Literal for choice in get_args(member))


def _check_model(model: type[BaseModel], value: Mapping[str, Any], path: str) -> None:
    known, prefix = _fields(model), f"{path}." if path else ""
    for name, (_, required) in known.items():
        if required and name not in value:
            raise missing(f"{prefix}{name}")
    for name, each in value.items():
        if name not in known:
            raise unknown(f"{prefix}{name}")
        annotation, required = known[name]
        if model is RealtimeFunctionTool and name == "name":
            _check_tool_name(each, f"{prefix}{name}")
        if required and each is None:
            _check_plain(_members(annotation), None, f"{prefix}{name}")
        if model is RealtimeResponseCreateParams and name == "input" and isinstance(each, list):
            _check_input(annotation, each, f"{prefix}{name}")
        else:
            _check(annotation, each, f"{prefix}{name}")


def _check_tool_name(name: object, path: str) -> None:
    if not isinstance(name, str):
        return  # the types refuse it
    if not TOOL_NAME.fullmatch(name):
        words = "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        raise RealtimeRefused("invalid_value", f"Invalid '{path}': {words}", path)
    if len(name) > LONGEST_TOOL_NAME:
        words = f"string too long. Expected a string with maximum length {LONGEST_TOOL_NAME}"
        message = f"Invalid '{path}': {words}, but got a string with length {len(name)} instead."
        raise RealtimeRefused("string_above_max_length", message, path)


def _check_input(annotation: object, items: list[object], path: str) -> None:
    """The items that a response is made from: whole ones, or references to items of the conversation."""
    item = get_args(_members(annotation)[0])[0]
    for index, each in enumerate(items):
        where = f"{path}[{index}]"
        if not (isinstance(each, Mapping) and each.get("type") == "item_reference"):
            _check(item, each, where)
        elif not isinstance(each.get("id"), str):
            raise missing(f"{where}.id")


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return "an array"
    return KINDS.get(type(value), "an object")


def _short(value: object) -> str:
    return str(value)[:80]
