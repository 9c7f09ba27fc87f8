"""`bargein doctor`: what is set, installed and reachable, and what is missing. Each part that is configured is tried
alone, as the page's test button does; a key is never shown."""

from __future__ import annotations

import asyncio
import importlib.util
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bargein.clock import Clock, MonotonicClock
from bargein.errors import BargeinError, UsageError, VendorRefused
from bargein.server.builder import AgentBuilder
from bargein.server.probe import TRY_S, ProbeResult, hide, try_part
from bargein.server.registry import KINDS, PARTS, VENDORS, Part, Vendor
from bargein.server.serve import listen
from bargein.server.settings import Settings

AT_ONCE = 2

State = Literal["works", "off", "look", "fails"]
STYLES: dict[State, str] = {"works": "green", "off": "dim", "look": "yellow", "fails": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """state: works; off: not configured, so not tried; look: it may be meant so; fails: configured, and does not
    work. advice: what to do, "" for nothing."""

    what: str
    state: State
    detail: str
    advice: str = ""


async def examine(settings: Settings, *, clock: Clock | None = None, within_s: float = TRY_S) -> list[Finding]:
    """Everything, in the order of the table. Raises nothing: whatever goes wrong is a finding."""
    workshop = AgentBuilder(settings)
    limit = asyncio.Semaphore(AT_ONCE)  # a machine of few cores, or a slow line, would make others look slow

    async def tried(part: Part) -> Finding:
        async with limit:
            return await _tried(part, workshop, clock or MonotonicClock(), within_s)

    try:
        keyless = [_no_key(vendor, settings) for vendor in VENDORS if vendor.key(settings) is None]
        parts = [part for part in PARTS if part.vendor is None or part.vendor.key(settings) is not None]
        parts.sort(key=lambda part: part.vendor is None)
        async with asyncio.TaskGroup() as group:
            tries = [group.create_task(tried(part), name=part.name) for part in parts]
        return [*(task.result() for task in tries), *keyless, _port(settings), _public_url(settings), _twilio(settings)]
    finally:
        await workshop.aclose()


async def _tried(part: Part, workshop: AgentBuilder, clock: Clock, within_s: float) -> Finding:
    settings = workshop.settings
    what = f"{part.title} ({part.kind})"
    if part.place and part.placed(settings) is None:
        return Finding(what, "off", "not tried: no address", f"Set {part.place_variable}")
    if not part.installed:
        # What nobody asked for is no fault of the machine's.
        state: State = "off" if part.vendor is None else "fails"
        return Finding(what, state, "not installed", f"Install the extra: bargein[{part.extra}]")
    place = _place(part, settings)
    try:
        took = await try_part(workshop, clock, part.kind, part.name, {}, within_s=within_s)
    except BargeinError as error:
        off = part.name == "ollama" and settings.ollama_url is None
        advice = hide(error.advice, settings)
        if isinstance(error, VendorRefused) and part.vendor is not None:
            advice = f"{advice} ({part.vendor.variables[0]})"
        return Finding(what, "off" if off else "fails", hide(error.message, settings) + place, advice)
    return Finding(what, "works", _took(part, took) + place)


def _took(part: Part, took: ProbeResult) -> str:
    first, whole = f"{took.first_ms:.0f} ms", f"{took.ms:.0f} ms"
    return {
        "tts": f"first sound after {first}",
        "realtime": f"connected, and first sound after {first}",
        "llm": f"first word after {first}, all after {whole}",
        "stt": f"read after {whole}: {took.text!r}",
    }[part.kind]


def _place(part: Part, settings: Settings) -> str:
    """Where it is, if that was set. Never the whole address: it may carry a password."""
    url = part.vendor.url(settings) if part.vendor else None
    return f", at {urlsplit(url).hostname}" if url else ""


def _no_key(vendor: Vendor, settings: Settings) -> Finding:
    variable = vendor.variables[0]
    names = ", ".join(
        part.kind for kind in (*KINDS, "realtime") for part in PARTS if part.vendor is vendor and part.kind == kind
    )
    if getattr(settings, f"{vendor.name}_api_key") is not None:
        why = f"not tried: {variable} is for the server of OPENAI_BASE_URL"
        return Finding(f"{vendor.title} ({names})", "off", why, f"Set {vendor.url_variable} as well to use both")
    return Finding(f"{vendor.title} ({names})", "off", "not tried: no key", f"Set {variable}")


def _port(settings: Settings) -> Finding:
    what = f"{settings.host}:{settings.port}"
    try:
        listen(settings.host, settings.port).close()
    except UsageError as error:
        return Finding(what, "look", error.message, error.advice)
    return Finding(what, "works", "free to listen on")


def _public_url(settings: Settings) -> Finding:
    what, url = "BARGEIN_PUBLIC_URL", settings.public_url
    if url is None:
        return Finding(what, "off", "not set", "Telephones need it where a proxy stands before the server")
    if url.startswith("http://"):
        return Finding(what, "look", "telephone networks call only https addresses", "Begin it with https://")
    return Finding(what, "works", f"calls come in at {urlsplit(url).hostname}")


def _twilio(settings: Settings) -> Finding:
    what = "Twilio"
    if settings.twilio_auth_token is None:
        return Finding(what, "off", "no key: only this machine may call", "Set TWILIO_AUTH_TOKEN")
    if importlib.util.find_spec("twilio") is None:
        return Finding(what, "fails", "its package is not installed", "Install the extra: bargein[twilio]")
    if settings.twilio_account_sid is None:
        return Finding(what, "look", "calls come in, but cannot be transferred", "Set TWILIO_ACCOUNT_SID, too")
    return Finding(what, "works", "signatures are checked, calls can be transferred")


def doctor_command() -> None:
    """Say what is set, reachable and missing. Exit code 1: something that is configured does not work."""
    console = Console()
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "_".join(str(step) for step in first["loc"]).upper()
        console.print(f"[red]The setting {escape(name)} is wrong:[/red] {escape(first['msg'])}", highlight=False)
        raise typer.Exit(1) from None
    findings = asyncio.run(examine(settings))
    console.print(table(findings))
    if any(finding.state == "fails" for finding in findings):
        raise typer.Exit(1)


def table(findings: list[Finding]) -> Table:
    """For people."""
    made = Table("part", "", "what was found", "what to do", box=None, pad_edge=False)
    for finding in findings:
        style = STYLES[finding.state]
        made.add_row(
            escape(finding.what), f"[{style}]{finding.state}[/{style}]", escape(finding.detail), escape(finding.advice)
        )
    return made
