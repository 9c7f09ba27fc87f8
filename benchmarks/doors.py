"""The doors beside Twilio and the page: `python -m benchmarks --only doors`. Server, callers and Chromium share cores.

Each part is a module with `rows`; it is imported when it is measured, since each needs packages of its own.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bargein_bench.machine import machine
from benchmarks.sounds import VoiceClip
from benchmarks.table import Check, SpreadRow, show

PARTS = {
    "sip": "Telephones call by SIP, baresip and sipp among them ...",
    "asterisk": "An Asterisk calls ...",
    "webrtc": "A Chromium is being talked to by WebRTC, on a clean network and on a lossy one ...",
    "webrtc_cost": "Clients hold WebRTC calls ...",
    "gemini": "Gemini Live is being interrupted, and renewed under speech ...",
}


def measure(
    console: Console,
    sounds: Sequence[VoiceClip],
    *,
    parts: Sequence[str] = (),
    quick: bool = False,
    as_json: Path | None = None,
) -> None:
    """All parts, or those that are named, each with its table as soon as it is done. quick: fewer and shorter calls."""
    rows: list[SpreadRow | Check] = []
    for part in parts or PARTS:
        console.print(PARTS[part])
        found = importlib.import_module(f"benchmarks.doors_{part}").rows(sounds, quick=quick)
        show(console, found)
        rows += found
    if as_json is not None:
        as_json.write_text(json.dumps({"machine": machine(), "rows": [row.facts() for row in rows]}, indent=1))
