"""`--simulate`: our simulators stand in for every vendor, in a process of their own, and need no key."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bargein.clock import MonotonicClock
from bargein.errors import Unavailable, UsageError, VendorLost
from bargein.vendors.common.environment import Environment
from bargein.vendors.common.vendor import Vendor
from bargein.vendors.common.worker_environment import worker_environment

log = logging.getLogger(__name__)

START_S = 30.0
END_S = 5.0
RESTARTS = 5  # in a row, of simulators that end
PAUSE_S = 0.2  # before the first of them, and as much more before each other
LASTED_S = 60.0  # simulators that lived so long begin a new row
KEY = "simulators-ask-for-no-key"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that can be injected once."""

    name: str
    part: str
    """The kind of part that fails."""
    title: str
    simulators: tuple[str, ...]
    """The simulators' own names."""
    fault: str
    """The simulators' own name of the fault."""


STT_SIMULATORS = ("deepgram-flux",)  # whose faults come in the midst of a call
TTS_SIMULATORS = ("elevenlabs", "cartesia", "deepgram-speak", "openai-speech", "mistral-speech")
FAULTS = (
    Fault("ears-drop", "stt", "The STT drops in the middle of a word", STT_SIMULATORS, "drop"),
    Fault("ears-error", "stt", "The STT ends with an error", STT_SIMULATORS, "error"),
    Fault("ears-stall", "stt", "The STT hears a turn begin, and nothing more", STT_SIMULATORS, "stall"),
    Fault("model-429", "llm", "The LLM is over its rate limit", ("chat",), "429"),
    Fault("model-500", "llm", "The LLM's server fails, twice", ("chat",), "500"),
    Fault("model-stall", "llm", "The LLM stalls after ten tokens", ("chat",), "stall_after_ten"),
    Fault("model-nonsense", "llm", "The LLM's stream turns into garbage", ("chat",), "malformed"),
    Fault("model-no-answer", "llm", "The LLM accepts, and never answers", ("chat",), "no_answer"),
    Fault("model-key", "llm", "The LLM's key is wrong", ("chat",), "401"),
    Fault("voice-silent", "tts", "The TTS accepts, and stays silent", TTS_SIMULATORS, "silent"),
    Fault("voice-slow", "tts", "The TTS is two seconds late", TTS_SIMULATORS, "slow"),
    Fault("voice-drop", "tts", "The TTS dies in the middle of a word", TTS_SIMULATORS, "drop"),
    Fault("voice-stall", "tts", "The TTS stalls in the middle of a word", TTS_SIMULATORS, "stall"),
)
TWICE = ("model-500", "model-no-answer")  # once would be tried again, unheard


@dataclass(frozen=True, slots=True)
class Simulators:
    """Our simulators while they run."""

    url: str
    environment: Environment
    """Variables that make the simulators every vendor that can be simulated."""


@asynccontextmanager
async def simulated(environment: Environment, vendors: Sequence[Vendor]) -> AsyncIterator[Simulators]:
    """The vendors, replaced by simulators that live as long as the block. Raises Unavailable."""
    process, url = await _start(0)
    keeper = asyncio.create_task(_keep(process, url), name="simulators")
    try:
        yield Simulators(url, environment.with_(pointed_at(url, vendors)))
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def _start(port: int) -> tuple[asyncio.subprocess.Process, str]:
    """The process and its address. port: 0 for a free one. Raises Unavailable."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bargein_simulators.all_vendors",
        str(port),
        env=worker_environment(("BARGEIN_MOONSHINE_MODEL",)),
        stdin=asyncio.subprocess.PIPE,  # it ends when this closes, also if we are killed
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in our terminal is for us, and the simulators end when we have ended
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode().strip()
    except BaseException as error:
        await _end(process)
        if isinstance(error, TimeoutError):
            raise Unavailable("The simulators did not start in time", advice="Try again") from None
        raise
    if not line.startswith("http://"):
        await _end(process)
        advice = "Run `python -m bargein_simulators.all_vendors` to see why"
        raise Unavailable("The simulators did not start", advice=advice)
    return process, line


async def _keep(process: asyncio.subprocess.Process, url: str) -> None:
    """Start the simulators again, at the same address, when they end; not for ever. They end with this task."""
    clock = MonotonicClock()
    restarts, began_ms = 0, clock.now_ms()
    try:
        while True:
            code = await process.wait()
            if clock.now_ms() - began_ms > LASTED_S * 1000:
                restarts = 0
            if restarts == RESTARTS:
                advice = "Start the server again, and look at what ends them"
                log.error(
                    "The simulators ended with %s, %d times in a row: calls fail from now on. %s",
                    code,
                    restarts + 1,
                    advice,
                )
                return
            restarts += 1
            log.warning("The simulators ended with %s; they are started again (%d of %d)", code, restarts, RESTARTS)
            await asyncio.sleep(PAUSE_S * restarts)
            began_ms = clock.now_ms()
            try:
                process, _ = await _start(int(url.rpartition(":")[2]))
            except (Unavailable, OSError) as error:  # no memory for a process, for one
                log.warning("The simulators were not started: %s", error)
            else:
                log.warning("The simulators are back")
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def pointed_at(url: str, vendors: Sequence[Vendor]) -> dict[str, str]:
    """Variables that make every simulated vendor the server at that address, and its other servers unset."""
    server = url.removeprefix("http://")
    found: dict[str, str] = {}
    for vendor in vendors:
        if vendor.simulator and vendor.key is not None:
            elsewhere = (setting.variable for part in vendor.parts if not part.takes_key for setting in part.settings)
            found |= dict.fromkeys((*elsewhere, *vendor.key.variables), "")
            found |= {vendor.key.variables[0]: KEY, vendor.url_variable: vendor.simulator.format(server=server)}
    return found


async def inject(url: str, name: str) -> Fault:
    """Have one of FAULTS happen next. Raises UsageError for another name, VendorLost when no simulator answers."""
    fault = next((fault for fault in FAULTS if fault.name == name), None)
    if fault is None:
        raise UsageError(
            f"There is no fault {name[:60]!r}", advice=f"Choose one of {', '.join(f.name for f in FAULTS)}"
        )
    for simulator in fault.simulators:
        await _tell(url, simulator, [fault.fault] * (2 if name in TWICE else 1))
    return fault


async def _tell(url: str, simulator: str, faults: list[str]) -> None:
    body = json.dumps({"faults": faults}).encode()
    request = urllib.request.Request(  # noqa: S310  # our own loopback address
        f"{url}/simulator/{simulator}/faults", body, {"content-type": "application/json"}, method="POST"
    )
    try:
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=2).close())  # noqa: S310
    except OSError as error:
        raise VendorLost(f"The simulator {simulator} took no fault", advice="Look at the server's log") from error
