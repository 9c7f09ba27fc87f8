"""What every command that serves does: `.env`, settings, log, and the server itself."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bargein.server.hub import Hub, OpenAgents
    from bargein.server.settings import Settings


@dataclass(frozen=True, slots=True)
class ServeWith:
    """How one command serves otherwise than the others."""

    agents: OpenAgents | None = None
    """None: the agents that the settings name."""
    on_ready: Callable[[str], None] | None = None
    """Gets the address."""
    on_hub: Callable[[Hub], None] | None = None
    """Gets the hub, as soon as calls can be taken. Not called by a supervisor of several workers."""


def run_command(*, verbose: bool, no_record: bool = False, **given: object) -> None:
    """`bargein serve`. given: settings that stand above BARGEIN_*; None is not given. Returns when a signal came."""

    def run(settings: Settings, console: Console) -> None:
        serve_settings(settings, console, ServeWith())

    with_settings(run, verbose=verbose, no_record=no_record, console=None, **given)


def with_settings(
    run: Callable[[Settings, Console], None],
    *,
    verbose: bool,
    no_record: bool = False,
    console: Console | None = None,
    **given: object,
) -> None:
    """Read `.env` and the settings, set up the log, and run a server with them.

    console: None makes one. Raises UsageError for a wrong setting."""
    # OpenBLAS reads this when numpy is first imported, which the next lines do. A pool of its threads would only spin
    # beside the many small products of calls; a user's own number stands.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from rich.console import Console  # noqa: PLC0415  # only where a server is to run

    from bargein.server.env_file import read_env_file  # noqa: PLC0415
    from bargein.server.log_lines import log_lines  # noqa: PLC0415
    from bargein.server.make_settings import make_settings  # noqa: PLC0415
    from bargein.server.settings import redaction_for  # noqa: PLC0415
    from bargein.server.supervisor.command import worker_name  # noqa: PLC0415

    agent = given.get("agent")
    read_env_file(None if agent is None else str(agent))
    settings = make_settings(**given)
    if no_record:
        settings = settings.model_copy(update={"record": None})
    level = logging.INFO if verbose else logging.WARNING
    with log_lines(level, redaction_for(settings), worker_name(), settings.log_format):
        try:
            run(settings, console or Console())
        except KeyboardInterrupt:
            return  # uvicorn has shut down in good order, and then tells how it was asked to


def serve_settings(settings: Settings, console: Console, how: ServeWith) -> None:
    """The server: this process, or several workers under it."""
    from bargein.server.supervisor.run import supervise, supervises  # noqa: PLC0415

    if supervises(settings):  # which needs no model, and imports none
        supervise(settings, console, on_ready=how.on_ready)
        return
    from bargein.server.catalogue import open_agents  # noqa: PLC0415
    from bargein.server.serve import serve as run_server  # noqa: PLC0415

    run_server(settings, console, agents=how.agents or open_agents, on_ready=how.on_ready, on_hub=how.on_hub)
