"""The server's settings from what a command line or a script gives, above the environment."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from bargein.errors import UsageError
from bargein.floor import Policy
from bargein.server.settings import Settings


def make_settings(**given: object) -> Settings:
    """Settings in which what is given (not None) stands above BARGEIN_*. Raises UsageError that names the wrong one."""
    chosen = {name: value for name, value in given.items() if value is not None}
    try:
        made = Settings(**chosen)  # type: ignore[arg-type]  # pydantic checks each
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = _field(str(first["loc"][0]))
        where = f"the option or argument {name}" if name in chosen else Settings.variable(name)
        raise UsageError(f"Setting {name}: {first['msg']}", advice=f"Change {where}") from None
    if made.policy is not None:
        Policy.named(made.policy)
    return made


def _field(place: str) -> str:
    """The setting that pydantic means: it names the variable where that is an alias."""
    return place if place in Settings.model_fields else place.lower()


def library_settings(*, record: Path | str | None = None, **given: object) -> Settings:
    """As `make_settings`, for a script: a library writes no records unless the script or BARGEIN_RECORD says where."""
    made = make_settings(**given)
    if record is None and "BARGEIN_RECORD" in os.environ:
        return made
    return made.model_copy(update={"record": Path(record) if record is not None else None})
