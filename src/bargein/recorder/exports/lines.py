"""A call's story as JSON lines: the call first, then all that happened, in the order of time. Each line has a `type`;
all but the first have `at_ms`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from bargein.recorder.story.call_story import CallStory

_encoder = msgspec.json.Encoder()
# Which lists of the story make lines: the line's type, and the field by which the line has its place.
_KINDS = {
    "turns": ("turn", "from_ms"),
    "replies": ("reply", "asked_ms"),
    "backchannels": ("backchannel", "from_ms"),
    "decisions": ("decision", "at_ms"),
    "tools": ("tool", "began_ms"),
    "vendor_calls": ("vendor_call", "asked_ms"),
    "faults": ("fault", "at_ms"),
    "events": ("event", "at_ms"),
}


def lines(story: CallStory) -> str:
    """With a newline after each line."""
    return "".join(f"{_encoder.encode(line).decode()}\n" for line in _lines(story))


def _lines(story: CallStory) -> Iterator[dict[str, object]]:
    call = {name: getattr(story, name) for name in story.__struct_fields__ if name not in (*_KINDS, "speech")}
    yield {"type": "call", **call}
    found: list[tuple[float, dict[str, object]]] = []
    for name, (kind, at) in _KINDS.items():
        entries: Iterable[msgspec.Struct] = getattr(story, name)
        for entry in entries:
            fields = msgspec.structs.asdict(entry)
            at_ms = float(fields.get(at) or fields.get("ended_ms") or 0.0)
            found.append((at_ms, {"type": kind, "at_ms": at_ms, **fields}))
    yield from (line for _, line in sorted(found, key=lambda entry: entry[0]))
