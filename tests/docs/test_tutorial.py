"""The tutorial, as a reader follows it: its files are written, and its commands are run in their order."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.shell_blocks import blocks
from tests.docs.tutorial_reader import INSTALLS, TutorialReader
from tests.test_cli import PROJECT

pytestmark = pytest.mark.slow
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial"
PAGES = sorted(TUTORIAL.glob("[0-9]*.md"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TutorialReader]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    reader = TutorialReader(tmp_path_factory.mktemp("tutorial"), port)
    yield reader
    reader.leave()


@pytest.fixture(scope="module")
def read(reader: TutorialReader) -> TutorialReader:
    """The reader, at the end of the last page."""
    for page in PAGES:
        for block in blocks(page):
            reader.follow(block)
    return reader


def test_the_pages_lead_from_one_to_the_next() -> None:
    assert [int(page.name.partition("_")[0]) for page in PAGES] == [1, 2, 3, 4, 5, 6]
    overview = (TUTORIAL / "README.md").read_text()
    for page, following in zip(PAGES, [*PAGES[1:], None], strict=True):
        assert f"]({page.name})" in overview
        assert following is None or f"Next: [{following.name}]({following.name})." in page.read_text()


def test_what_is_installed_is_what_there_is() -> None:
    """The lines that the test does not run name extras of ours, and packages that tests need."""
    named = re.findall(r"^pip install (.*)$", "\n".join(page.read_text() for page in PAGES), re.MULTILINE)
    assert named
    for packages in named:
        assert INSTALLS.fullmatch(f"pip install {packages}")
        for extra in re.findall(r"bargein\[([\w-]+)\]", packages):
            assert extra in PROJECT["optional-dependencies"]


def test_every_command_of_the_tutorial_works(read: TutorialReader) -> None:
    ran = " ".join(read.shown)
    for command in ("new", "dev", "serve", "simulate twilio", "replay", "show"):
        assert f"bargein {command}" in ran


def test_a_new_folder_has_the_files_that_the_page_lists(read: TutorialReader) -> None:
    page = (TUTORIAL / "1_first_agent.md").read_text()
    listed = [name for row in re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE) for name in re.findall(r"`(.*?)`", row)]
    assert "agent.py" in listed
    assert [name for name in listed if not (read.path / name).exists()] == []


def test_the_server_of_the_second_page_has_the_tools_agent(read: TutorialReader) -> None:
    with urllib.request.urlopen(f"{read.address}/agents", timeout=10) as answer:  # the newest server runs still
        told = json.load(answer)
    assert told["simulated"] is True
    assert told["agents"][0]["tts"] == "ElevenLabs"


def test_the_telephone_call_is_heard_and_written_down(read: TutorialReader) -> None:
    (shown,) = [text for line, text in read.shown.items() if line.startswith("bargein simulate twilio")]
    assert re.search(r"first audio\W+1\b", shown), shown
    assert "failed" not in shown
    journal = (read.path / "calls" / read.newest_call() / "events.jsonl").read_text()
    assert "Harbour Hotel" in journal


def test_the_tests_of_the_fifth_page_pass(read: TutorialReader) -> None:
    (shown,) = [text for line, text in read.shown.items() if line.startswith("python -m pytest")]
    assert "4 passed" in shown


def test_the_call_is_seen(read: TutorialReader) -> None:
    assert "Harbour Hotel" in (read.path / "call.html").read_text()
    same, other = [text for line, text in read.shown.items() if line.startswith("bargein replay")]
    assert "0 differences" in same
    assert "under patient" in other
