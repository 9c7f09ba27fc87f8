"""Every command of ours that the documentation shows exists, with its options."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from docs_pages import pages

from bargein.cli.command_table import GROUP
from tests.docs.shell_blocks import blocks, commands, refusal
from tests.test_cli import PROJECT

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *pages()]


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint(name, target, GROUP) for name, target in PROJECT["entry-points"][GROUP].items()]
    monkeypatch.setattr("bargein.cli.command_table.entry_points", lambda *, group: points)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    wrong = [f"bargein {' '.join(words)}: {why}" for words in commands(page) if (why := refusal(words))]
    assert wrong == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("srve", "no command"),
        ("serve --sipp x", "no option --sipp"),
        ("simulate acme", "no command"),
        ("replay a b", "1 arguments: 2 are given"),
        ("bench ws://x --repeats 2 --nothing", "no option --nothing"),
        ("serve --sip 0.0.0.0:5060 -v", ""),
        ("simulate", ""),
        ("--version", ""),
    ],
)
def test_a_command_that_is_not_there_is_found(words: str, says: str) -> None:
    assert says in refusal(words.split())
    assert bool(says) == bool(refusal(words.split()))


def test_commands_are_read_as_a_shell_reads_them(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Use `bargein fleet --json`.\n\n```sh\n# bargein no\n"
        "A=1 x; .venv/bin/bargein serve \\\n  --port 1 && bargein doctor\n```\n"
    )
    assert list(commands(page)) == [["serve", "--port", "1"], ["doctor"], ["fleet", "--json"]]


def test_a_block_that_is_a_file_of_the_repository_is_that_file() -> None:
    shown = [(page, block) for page in PAGES for block in blocks(page) if block.mark == "file of the repository"]
    assert len(shown) >= 2
    for page, block in shown:
        assert (ROOT / block.about).read_text("utf-8") == block.text, f"{page.name}: {block.about}"


def test_a_block_that_is_not_run_says_why() -> None:
    marked = [block for page in PAGES for block in blocks(page) if block.mark == "not run"]
    assert marked
    assert all(block.about.startswith("needs ") for block in marked)


def test_the_proxies_pass_calls_on() -> None:
    """Nginx needs to be told of the upgrade, and that a call may be silent for as long as a call may last."""
    nginx = (ROOT / "deploy" / "nginx.conf").read_text()
    assert nginx.count("{") == nginx.count("}") == 4
    for line in map(str.strip, nginx.splitlines()):
        line = line.partition("#")[0].strip()
        assert not line or line.endswith((";", "{", "}")), line
    for said in ("proxy_set_header Upgrade $http_upgrade;", "proxy_http_version 1.1;", "proxy_read_timeout 4h;"):
        assert said in nginx
    assert "reverse_proxy 127.0.0.1:8080" in (ROOT / "deploy" / "Caddyfile").read_text()
