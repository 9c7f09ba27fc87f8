"""The voices at hand: readers from a package, and a folder of recordings where there is one.

The folder is no part of this repository, and nothing needs it: where it is present, benchmarks play its sounds, and
tests have more cases. The environment's BARGEIN_TEST_AUDIO names the folder (empty: none); without the variable the
folder is `shared/audio` beside the checkout.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bargein.errors import Unavailable, UsageError
from bargein_bench.scenarios import readers
from bargein_bench.scenarios.clips import Clip, read_folder

SETTING = "BARGEIN_TEST_AUDIO"
BESIDE = Path("shared", "audio")


def recordings_folder() -> Path | None:
    """Raises UsageError where the setting names no folder."""
    named = os.environ.get(SETTING)
    if named == "":
        return None
    if named is not None:
        if not Path(named).is_dir():
            raise UsageError(f"{SETTING} names {named}, which is no folder", advice="Name one with a manifest.json")
        return Path(named)
    checkout = _checkout(Path(__file__).parents)
    beside = checkout.parent / BESIDE if checkout is not None else None
    return beside if beside is not None and beside.is_dir() else None


def _checkout(above: Iterable[Path]) -> Path | None:
    """None where this package was installed without one."""
    return next((folder for folder in above if (folder / "pyproject.toml").is_file()), None)


def at_hand() -> list[Clip]:
    """The readers' interruptions, where the package has them; all recordings of the folder, where there is one. Raises
    UsageError where the folder is not as it should be."""
    try:
        clips = readers.interruptions()
    except Unavailable:  # the package is an extra, and a later release may carry no recordings
        clips = []
    folder = recordings_folder()
    return clips if folder is None else clips + read_folder(folder)
