"""Who may stream a call to us, and what a stream may do wrong: over real sockets, on both kinds of them."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import httpx
import numpy as np
import pytest
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bargein.audio.mulaw import to_mulaw
from bargein.errors import UsageError
from bargein.server import serve
from bargein.server.app import VoiceApp
from bargein.server.telephone import twilio
from tests.server.kit import World, settings, tone_agent, world

TOKEN = "twilio-auth-token-of-a-test"
PUBLIC = "https://phone.example"
FORM = {"CallSid": "CA1", "From": "+4930111", "To": "+4930222", "AccountSid": "AC1"}
QUIET = base64.b64encode(to_mulaw(np.zeros(160, np.int16))).decode()
GREETING = "one two three four five six seven eight nine ten " * 6


@dataclass
class Stream:
    """Twilio's end of a stream, by hand."""

    socket: ClientConnection
    stream: str = "MZ1"
    chunk: int = 0
    got: list[dict[str, object]] = field(default_factory=list)

    async def say(self, event: str, **more: object) -> None:
        await self.socket.send(json.dumps({"event": event, "streamSid": self.stream, **more}))

    async def start(self, call: str = "CA1", parameters: Mapping[str, str] | None = None) -> None:
        form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {
            "accountSid": "AC1",
            "callSid": call,
            "streamSid": self.stream,
            "tracks": ["inbound"],
            "mediaFormat": form,
            "customParameters": dict(parameters or {}),
        }
        await self.socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        await self.say("start", sequenceNumber="1", start=start)

    async def media(self, payload: str = QUIET) -> None:
        self.chunk += 1
        said = {"track": "inbound", "chunk": str(self.chunk), "timestamp": str(self.chunk * 20), "payload": payload}
        await self.say("media", media=said)

    async def until(self, event: str, seconds: float = 5) -> dict[str, object]:
        async with asyncio.timeout(seconds):
            while True:
                self.got.append(json.loads(await self.socket.recv()))
                if self.got[-1]["event"] == event:
                    return self.got[-1]

    async def closed(self, seconds: float = 5) -> tuple[int | None, str | None]:
        with suppress(ConnectionClosed):
            await self.until("nothing", seconds)
        return self.socket.close_code, self.socket.close_reason


@asynccontextmanager
async def stream(here: World, path: str = "/twilio/media", **options: object) -> AsyncIterator[Stream]:
    # A client that does not read to the end would wait for its own goodbye.
    how: dict[str, object] = {"close_timeout": 0.2} | options
    opened = connect(here.url.replace("http", "ws") + path, compression=None, **how)  # type: ignore[arg-type]
    async with opened as opened_socket:
        yield Stream(opened_socket)


@asynccontextmanager
async def guarded(tmp: Path | None = None, **more: object) -> AsyncIterator[World]:
    """A server with an auth token, behind a proxy."""
    given = {"twilio_auth_token": TOKEN, "public_url": PUBLIC, **more}
    async with world(settings(tmp, **given), tone_agent(greeting=GREETING)) as made:
        yield made


@pytest.fixture(params=["picows", "asgi"])
def either_socket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(serve, "FAST", request.param == "picows")
    return str(request.param)


def signature(url: str, form: Mapping[str, str] | None = None, token: str = TOKEN) -> dict[str, str]:
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, form or {})}


async def answered(here: World, path: str = "/twilio/voice", form: Mapping[str, str] = FORM) -> dict[str, str]:
    """What the webhook answers: the stream's parameters, and its url."""
    answer = await here.http.post(path, data=dict(form), headers=signature(PUBLIC + path, form))
    assert answer.status_code == 200
    return parameters(answer)


def parameters(answer: httpx.Response) -> dict[str, str]:
    root = ElementTree.fromstring(answer.text)  # our own
    assert [child.tag for child in root] == ["Connect"]
    (told,) = root[0]
    assert told.tag == "Stream"
    return {"url": told.attrib["url"]} | {p.attrib["name"]: p.attrib["value"] for p in told}


