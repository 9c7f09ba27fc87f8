"""`bargein console`: talk to an agent by the microphone and the loudspeaker of this machine, in a terminal."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console()

HALF_DUPLEX = (
    "Half duplex: while the agent speaks, your microphone is off, because it hears the loudspeaker. "
    "Enter stops the agent. With headphones, start with --headphones and interrupt by voice."
)
FULL_DUPLEX = "Full duplex: interrupt the agent by voice, at any time. Without headphones the agent would hear itself."
KEYS = "Enter: stop the agent. Text and Enter: say it in writing. Ctrl-C: hang up."


def console_command(
    agent: Annotated[str | None, typer.Argument(help="guide, FILE.py, FILE.py:NAME, FILE.toml; default: guide")] = None,
    headphones: Annotated[bool, typer.Option("--headphones", help="Full duplex: interrupt by voice")] = False,
    policy: Annotated[str | None, typer.Option(help="instant, balanced or patient")] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Our simulators stand in for every vendor")] = False,
    wav: Annotated[Path | None, typer.Option(help="A WAV file in the place of the microphone")] = None,
    out: Annotated[Path | None, typer.Option(help="Write what the loudspeaker plays into this WAV file")] = None,
    rest_s: Annotated[float, typer.Option(help="Seconds to wait after the end of --wav", min=0, max=600)] = 8,
    microphone: Annotated[str | None, typer.Option(help="Number or name of a device")] = None,
    loudspeaker: Annotated[str | None, typer.Option(help="Number or name of a device")] = None,
    devices: Annotated[bool, typer.Option("--devices", help="Only list the machine's devices")] = False,
) -> None:
    """Talk to an agent by this machine's microphone and loudspeaker, in the terminal.

    Without --headphones the microphone is off while the agent speaks. --wav and --out take the place of a sound card.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from bargein.errors import UsageError  # noqa: PLC0415  # after the line above
    from bargein.transports.console import sound_card  # noqa: PLC0415

    if devices:
        for line in sound_card.devices():
            console.print(line, highlight=False, markup=False)
        return
    if out is not None and wav is None:
        raise UsageError("--out is written where --wav is read", advice="Give --wav in.wav, too")
    if wav is None:
        sound_card.load()
    try:
        over = asyncio.run(
            _talk(
                agent or "guide",
                headphones=headphones or wav is not None,
                policy=policy,
                simulate=simulate,
                wav=wav,
                out=out,
                rest_s=rest_s,
                microphone=microphone,
                loudspeaker=loudspeaker,
            )
        )
    except KeyboardInterrupt:
        over = "you hung up"
    console.print(f"Over: {over}", highlight=False, markup=False)


async def _talk(
    agent: str,
    *,
    headphones: bool,
    policy: str | None,
    simulate: bool,
    wav: Path | None,
    out: Path | None,
    rest_s: float,
    microphone: str | None,
    loudspeaker: str | None,
) -> str:
    from bargein import run_call  # noqa: PLC0415
    from bargein.cli.console_view import ConsoleView  # noqa: PLC0415
    from bargein.clock import MonotonicClock  # noqa: PLC0415
    from bargein.floor import Policy  # noqa: PLC0415
    from bargein.protocols import ClientHangUp  # noqa: PLC0415
    from bargein.server.catalogue import open_agents  # noqa: PLC0415
    from bargein.server.make_settings import make_settings  # noqa: PLC0415
    from bargein.transports.console.sound_card import Card, SoundCard  # noqa: PLC0415
    from bargein.transports.console.transport import RATE_IN, RATE_OUT, ConsoleTransport  # noqa: PLC0415
    from bargein.transports.console.wav_card import WavCard, read_wav  # noqa: PLC0415

    settings = make_settings(agent=agent, policy=policy, simulate=simulate or None)
    spoken = None if wav is None else read_wav(wav, RATE_IN)
    with ConsoleView(console, live=console.is_terminal and wav is None) as view:
        view.say("Loading the agent ...", "dim")
        async with open_agents(settings) as catalogue:
            chosen = catalogue.default
            card: Card
            if spoken is not None:
                card = WavCard(spoken, RATE_IN, RATE_OUT, MonotonicClock(), heard=out, rest_ms=rest_s * 1000)
            else:
                card = SoundCard(RATE_IN, RATE_OUT, microphone=microphone, loudspeaker=loudspeaker)
            transport = ConsoleTransport(card, headphones=headphones, level=view.level)
            if isinstance(card, WavCard):
                card.ended = lambda: transport.put(ClientHangUp("the file is over"))
            else:
                view.say(FULL_DUPLEX if headphones else HALF_DUPLEX, "dim")
                view.say(KEYS, "dim")
            named = settings.policy
            with _keyboard(transport.put):
                async with _moved(card):
                    status = await run_call(
                        chosen,
                        transport,
                        policy=None if named is None else Policy.named(named),
                        watch=view.notice,
                        facts={"transport": "console"},
                    )
            if isinstance(card, WavCard) and card.failure:
                view.say(card.failure, "red")
            return str(status.over)


@asynccontextmanager
async def _moved(card: object) -> AsyncIterator[None]:
    """A sound card moves by itself; files are moved."""
    from bargein.transports.console.wav_card import WavCard  # noqa: PLC0415

    if not isinstance(card, WavCard):
        yield
        return
    moving = asyncio.create_task(card.run(), name="files")
    try:
        yield
    finally:
        moving.cancel()
        await asyncio.wait([moving])


@contextmanager
def _keyboard(put: object) -> Iterator[None]:
    """Lines that the person types: an empty one stops the agent, another one is said in writing."""
    from bargein.protocols import StopPressed, Typed  # noqa: PLC0415

    assert callable(put)
    if not sys.stdin.isatty():
        yield
        return
    loop = asyncio.get_running_loop()

    def typed() -> None:
        line = sys.stdin.readline()
        if not line:
            loop.remove_reader(sys.stdin)
        elif line.strip():
            put(Typed(line.strip()))
        else:
            put(StopPressed())

    loop.add_reader(sys.stdin, typed)
    try:
        yield
    finally:
        loop.remove_reader(sys.stdin)
