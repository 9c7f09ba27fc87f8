"""The test of each template of `bargein new`, run here because the frameworks are imported here."""

from __future__ import annotations

import importlib.util
import sys
from inspect import iscoroutinefunction
from pathlib import Path

import pytest

from bargein.cli.new import make_project
from bargein.cli.project_templates import TEMPLATES


@pytest.mark.parametrize("template", TEMPLATES)
async def test_its_test_passes_offline_and_without_a_key(
    template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in TEMPLATES[template].keys:
        monkeypatch.delenv(key.variable, raising=False)
    project = tmp_path / "my-agent"
    make_project(project, TEMPLATES[template])
    monkeypatch.syspath_prepend(project)
    monkeypatch.delitem(sys.modules, "agent", raising=False)
    spec = importlib.util.spec_from_file_location(f"test_agent_{template}", project / "test_agent.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delitem(sys.modules, "agent")
    tests = [value for name, value in vars(module).items() if name.startswith("test_") and iscoroutinefunction(value)]
    assert len(tests) >= 2
    for test in tests:
        await test()
