"""What a webhook tells of a call."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bargein.recorder.exports.messages import messages
from bargein.recorder.story.call_story import CallStory
from bargein.recorder.story.telling import tell

TYPE = "call.ended"
MOST_BYTES = 1 << 20  # of a body; a longer one goes without the messages
FACTS = ("from", "to", "phone_call")


def body_for(folder: Path, public_url: str | None) -> bytes:
    """The body for a call's folder. public_url: this server's, for the address of the call's page. Raises UsageError
    for a folder without a record."""
    told = _told(tell(folder), folder.name, public_url)
    body = msgspec.json.encode(told)
    if len(body) <= MOST_BYTES:
        return body
    data = {**told["data"], "messages": [], "messages_left_out": True}
    return msgspec.json.encode({**told, "data": data})


def _told(story: CallStory, record: str, public_url: str | None) -> dict[str, dict[str, object]]:
    began_s = story.started_s if story.started_s is not None else time.time() - story.lasted_ms / 1000
    measures = msgspec.structs.asdict(story.measures)
    data: dict[str, object] = {
        "id": story.call,
        "record": record,
        "agent": story.agent,
        "door": story.facts.get("transport", "browser"),
        **{name: story.facts[name] for name in FACTS if story.facts.get(name)},
        "started": _iso(began_s),
        "duration_s": round(story.lasted_ms / 1000, 3),
        "ended_why": story.ended_why,
        "language": story.language,
        "measures": measures,
        "messages": messages(story),
        "recorded": story.recording is not None,
        "missing": story.missing,
    }
    if public_url is not None:
        data["url"] = f"{public_url.rstrip('/')}/calls/{record}"
    whole: dict[str, object] = {"type": TYPE, "timestamp": _iso(began_s + story.lasted_ms / 1000), "data": data}
    return whole  # type: ignore[return-value]  # of which only `data` is looked into


def _iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
