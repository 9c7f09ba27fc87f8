"""A worker process gets what an interpreter needs, and no secret of the environment."""

from __future__ import annotations

import os

import pytest

from bargein.vendors.common.worker_environment import worker_environment
from bargein.vendors.local.worker_process import WorkerProcess
from tests.vendors.local.test_worker_process import ask, child, children_find_the_tests

__all__ = ["child", "children_find_the_tests"]


async def test_a_worker_gets_no_secret_of_the_environment(
    child: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = ("OPENAI_API_KEY", "BARGEIN_TOKEN", "TWILIO_AUTH_TOKEN", "HF_TOKEN", "AWS_SESSION", "OMP_KEY", "ANYTHING")
    for name in secrets:
        monkeypatch.setenv(name, "the secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:the secret@proxy:3128")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    told = b"\n".join(data for _, data in await ask(child, "environment")).decode()
    assert "the secret" not in told
    assert {"OMP_NUM_THREADS=1", "LC_ALL=C.UTF-8", f"PATH={os.environ['PATH']}"} <= set(told.splitlines())


def test_names_that_look_harmless_hide_no_secret() -> None:
    given = {
        "PATH": "/bin",
        "OMP_NUM_THREADS": "1",
        "XDG_CACHE_HOME": "/c",
        "https_proxy": "http://proxy:3128",
        "NO_PROXY": "localhost",
    }
    secrets = {
        "XDG_SECRET": "s",
        "CUDA_API_KEY": "s",
        "HTTP_PROXY": "http://user:s@proxy:3128",
        "ALL_PROXY": "socks5://s@proxy",
        "HTTPS_PROXY": "http://[",
        "HF_TOKEN": "s",
        "BARGEIN_TOKEN": "s",
        "DATABASE_URL": "postgres://a:s@b/c",
    }
    assert worker_environment(given=given | secrets) == given
    assert worker_environment(("HF_TOKEN",), given | secrets) == given | {"HF_TOKEN": "s"}
