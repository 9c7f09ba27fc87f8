"""sipp, a stranger's stack, against our user agent: repeats, CANCEL, right and wrong passwords."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from bargein.sip.settings import SipAdmission
from bargein.sip.user_agent import SipUserAgent
from tests.sip.test_user_agent import LOCAL, agents

SCENARIOS = Path(__file__).parent / "scenarios"
STRICT = SipAdmission(lambda host: False, {"bob": "secret"})


async def sipp(agent: SipUserAgent, scenario: str, calls: int, folder: Path) -> None:
    """Run a scenario; sipp's own judgement of each message is the test."""
    port = agent.addresses[0].port
    program = shutil.which("sipp")
    assert program is not None, "the tests need Debian's package sip-tester"
    process = await asyncio.create_subprocess_exec(
        program, f"127.0.0.1:{port}", "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", "127.0.0.1",
        "-m", str(calls), "-r", "1000", "-l", str(calls), "-nostdin", "-timeout", "10", "-timeout_error", "-trace_err",
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"{errors.decode()}\n{_log(folder)}"


def _log(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in folder.glob("*.log"))[:3000]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "calls", "admission"),
    [("repeats", 20, LOCAL), ("cancel", 20, LOCAL), ("digest", 20, STRICT), ("wrong_digest", 3, STRICT)],
)
async def test_sipp(scenario: str, calls: int, admission: SipAdmission, tmp_path: Path) -> None:
    async with agents(admission=admission) as (agent, _, handler, _):
        handler.rings = scenario == "cancel"
        await sipp(agent, scenario, calls, tmp_path)
        assert len(handler.calls) == (0 if scenario == "wrong_digest" else calls)
        ends = [handler.overs.get_nowait() for _ in handler.calls]
        assert ends == ["cancelled" if scenario == "cancel" else "bye"] * len(handler.calls)
        assert agent.dialogs == 0
