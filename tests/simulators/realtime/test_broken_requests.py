"""Requests that are broken in themselves: refused, and never answered by a failure of the simulator's own."""

from __future__ import annotations

import json

import httpx
import openai
import pytest

from bargein_simulators.realtime_session import RealtimeSession
from tests.simulators.realtime.kit import Connection, Json, of

pytestmark = pytest.mark.asyncio(loop_scope="module")  # as its server

SECRETS, CALLS = "/v1/realtime/client_secrets", "/v1/realtime/calls"
FUNCTION: Json = {"type": "function", "name": "weather"}


async def test_the_body_of_a_request_is_checked_before_it_is_used(url: str) -> None:
    bodies: list[tuple[str | bytes, object, str]] = [
        (b"\xff", None, "could not parse"),
        ("{", None, "could not parse"),
        ("[1]", None, "expected an object"),
        (json.dumps({"expires_after": "soon"}), "expires_after", "expected an object"),
        (json.dumps({"expires_after": {"seconds": "60"}}), "expires_after.seconds", "expected an integer"),
        (json.dumps({"expires_after": {"seconds": True}}), "expires_after.seconds", "expected an integer"),
        (json.dumps({"expires_after": {"anchor": "never"}}), "expires_after.anchor", "'created_at'"),
        (json.dumps({"model": "gpt-realtime-2.1"}), "model", "Unknown parameter"),
        (json.dumps({"session": [1]}), "session", "expected an object"),
    ]
    async with httpx.AsyncClient(base_url=url, headers={"authorization": "Bearer k"}) as client:
        for body, param, said in bodies:
            answer = await client.post(SECRETS, content=body)
            assert answer.status_code == 400, (body, answer.text)
            error = answer.json()["error"]
            assert error["param"] == param
            assert said in error["message"]
        for empty in ("", "{}", '{"expires_after": null}', '{"expires_after": {"seconds": null}}'):
            assert (await client.post(SECRETS, content=empty)).json()["value"].startswith("ek_")


async def test_an_offer_without_its_parts_is_refused(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, headers={"authorization": "Bearer k"}) as client:
        for parts, param in (
            ({"session": (None, "{}")}, "sdp"),
            ({"sdp": (None, "v=0"), "session": (None, "{")}, None),
            ({"sdp": (None, "v=0"), "session": (None, "[]")}, None),
            ({"sdp": (None, "v=0"), "session": (None, "{}")}, "session.type"),
        ):
            answer = await client.post(CALLS, files=parts)
            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["param"] == param
        assert (await client.post(CALLS)).json()["error"]["param"] == "sdp"


async def test_a_tool_has_a_name_that_a_model_can_call(connection: Connection) -> None:
    for tool, code in (
        ({"type": "function"}, "missing_required_parameter"),
        ({"type": "function", "function": {"name": "weather"}}, "missing_required_parameter"),
        ({**FUNCTION, "name": "the weather!"}, "invalid_value"),
        ({**FUNCTION, "name": "w" * 65}, "string_above_max_length"),
        ({**FUNCTION, "name": ""}, "invalid_value"),
    ):
        error = await connection.refused({"type": "session.update", "session": {"type": "realtime", "tools": [tool]}})
        assert (error["code"], error["param"]) == (code, "session.tools[0].name")


async def test_content_brings_what_its_kind_says(connection: Connection) -> None:
    for kind, lacks in (("input_image", "image_url"), ("input_audio", "audio"), ("input_text", "text")):
        item = {"type": "message", "role": "user", "content": [{"type": kind}]}
        error = await connection.refused({"type": "conversation.item.create", "item": item})
        assert (error["code"], error["param"]) == ("missing_required_parameter", f"item.content[0].{lacks}")


async def test_a_voice_of_ones_own_is_spoken_with(connection: Connection) -> None:
    own = {"type": "realtime", "audio": {"output": {"voice": {"id": "voice_mine"}}}}
    await connection.send({"type": "session.update", "session": own})
    await connection.next("session.updated")
    events = await connection.answer()
    assert of(events, "response.done")[0]["response"]["status"] == "completed"
    assert of(events, "response.output_audio.delta")


async def test_null_leaves_what_cannot_be_cleared(connection: Connection, session: RealtimeSession) -> None:
    before = session.wire()
    for name in ("audio", "instructions", "output_modalities", "tools", "max_output_tokens", "tool_choice"):
        await connection.send({"type": "session.update", "session": {"type": "realtime", name: None}})
        assert (await connection.next("session.updated"))["session"][name] == before[name]
    turns = {"type": "realtime", "audio": {"output": None, "input": {"turn_detection": None, "format": None}}}
    await connection.send({"type": "session.update", "session": turns})
    audio = (await connection.next("session.updated"))["session"]["audio"]
    assert audio["input"]["turn_detection"] is None
    assert audio["input"]["format"] == before["audio"]["input"]["format"]
    assert of(await connection.answer(), "response.done")[0]["response"]["status"] == "completed"


async def test_only_the_first_part_of_an_item_can_be_truncated(connection: Connection) -> None:
    [item] = of(await connection.answer(), "response.done")[0]["response"]["output"]
    for index in (1, -1):
        event: Json = {"type": "conversation.item.truncate", "item_id": item["id"], "audio_end_ms": 100}
        assert (await connection.refused({**event, "content_index": index}))["param"] == "content_index"


async def test_a_key_of_a_broken_wish_is_not_made(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="created_at"):
        await sdk.realtime.client_secrets.create(expires_after={"anchor": "now", "seconds": 60})  # type: ignore[arg-type]
