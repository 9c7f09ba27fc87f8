"""Where OpenAI's parts send their requests, and with which key."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bargein.errors import Unavailable
from bargein.vendors import openai

OPENAI = "https://api.openai.com/v1"
VARIABLES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "BARGEIN_OPENAI_URL")
Keyed = type[openai.Chat] | type[openai.Realtime] | type[openai.Speech] | type[openai.Whisper]


@pytest.fixture(autouse=True)
def _only_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "for-one-server")


@pytest.fixture(params=["Chat", "Realtime", "Speech", "Whisper"])
def part(request: pytest.FixtureRequest) -> Keyed:
    keyed: Keyed = getattr(openai, request.param)
    return keyed


def reached(part: Any) -> tuple[str, str]:
    """The address and the key of the SDK's client."""
    client = (part._server if isinstance(part, openai.Whisper) else part)._client
    return str(client.base_url).rstrip("/"), client.api_key


def test_a_part_is_at_openai_itself_with_the_environments_key(part: Keyed) -> None:
    assert reached(part()) == (OPENAI, "for-one-server")


def test_the_address_of_another_server_moves_no_part_and_keeps_its_key(
    part: Keyed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere")
    with caplog.at_level(logging.WARNING):
        assert reached(part()) == (OPENAI, "none")
    assert [record.getMessage() for record in caplog.records] == [
        "OPENAI_BASE_URL is set, so OPENAI_API_KEY is not sent to openai. Set BARGEIN_OPENAI_URL, too, or give api_key"
    ]


def test_a_given_key_goes_to_openai_whatever_other_server_there_is(
    part: Keyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere")
    assert reached(part(api_key="given")) == (OPENAI, "given")


def test_with_openais_own_address_set_as_well_the_environments_key_is_openais(
    part: Keyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere")
    monkeypatch.setenv("BARGEIN_OPENAI_URL", "https://eu.api.openai.com/v1")
    assert reached(part()) == ("https://eu.api.openai.com/v1", "for-one-server")


def test_a_given_address_gets_only_a_given_key(part: Keyed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere")
    assert reached(part(base_url="http://here/v1")) == ("http://here/v1", "none")
    with pytest.raises(Unavailable, match="base_url is no web address"):
        part(base_url="here")


def test_a_compatible_server_has_the_variables_address_and_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reached(openai.CompatibleChat()) == (OPENAI, "for-one-server")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere")
    assert reached(openai.CompatibleChat()) == ("http://elsewhere", "for-one-server")
    assert reached(openai.CompatibleChat(base_url="http://here")) == ("http://here", "none")
