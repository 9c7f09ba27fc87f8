"""The formats in which a call can be exported."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bargein.errors import UsageError
from bargein.recorder.exports.lines import lines
from bargein.recorder.exports.measures import measures
from bargein.recorder.exports.messages import messages
from bargein.recorder.exports.subtitles import srt, vtt
from bargein.recorder.story.call_story import CallStory


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One of them."""

    write: Callable[[CallStory], str]
    media_type: str
    suffix: str
    """Of a file's name."""


def _messages(story: CallStory) -> str:
    return json.dumps(messages(story), ensure_ascii=False, indent=1) + "\n"


FORMATS: Mapping[str, ExportFormat] = {
    "jsonl": ExportFormat(lines, "application/jsonl", ".jsonl"),
    "vtt": ExportFormat(vtt, "text/vtt", ".vtt"),
    "srt": ExportFormat(srt, "application/x-subrip", ".srt"),
    "messages": ExportFormat(_messages, "application/json", ".messages.json"),
    "csv": ExportFormat(measures, "text/csv", ".csv"),
}


def format_named(name: str) -> ExportFormat:
    """Raises UsageError for a format that there is not."""
    if name not in FORMATS:
        advice = f"Give one of {', '.join(FORMATS)}"
        raise UsageError(f"A call cannot be exported as {name[:40]!r}", advice=advice)
    return FORMATS[name]
