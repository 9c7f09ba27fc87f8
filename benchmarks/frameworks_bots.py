"""The telephone bots of Pipecat and LiveKit Agents, with and without our floor, each a process of its own.

A bot is an example of this repository, run by the frameworks' own Python (STRANGERS_PYTHON, or that of `make test`).
"Alone" is the same file without the lines that are marked as ours, so the two differ in nothing else.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bargein.errors import Unavailable, UsageError
from bargein_bench.scenarios.clips import Clip
from benchmarks import frameworks_agent, frameworks_vendors
from benchmarks.known_words import known, save
from benchmarks.process import free_port, pid_of, served, server

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "frameworks"
PYTHON = Path(os.environ.get("STRANGERS_PYTHON") or Path(sys.prefix) / "strangers" / "bin" / "python")
OURS = "# <-"
STARTS_S = 90.0
ENDS_S = 10.0
LOG_LINES = 30


@dataclass(frozen=True, slots=True)
class FrameworkBot:
    """A bot that can be called."""

    name: str
    """As the tables show it."""
    example: str
    """File of the example; "" for our own server."""
    floor: bool
    """With our lines."""


PIPECAT, LIVEKIT = "pipecat_agent.py", "livekit_telephone.py"
# What a line of ours has taken the place of must be imported: a bot alone begins with this line.
NEEDED_ALONE = {PIPECAT: "from pipecat.audio.vad.silero import SileroVADAnalyzer\n"}
OPENAI_PIPECAT = """from pipecat.services.openai.tts import OpenAITTSService

    tts = OpenAITTSService(
        api_key="none",
        base_url=OPENAI,
        sample_rate=24000,  # as OpenAI sends it, whatever the line has
        settings=OpenAITTSService.Settings(model="tts-1", voice="alloy"),
    )
"""
OPENAI_LIVEKIT = """tts=openai.TTS(
                base_url=OPENAI, api_key="none", model="tts-1", voice="alloy", response_format="pcm"
            ),
"""
BOTS = (
    FrameworkBot("Pipecat alone", PIPECAT, False),
    FrameworkBot("Pipecat with the floor", PIPECAT, True),
    FrameworkBot("LiveKit alone", LIVEKIT, False),
    FrameworkBot("LiveKit with the floor", LIVEKIT, True),
    FrameworkBot("Bargein's server", "", True),
)


@dataclass(frozen=True, slots=True)
class RunningBot:
    """A bot's process."""

    url: str
    """Of its Media Streams."""
    pid: int
    log: Path
    """What it wrote."""


# The TTS of each example, and one in its place that tells no times of words.
TIMED = {
    PIPECAT: (re.compile(r"tts = CartesiaTTSService\(.*?\n    \)\n", re.DOTALL), OPENAI_PIPECAT),
    LIVEKIT: (re.compile(r"tts=cartesia\.TTS\(.*?\),\n"), OPENAI_LIVEKIT),
}


def untimed(example: str, text: str) -> str:
    """An example with OpenAI's TTS, which tells no times of words. Raises UsageError where its TTS is not found."""
    pattern, other = TIMED[example]
    text, count = pattern.subn(lambda _: other, text)
    if count != 1:
        raise UsageError(f"The TTS of {example} is not where it was", advice="Mend TIMED in frameworks_bots.py")
    return text


def without_ours(example: str, text: str) -> str:
    """An example without the lines that are ours, and with what they have taken the place of."""
    lines = [NEEDED_ALONE.get(example, "")]
    for line in text.splitlines(keepends=True):
        code, marked, place = line.partition(OURS)
        if not marked or code.startswith('"""'):
            lines.append(line)
        elif other := place.strip().removeprefix("in place of").strip():
            lines.append(f"{code.partition('=')[0]}={other},\n")
    return "".join(lines)


@asynccontextmanager
async def running(
    bot: FrameworkBot, vendors: str, calls: int, *, timed: bool = True, **more: str
) -> AsyncIterator[RunningBot]:
    """The bot, while its vendors are at that address. timed: its TTS tells the times of words. more: of its
    environment. Raises Unavailable."""
    if not bot.example:
        settings = {"BARGEIN_MAX_CALLS": str(calls + 2), "BARGEIN_BENCH_VENDORS": vendors, **more}
        async with server(name=f"{Path(frameworks_agent.__file__)}:AGENT", env=settings) as address:
            yield RunningBot(f"ws://{address}/twilio/media", pid_of(address), Path(os.devnull))
        return
    if not PYTHON.exists():  # noqa: ASYNC240  # nothing runs yet
        raise Unavailable(f"{PYTHON} is missing", advice="Run `make test` once, or set STRANGERS_PYTHON")
    with TemporaryDirectory(prefix="bargein-bench-") as folder:
        path = Path(folder) / bot.example
        text = (EXAMPLES / bot.example).read_text()
        text = text if timed else untimed(bot.example, text)
        path.write_text(text if bot.floor else without_ours(bot.example, text))
        async with _process(path, vendors, more) as found:
            yield found


@asynccontextmanager
async def _process(path: Path, vendors: str, more: dict[str, str]) -> AsyncIterator[RunningBot]:
    port, log = free_port(), path.parent / "log.txt"
    tts = vendors if path.name == LIVEKIT else f"{vendors.replace('http', 'ws', 1)}/tts/websocket"
    settings = {
        "PYTHONPATH": str(ROOT / "src"),
        "DEEPGRAM_URL": vendors,
        "OPENAI_URL": f"{vendors}/v1",
        "CARTESIA_URL": tts,
        **more,
    }
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            PYTHON, path, str(port), env={**os.environ, **settings}, stdout=out, stderr=asyncio.subprocess.STDOUT
        )
    try:
        await _listening(port, process, log)
        yield RunningBot(f"ws://127.0.0.1:{port}/media", process.pid, log)
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), ENDS_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    """Until the bot takes connections. Asking is the only way to know another process's state."""
    ended = asyncio.create_task(process.wait())
    try:
        async with asyncio.timeout(STARTS_S):
            while not (await asyncio.wait({ended}, timeout=0.1))[0]:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    continue
                writer.close()
                return
    except TimeoutError:
        pass
    finally:
        ended.cancel()
    raise Unavailable("The bot has not started", advice=f"Its log ends: {tail(log)}")


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:]) if log.is_file() else ""


@asynccontextmanager
async def vendors(clips: Sequence[Clip], *words: str) -> AsyncIterator[str]:
    """The vendors in a process of their own, whose STT knows these sounds. Gives their address."""
    with TemporaryDirectory(prefix="bargein-bench-") as folder:
        path = Path(folder) / "speech.npz"
        save(path, known(clips))
        async with served(sys.executable, "-m", frameworks_vendors.__name__, path, *words) as url:
            yield url
