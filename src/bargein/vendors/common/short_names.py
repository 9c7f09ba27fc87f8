"""Short names of a vendor's classes (`groq.Chat`), found when they are asked for: a folder imports no SDK by itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from bargein.errors import Unavailable


def short_names(module: str, targets: Mapping[str, str], *, extra: str = "") -> Callable[[str], Any]:
    """A module's `__getattr__` (PEP 562). targets: short name -> "module:class". extra: brings what they import.

    The function raises Unavailable where a package is missing.
    """

    def get(name: str) -> Any:
        target = targets.get(name)
        if target is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        path, _, attribute = target.partition(":")
        try:
            return getattr(importlib.import_module(path), attribute)
        except ModuleNotFoundError as error:
            what = f"{module.rpartition('.')[2]}.{name} needs the package {error.name}"
            raise Unavailable(what, advice=f"Install the extra: bargein[{extra}]" if extra else "Install it") from error

    return get
