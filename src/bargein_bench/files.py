"""A run as lines of JSON, the read-back that a comparison needs, and the labels for `bargein tune`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from bargein.errors import UsageError
from bargein_bench.measures import Measure, share
from bargein_bench.report import Point
from bargein_bench.results import Results

FORMAT, VERSION = "bargein_bench", 1


def lines(results: Results, measures: Sequence[Measure]) -> Iterator[str]:
    """The run first, then a line for every measure, scene, call and event. Audio is not in it."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "target": results.target,
        "protocol": results.protocol,
        "seed": results.seed,
        "started": results.started,
        "machine": results.machine,
        "left_out": results.left_out,
    }
    yield json.dumps(head)
    for measure in measures:
        yield json.dumps({"measure": measure.facts()})
    for scene, want in dict.fromkeys((event.scene, event.want) for event in results.events):
        judged = [e.right for e in results.events if (e.scene, e.want) == (scene, want) and e.right is not None]
        yield json.dumps({"scene": share(scene, sum(judged), len(judged), f"right: {want}").facts()})
    for call in results.calls:
        yield json.dumps({"call": asdict(replace(call, events=(), record=None)) | {"events": len(call.events)}})
        for event in call.events:
            yield json.dumps({"event": asdict(event) | {"right": event.right}})


def labels(results: Results) -> Iterator[dict[str, object]]:
    """A label for each onset.

    call: the server's id of the call, or the stream's. onset_ms, end_ms: on the call's clock. want, scene: of the
    event.
    """
    for call in results.calls:
        for event in call.events:
            yield {
                "call": call.call_id,
                "onset_ms": event.onset_ms,
                "end_ms": event.end_ms,
                "want": event.want,
                "scene": event.scene,
            }


def read_measures(path: Path) -> Point:
    """The place of another run in the trade-off: p50 of its stops, and its false cuts. Raises UsageError."""
    advice = "Give a file that `bargein bench --json` wrote"
    found: dict[str, float] = {}
    try:
        with path.open() as file:
            head = json.loads(file.readline())
            if not isinstance(head, dict) or head.get("format") != FORMAT or head.get("version") != VERSION:
                raise UsageError(f"{path} was not written by `bargein bench`", advice=advice)
            for line in file:
                measure = json.loads(line).get("measure")
                if measure and measure["value"] is not None:
                    found[measure["name"]] = float(measure["value"])
        return Point(path.stem, found["stop p50"], found["false cuts, all"], "earlier")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} cannot be read: {type(error).__name__}", advice=advice) from None
