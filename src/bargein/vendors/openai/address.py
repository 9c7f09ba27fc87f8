"""Where OpenAI is, and which of the environment's keys is OpenAI's."""

from __future__ import annotations

from pydantic import SecretStr

from bargein.vendors.common.keys import access

BASE_URL = "https://api.openai.com/v1"  # given to the SDK, which else takes the address of another server
KEY = "OPENAI_API_KEY"
OTHER_SERVER = "OPENAI_BASE_URL"  # a server that speaks OpenAI's protocol; the key is for that server, too


def openai_access(*, api_key: SecretStr | str | None, base_url: str | None) -> tuple[str, str | None]:
    """The address and the key of a part at OpenAI. Raises Unavailable for a malformed key or address.

    base_url: None is BARGEIN_OPENAI_URL, or OpenAI itself. api_key: None is OPENAI_API_KEY; while OPENAI_BASE_URL is
    set and BARGEIN_OPENAI_URL is not, that key is for the other server, and is not sent to OpenAI.
    """
    at = access("openai", KEY, api_key=api_key, base_url=base_url, for_server_of=OTHER_SERVER)
    return at.base_url or BASE_URL, at.key