def problem(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


# ---------------------------------------------------------------------------------------------------- the webhook


async def test_the_webhook_answers_with_a_stream_its_token_and_what_was_asked_for() -> None:
    async with guarded() as here:
        told = await answered(here, "/twilio/voice?agent=tone&policy=patient&other=x")
    assert told["url"] == "wss://phone.example/twilio/media"
    assert (told["agent"], told["policy"]) == ("tone", "patient")
    assert (told["from"], told["to"]) == ("+4930111", "+4930222")
    assert len(told["token"]) > 20
    assert "other" not in told


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": ""},
        {"X-Twilio-Signature": "bm9uc2Vuc2U="},
        signature(PUBLIC + "/twilio/voice", FORM, "another token"),
        signature("https://elsewhere.example/twilio/voice", FORM),
        signature(PUBLIC + "/twilio/voice", FORM | {"To": "+4930333"}),
        signature(PUBLIC + "/twilio/voice?agent=other", FORM),
    ],
)
async def test_a_webhook_that_is_not_signed_for_just_this_is_refused(headers: dict[str, str]) -> None:
    async with guarded() as here:
        answer = await here.http.post("/twilio/voice", data=FORM, headers=headers)
        assert answer.status_code == 403
        assert problem(answer) == "bad_signature"
        assert TOKEN not in answer.text


async def test_the_newer_signature_is_understood_too() -> None:
    async with guarded() as here:
        url = PUBLIC + "/twilio/voice"
        signed = RequestValidator(TOKEN).compute_signature(url, FORM, "HMAC_SHA256")
        headers = {"X-Twilio-Signature": signed, "X-Twilio-Webhooks-Signature-Settings": "key=k,algorithm=HMAC_SHA256"}
        assert (await here.http.post("/twilio/voice", data=FORM, headers=headers)).status_code == 200


async def test_without_a_public_address_the_one_that_was_called_must_be_signed() -> None:
    async with world(settings(twilio_auth_token=TOKEN)) as here:
        url = f"{here.url}/twilio/voice"
        told = parameters(await here.http.post("/twilio/voice", data=FORM, headers=signature(url, FORM)))
        assert told["url"] == here.url.replace("http", "ws") + "/twilio/media"


async def test_without_an_auth_token_this_machine_may_call_and_nobody_else() -> None:
    async with world() as here:
        assert (await here.http.post("/twilio/voice", data=FORM)).status_code == 200
        for headers in ({"X-Forwarded-For": "10.1.1.1"}, {"Host": "phone.example"}, {"Forwarded": "for=10.1.1.1"}):
            answer = await here.http.post("/twilio/voice", data=FORM, headers=headers)
            assert (answer.status_code, problem(answer)) == (403, "no_auth_token")


def test_an_auth_token_without_the_package_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio, "sdk", None)
    with pytest.raises(UsageError, match="twilio package"):
        VoiceApp(settings(twilio_auth_token=TOKEN))


# ------------------------------------------------------------------------------------------------------ the stream


@pytest.mark.usefixtures("either_socket")
async def test_a_stream_with_its_token_becomes_a_call_that_is_greeted(tmp_path: Path) -> None:
    async with guarded(tmp_path) as here:
        told = await answered(here)
        async with stream(here) as phone:
            await phone.start(parameters={"token": told["token"], "from": told["from"]})
            sounds = await phone.until("media")
            payload = sounds["media"]["payload"]  # type: ignore[index]
            assert len(base64.b64decode(payload)) in (160, 320)
            (call_id,) = here.hub.calls.ids
            status = (await here.http.get(f"/calls/{call_id}")).json()
            assert status["agent_speaking"]
            assert status["kind"] == "greeting"
            assert status["facts"] == {
                "transport": "twilio",
                "stream": "MZ1",
                "phone_call": "CA1",
                "from": "+4930111",
            }
            await phone.say("stop", stop={"accountSid": "AC1", "callSid": "CA1"})
            assert (await phone.closed())[0] == 1000
        assert here.hub.calls.status(call_id)["over"] == "the caller hung up"
        record = (tmp_path / call_id / "events.jsonl").read_text()
        assert '"phone_call":"CA1"' in record
        assert told["token"] not in record


@pytest.mark.usefixtures("either_socket")
@pytest.mark.parametrize("why", ["none", "forged", "of another call", "used", "of another server"])
async def test_a_stream_without_its_own_token_is_closed_and_becomes_no_call(why: str) -> None:
    async with guarded() as here:
        told = await answered(here)
        if why == "used":
            async with stream(here) as first:
                await first.start(parameters={"token": told["token"]})
                await first.until("media")
        given = {"none": {}, "forged": {"token": told["token"][:-2] + "xx"}}.get(why, {"token": told["token"]})
        if why == "of another server":
            async with guarded(twilio_auth_token=TOKEN + "2") as other:
                url = PUBLIC + "/twilio/voice"
                answer = await other.http.post("/twilio/voice", data=FORM, headers=signature(url, FORM, TOKEN + "2"))
                given = {"token": parameters(answer)["token"]}
        async with stream(here) as phone:
            await phone.start("CA2" if why == "of another call" else "CA1", given)
            assert await phone.closed() == (1008, "bad_token")
            assert phone.got == []


