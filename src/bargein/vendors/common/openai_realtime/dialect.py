"""What differs between the servers that speak OpenAI's Realtime protocol, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from bargein.protocols import SessionConfig
from bargein.vendors.common.openai_realtime.items import Json
from bargein.vendors.common.openai_realtime.settings import RealtimeSettings, TurnDetection

ALL_DETECTIONS: tuple[TurnDetection, ...] = get_args(TurnDetection)
BUSY = "conversation_already_has_active_response"
EXPIRED = "session_expired"
NOTES = frozenset(  # errors that speak of something that is over already
    (
        "response_cancel_not_active",
        "input_audio_buffer_commit_empty",
        "invalid_value",
        "unsupported_content_type",
        "integer_below_min_value",
        "item_create_duplicate_item_id",
        "item_retrieve_invalid_item_id",
        "item_delete_invalid_item_id",
        "item_truncate_invalid_item_id",
    )
)


def general_session(settings: RealtimeSettings, brief: SessionConfig) -> Json:
    """The session as the general release has it."""
    return settings.session(brief)


def as_it_is(session: Json) -> Json:
    """A session that has the general release's shape already."""
    return session


@dataclass(frozen=True, slots=True)
class RealtimeDialect:
    """One server's ways. The defaults are those of OpenAI's general release."""

    server: str = "OpenAI"
    """The server's name in errors."""
    key: str = "OPENAI_API_KEY"
    """Environment variable of the key, for advice."""
    advice: Mapping[int, str] = field(
        default_factory=lambda: {404: "Check the model's name, or whether the call still lasts"}
    )
    """HTTP status in place of a WebSocket -> what to do, where the general advice does not fit."""
    refusal_codes: Mapping[str, str] = field(default_factory=dict)
    """Code in the body of a refused handshake -> what to do."""
    session: Callable[[RealtimeSettings, SessionConfig], Json] = general_session
    """Makes the body of a session.update."""
    granted: Callable[[Json], Json] = as_it_is
    """Makes a session of the general release's shape of the one in session.updated."""
    event_names: Mapping[str, str] = field(default_factory=dict)
    """The server's name of an event -> the general release's."""
    assistant_text: str = "output_text"
    """Type of the content in an assistant's message."""
    detections: tuple[TurnDetection, ...] = ALL_DETECTIONS
    """The values of turn_detection that the server is known to honour."""
    cancels_by_id: bool = True
    """`response.cancel` names its response. False: the command has no id."""
    echoes_metadata: bool = True
    """A response says back the metadata of its request. False: the next response is taken for the one asked for."""
    lacks: frozenset[str] = frozenset()
    """Events that the server does not take: they are not sent. Without conversation.item.truncate, only a note tells
    the model what was heard."""
    vad_times: bool = True
    """speech_started and speech_stopped carry positions. False: they are placed at the audio sent so far."""
    error_texts: Mapping[str, str] = field(default_factory=dict)
    """Part of an error's message, in lower case -> the general release's code, of a server with other codes."""

    def code(self, error: Json) -> str | None:
        """An error's code, as the general release has it."""
        if self.error_texts:
            message = str(error.get("message") or "").lower()
            for part, code in self.error_texts.items():
                if part in message:
                    return code
        given: object = error.get("code")
        return None if given is None else str(given)


OPENAI = RealtimeDialect()
