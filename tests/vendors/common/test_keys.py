"""Which key goes to which address."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from bargein.errors import UsageError
from bargein.vendors.common.keys import Access, access, address_of, key_of


def test_a_given_key_is_used_whatever_stands_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "from-the-environment")
    assert key_of("given", "GROQ_API_KEY", None) == "given"
    assert key_of(SecretStr("given"), "GROQ_API_KEY", "http://elsewhere") == "given"


def test_the_environments_key_goes_to_the_vendor_and_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "from-the-environment")
    assert key_of(None, "GROQ_API_KEY", None) == "from-the-environment"
    assert key_of(None, "GROQ_API_KEY", "http://elsewhere") is None
    monkeypatch.setenv("GROQ_API_KEY", "")
    assert key_of(None, "GROQ_API_KEY", None) is None


def test_without_a_base_url_the_address_and_its_key_are_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "from-the-environment")
    monkeypatch.delenv("BARGEIN_ACME_VOICES_URL", raising=False)

    def made(api_key: str | None = None, base_url: str | None = None) -> Access:
        return access("acme-voices", "ACME_API_KEY", "ACME_KEY", api_key=api_key, base_url=base_url)

    assert made() == Access(None, "from-the-environment")
    monkeypatch.setenv("BARGEIN_ACME_VOICES_URL", "http://proxy")
    assert made() == Access("http://proxy", "from-the-environment")
    assert made("given") == Access("http://proxy", "given")
    assert made(base_url="http://elsewhere") == Access("http://elsewhere", None)
    assert made("given", "http://elsewhere") == Access("http://elsewhere", "given")
    monkeypatch.delenv("ACME_API_KEY")
    monkeypatch.setenv("ACME_KEY", "by-its-second-name")
    assert made() == Access("http://proxy", "by-its-second-name")


def test_an_access_never_shows_its_key() -> None:
    assert "secret" not in repr(access("acme", api_key=SecretStr("secret"), base_url=None))
    assert "secret" not in repr(access("acme", api_key="secret", base_url=None))


def test_a_server_of_the_users_own_has_an_address_or_a_variable_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BARGEIN_VLLM_URL", raising=False)
    with pytest.raises(UsageError, match="set BARGEIN_VLLM_URL"):
        address_of(None, "BARGEIN_VLLM_URL")
    monkeypatch.setenv("BARGEIN_VLLM_URL", "http://gpu/v1")
    assert address_of(None, "BARGEIN_VLLM_URL") == "http://gpu/v1"
    assert address_of("http://other/v1", "BARGEIN_VLLM_URL") == "http://other/v1"
