"""`bargein show`: a recorded call as one file."""

from __future__ import annotations

import base64
import json
import re
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bargein.cli import app
from bargein.recorder.journal import FILE
from benchmarks.hour_record import write_record
from tests.recorder.story.records import EVIL, evil_record

runner = CliRunner()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shown")
    write_record(made, "spoken", cycles=2, sound=True)
    evil_record(made)
    return made


def data(page: str) -> dict[str, object]:
    """What the page is given, by name."""
    found = re.findall(r'<script type="application/json" id="(\w+)">(.*?)</script>', page)
    return {name: json.loads(text) for name, text in found}


def show(root: Path, *words: str) -> tuple[str, dict[str, object]]:
    out = root / "out.html"
    result = runner.invoke(app, ["show", "--record", str(root), "--out", str(out), *words])
    assert result.exit_code == 0, result.output
    page = out.read_text("utf-8")
    return page, data(page)


def test_the_page_needs_nothing_from_elsewhere(root: Path) -> None:
    page, given = show(root, "spoken")
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "default-src 'none'" in page
    assert not re.search(r"^\s*(import|export) ", page, re.MULTILINE)
    assert set(given) == {"story", "peaks", "sound"}
    assert given["sound"] == {"path": "spoken/audio.flac"}
    assert stat.S_IMODE((root / "out.html").stat().st_mode) == 0o600


def test_the_page_lies_with_the_call_where_no_other_place_is_named(root: Path) -> None:
    result = runner.invoke(app, ["show", str(root / "spoken" / FILE)])
    assert result.exit_code == 0, result.output
    assert "spoken: 24" in result.output
    assert data((root / "spoken" / "call.html").read_text("utf-8"))["sound"] == {"path": "audio.flac"}


def test_the_sound_may_be_in_the_page(root: Path) -> None:
    _, given = show(root, "spoken", "--embed")
    sound = given["sound"]
    assert isinstance(sound, dict)
    assert base64.b64decode(sound["flac"]) == (root / "spoken" / "audio.flac").read_bytes()


def test_another_policy_is_in_the_page(root: Path) -> None:
    _, given = show(root, "spoken", "--policy", "patient", "--set", "confirm_ms=900")
    replay = given["replay"]
    assert isinstance(replay, dict)
    assert replay["name"] == "patient with confirm_ms=900"


def test_html_that_was_said_ends_no_element(root: Path) -> None:
    page, given = show(root, "evil")
    assert EVIL not in page
    assert page.count("</script>") == len(given) + 1
    story = given["story"]
    assert isinstance(story, dict)
    assert story["turns"][0]["text"] == EVIL


def test_what_a_record_lacks_is_said(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "torn"
    folder.mkdir()
    whole = (root / "spoken" / FILE).read_bytes()
    (folder / FILE).write_bytes(whole[: len(whole) // 2])
    result = runner.invoke(app, ["show", str(folder)])
    assert result.exit_code == 0
    assert "before the call did" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "no-such-call"], "There is no call"),
        (["show", "."], "cannot be read"),
        (["show", "CALL", "--policy", "hasty"], "hasty"),
        (["show", "CALL", "--set", "confirm_ms"], "changes nothing"),
        (["show", "CALL", "--out", "/no/such/folder/page.html"], "cannot be written"),
    ],
)
def test_what_cannot_be_shown_is_said_with_advice(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = runner.invoke(app, [str(root / "spoken") if word == "CALL" else word for word in words])
    assert result.exit_code != 0
    assert says in " ".join(str(result.exception or result.output).split()) + result.output
