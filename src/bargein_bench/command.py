"""`bargein bench TARGET`: calls any voice agent, interrupts it in every way people do, and says how it did."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer
from rich.console import Console

from bargein.errors import Unavailable, UsageError
from bargein_bench.capacity import Capacity, Level, Promise, grow
from bargein_bench.files import labels, lines, read_measures
from bargein_bench.live import Live, level_line, show_capacity, show_measures
from bargein_bench.machine import machine
from bargein_bench.measures import measures
from bargein_bench.record import Target
from bargein_bench.report import write
from bargein_bench.results import Results
from bargein_bench.run import BenchPlan, listen, run
from bargein_bench.scenarios import people, synthetic
from bargein_bench.scenarios.clips import Clip, Library, read_folder
from bargein_bench.scenarios.scenes import SCENES, Scene, chosen
from bargein_bench.targets.asterisk import AsteriskTarget
from bargein_bench.targets.browser import BrowserTarget
from bargein_bench.targets.realtime import RealtimeTarget
from bargein_bench.targets.sip import SipTarget
from bargein_bench.targets.twilio import TwilioTarget
from bargein_bench.targets.webrtc import WebRTCTarget
from bargein_simulators.command_errors import command_errors

Protocol = Literal["twilio", "asterisk", "browser", "realtime", "sip", "webrtc"]
PROTOCOLS: tuple[Protocol, ...] = ("twilio", "asterisk", "browser", "realtime", "sip", "webrtc")
HTTP = ("http", "https")


def bench(
    target: Annotated[
        str,
        typer.Argument(
            help="ws://...: Twilio-style, bargein.v1, OpenAI Realtime; sip:user@host; or http://..., for a WebRTC offer"
        ),
    ],
    *,
    protocol: Annotated[
        str, typer.Option(help="twilio, asterisk, browser, realtime, sip, webrtc; read from the address when empty")
    ] = "",
    scenarios: Annotated[str, typer.Option(help="Names, with commas; all when empty. 'list' shows them")] = "",
    repeats: Annotated[int, typer.Option(min=1, help="Calls of each scenario")] = 10,
    calls: Annotated[int, typer.Option(min=1, help="Calls at once")] = 8,
    seed: Annotated[int, typer.Option(help="Of the choice of sounds, levels and moments")] = 1,
    sounds: Annotated[list[Path] | None, typer.Option(help="Folder of recordings with a manifest.json; repeat")] = None,
    only_mine: Annotated[bool, typer.Option("--only-mine", help="No sounds but those of --sounds")] = False,
    ask: Annotated[str, typer.Option(help="The request that makes the agent speak at length")] = synthetic.ASK,
    language: Annotated[str, typer.Option(help="Language of the callers' synthesized speech")] = "en-us",
    model: Annotated[str, typer.Option(help="realtime: the model")] = "",
    key: Annotated[
        str, typer.Option(envvar="BARGEIN_BENCH_KEY", help="Key or token for the target; sip: user:password")
    ] = "",
    header: Annotated[list[str] | None, typer.Option(help="name: value, of the handshake (twilio); repeat")] = None,
    parameter: Annotated[list[str] | None, typer.Option(help="name=value, customParameters (twilio); repeat")] = None,
    way_ms: Annotated[float, typer.Option(help="ms of the network, one way (twilio)")] = 0,
    as_json: Annotated[Path | None, typer.Option("--json", help="A line for every event, call and measure")] = None,
    report: Annotated[Path | None, typer.Option(help="One HTML file with the whole run, and its audio")] = None,
    truth: Annotated[Path | None, typer.Option(help="Labels of each onset, for `bargein tune`")] = None,
    compare: Annotated[list[Path] | None, typer.Option(help="--json files of other runs, for the report")] = None,
    capacity: Annotated[
        bool, typer.Option("--capacity", help="How many calls at once, until a promise breaks")
    ] = False,
    pid: Annotated[int | None, typer.Option(help="capacity: the server's, on this machine, for its processor")] = None,
    most: Annotated[int, typer.Option(min=1, help="capacity: calls at once that are tried at most")] = 400,
    stop_ms: Annotated[float, typer.Option(help="capacity: 99 of 100 interruptions are silent by then")] = 160,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep every call's audio for the report, not only that of faults")
    ] = False,
) -> None:
    """Call an agent, interrupt it, and score what the caller hears. Exit code 2: the agent could not be called."""
    console = Console(width=None if os.isatty(1) else 120)
    with command_errors(console):
        _demand_writable(as_json, report, truth)
        scenes = _scenes(scenarios)
        agent = _target(target, protocol, model, key, header or (), parameter or (), way_ms)
        others = [read_measures(path) for path in compare or ()]
        library = asyncio.run(_library(sounds or (), ask, language, only_mine=only_mine))
        if capacity:
            found_out = asyncio.run(_grow(console, agent, library, Promise(stop_ms), calls, most, pid, seed))
            if as_json is not None:
                as_json.write_text("".join(json.dumps(level.facts()) + "\n" for level in found_out.levels))
            return
        plan = BenchPlan(scenes, repeats, calls, seed, keep)
        results = asyncio.run(_run(console, agent, library, plan, target))
    found = measures(results)
    show_measures(console, results, found)
    if as_json is not None:
        as_json.write_text("".join(line + "\n" for line in lines(results, found)))
    if truth is not None:
        truth.write_text("".join(json.dumps(label) + "\n" for label in labels(results)))
    if report is not None:
        write(report, results, found, points=others)
        console.print(f"Report: {report}", highlight=False)


def _demand_writable(*paths: Path | None) -> None:
    """Look at the files before the calls are made. Raises UsageError."""
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise UsageError(f"{path} is a folder", advice="Name a file in it")
        if not path.parent.is_dir():
            raise UsageError(f"There is no folder {path.parent}", advice="Make it, or name a file elsewhere")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UsageError(f"{path} cannot be written", advice="Name a file elsewhere")


def _scenes(names: str) -> tuple[Scene, ...]:
    """Raises UsageError."""
    if names == "list":
        listed = ", ".join(scene.name for scene in SCENES)
        raise UsageError(f"The scenarios are: {listed}", advice="Name some of them, with commas")
    try:
        return chosen([name.strip() for name in names.split(",") if name.strip()])
    except KeyError as error:
        raise UsageError(f"There is no scenario {error}", advice="`--scenarios list` shows them all") from None


def _target(
    address: str,
    protocol: str,
    model: str,
    key: str,
    header: Sequence[str],
    parameter: Sequence[str],
    way_ms: float,
) -> Target:
    """Raises UsageError."""
    if protocol == "sip" or address.startswith(("sip:", "sips:")):
        return SipTarget(address, key=key, way_ms=way_ms, headers=dict(_pair(h, ":") for h in header))
    parts = urlsplit("")
    try:
        parts = urlsplit(address)
        offers = protocol == "webrtc" or (not protocol and bool(parts.path.strip("/")))  # an address alone is a page's
        schemes = HTTP if protocol == "webrtc" else ("ws", "wss", *HTTP) if offers else ("ws", "wss")
        good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket that is not closed, a port that is no number
        good = False
    if not good:
        raise UsageError(
            f"{address!r} is no address of an agent", advice="Begin it with ws://, wss://, sip: or http://"
        )
    match protocol or ("webrtc" if parts.scheme in HTTP else _protocol_of(parts.path)):
        case "twilio":
            headers = dict(_pair(h, ":") for h in header) | ({"Authorization": f"Bearer {key}"} if key else {})
            return TwilioTarget(
                address, way_ms=way_ms, parameters=dict(_pair(p, "=") for p in parameter), headers=headers
            )
        case "asterisk":
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            return AsteriskTarget(
                address, way_ms=way_ms, parameters=dict(_pair(p, "=") for p in parameter), headers=headers
            )
        case "webrtc":
            headers = dict(_pair(h, ":") for h in header) | ({"Authorization": f"Bearer {key}"} if key else {})
            return WebRTCTarget(
                address, way_ms=way_ms, parameters=dict(_pair(p, "=") for p in parameter), headers=headers
            )
        case "browser":
            return BrowserTarget(address, token=key or None)
        case "realtime":
            return RealtimeTarget(address, model=model or None, api_key=key or None)
        case other:
            raise UsageError(f"There is no protocol {other!r}", advice=f"Choose one of {', '.join(PROTOCOLS)}")


def _protocol_of(path: str) -> Protocol:
    if path.rstrip("/").endswith("/browser"):
        return "browser"
    if path.rstrip("/").endswith("/asterisk/media"):
        return "asterisk"
    return "realtime" if "realtime" in path else "twilio"


def _pair(text: str, by: str) -> tuple[str, str]:
    """Raises UsageError."""
    name, found, value = text.partition(by)
    if not found or not name.strip():
        raise UsageError(f"{text!r} is no pair", advice=f"Write name{by}value")
    return name.strip(), value.strip()


async def _library(folders: Sequence[Path], ask: str, language: str, *, only_mine: bool) -> Library:
    """Raises UsageError."""
    clips: list[Clip] = []
    for folder in folders:
        clips += read_folder(folder)
    if not only_mine:
        if not folders:
            clips += people.at_hand() + synthetic.throats()
            if (beside := people.recordings_folder()) is not None:
                Console(stderr=True).print(f"With the recordings of {beside}", markup=False, highlight=False)
        clips += synthetic.noises()
    try:
        spoken = await synthetic.spoken(language, ask)
    except Unavailable as error:
        if not folders:
            raise
        Console(stderr=True).print(f"The bench has no synthesized speech. {error}", markup=False)
        spoken = []
    # A call needs a request and a question: without recordings of them, synthesized ones are used.
    mine = {clip.kind for clip in clips}
    clips += [c for c in spoken if not only_mine or (c.kind in ("ask", "question") and c.kind not in mine)]
    return Library(clips)


async def _run(console: Console, target: Target, library: Library, plan: BenchPlan, address: str) -> Results:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    console.print("Listening how the agent opens ...")
    opening, known = await listen(target, library, plan.seed)
    console.print(_opened(opening), highlight=False)
    with Live(console, plan) as live:
        calls, left_out = await run(target, library, plan, opening, known, live.update)
    shown = urlsplit(address)._replace(query="", fragment="", netloc=urlsplit(address).netloc.rpartition("@")[2])
    return Results(shown.geturl(), target.protocol, plan.seed, started, machine(), calls, left_out)


async def _grow(
    console: Console,
    target: Target,
    library: Library,
    promise: Promise,
    first: int,
    most: int,
    pid: int | None,
    seed: int,
) -> Capacity:
    opening, _ = await listen(target, library, seed)
    console.print(_opened(opening), highlight=False)

    def show_level(level: Level) -> None:
        console.print(level_line(level), highlight=False)

    found = await grow(
        target, library, opening, promise=promise, first=first, most=most, pid=pid, seed=seed, on_level=show_level
    )
    show_capacity(console, found)
    return found


def _opened(opening: object) -> str:
    facts: Mapping[str, float | None] = {
        name: getattr(opening, name) for name in ("greets_ms", "greeting_ms", "answer_ms")
    }
    greets, lasts, answers = facts.values()
    text = "It waits to be spoken to" if greets is None else f"It greets after {greets:.0f} ms"
    if greets is not None:
        text += ", at length" if lasts is None else f" for {lasts / 1000:.1f} s"
    return text + ("." if answers is None else f", and answers a request after {answers:.0f} ms.")
