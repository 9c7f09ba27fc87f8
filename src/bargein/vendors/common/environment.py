"""The environment's variables, as vendors read their keys and addresses from it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from pydantic import SecretStr


def url_variable(vendor: str) -> str:
    """The variable of a vendor's address, unless the vendor names another."""
    return f"BARGEIN_{vendor.upper().replace('-', '_')}_URL"


@dataclass(frozen=True, slots=True)
class Environment:
    """A snapshot of variables. Never shown: some of them are keys."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of_process(cls) -> Self:
        """The process's own variables, as they are now."""
        return cls(dict(os.environ))

    def get(self, variable: str) -> str | None:
        """A variable's value, without the white space around it. None: it is not set, or is set to nothing."""
        return self.variables.get(variable, "").strip() or None

    def secret(self, *variables: str) -> SecretStr | None:
        """The value of the first variable that is set."""
        found = next((value for name in variables if (value := self.get(name)) is not None), None)
        return None if found is None else SecretStr(found)

    def with_(self, overrides: Mapping[str, str]) -> Self:
        """The same with other values. A variable with "" is not set any more."""
        return type(self)({**self.variables, **overrides})

    @contextmanager
    def in_process(self) -> Iterator[None]:
        """Make these variables the process's own while the block runs, for code that reads them there."""
        changed = {name: value for name, value in self.variables.items() if os.environ.get(name) != value}
        before = {name: os.environ.get(name) for name in changed}
        os.environ.update(changed)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
