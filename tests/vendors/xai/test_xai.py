"""Grok's voice: the session in xAI's shape, a conversation whose turns are the server's, cancels and errors."""

from __future__ import annotations

from bargein import protocols as c
from bargein.vendors.common.openai_realtime.settings import RealtimeSettings
from bargein.vendors.xai.dialect import XAI, granted_session, xai_session
from bargein.vendors.xai.realtime import XaiRealtime
from bargein_simulators.xai import xai_app
from tests.vendors.common.openai_realtime.kit import KEY, simulator, talk


def test_a_session_has_xais_shape_and_comes_back_in_the_general_one() -> None:
    settings = RealtimeSettings(
        turn_detection="vendor", threshold=0.0, voice="eve", transcription_model="grok-transcribe"
    )
    session = xai_session(settings, c.SessionConfig("Be short.", "de"))

    assert session["voice"] == "eve"
    assert session["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.1,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
    }
    assert not {"type", "output_modalities", "truncation"} & session.keys()
    assert session["audio"]["input"]["transcription"] == {"model": "grok-transcribe"}
    assert granted_session(session)["audio"]["input"]["turn_detection"]["type"] == "server_vad"


def test_errors_without_codes_are_known_by_their_words() -> None:
    assert XAI.code({"message": "There is no active response to cancel."}) == "response_cancel_not_active"
    assert XAI.code({"message": "Conversation already has an active response"}) is not None
    assert XAI.code({"message": "Something else", "code": None}) is None


async def test_it_converses_and_its_own_turns_are_followed() -> None:
    sim = simulator()
    made = lambda url: XaiRealtime(api_key=KEY, base_url=f"{url}/xai/v1")  # noqa: E731
    async with talk(sim, app=xai_app(sim), made_by=made) as t:
        await t.until(lambda: t.sim.sessions and t.sent("session.update"))
        t.speaks()
        await t.until(lambda: t.text)
        reply = t.line.answer((), spoken=True)
        pieces = [piece async for piece in reply.audio() if isinstance(piece, c.SpeechChunk)]
        assert sum(piece.pcm.ms for piece in pieces) > 500
        assert t.failed is None
        assert t.refused is None
        told = t.sent("session.update")[0]["session"]
        assert told["type"] == "realtime", "as the simulator has it behind its wire"


async def test_a_reply_is_cancelled_without_its_id() -> None:
    sim = simulator(first_audio_ms=100, speed=1)
    made = lambda url: XaiRealtime(api_key=KEY, base_url=f"{url}/xai/v1")  # noqa: E731
    async with talk(sim, app=xai_app(sim), made_by=made) as t:
        await t.until(lambda: t.sim.sessions and t.sent("session.update"))
        reply = t.line.say("A sentence that is long enough to be cut in its middle.")
        async for _ in reply.audio():
            break
        reply.cancel()
        await t.until(lambda: t.sent("response.cancel"))
        assert all("response_id" not in event for event in t.sent("response.cancel"))
