"""xAI's ways of OpenAI's Realtime protocol: the session's shape, names of events, errors without codes.

xAI's own voice activity detection cuts and answers. Whether it can be told not to is not documented, and its manual
turns are called unstable by others; so the model has the turns, and our floor follows, as with
`turn_detection="vendor"`. Our hold is our own all the same: a cough is held here, whatever the server does.
"""

from __future__ import annotations

from bargein.protocols import SessionConfig
from bargein.vendors.common.openai_realtime.dialect import BUSY, RealtimeDialect, general_session
from bargein.vendors.common.openai_realtime.items import Json
from bargein.vendors.common.openai_realtime.settings import RealtimeSettings

TOP = ("voice", "turn_detection")  # of the session, where OpenAI has them in its audio
UNKNOWN = ("type", "output_modalities", "truncation", "max_output_tokens", "reasoning", "tool_choice")
THRESHOLDS = (0.1, 0.9)


def xai_session(settings: RealtimeSettings, brief: SessionConfig) -> Json:
    """The body of a session.update."""
    session = general_session(settings, brief)
    for name in UNKNOWN:
        session.pop(name, None)
    took, gave = session["audio"]["input"], session["audio"]["output"]
    turns = took.pop("turn_detection", None)
    if turns is not None:
        least, most = THRESHOLDS
        turns = {k: v for k, v in turns.items() if k not in ("create_response", "interrupt_response")}
        turns["threshold"] = min(max(float(turns.get("threshold", 0.5)), least), most)
    session["turn_detection"] = turns
    session["voice"] = gave.pop("voice")
    if "transcription" in took:
        took["transcription"] = {"model": took["transcription"]["model"]}
    return session


def granted_session(session: Json) -> Json:
    """A session of xAI's, in the shape of the general release."""
    audio = session.get("audio") or {}
    took, gave = dict(audio.get("input") or {}), dict(audio.get("output") or {})
    took["turn_detection"] = session.get("turn_detection")
    gave["voice"] = session.get("voice")
    rest = {name: value for name, value in session.items() if name not in TOP}
    return rest | {"audio": {"input": took, "output": gave}}


XAI = RealtimeDialect(
    server="xAI",
    key="XAI_API_KEY",
    session=xai_session,
    granted=granted_session,
    event_names={
        "response.text.delta": "response.output_text.delta",
        "response.text.done": "response.output_text.done",
    },
    detections=("vendor",),
    cancels_by_id=False,
    echoes_metadata=False,
    vad_times=False,
    error_texts={
        "no active response": "response_cancel_not_active",
        "already has an active response": BUSY,
        "truncat": "item_truncate_invalid_item_id",
    },
)
