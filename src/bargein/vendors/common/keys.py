"""Keys and addresses of vendors: given, or from the environment. A key is never shown."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from bargein.errors import Unavailable, UsageError
from bargein.vendors.common.environment import Environment, url_variable

log = logging.getLogger(__name__)

GIVEN = "api_key"
QUOTES = ('"', "'", "`")


@dataclass(frozen=True, slots=True)
class Access:
    """Where a part finds its vendor, and with which key."""

    base_url: str | None
    """None: the vendor's own address."""
    key: str | None = field(repr=False)


def access(
    vendor: str,
    *key_variables: str,
    api_key: SecretStr | str | None,
    base_url: str | None,
    for_server_of: str = "",
) -> Access:
    """The address and the key of a part that a script or the server makes.

    vendor: the vendor's name, as in `Vendor.name`. key_variables, for_server_of: as in `ApiKey`.

    A given base_url goes before BARGEIN_<VENDOR>_URL, and a given key before the environment's. The environment's key
    is for the environment's address: with a given base_url only a given key counts. Raises Unavailable for a malformed
    key or address.
    """
    environment = Environment.of_process()
    if base_url is not None:
        return Access(web_address(base_url), plain_key(api_key))
    variable = url_variable(vendor)
    found = web_address(environment.get(variable), variable)
    if api_key is not None:
        return Access(found, plain_key(api_key))
    key = environment_key(environment, *key_variables)
    if key is not None and found is None and for_server_of and environment.get(for_server_of) is not None:
        names = " and ".join(name for name in key_variables if environment.get(name) is not None)
        advice = f"Set {variable}, too, or give api_key"
        log.warning("%s is set, so %s is not sent to %s. %s", for_server_of, names, vendor, advice)
        key = None
    return Access(found, key)


def address_of(base_url: str | None, variable: str) -> str:
    """The address of a server of the user's own: given, or the variable's. Raises UsageError where neither is set,
    Unavailable for a malformed address."""
    given = web_address(base_url)
    found = given or web_address(Environment.of_process().get(variable), variable)
    if found is None:
        raise UsageError("There is no address of the server", advice=f"Give base_url, or set {variable}")
    return found


def key_of(given: SecretStr | str | None, variable: str, base_url: str | None) -> str | None:
    """The key that was given, else the environment's. The environment's key is for the vendor's own address: with a
    base_url only a given key counts. Raises Unavailable for a malformed key."""
    if given is not None:
        return plain_key(given)
    return environment_key(Environment.of_process(), variable) if base_url is None else None


def environment_key(environment: Environment, *variables: str) -> str | None:
    """The key in the first variable that is set. Raises Unavailable that names the variable of a malformed key."""
    variable = next((name for name in variables if environment.get(name) is not None), None)
    return None if variable is None else plain_key(environment.get(variable), variable)


def plain_key(key: SecretStr | str | None, source: str = GIVEN) -> str | None:
    """The key as it is sent: without the white space around it. None: there is none.

    source: where the key comes from, for the error. Raises Unavailable for a character that no HTTP header can hold,
    and for a quotation mark at the key's edge.
    """
    plain = (key.get_secret_value() if isinstance(key, SecretStr) else key or "").strip()
    wrong = next((char for char in plain if not "!" <= char <= "~"), None)
    if wrong is not None:
        what = "white space" if wrong.isspace() else f"the character U+{ord(wrong):04X}"
        raise Unavailable(f"{source} is no key: {what} stands in it", advice=f"Copy the key into {source} again")
    if plain[:1] in QUOTES or plain[-1:] in QUOTES:  # docker's --env-file keeps them
        advice = f"Write {source} without quotation marks"
        raise Unavailable(f"{source} is no key: a quotation mark stands at its edge", advice=advice)
    return plain or None


def web_address(address: str | None, source: str = "base_url") -> str | None:
    """The address without the white space around it. None: there is none.

    source: as in `plain_key`. Raises Unavailable for what is no web address; the error does not show it, because an
    address may hold a password.
    """
    stripped = (address or "").strip()
    if not stripped:
        return None
    try:
        parts = urlsplit(stripped)
        good = (
            parts.scheme in ("http", "https", "ws", "wss")
            and bool(parts.hostname)
            and not set(stripped) & set(" \t\r\n")
        )
        _ = parts.port  # a port that is no number
    except ValueError:
        good = False
    if not good:
        advice = f"Let {source} begin with https:// (or http://), followed by the host"
        raise Unavailable(f"{source} is no web address", advice=advice)
    return stripped
