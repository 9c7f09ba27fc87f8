"""Whose key goes to whom."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from bargein.vendors.common.keys import key_of


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
