"""Which record a command is to read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bargein.errors import UsageError

Named = Annotated[str, typer.Argument(help="A call's id, its folder, or its events.jsonl")]
Records = Annotated[Path, typer.Option("--record", help="Where the calls' folders are", envvar="BARGEIN_RECORD")]


def record_folder(call: str, records: Path) -> Path:
    """The call's folder. Raises UsageError where there is none."""
    for path in (Path(call), records / call):
        if path.is_dir():
            return path
        if path.is_file():
            return path.parent
    raise UsageError(
        f"There is no call {call!r}", advice=f"Name its folder, or its id and --record; {records} was looked in"
    )
