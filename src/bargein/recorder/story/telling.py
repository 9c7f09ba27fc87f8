"""Tells a call's record."""

from __future__ import annotations

from pathlib import Path

from bargein.recorder.reading import Recording
from bargein.recorder.story.call_story import CallStory


def tell(record: Path | Recording) -> CallStory:
    """record: a call's folder, or its journal that was read. Raises UsageError for a folder without any record."""
    raise NotImplementedError
