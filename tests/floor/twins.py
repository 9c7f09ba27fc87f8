"""Copies of a floor, and all of its values at once. A search makes a million of each, so both are written out as code,
attribute by attribute, from the fields of the records. test_key.py proves that a twin is a copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass

from bargein.floor.rules import Floor

_FLOOR = Floor()
_PLAIN = [f.name for f in fields(Floor) if not is_dataclass(getattr(_FLOOR, f.name)) or f.name == "policy"]
_RECORDS = {f.name: [each.name for each in fields(getattr(_FLOOR, f.name))] for f in fields(Floor)
            if f.name not in _PLAIN}  # fmt: skip


def _made(name: str, lines: list[str]) -> Callable[[Floor], object]:
    space: dict[str, Callable[[Floor], object]] = {"new": object.__new__}  # type: ignore[dict-item]
    exec("\n    ".join([f"def {name}(floor):", *lines]), space)
    return space[name]


def _twin() -> Callable[[Floor], object]:
    lines = ["twin = new(type(floor))", *(f"twin.{name} = floor.{name}" for name in _PLAIN)]
    for record, names in _RECORDS.items():
        lines += [f"old = floor.{record}", f"twin.{record} = made = new(type(old))"]
        lines += [f"made.{name} = old.{name}" for name in names]
    return _made("twin", [*lines, "return twin"])


def _values() -> Callable[[Floor], object]:
    lines = [f"{record} = floor.{record}" for record in _RECORDS]
    shown = [f"floor.{name}" for name in _PLAIN if name != "policy"]
    shown += [f"{record}.{name}" for record, names in _RECORDS.items() for name in names]
    return _made("values", [*lines, f"return ({', '.join(shown)})"])


twin: Callable[[Floor], Floor] = _twin()  # type: ignore[assignment]
"""A floor in the same state that goes its own way."""
values: Callable[[Floor], tuple[object, ...]] = _values()  # type: ignore[assignment]
"""Every attribute of a floor, those of its records included, but its policy."""
