"""The calls of a folder, read and split into episodes, several at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bargein.errors import UsageError
from bargein.recorder.journal import FILE
from bargein.recorder.reading import read
from bargein_bench.tuning.episodes import CallEpisodes
from bargein_bench.tuning.splitting import names, split
from bargein_bench.tuning.truth import Label

AT_ONCE = 8  # calls handed to a process together

Labels = Mapping[str, Sequence[Label]]


@dataclass(frozen=True, slots=True)
class Gathered:
    """The calls of a folder."""

    calls: tuple[CallEpisodes, ...]
    """Those that can be believed."""
    skipped: Mapping[str, int]
    """How many cannot, by reason."""
    lost_labels: int
    """Labels of calls that are not here, or at whose onset no reply was live."""


def gather(root: Path, labels: Labels, jobs: int) -> Gathered:
    """Every record below root. Raises UsageError when none can be used."""
    paths = sorted(root.rglob(FILE)) if root.is_dir() else []
    if not paths:
        advice = "Name the folder that `bargein serve --record DIR` has written"
        raise UsageError(f"{root} holds no recorded call", advice=advice)
    skipped: Counter[str] = Counter()
    calls: dict[str, CallEpisodes] = {}
    for call in over(partial(_one, labels=labels), paths, jobs):
        if isinstance(call, str):
            skipped[call] += 1
        elif call.call in calls:
            skipped["a second record of the same call"] += 1
        else:
            calls[call.call] = call
    if not calls:
        why = ", ".join(f"{number} {reason}" for reason, number in skipped.items())
        raise UsageError(f"No record in {root} can be used: {why}", advice="Record calls with this version of Bargein")
    known = {name for call in calls.values() for name in call.names}
    lost = sum(len(of) for call, of in labels.items() if call not in known)
    return Gathered(tuple(calls.values()), dict(skipped), lost + sum(call.unmatched for call in calls.values()))


def _one(path: Path, labels: Labels) -> CallEpisodes | str:
    """A call, or the reason why it is left out."""
    try:
        recording = read(path)
    except UsageError:
        return "no record of ours"
    mine = [label for name in names(recording) for label in labels.get(name, ())]
    call = split(recording, sorted(mine, key=lambda label: label.onset_ms))
    if not call.same:
        return "torn in the middle" if recording.torn or not recording.complete else "decided by another floor"
    return call


def over(work: Callable[[Path], CallEpisodes | str], paths: Sequence[Path], jobs: int) -> Iterator[CallEpisodes | str]:
    """The results for every path, in their order; by several processes where there are many."""
    if jobs > 1 and len(paths) > AT_ONCE:
        with ProcessPoolExecutor(jobs) as pool:
            yield from pool.map(work, paths, chunksize=AT_ONCE)
    else:
        results: Iterable[CallEpisodes | str] = map(work, paths)
        yield from results
