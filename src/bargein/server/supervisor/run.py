"""Whether this process is a supervisor, a worker, or a server by itself; and the supervisor's whole life."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from rich.console import Console

from bargein.errors import UsageError
from bargein.server.listening import address, announce, demand_no_loop, listen
from bargein.server.log_lines import log_lines
from bargein.server.make_settings import library_settings
from bargein.server.settings import Settings, redaction_for
from bargein.server.supervisor.channel import Place
from bargein.server.supervisor.command import assignment
from bargein.server.supervisor.processors import processors
from bargein.server.supervisor.supervisor import Supervisor


def workers_of(settings: Settings) -> int:
    """How many workers there are to be."""
    return processors() if settings.workers == "auto" else settings.workers


def supervises(settings: Settings) -> bool:
    """This process is to be a supervisor."""
    return assignment() is None and workers_of(settings) > 1


def as_worker(settings: Settings, place: Place) -> Settings:
    """The settings of one worker."""
    own: dict[str, object] = {"workers": place.of, "node": place.node, "node_group": place.group}
    if place.store is not None:
        own["store_socket"] = Path(place.store)
    if settings.signing_key is None:
        own["signing_key"] = SecretStr(place.secret)
    return settings.model_copy(update=own)


def supervise_program(**given: Any) -> bool:
    """`bargein.serve` where the settings ask for several workers: each of them is the program, run again. False: they
    ask for one, and nothing was done. Raises as `supervise` does."""
    settings = library_settings(**given)
    if not supervises(settings):
        return False
    with log_lines(logging.WARNING, redaction_for(settings), form=settings.log_format):
        supervise(settings, Console())
    return True


def supervise(settings: Settings, console: Console, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Listen, run the workers, and return when a signal has ended them. on_ready: gets the address.

    Raises UsageError for an address that cannot be had, Unavailable where the workers end again and again, and
    SystemExit where the first one could not start: it has said why."""
    demand_no_loop()
    workers = workers_of(settings)
    if settings.sip:
        advice = (
            "Serve with one worker; for more calls, run several servers behind a SIP proxy, each at its own address"
        )
        raise UsageError(f"{workers} workers cannot share one SIP address", advice=advice)
    with listen(settings.host, settings.port) as listener:
        url = address(settings.host, listener.getsockname()[1])

        def tell(lines: list[str]) -> None:
            announce(console, url, [*lines, f"  {'workers':<6} {workers}"])
            if on_ready is not None:
                on_ready(url)

        async def run() -> int:
            return await Supervisor(settings, workers, listener, url, tell).run()

        code = asyncio.run(run())
    if code:
        raise SystemExit(code)
