"""What every vendor's folder has: its description, short names of its classes, and no SDK until one is asked for."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from bargein.errors import Unavailable
from bargein.vendors import (
    anthropic,
    assemblyai,
    azure,
    cartesia,
    deepgram,
    elevenlabs,
    google,
    groq,
    local,
    mistral,
    openai,
    scripted,
    vllm,
    xai,
)
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.short_names import short_names
from bargein.vendors.common.vendor import ApiKey, Part, Setting, Vendor
from bargein.vendors.deepgram import flux_language
from bargein.vendors.local.vendor import espeak_language

MODULES = (
    anthropic,
    assemblyai,
    azure,
    cartesia,
    deepgram,
    elevenlabs,
    google,
    groq,
    local,
    mistral,
    openai,
    scripted,
    vllm,
    xai,
)
SDKS = (
    "anthropic",
    "assemblyai",
    "azure.identity",
    "deepgram",
    "google.genai",
    "openai",
    "mistralai",
    "torch",
    "moonshine_voice",
    "numpy",
)


def test_short_names_are_the_vendors_classes() -> None:
    assert [cls.__name__ for cls in (deepgram.Flux, deepgram.Nova, deepgram.Aura)] == [
        "DeepgramFlux",
        "DeepgramNova",
        "DeepgramAura",
    ]
    assert groq.Chat().name == "openai/gpt-oss-20b"
    assert openai.Realtime().name == "gpt-realtime-2.1"
    assert local.Ollama("llama").name == "llama"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.VENDOR.name)
def test_every_name_that_a_vendor_exports_is_there(module: object) -> None:
    names: list[str] = module.__all__  # type: ignore[attr-defined]
    assert all(isinstance(getattr(module, name), type | Vendor) for name in names)
    assert f"bargein.vendors.{module.VENDOR.name}" == module.__name__  # type: ignore[attr-defined]


@pytest.mark.parametrize("sdk", SDKS)
def test_describing_all_vendors_imports_no_sdk(sdk: str) -> None:
    names = ", ".join(module.VENDOR.name for module in MODULES)
    code = f"import sys\nfrom bargein.vendors import {names}\nsys.exit({sdk!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(groq, "Nothing")


def test_a_short_name_whose_package_is_missing_says_what_to_install() -> None:
    get = short_names("bargein.vendors.acme", {"Speech": "no_such_package_here:Speech"}, extra="acme")
    with pytest.raises(Unavailable, match=r"acme\.Speech needs .*no_such_package_here.* bargein\[acme\]"):
        get("Speech")


# ------------------------------------------------------------------------------------------- keys and addresses


def test_a_variable_that_is_set_to_nothing_is_not_set() -> None:
    environment = Environment({"A": "", "B": "b"})
    assert environment.get("A") is None
    assert environment.secret("A", "B") is not None
    assert environment.with_({"B": ""}).get("B") is None


def test_an_environment_never_shows_its_values() -> None:
    assert "secret" not in repr(Environment({"A": "secret"}))


def test_the_first_variable_that_is_set_has_the_key() -> None:
    vendor = elevenlabs.VENDOR
    assert vendor.key_in(Environment()) is None
    key = vendor.key_in(Environment({"ELEVEN_API_KEY": "old"}))
    assert key is not None
    assert key.get_secret_value() == "old"
    both = vendor.key_in(Environment({"ELEVENLABS_API_KEY": "new", "ELEVEN_API_KEY": "old"}))
    assert both is not None
    assert both.get_secret_value() == "new"


def test_a_key_for_another_server_is_not_the_vendors_unless_both_have_an_address() -> None:
    vendor = openai.VENDOR
    elsewhere = Environment({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://x"})
    assert vendor.key_in(elsewhere) is None
    assert vendor.key_is_elsewhere(elsewhere)
    assert vendor.secrets(elsewhere) == ["k", "k"], "it is hidden all the same"
    assert vendor.key_in(elsewhere.with_({"BARGEIN_OPENAI_URL": "https://api.openai.com/v1"})) is not None


def test_a_vendors_address_has_a_variable_of_its_name() -> None:
    assert Vendor("acme-voices", "Acme", ApiKey(("K",))).url_variable == "BARGEIN_ACME_VOICES_URL"
    assert Vendor("acme", "Acme", url_variable="ACME_URL").url_variable == "ACME_URL"


def test_a_required_setting_may_be_replaced_by_others() -> None:
    setting = Setting("URL", "base_url", required=True, instead=("KEY", "MODEL"))
    part = Part("llm", "acme", "Acme", factory="acme:Chat", settings=(setting,))
    assert part.unset(Environment()) is setting
    assert part.unset(Environment({"KEY": "k"})) is setting
    assert part.unset(Environment({"KEY": "k", "MODEL": "m"})) is None
    assert part.unset(Environment({"URL": "u"})) is None


class Asked(dict[str, str]):
    """An environment that keeps the names of the variables that were read."""

    def __init__(self, **variables: str) -> None:
        super().__init__(variables)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


KEYED = [
    (m.VENDOR, part)
    for m in MODULES
    for part in m.VENDOR.parts
    if m.VENDOR.key is not None and part.takes_key and not any(setting.required for setting in part.settings)
]


@pytest.mark.parametrize(("vendor", "part"), KEYED, ids=[f"{part.kind}-{part.name}" for _, part in KEYED])
def test_a_part_made_in_a_script_reads_its_vendors_address_and_key(
    vendor: Vendor, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked()
    monkeypatch.setattr(Environment, "of_process", lambda: Environment(asked))
    module, _, name = part.factory.partition(":")
    getattr(importlib.import_module(module), name)()
    assert vendor.key is not None
    assert asked.names == {vendor.url_variable, *vendor.key.variables}


@pytest.mark.parametrize(
    ("make", "variable"),
    [
        (vllm.Voxtral, "BARGEIN_VLLM_URL"),
        (vllm.VoxtralRealtime, "BARGEIN_VLLM_REALTIME_URL"),
        (local.Ollama, "BARGEIN_OLLAMA_URL"),
    ],
)
def test_a_server_of_the_users_own_is_read_from_its_variable(
    make: Callable[[], object], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(**{variable: "http://gpu.test/v1"})
    monkeypatch.setattr(Environment, "of_process", lambda: Environment(asked))
    make()
    assert asked.names == {variable}


# ----------------------------------------------------------------------------------------------------- languages


@pytest.mark.parametrize(
    ("language", "flux", "espeak"),
    [
        ("en", {"language": "en"}, {}),
        ("en-GB", {"language": "en"}, {"language": "en-gb"}),
        ("de-AT", {"language": "de", "model": "flux-general-multi"}, {"language": "de-at"}),
    ],
)
def test_each_part_is_told_the_language_as_it_wants_it(
    language: str, flux: dict[str, str], espeak: dict[str, str]
) -> None:
    assert flux_language(language) == flux
    assert espeak_language(language) == espeak
