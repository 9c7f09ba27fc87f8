"""The first messages of every telephone network, with hostile text in each field of theirs in turn."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

STARTS: dict[str, dict[str, Any]] = {
    "twilio": {
        "event": "start",
        "streamSid": "MZ1",
        "sequenceNumber": "1",
        "start": {
            "streamSid": "MZ1",
            "callSid": "CA1",
            "accountSid": "AC1",
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": "8000", "channels": "1"},
            "customParameters": {"agent": "tone", "policy": "patient", "language": "en", "from": "+1", "x": "y"},
        },
    },
    "telnyx": {
        "event": "start",
        "stream_id": "S1",
        "start": {
            "call_control_id": "C1",
            "call_session_id": "CS1",
            "user_id": "U1",
            "from": "+1",
            "to": "+2",
            "custom_parameters": [{"name": "agent", "value": "tone"}, {"name": "language", "value": "en"}],
            "media_format": {"encoding": "PCMU", "sample_rate": 8000, "channels": 1},
        },
    },
    "plivo": {
        "event": "start",
        "streamId": "S1",
        "start": {
            "streamId": "S1",
            "callId": "C1",
            "accountId": "A1",
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        },
        "extra_headers": "{X-PH-agent: tone, language: en}",
    },
    "vonage": {
        "event": "websocket:connected",
        "content-type": "audio/l16;rate=16000",
        "uuid": "C1",
        "agent": "tone",
        "headers": {"policy": "patient", "language": "en", "from": "1"},
    },
    "asterisk": {
        "event": "MEDIA_START",
        "connection_id": "agent",
        "channel": "WebSocket/agent/0x7f01",
        "channel_id": "17.3",
        "format": "slin16",
        "optimal_frame_size": 640,
        "channel_variables": {"BARGEIN_AGENT": "tone", "BARGEIN_LANGUAGE": "en", "from": "1"},
    },
}
OTHERS: dict[str, list[dict[str, Any]]] = {
    "twilio": [
        {"event": "media", "streamSid": "MZ1", "media": {"track": "inbound", "chunk": "1", "payload": "//8="}},
        {"event": "mark", "streamSid": "MZ1", "mark": {"name": "r1:2:3"}},
        {"event": "dtmf", "streamSid": "MZ1", "dtmf": {"digit": "1"}},
        {"event": "stop", "streamSid": "MZ1"},
    ],
    "telnyx": [
        {"event": "media", "stream_id": "S1", "media": {"track": "inbound", "chunk": "1", "payload": "//8="}},
        {"event": "mark", "stream_id": "S1", "mark": {"name": "r1:2:3"}},
        {"event": "error", "stream_id": "S1", "payload": {"code": "1", "title": "t", "detail": "d"}},
    ],
    "plivo": [
        {"event": "media", "streamId": "S1", "media": {"track": "inbound", "chunk": "1", "payload": "//8="}},
        {"event": "playedStream", "streamId": "S1", "name": "r1:2:3"},
    ],
    "vonage": [
        {"event": "websocket:notify", "payload": {"name": "r1:2:3"}},
        {"event": "websocket:dtmf", "digit": "1", "duration": 260},
        {"event": "websocket:dtmf", "dtmf": {"digit": "1"}},
    ],
    "asterisk": [
        {"event": "MEDIA_MARK_PROCESSED", "channel_id": "17.3", "correlation_id": "1:2:3"},
        {"event": "STATUS", "channel_id": "17.3", "queue_length": 4, "media_paused": True},
        {"event": "DTMF_END", "channel_id": "17.3", "digit": "1"},
        {"event": "ERROR", "channel_id": "17.3", "error_text": "Unable to parse JSON command"},
    ],
}
LONG = 53_000
HOSTILE = {
    "long": "x" * LONG,
    "pairs": ("a=1 " * LONG)[:LONG],
    "brackets": "(" * LONG,
    "lines": "\n12:00:00 ERROR  hacked\x1b[31m" * 2000,
    "escape": "a\nb\x1b[2J\x00",
}


def spoiled(message: dict[str, Any], text: str) -> Iterator[dict[str, Any]]:
    """The message with the text in place of each string, each number and each name of a field, one at a time."""
    for path in _paths(message):
        changed, at = _copied(message, path)
        at[path[-1]] = text
        yield changed
        changed, at = _copied(message, path)
        if isinstance(at, dict):
            at[text] = at.pop(path[-1])
            yield changed


def _copied(message: dict[str, Any], path: tuple[Any, ...]) -> tuple[dict[str, Any], Any]:
    """A copy of the message, and the part of it that holds the path's end."""
    changed = copy.deepcopy(message)
    at: Any = changed
    for step in path[:-1]:
        at = at[step]
    return changed, at


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        if isinstance(inner, dict | list):
            yield from _paths(inner, (*path, step))
        else:
            yield (*path, step)


def texts(name: str, hostile: str) -> list[str]:
    """Every spoiled first message of a network, and every spoiled later one."""
    return [json.dumps(each) for each in spoiled(STARTS[name], HOSTILE[hostile])]
