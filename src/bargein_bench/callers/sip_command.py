"""`bargein simulate sip URI`: phones call an agent by SIP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bargein.sip.addresses import SipUri
from bargein.sip.settings import SipCredentials
from bargein.sip.user_agent import SipUserAgent
from bargein_bench.callers import call_script
from bargein_bench.callers.caller_audio import Echo, Step
from bargein_bench.callers.command import EVERY_MS, FIRST_MS, clips_of, show
from bargein_bench.callers.crowd import CallPlan, CallRun, run
from bargein_bench.callers.sip_call import SipCaller, calling_agent, credentials_of, sip_uri
from bargein_simulators.command_errors import command_errors


def simulate_sip(
    uri: Annotated[str, typer.Argument(help="sip:user@host:port of an agent")],
    *,
    calls: Annotated[int, typer.Option(min=1, help="Calls at once")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="How long each lasts")] = 30,
    wav: Annotated[Path | None, typer.Option(help="Speech that interrupts; otherwise sentences by espeak")] = None,
    script: Annotated[Path | None, typer.Option(help="JSON list of steps, instead")] = None,
    pid: Annotated[
        int | None, typer.Option(help="Process id of the server on this machine: its CPU and memory are measured")
    ] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the numbers here, too")] = None,
    way_ms: Annotated[float, typer.Option(help="Delay of the network, one way")] = 0,
    echo_ms: Annotated[float, typer.Option(help="The agent's echo comes back so much later")] = 0,
    echo_db: Annotated[float, typer.Option(help="and at this level")] = -20,
    key: Annotated[str, typer.Option(envvar="BARGEIN_BENCH_KEY", help="user:password of the digest")] = "",
) -> None:
    """Call an agent by SIP as phones do, interrupt it, and measure at the caller's ear how it yields."""
    console = Console(width=120)
    with command_errors(console):
        steps = call_script.read(script) if script is not None else None
        clips = [] if steps is not None else asyncio.run(clips_of(wav))
        lasts_ms = seconds * 1000

        def steps_of(number: int) -> list[Step]:
            if steps is not None:
                return steps
            return call_script.every(clips, FIRST_MS + number * 41 % 1000, EVERY_MS, lasts_ms, number)

        echo = Echo(echo_ms, echo_db) if echo_ms else None
        plan = CallPlan(uri, calls, lasts_ms, steps_of, echo=lambda _: echo, way_ms=way_ms)
        done = asyncio.run(run_sip(plan, pid, key))
    show(console, done)
    if as_json is not None:
        summary = done.summary() | {"each": [score.facts() for score in done.scores]}
        as_json.write_text(json.dumps(summary, indent=1))
    if not done.scores:
        raise typer.Exit(1)


async def run_sip(plan: CallPlan, pid: int | None = None, key: str = "") -> CallRun:
    """All calls of a plan, whose url is a SIP address, from one user agent. Raises UsageError."""
    uri, credentials = sip_uri(plan.url), credentials_of(key)
    async with calling_agent(uri) as agent:
        return await run(_by_sip(plan, agent, uri, credentials), pid)


def _by_sip(plan: CallPlan, agent: SipUserAgent, uri: SipUri, credentials: SipCredentials | None) -> CallPlan:
    def caller(_: str, steps: Sequence[Step], lasts_ms: float, *, parameters: Any, **more: Any) -> SipCaller:
        return SipCaller(uri, steps, lasts_ms, agent=agent, credentials=credentials, **more)

    return CallPlan(
        plan.url,
        plan.calls,
        plan.lasts_ms,
        plan.script,
        plan.apart_ms,
        plan.echo,
        plan.way_ms,
        headers=plan.headers,
        caller=caller,
    )
