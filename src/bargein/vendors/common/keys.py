"""Keys of vendors: given, or from the environment; never shown."""

from __future__ import annotations

import os

from pydantic import SecretStr


def key_of(given: SecretStr | str | None, variable: str, base_url: str | None) -> str | None:
    """The key that was given, else the environment's; but what is in the environment is the vendor's, and goes to
    nobody else: with a base_url only a key that was given counts."""
    if given is None:
        return (os.environ.get(variable) or None) if base_url is None else None
    return given.get_secret_value() if isinstance(given, SecretStr) else given
