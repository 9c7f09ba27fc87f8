"""Keys of vendors: given, or from the environment; never shown."""

from __future__ import annotations

import os

from pydantic import SecretStr


def key_of(given: SecretStr | str | None, variable: str, base_url: str | None) -> str | None:
    """The key that was given, else the environment's. The environment's key is for the vendor's own address: with a
    base_url only a given key counts."""
    if given is None:
        return (os.environ.get(variable) or None) if base_url is None else None
    return given.get_secret_value() if isinstance(given, SecretStr) else given
