"""What this machine offers; and that its worker processes start with next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bargein.vendors import local
from bargein.vendors.local.vendor import VENDOR, espeak_language

WORKERS = ("espeak_worker", "moonshine_worker", "voxtral_worker")
HEAVY = ("pydantic", "fastapi", "openai", "torch", "transformers")


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_process_imports_only_what_it_needs(worker: str) -> None:
    code = f"import sys, bargein.vendors.local.{worker}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_package_shows_its_vendor() -> None:
    assert local.VENDOR is VENDOR
    assert [part.name for part in VENDOR.parts] == ["moonshine", "ollama", "voxtral-local", "espeak"]
    assert all(part.local for part in VENDOR.parts)


def test_espeak_is_told_the_region_and_keeps_its_own_english() -> None:
    assert espeak_language("en") == {}
    assert espeak_language("pt-BR") == {"language": "pt-br"}
