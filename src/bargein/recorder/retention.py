"""Which records go, and that all of a record goes: journal, audio, and what was made of them."""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bargein.recorder.audio_file import AUDIO_FILE
from bargein.recorder.journal import FILE
from bargein.recorder.record_file import is_written

log = logging.getLogger(__name__)

KEEP = 1000  # calls; older folders go
RECORDS = (FILE, AUDIO_FILE)  # a folder with one of these is a call's record


@dataclass(frozen=True, slots=True)
class _Kept:
    """A record on the disk."""

    newest_s: float
    """When something was written last."""
    folder: Path


def prune(
    root: Path,
    keep: int = KEEP,
    living: Iterable[str] = (),
    *,
    max_age_s: float | None = None,
    max_bytes: float | None = None,
) -> int:
    """Remove the oldest calls but `keep`, all whose newest part is older than max_age_s, and then the oldest until all
    together have max_bytes at most; never the living ones, nor one that another process writes. Only folders that hold
    a record are touched. Returns how many went; raises nothing."""
    alive = set(living)
    try:
        folders = [Path(entry.path) for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return 0  # no call was recorded yet
    except OSError as error:
        log.warning("Old calls in %s cannot be listed: %s", root, error.strerror)
        return 0
    found = [_Kept(newest_s, folder) for folder in folders if (newest_s := _newest(folder)) is not None]
    # A call that another server went on with has another number behind its name there.
    free = [each for each in found if not {each.folder.name, each.folder.name.rpartition("-")[0]} & alive]
    newest = sorted(free, key=lambda each: -each.newest_s)
    stay = newest[: max(0, keep)]
    if max_age_s is not None:
        until = time.time() - max_age_s
        stay = [each for each in stay if each.newest_s >= until]
    if max_bytes is not None:
        known = {each.folder for each in newest}
        left = max_bytes - sum(_size(each.folder) for each in found if each.folder not in known)
        sizes = [_size(each.folder) for each in stay]
        while sizes and sum(sizes) > left:
            sizes.pop()
        stay = stay[: len(sizes)]
    kept = {each.folder for each in stay}
    old = [each.folder for each in newest if each.folder not in kept and not _is_written(each.folder)]
    return sum(remove(folder) for folder in old)


def parts_of(root: Path, call_id: str) -> list[Path]:
    """The folders of a call: its own, and one for each server that went on with it. Raises nothing."""
    name = re.compile(re.escape(call_id) + r"(-\d+)?")
    try:
        found = [Path(e.path) for e in os.scandir(root) if name.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(folder for folder in found if folder.name == call_id or _newest(folder) is not None)


def is_going_on(folder: Path) -> bool:
    """A process of this machine writes the record now."""
    return _is_written(folder)


def remove(folder: Path) -> bool:
    """Remove a record. False: something of it is left, which the log names. Raises nothing."""
    failed: list[str] = []
    shutil.rmtree(folder, onerror=lambda _, path, error: failed.append(f"{path}: {error[1]}"))
    failed = [each for each in failed if "No such file" not in each]
    if failed:
        log.error("The record of call %s cannot be removed: %s", folder.name, failed[0])
    return not failed


def _newest(folder: Path) -> float | None:
    """When a record was written last. None: the folder holds no record."""
    times = []
    for name in RECORDS:
        try:
            times.append((folder / name).stat().st_mtime)
        except OSError:
            continue
    return max(times, default=None)


def _is_written(folder: Path) -> bool:
    return any(is_written(folder / name) for name in RECORDS)


def _size(folder: Path) -> int:
    try:
        return sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(folder))
    except OSError:
        return 0  # it has gone meanwhile
