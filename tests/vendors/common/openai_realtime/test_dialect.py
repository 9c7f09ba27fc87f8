"""What a server's dialect changes, without a server: cancels, positions, words and errors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bargein.errors import VendorRefused
from bargein.vendors.common.openai_realtime.dialect import BUSY, OPENAI
from bargein.vendors.common.openai_realtime.handshake import handshake_error
from bargein.vendors.common.openai_realtime.input_items import InputItems, InputRequest
from bargein.vendors.common.openai_realtime.protocol import RealtimeProtocol

OTHER = replace(
    OPENAI,
    server="Other",
    key="OTHER_KEY",
    cancels_by_id=False,
    refusal_codes={"OpperationNotSupported": "Name a deployment that speaks"},
    error_texts={"already has an active response": BUSY},
)


@pytest.mark.parametrize(
    ("dialect", "sent"),
    [
        (OPENAI, {"type": "response.cancel", "response_id": "r1"}),
        (OTHER, {"type": "response.cancel"}),
    ],
)
def test_a_cancel_names_its_response_where_the_server_takes_that(dialect: Any, sent: dict[str, str]) -> None:
    out: list[dict[str, Any]] = []
    session = RealtimeProtocol(lambda event, urgent: out.append(event), dialect=dialect)
    session.event({"type": "response.created", "response": {"id": "r1", "conversation_id": "c"}})  # unasked
    assert out == [sent]


def test_an_error_without_a_code_is_known_by_its_words() -> None:
    told = {"message": "Conversation already has an active response in progress"}
    assert OTHER.code(told) == BUSY
    assert OPENAI.code(told) is None
    assert OTHER.code({"code": "another", "message": "else"}) == "another"


def test_speech_without_times_is_placed_where_the_sent_audio_ends() -> None:
    wish = InputRequest(begins=True, ends=True, reads=True, prefix_padding_ms=300, times=False)
    items = InputItems(16_000, wish)
    (began,) = items.event({"type": "input_audio_buffer.speech_started", "item_id": "i"}, 16_000)
    (ended,) = items.event({"type": "input_audio_buffer.speech_stopped", "item_id": "i"}, 32_000)
    assert (began.kind, began.from_ms) == ("started", 1_000)
    assert (ended.kind, ended.until_ms) == ("ended", 2_000)


def test_updated_words_are_all_words_so_far_and_are_not_joined() -> None:
    items = InputItems(16_000, InputRequest(begins=True, ends=True, reads=True, prefix_padding_ms=0, times=False))
    items.event({"type": "input_audio_buffer.speech_started", "item_id": "i"}, 16_000)
    kind = "conversation.item.input_audio_transcription.updated"
    items.event({"type": kind, "item_id": "i", "transcript": "hello"}, 16_000)
    (heard,) = items.event({"type": kind, "item_id": "i", "transcript": "hello there"}, 16_000)
    assert heard.text == "hello there"


def test_a_refused_handshake_names_the_server_its_key_and_the_codes_that_it_has() -> None:
    wrong_key = handshake_error(401, b"secret", OTHER)
    assert isinstance(wrong_key, VendorRefused)
    assert (wrong_key.message, wrong_key.advice) == ("Other Realtime refused with 401", "Check OTHER_KEY")
    deaf = handshake_error(400, b'{"error": {"code": "OpperationNotSupported"}}', OTHER)
    assert deaf.advice == "Name a deployment that speaks"
    assert handshake_error(400, b"{}", OTHER).advice == "Check the model's name and the account"
