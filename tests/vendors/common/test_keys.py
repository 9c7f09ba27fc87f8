"""Which key goes to which address."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from bargein.errors import Unavailable, UsageError
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


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\r\n", "\t{} "])
def test_white_space_around_a_key_or_an_address_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch, around: str) -> None:
    monkeypatch.setenv("ACME_API_KEY", around.format("a-key"))
    monkeypatch.setenv("BARGEIN_ACME_URL", around.format("https://proxy"))
    assert access("acme", "ACME_API_KEY", api_key=None, base_url=None) == Access("https://proxy", "a-key")
    assert access("acme", api_key=around.format("given"), base_url=None).key == "given"
    assert key_of(SecretStr(around.format("given")), "ACME_API_KEY", None) == "given"
    assert key_of(None, "ACME_API_KEY", None) == "a-key"
    monkeypatch.setenv("ACME_API_KEY", around.format(""))
    assert key_of(None, "ACME_API_KEY", None) is None


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("a key", "white space"),
        ("a\nkey", "white space"),
        ("k\u00e9y", r"U\+00E9"),
        ("key\u200b", r"U\+200B"),
        ('"a-key"', "quotation mark"),  # as an --env-file keeps it
        ("'a-key'", "quotation mark"),
        ('a-key"', "quotation mark"),
    ],
)
def test_a_key_that_no_header_can_hold_is_refused_and_its_variable_named(
    monkeypatch: pytest.MonkeyPatch, key: str, says: str
) -> None:
    monkeypatch.setenv("ACME_KEY", key)
    with pytest.raises(Unavailable, match=f"ACME_KEY is no key: .*{says}") as refused:
        access("acme", "ACME_API_KEY", "ACME_KEY", api_key=None, base_url=None)
    assert key not in str(refused.value)
    with pytest.raises(Unavailable, match=f"api_key is no key: .*{says}"):
        access("acme", "ACME_API_KEY", api_key=key, base_url=None)


@pytest.mark.parametrize(
    "url", ["localhost:8000/v1", "https:///v1", "ftp://host", "https://user:pass word@host", "http://h:x"]
)
def test_what_is_no_address_is_refused_and_its_variable_named(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BARGEIN_ACME_URL", url)
    with pytest.raises(Unavailable, match="BARGEIN_ACME_URL is no web address") as refused:
        access("acme", api_key=None, base_url=None)
    assert url not in str(refused.value)
    with pytest.raises(Unavailable, match="base_url is no web address"):
        address_of(url, "BARGEIN_ACME_URL")
