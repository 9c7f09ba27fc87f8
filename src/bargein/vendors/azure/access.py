"""Where a resource of Azure OpenAI is, and by which key or token it is asked.

The general release has one path for everything, `https://RESOURCE.openai.azure.com/openai/v1`, and no `api-version`. An
address with one is that of the preview, whose sessions open and then fail: it is refused here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from bargein.errors import Unavailable, UsageError
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.keys import access, web_address

KEY, ENDPOINT = "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"
ENTRA = "entra"  # in place of a key: Entra's tokens, by azure-identity
SCOPE = "https://ai.azure.com/.default"
PATH = "/openai/v1"

TokenProvider = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class AzureAccess:
    """base_url: up to and with "/openai/v1"."""

    base_url: str
    key: str | None = field(repr=False)
    """Goes as the header `api-key`. None: `tokens` has it."""
    tokens: TokenProvider | None = None
    """Gives a token of Entra that is valid now."""

    @property
    def headers(self) -> dict[str, str]:
        """Of each request, besides Authorization."""
        return {} if self.key is None else {"api-key": self.key}

    @property
    def sdk_key(self) -> str | TokenProvider:
        """What the SDK takes for a key: it asks for a token before each request."""
        return self.tokens or self.key or ""


def azure_access(
    *,
    api_key: SecretStr | str | None,
    base_url: str | None,
    endpoint: str | None,
    tokens: TokenProvider | None,
) -> AzureAccess:
    """endpoint: of the resource; None: AZURE_OPENAI_ENDPOINT. base_url goes before it. api_key: None is
    AZURE_OPENAI_API_KEY; "entra" asks azure-identity for tokens. Raises UsageError where an address is missing or is
    the preview's, Unavailable for a malformed key or address, and without azure-identity where it is needed."""
    found = access("azure", KEY, api_key=api_key, base_url=base_url)
    url = found.base_url
    if url is None:
        given = web_address(endpoint) or web_address(Environment.of_process().get(ENDPOINT), ENDPOINT)
        if given is None:
            advice = f"Set {ENDPOINT} to https://RESOURCE.openai.azure.com, or give endpoint"
            raise UsageError("There is no address of an Azure resource", advice=advice)
        url = _general(given)
    _demand_general(url)
    if tokens is not None:
        return AzureAccess(url, None, tokens)
    if found.key is None:
        advice = f'Set {KEY} to the resource\'s key, or to "{ENTRA}" for tokens of Entra'
        raise UsageError("There is no key for Azure OpenAI", advice=advice)
    if found.key.lower() == ENTRA:
        return AzureAccess(url, None, entra_tokens())
    return AzureAccess(url, found.key)


def entra_tokens() -> TokenProvider:
    """Tokens of the account that runs this process, by azure-identity: environment, managed identity, `az login`.

    Raises Unavailable without the package."""
    try:
        from azure.identity.aio import DefaultAzureCredential, get_bearer_token_provider  # noqa: PLC0415
    except ImportError:
        raise Unavailable(
            "Tokens of Entra need the package azure-identity", advice="Install the extra: bargein[azure]"
        ) from None
    provider: TokenProvider = get_bearer_token_provider(DefaultAzureCredential(), SCOPE)
    return provider


def _general(endpoint: str) -> str:
    """The base URL of the general release at an endpoint, with or without its path."""
    _demand_general(endpoint)
    parts = urlsplit(endpoint)
    path = parts.path.rstrip("/")
    if not path.endswith(PATH):
        path = f"{path.removesuffix('/openai')}{PATH}"
    return parts._replace(path=path, query="", fragment="").geturl()


def _demand_general(url: str) -> None:
    if "api-version" in url:
        raise UsageError(
            "The Azure address has an api-version: it is that of the preview",
            advice=f"Give the resource's address alone, https://RESOURCE.openai.azure.com{PATH}",
        )
