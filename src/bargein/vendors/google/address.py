"""Where Google's models are, and with which key."""

from __future__ import annotations

from pydantic import SecretStr

from bargein.vendors.common.keys import Access, access

KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
HOST = "https://generativelanguage.googleapis.com"
VERSION = "v1beta"
NO_KEY = "none"


def google_access(*, api_key: SecretStr | str | None, base_url: str | None) -> Access:
    """base_url: without the version ("/v1beta"); None is BARGEIN_GOOGLE_URL, or Google itself. api_key: None is
    GEMINI_API_KEY, then GOOGLE_API_KEY. Raises Unavailable for a malformed key or address."""
    return access("google", *KEYS, api_key=api_key, base_url=base_url)
