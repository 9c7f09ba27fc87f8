"""Keys and addresses of vendors: given, or from the environment. A key is never shown."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from pydantic import SecretStr

from bargein.errors import UsageError
from bargein.vendors.common.environment import Environment, url_variable


@dataclass(frozen=True, slots=True)
class Access:
    """Where a part finds its vendor, and with which key."""

    base_url: str | None
    """None: the vendor's own address."""
    key: str | None = field(repr=False)


def access(vendor: str, *key_variables: str, api_key: SecretStr | str | None, base_url: str | None) -> Access:
    """The address and the key of a part that a script or the server makes.

    vendor: the vendor's name, as in `Vendor.name`. key_variables: as in `ApiKey.variables`.

    A given base_url goes before BARGEIN_<VENDOR>_URL, and a given key before the environment's. The environment's key
    is for the environment's address: with a given base_url only a given key counts.
    """
    environment = Environment.of_process()
    if base_url is not None:
        return Access(base_url, _plain(api_key))
    return Access(
        environment.get(url_variable(vendor)),
        _plain(environment.secret(*key_variables) if api_key is None else api_key),
    )


def address_of(base_url: str | None, variable: str) -> str:
    """The address of a server of the user's own: given, or the variable's. Raises UsageError where neither is set."""
    found = base_url or Environment.of_process().get(variable)
    if found is None:
        raise UsageError("There is no address of the server", advice=f"Give base_url, or set {variable}")
    return found


def key_of(given: SecretStr | str | None, variable: str, base_url: str | None) -> str | None:
    """The key that was given, else the environment's. The environment's key is for the vendor's own address: with a
    base_url only a given key counts."""
    if given is None:
        return (os.environ.get(variable) or None) if base_url is None else None
    return _plain(given)


def _plain(key: SecretStr | str | None) -> str | None:
    return key.get_secret_value() if isinstance(key, SecretStr) else key
