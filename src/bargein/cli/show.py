"""`bargein show`: a recorded call as a page, in one file."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Console

from bargein.cli.record_folders import Named, Records, record_folder
from bargein.errors import UsageError
from bargein.floor.numbers import parse_numbers
from bargein.recorder.audio_file import AUDIO_FILE
from bargein.recorder.reading import read
from bargein.recorder.story.call_story import CallStory
from bargein.recorder.story.replayed import replayed
from bargein.recorder.story.telling import tell
from bargein.server.records.one_file import PageSound, one_file, peaks_of

console = Console(highlight=False)

NAME = "call.html"


Out = Annotated[Path | None, typer.Option(help="The file to write [default: call.html in the call's folder]")]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser")]
Embed = Annotated[bool, typer.Option(help="Put the sound into the file, too")]
Preset = Annotated[str | None, typer.Option(help="What if: decide by this preset, beside what was decided")]
Change = Annotated[list[str] | None, typer.Option("--set", help="name=value: what if a number was another")]


def show_command(
    call: Named,
    records: Records = Path("calls"),
    out: Out = None,
    open_it: Open = False,
    embed: Embed = False,
    policy: Preset = None,
    change: Change = None,
) -> None:
    """Write a recorded call as a page: what was said, heard and decided. It needs no server."""
    folder = record_folder(call, records)
    story = tell(folder)
    replay = replayed(read(folder), policy, parse_numbers(change or [])) if policy or change else None
    target = out or folder / NAME
    page = one_file(story, waves=peaks_of(folder), sound=_sound(folder, target, story, embed=embed), replay=replay)
    try:
        target.touch(0o600)  # what people said is private, also while it is written
        target.chmod(0o600)
        target.write_text(page, "utf-8")
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}", advice="Name another file by --out") from None
    for sentence in story.missing:
        console.print(f"[yellow]{sentence}[/yellow]")
    console.print(f"{_line(story)}\n{target}")
    if open_it:
        webbrowser.open(target.absolute().as_uri())


def _sound(folder: Path, page: Path, story: CallStory, *, embed: bool) -> PageSound | None:
    """Where the page finds the sound: in itself, or beside it."""
    if story.recording is None or not story.recording.lasted_ms:
        return None
    file = folder / AUDIO_FILE
    if embed:
        return PageSound(flac=file.read_bytes())
    try:
        path = Path(os.path.relpath(file.resolve(), page.resolve().parent)).as_posix()
    except ValueError:  # on another drive
        return PageSound(path=file.resolve().as_uri())
    return PageSound(path=quote(path))


def _line(story: CallStory) -> str:
    told = story.measures
    parts = f"{told.turns} turns, {told.holds} holds, {told.cuts} cuts"
    return f"{story.call}: {story.lasted_ms / 1000:.1f} s, {parts}; {story.ended_why or 'its end is not recorded'}"
