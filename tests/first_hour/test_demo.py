"""`bargein demo` around the server: what moves while it prepares, which port it takes, and how the page is opened."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bargein.cli import app, demo
from bargein.errors import UsageError
from bargein.server.listening import free_port, listen
from bargein.server.settings import Settings
from bargein.server.start_steps import steps

runner = CliRunner()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with listen("127.0.0.1", 0) as other:
        yield other.getsockname()[1]


def test_a_taken_port_gives_way_to_the_next_one(taken: int) -> None:
    found = free_port("127.0.0.1", taken)
    assert taken < found <= taken + 20
    listen("127.0.0.1", found).close()


def test_a_free_port_and_any_port_stay_as_they_are(taken: int) -> None:
    found = free_port("127.0.0.1", taken)
    assert free_port("127.0.0.1", found) == found
    assert free_port("127.0.0.1", 0) == 0


def test_an_address_that_is_not_ours_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match=r"192\.0\.2\.1"):
        free_port("192.0.2.1", 8080)


def test_the_last_port_has_no_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def occupied(host: str, port: int) -> Any:
        tried.append(port)
        error = OSError(98, "Address already in use")
        raise UsageError("Cannot listen", advice="Choose another") from error

    monkeypatch.setattr("bargein.server.listening.listen", occupied)
    with pytest.raises(UsageError, match="are taken"):
        free_port("127.0.0.1", 65_530)
    assert tried == list(range(65_530, 65_536))


def test_each_step_is_a_line_where_the_console_is_no_terminal() -> None:
    text = io.StringIO()
    with demo.progress(Console(file=text)) as stop:
        steps.info("%s", "moonshine [brackets]")
        stop()
        steps.info("%s", "too late")
    assert text.getvalue().splitlines() == ["Preparing: the libraries", "Preparing: moonshine [brackets]"]


def test_a_terminal_shows_the_newest_step_and_is_clean_after_it() -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=80)
    with demo.progress(console):
        steps.info("moonshine")
        console.print("a line of the server's own")
    shown = text.getvalue()
    assert "Preparing: moonshine" in shown
    assert shown.endswith("\x1b[?25h") or shown.rstrip().endswith("\x1b[2K"), "the cursor is back"


def test_the_log_is_as_it_was_when_the_start_fails() -> None:
    before = (steps.level, steps.propagate, list(steps.handlers))
    with contextlib.suppress(RuntimeError), demo.progress(Console(file=io.StringIO())):
        assert not steps.propagate
        raise RuntimeError
    assert (steps.level, steps.propagate, list(steps.handlers)) == before


@pytest.mark.parametrize(("variable", "opens"), [("DISPLAY", True), ("WAYLAND_DISPLAY", True), ("", False)])
def test_a_browser_is_opened_where_there_is_a_screen(
    variable: str, opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, ":0")
    assert demo.has_screen() is opens


def test_a_browser_that_never_returns_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, returns = threading.Event(), threading.Event()

    def open_(url: str) -> bool:
        opened.set()
        return returns.wait(10)

    monkeypatch.setattr("webbrowser.open", open_)
    monkeypatch.setattr(demo, "has_screen", lambda: True)
    text = io.StringIO()
    demo.show_page("http://127.0.0.1:8081/?dummy=1", Console(file=text, width=200))
    assert opened.wait(10)
    assert "http://127.0.0.1:8081/?dummy=1" in text.getvalue()
    returns.set()


def test_the_demo_serves_on_the_next_port_says_so_and_leaves_no_record(
    taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server itself is left out; tests/first_hour/test_wheel.py runs all of it."""
    monkeypatch.chdir(tmp_path)
    for name in ("BARGEIN_RECORD", "BARGEIN_DRAIN_S", "BARGEIN_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BARGEIN_WORKERS", "2")
    given: list[tuple[Settings, bool]] = []

    def serve(settings: Settings, console: Console, how: Any) -> None:
        assert settings.record is not None
        given.append((settings, settings.record.is_dir()))
        steps.info("the agents")

    monkeypatch.setattr(demo, "serve_settings", serve)
    shown = runner.invoke(app, ["demo", "--port", str(taken)])
    assert shown.exit_code == 0, shown.output
    ((settings, was_there),) = given
    assert f"Port {taken} is taken: this is {settings.port}" in shown.output
    assert "Preparing: the agents" in shown.output
    assert was_there
    assert settings.record is not None
    assert not settings.record.exists()
    assert (settings.drain_s, settings.workers) == (0, 1)
    assert list(tmp_path.iterdir()) == []
