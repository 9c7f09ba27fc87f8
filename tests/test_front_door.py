"""`import bargein`: every public name, typed and documented, and nothing imported before it is used."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bargein
from bargein.errors import BargeinError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
HEAVY = ("fastapi", "onnxruntime", "openai", "aiortc", "rich", "numpy", "pydantic", "uvicorn", "typer", "asyncio")
NAMES = {
    "Agent", "AudioShapeError", "BargeinError", "Greeting", "HangUp", "Message", "Policy", "ProtocolError",
    "RecordingRequest", "Transfer", "Unavailable", "UsageError", "VendorLost", "VendorRefused", "collect_digits",
    "create_app", "hang_up", "recording_consent", "run_call", "serve", "tool", "transfer_to", "uvicorn_options",
}  # fmt: skip


def loaded(code: str, *words: str) -> set[str]:
    """Which of the heavy packages a fresh Python has imported after this code."""
    ask = f"{code}\nimport json, sys\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", ask, *words],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_public_names_are_these() -> None:
    assert set(bargein.__all__) == NAMES | {"__version__"}
    assert set(bargein.__all__) <= set(dir(bargein))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    value = getattr(bargein, name)
    assert (value.spec.description if hasattr(value, "spec") else value.__doc__).strip()
    if isinstance(value, type) and issubclass(value, BargeinError):
        assert value.__module__ == "bargein.errors"


def test_every_submodule_that_is_promised_is_there() -> None:
    for name in ("bargein.testing", "bargein.vendors", "bargein.protocols"):
        assert importlib.import_module(name).__doc__


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'bargein' has no attribute 'Agnet'"):
        bargein.Agnet  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Agnet'"):
        exec("from bargein import Agnet")


def test_importing_bargein_imports_nothing_else_and_changes_nothing() -> None:
    check = (
        "import os, sys\nbefore = dict(os.environ)\nmodules = set(sys.modules)\nimport bargein\n"
        "assert dict(os.environ) == before\n"
        "new = {m for m in set(sys.modules) - modules if m.startswith('bargein')}\nassert new == {'bargein'}, new"
    )
    assert loaded(check) == set()


def test_an_agents_module_does_not_load_the_server() -> None:
    names = ", ".join(name for name in sorted(NAMES) if not name[0].isupper())
    used = loaded(f"from bargein import Agent, Policy, {names}")
    assert used & {"fastapi", "onnxruntime", "openai", "aiortc", "rich", "uvicorn", "typer"} == set()


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["serve", "--help"], ["simulate", "--help"]])
def test_help_loads_neither_server_nor_sdk(words: list[str]) -> None:
    code = (
        "import sys\nfrom bargein.cli import app\ntry:\n    app()\nexcept SystemExit as end:\n    assert not end.code"
    )
    used = loaded(code, *words)
    assert used & {"fastapi", "onnxruntime", "openai", "aiortc", "rich", "numpy", "uvicorn"} == set()


def test_serving_limits_the_threads_of_blas_from_the_command_line_before_numpy_is_there() -> None:
    """A pool of BLAS threads would spin beside the small products of calls."""
    code = (
        "import os, sys\nos.environ.pop('OPENBLAS_NUM_THREADS', None)\nfrom bargein.cli import app\n"
        "assert 'numpy' not in sys.modules\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert end.code == 2, end.code\n"
        "assert os.environ['OPENBLAS_NUM_THREADS'] == '1'\n"
        "from threadpoolctl import threadpool_info\nimport numpy\n"
        "pools = [pool['num_threads'] for pool in threadpool_info() if pool['user_api'] == 'blas']\n"
        "assert pools and set(pools) == {1}, pools"
    )
    assert "numpy" in loaded(code, "serve", "--agent", "nowhere.py", "--port", "0")


def test_serving_from_a_script_limits_them_after_the_fact() -> None:
    code = (
        "import os\nos.environ.pop('OPENBLAS_NUM_THREADS', None)\nimport numpy\n"
        "import bargein\nfrom bargein.testing import ScriptedLLM, ToneTTS\n"
        "agent = bargein.Agent(llm=ScriptedLLM(), tts=ToneTTS())\n"
        "try:\n    bargein.serve(agent, host='no.such.host.invalid', token='x' * 20)\n"
        "except bargein.UsageError as error:\n    assert 'no.such.host.invalid' in str(error)\n"
        "assert 'OPENBLAS_NUM_THREADS' not in os.environ\n"
        "from threadpoolctl import threadpool_info\n"
        "pools = [pool['num_threads'] for pool in threadpool_info() if pool['user_api'] == 'blas']\n"
        "assert pools and set(pools) == {1}, pools"
    )
    assert "numpy" in loaded(code)