@pytest.mark.usefixtures("either_socket")
async def test_a_socket_with_a_wrong_signature_is_refused_before_it_opens() -> None:
    async with guarded() as here:
        headers = signature("wss://elsewhere.example/twilio/media")
        with pytest.raises(InvalidStatus) as refused:
            async with stream(here, additional_headers=headers):
                pass
        assert refused.value.response.status_code == 403
        assert b"bad_signature" in (refused.value.response.body or b"")
        for url in ("wss://phone.example/twilio/media", "wss://phone.example/twilio/media/"):
            async with stream(here, additional_headers=signature(url)):
                pass


@pytest.mark.usefixtures("either_socket")
async def test_without_an_auth_token_a_stream_from_elsewhere_is_refused() -> None:
    async with world() as here:
        with pytest.raises(InvalidStatus) as refused:
            async with stream(here, additional_headers={"X-Forwarded-For": "10.1.1.1"}):
                pass
        assert refused.value.response.status_code == 403
        async with stream(here) as phone:
            await phone.start()


async def test_the_server_own_token_is_demanded_of_telephones_too() -> None:
    secret = "the-servers-own-long-token"
    async with world(settings(token=secret), tone_agent(greeting=GREETING)) as here:
        async with stream(here) as phone:
            await phone.start()
            assert await phone.closed() == (1008, "no_token")
        async with stream(here, additional_headers={"Authorization": f"Bearer {secret}"}) as phone:
            await phone.start()
            await phone.until("media")


async def test_when_all_seats_are_taken_the_next_caller_is_told_by_a_close() -> None:
    async with world(settings(max_calls=1), tone_agent(greeting=GREETING)) as here, stream(here) as first:
        await first.start()
        await first.until("media")
        async with stream(here) as second:
            await second.start("CA2")
            assert await second.closed() == (1008, "busy")
        await first.until("mark")


# --------------------------------------------------------------------------------------------------- wrong things


@pytest.mark.usefixtures("either_socket")
async def test_nonsense_costs_nobody_a_call() -> None:
    async with world(None, tone_agent(greeting=GREETING)) as here, stream(here) as neighbour, stream(here) as phone:
        neighbour.stream = "MZ2"
        await neighbour.start("CA2")
        await neighbour.until("media")
        await phone.media()
        await phone.start()
        await phone.start()
        for text in ("{", "[]", '{"event":"sing","streamSid":"MZ1"}', '{"event":"mark","streamSid":"MZ1"}'):
            await phone.socket.send(text)
        await phone.media("%%%")
        await phone.media("abc")
        await phone.say("mark", mark={"name": "never sent"})
        await phone.say("dtmf", dtmf={"digit": "no"})
        await phone.socket.send(b"\x00\x01")
        await phone.until("mark")
        faults = {call: here.hub.calls.call(call) for call in here.hub.calls.ids}
        assert len(faults) == 2
        await phone.until("mark")
        await neighbour.until("mark")
        assert not any(call.over for call in faults.values())


async def test_a_message_without_end_ends_that_stream_and_no_other() -> None:
    async with world(None, tone_agent(greeting=GREETING)) as here, stream(here) as neighbour:
        await neighbour.start()
        async with stream(here) as phone:
            await phone.start("CA2")
            with suppress(ConnectionClosed):
                await phone.socket.send("x" * 300_000)
            await phone.closed()
        await neighbour.until("media")
        await neighbour.until("mark")


@pytest.mark.usefixtures("either_socket")
async def test_a_peer_that_vanishes_leaves_nothing_behind() -> None:
    async with world(settings(keep_s=0.2), tone_agent(greeting=GREETING)) as here:
        async with stream(here) as phone:
            await phone.start()
            await phone.until("media")
            (call_id,) = here.hub.calls.ids
            raw: socket.socket = phone.socket.transport.get_extra_info("socket")
            with here.hub.calls.watchers(call_id).one_more() as watcher:
                raw.shutdown(socket.SHUT_RDWR)
                async with asyncio.timeout(5):
                    while await watcher.next() is not None:
                        pass
        assert re.search("gone|closed", str(here.hub.calls.status(call_id)["over"]))


async def test_a_plain_request_to_the_media_path_is_refused_kindly() -> None:
    async with world() as here:
        assert (await here.http.get("/twilio/media")).status_code in (404, 405, 426)
        assert (await here.http.get("/healthz")).status_code == 200
