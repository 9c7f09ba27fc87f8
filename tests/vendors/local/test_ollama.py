"""Where Ollama is looked for."""

from __future__ import annotations

import pytest

from bargein.errors import Unavailable
from bargein.vendors.local.ollama import URL, OllamaChat


def address(model: OllamaChat) -> str:
    return str(model._client.base_url).rstrip("/")


def test_a_given_address_goes_before_the_variables_and_both_before_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(URL, raising=False)
    assert address(OllamaChat()) == "http://127.0.0.1:11434/v1"
    monkeypatch.setenv(URL, " http://gpu:11434/v1\n")
    assert address(OllamaChat()) == "http://gpu:11434/v1"
    assert address(OllamaChat(base_url="http://other/v1 ")) == "http://other/v1"


@pytest.mark.parametrize(
    "malformed", ["no address at all", "gpu:11434/v1", "http:///v1", "http://gpu:port/v1", "http://g pu/v1"]
)
def test_a_malformed_address_is_refused_and_its_source_named(monkeypatch: pytest.MonkeyPatch, malformed: str) -> None:
    monkeypatch.delenv(URL, raising=False)
    with pytest.raises(Unavailable, match="base_url is no web address"):
        OllamaChat(base_url=malformed)
    monkeypatch.setenv(URL, malformed)
    with pytest.raises(Unavailable, match=f"{URL} is no web address"):
        OllamaChat()
