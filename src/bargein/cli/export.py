"""`bargein export`: recorded calls in the formats that other programs read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bargein.cli.record_folders import Records, record_folder
from bargein.errors import UsageError
from bargein.recorder.exports.formats import format_named
from bargein.recorder.exports.measures import rows, table
from bargein.recorder.story.telling import tell

As = Annotated[str, typer.Option("--as", help="jsonl, vtt, srt, messages (as OpenAI takes them) or csv (measures)")]
Out = Annotated[Path | None, typer.Option(help="The file to write [default: what is exported is printed]")]
Many = Annotated[list[str], typer.Argument(help="Calls' ids, their folders, or their events.jsonl")]


def export_command(calls: Many, as_: As = "jsonl", records: Records = Path("calls"), out: Out = None) -> None:
    """Export recorded calls: as JSON lines, subtitles of both sides, chat messages as heard, or measures."""
    form = format_named(as_)
    stories = [tell(record_folder(call, records)) for call in calls]
    if as_ == "csv":
        text = table(row for story in stories for row in rows(story))
    elif len(stories) == 1 or as_ == "jsonl":
        text = "".join(form.write(story) for story in stories)
    else:
        raise UsageError(f"{len(stories)} calls are not one {as_} file", advice="Export them one by one")
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, "utf-8", newline="")
        out.chmod(0o600)  # what people said is private
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}", advice="Name another file by --out") from None
