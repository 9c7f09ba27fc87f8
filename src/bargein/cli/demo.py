"""`bargein demo`: one command to the talking page, with something that moves until it is there."""

from __future__ import annotations

import logging
import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bargein.cli.run_command import ServeWith, serve_settings, with_settings
from bargein.cli.serve import AgentOption, PolicyOption, PortOption, SimulateOption, VerboseOption
from bargein.server.start_steps import steps

if TYPE_CHECKING:
    from rich.console import Console

    from bargein.server.settings import Settings

DUMMY_CALL = "/?dummy=1"


def demo(
    agent: AgentOption = None,
    port: PortOption = None,
    policy: PolicyOption = None,
    simulate: SimulateOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Serve, open the page, and let the dummy caller show what can happen.

    A port that is taken gives way to the next one that is free. Calls are recorded while the demo runs, with their
    sound; the records are gone when it ends. BARGEIN_RECORD keeps them elsewhere.
    """
    from rich.console import Console  # noqa: PLC0415  # takes a tenth of a second, which `--help` need not

    console = Console()
    given = "BARGEIN_RECORD" in os.environ
    with progress(console) as stop, TemporaryDirectory(prefix="bargein-demo-") as records:

        def run(settings: Settings, console: Console) -> None:
            how = ServeWith(on_hub=lambda _: stop(), on_ready=lambda url: show_page(f"{url}{DUMMY_CALL}", console))
            serve_settings(on_free_port(settings, console), console, how)

        with_settings(
            run,
            verbose=verbose,
            console=console,
            agent=agent,
            port=port,
            policy=policy,
            simulate=simulate or None,
            record=None if given else Path(records),  # a demo leaves nothing behind
            record_audio=None if given or find_spec("soundfile") is None else "on",  # by the caller's own machine
            workers=1,  # each of several would show its own start
            drain_s=None if os.environ.get("BARGEIN_DRAIN_S") else 0,  # Ctrl-C ends a demo at once
        )


def on_free_port(settings: Settings, console: Console) -> Settings:
    """The settings, with the next port that is free where theirs is taken. Raises UsageError where none is."""
    from bargein.server.listening import free_port  # noqa: PLC0415  # only where a server is to run

    port = free_port(settings.host, settings.port)
    if port == settings.port:
        return settings
    console.print(f"Port {settings.port} is taken: this is {port}", highlight=False)
    return settings.model_copy(update={"port": port})


def show_page(url: str, console: Console) -> None:
    """Say where the page is, and open it where there is a browser. Never waits for the browser."""
    console.print(f"Open [bold]{url}[/bold] in a browser, and talk. Ctrl-C stops it.", highlight=False, soft_wrap=True)
    if has_screen():
        threading.Thread(target=webbrowser.open, args=(url,), name="browser", daemon=True).start()


def has_screen() -> bool:
    """Whether a browser's window could be seen: a text browser would take the terminal away from the server."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


class _Steps(logging.Handler):
    """Shows each step of the start."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        self._show(record.getMessage())


@contextmanager
def progress(console: Console) -> Iterator[Callable[[], None]]:
    """A line that moves, and names what is prepared, until the block ends or what it yields is called.

    Where the console is no terminal, each step is a line of its own.
    """
    status = console.status("Preparing: the libraries")
    over = threading.Event()

    def show(step: str) -> None:
        if console.is_terminal:
            status.update(f"Preparing: {step}")
        else:
            console.print(f"Preparing: {step}", highlight=False, markup=False)

    handler = _Steps(show)
    before = steps.level, steps.propagate
    steps.addHandler(handler)
    steps.setLevel(logging.INFO)
    steps.propagate = False
    status.start()
    if not console.is_terminal:
        show("the libraries")

    def stop() -> None:
        if not over.is_set():
            over.set()
            status.stop()
            steps.removeHandler(handler)
            steps.level, steps.propagate = before

    try:
        yield stop
    finally:
        stop()
