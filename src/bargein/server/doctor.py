"""`bargein doctor`: what is set, installed and reachable, and what is missing. Each part that is configured is tried
alone, as the page's test button does. A key is never shown."""

from __future__ import annotations

import asyncio
import importlib.util
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bargein.audio.sound.front_end import INSTALL
from bargein.audio.sound.front_end import NAME as FRONT_END
from bargein.audio.sound.head import read_head
from bargein.audio.sound.judge import installed_front_end
from bargein.clock import Clock, MonotonicClock
from bargein.errors import BargeinError, UsageError, VendorRefused
from bargein.server.builder import AgentBuilder
from bargein.server.doctor_findings import Finding, State
from bargein.server.env_file import read_env_file
from bargein.server.listening import listen
from bargein.server.make_settings import make_settings
from bargein.server.probe import TRY_S, ProbeResult, try_part
from bargein.server.registry import RegisteredPart, Registry
from bargein.server.settings import Settings
from bargein.server.sip.doctor import sip_findings
from bargein.server.telephone.asterisk import MEDIA as ASTERISK_MEDIA
from bargein.server.telephone.asterisk import ari_of
from bargein.server.webrtc.doctor import webrtc_finding
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.vendor import Vendor

AT_ONCE = 2

STYLES: dict[State, str] = {"works": "green", "off": "dim", "look": "yellow", "fails": "red"}


async def examine(
    settings: Settings,
    environment: Environment | None = None,
    *,
    registry: Registry | None = None,
    clock: Clock | None = None,
    within_s: float = TRY_S,
) -> list[Finding]:
    """All findings: parts, keys that are not set, vendors that cannot be used, then the server's own settings.

    environment, registry: as AgentBuilder takes them. Raises nothing: every failure is a finding.
    """
    builder = AgentBuilder(environment, registry=registry)
    limit = asyncio.Semaphore(AT_ONCE)  # more at once would make a machine of few cores, or a slow network, look slow

    async def tried(part: RegisteredPart) -> Finding:
        async with limit:
            return await _tried(part, builder, clock or MonotonicClock(), within_s)

    try:
        parts = [part for part in builder.registry.parts if part.key_set(builder.environment) is not False]
        parts.sort(key=lambda part: part.key_variable is None)
        async with asyncio.TaskGroup() as group:
            tries = [group.create_task(tried(part), name=part.name) for part in parts]
        keyless = [
            _no_key(vendor, builder.environment)
            for vendor in builder.registry.vendors
            if vendor.key is not None and vendor.key_in(builder.environment) is None
        ]
        broken = [Finding(p.vendor, "fails", builder.hide(p.why), p.advice) for p in builder.registry.problems]
        own = [await asyncio.to_thread(_sounds), _port(settings), _public_url(settings), _twilio(settings)]
        own.append(await examine_asterisk(settings))
        own += await sip_findings(settings)
        own.append(await webrtc_finding(settings))
        return [*(task.result() for task in tries), *keyless, *broken, *own]
    finally:
        await builder.aclose()


async def _tried(part: RegisteredPart, builder: AgentBuilder, clock: Clock, within_s: float) -> Finding:
    environment = builder.environment
    what = f"{part.title} ({part.kind})"
    if (unset := part.part.unset(environment)) is not None:
        return Finding(what, "off", f"not tried: no {unset.variable}", f"Set {unset.variable}")
    asked_for = part.key_variable is not None
    if not part.installed:
        # A part without a key that is not installed is no fault of the machine's.
        return Finding(what, "fails" if asked_for else "off", "not installed", part.how_to_install)
    place = _place(part, environment)
    try:
        took = await try_part(builder, clock, part.kind, part.name, {}, within_s=within_s)
    except BargeinError as error:
        # The same holds for a server that no variable names, and that is not there.
        off = bool(part.part.settings) and not asked_for and not part.wanted(environment)
        advice = builder.hide(error.advice)
        if isinstance(error, VendorRefused) and part.key_variable is not None:
            advice = f"{advice} ({part.key_variable})"
        return Finding(what, "off" if off else "fails", builder.hide(error.message) + place, advice)
    return Finding(what, "works", _took(part, took) + place)


def _sounds() -> Finding:
    """Laughs and coughs, told from words by their sound."""
    what = "words by sound"
    try:
        front_end = installed_front_end(read_head())
    except BargeinError as error:
        return Finding(what, "fails", error.message, error.advice)
    if front_end is None:
        return Finding(what, "off", "Silero's curve alone tells laughs from words", INSTALL)
    return Finding(what, "works", f"with {FRONT_END}")


def _took(part: RegisteredPart, took: ProbeResult) -> str:
    first, whole = f"{took.first_ms:.0f} ms", f"{took.ms:.0f} ms"
    return {
        "tts": f"first sound after {first}",
        "realtime": f"connected, and first sound after {first}",
        "llm": f"first word after {first}, all after {whole}",
        "stt": f"read after {whole}: {took.text!r}",
    }[part.kind]


def _place(part: RegisteredPart, environment: Environment) -> str:
    """The host, if the vendor's address was set. Never the whole address: it may carry a password."""
    url = part.url(environment)
    return f", at {urlsplit(url).hostname}" if url else ""


def _no_key(vendor: Vendor, environment: Environment) -> Finding:
    assert vendor.key is not None
    variable = vendor.key.variables[0]
    kinds = dict.fromkeys(part.kind for part in vendor.parts if part.takes_key)
    what = f"{vendor.title} ({', '.join(kinds)})"
    if vendor.key_is_elsewhere(environment):
        why = f"not tried: {variable} is for the server of {vendor.key.for_server_of}"
        return Finding(what, "off", why, f"Set {vendor.url_variable} as well to use both")
    return Finding(what, "off", "not tried: no key", f"Set {variable}")


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


async def examine_asterisk(settings: Settings) -> Finding:
    """Whether Asterisk can be dialled, and its calls transferred."""
    what = "Asterisk"
    if settings.asterisk_url is None:
        advice = "Set BARGEIN_ASTERISK_URL to dial it, and for transfers"
        return Finding(what, "off", f"calls come in at {ASTERISK_MEDIA}", advice)
    ari = ari_of(settings)
    if ari is None:
        return Finding(what, "look", "can be dialled; no transfers", "Set BARGEIN_ARI_USER and BARGEIN_ARI_PASSWORD")
    try:
        answer = await ari.request("GET", "/asterisk/info", {"only": "system"})
    except BargeinError as error:
        return Finding(what, "fails", error.message, error.advice)
    if answer.status_code != 200:
        return Finding(what, "fails", f"its REST interface answers with {answer.status_code}", "Enable ari.conf")
    return Finding(what, "works", "can be dialled, calls can be transferred")


def doctor_command() -> None:
    """Say what is set, reachable and missing. Exit code 1: something that is configured does not work."""
    console = Console()
    try:
        read_env_file(None)
        settings = make_settings()
    except BargeinError as error:
        console.print(f"[red]{type(error).__name__}:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
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
