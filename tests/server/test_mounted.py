"""The app inside somebody's own FastAPI: everything works under the mount's path, or says what is missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree

import httpx
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from bargein import Agent, Unavailable, UsageError, create_app
from tests.server.kit import HELLO, TOKEN, Client, Echo, ToneVoice, on_uvicorn, tone_agent

AGENT = tone_agent("mounted", "Good evening, this is a greeting of some length")
PROTOCOLS = [Subprotocol("bargein.v1")]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BARGEIN_TOKEN", "BARGEIN_HOST", "BARGEIN_RECORD", "BARGEIN_PUBLIC_URL", "TWILIO_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def outer(agent: Agent = AGENT, path: str = "/voice", **options: object) -> FastAPI:
    voice = create_app(agent, **options)  # type: ignore[arg-type]  # options by name
    app = FastAPI(lifespan=voice.lifespan)
    app.mount(path, voice)
    return app


async def test_page_scripts_and_api_are_served_under_the_path() -> None:
    async with on_uvicorn(outer()) as url, httpx.AsyncClient(base_url=f"{url}/voice") as http:
        page = await http.get("/")
        assert page.status_code == 200
        assert page.headers["x-content-type-options"] == "nosniff"
        assert 'src="/' not in page.text
        assert 'href="/' not in page.text
        for path in (
            "/web/js/app.js",
            "/web/client/worklets/capture.js",
            "/web/caller/story.wav",
            "/healthz",
            "/readyz",
        ):
            assert (await http.get(path)).status_code in (200, 503), path
        assert [agent["name"] for agent in (await http.get("/agents")).json()["agents"]] == ["mounted"]
        assert (await http.get("/parts")).json()["error"]["code"] == "not_found", (
            "keys of the app's owner are not offered"
        )
        assert (await http.get(f"{url}/voice")).status_code == 307


async def test_a_page_calls_under_the_path_and_an_operator_sees_it() -> None:
    async with on_uvicorn(outer()) as url, httpx.AsyncClient(base_url=f"{url}/voice") as http:
        ws = url.replace("http", "ws")
        async with connect(f"{ws}/voice/calls/browser", subprotocols=PROTOCOLS, close_timeout=0.2) as socket:
            client = Client(socket)
            await client.send(HELLO)
            call_id = (await client.until("welcome"))["call_id"]
            await client.until("state", state="speaking")
            listed = (await http.get("/calls")).json()["calls"]
            assert [call["id"] for call in listed] == [call_id]
            async with connect(f"{ws}/voice/calls/{call_id}/events") as watcher:
                assert json.loads(await watcher.recv())["id"] == call_id
            assert (await http.post(f"/calls/{call_id}/interrupt")).json() == {"interrupted": True}
            await client.until("audio_interrupted")


async def test_twiml_leads_to_the_media_stream_under_the_path() -> None:
    async with on_uvicorn(outer()) as url, httpx.AsyncClient(base_url=url) as http:
        answer = await http.post("/voice/twilio/voice", data={"CallSid": "CA1", "From": "+1", "To": "+2"})
        stream = ElementTree.fromstring(answer.text).find("./Connect/Stream")
        assert stream is not None
        assert stream.get("url") == url.replace("http", "ws") + "/voice/twilio/media"
        parameters = {p.get("name"): p.get("value") for p in stream}
        async with connect(str(stream.get("url")), close_timeout=0.2) as socket:
            await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
            start = {
                "streamSid": "MZ1",
                "callSid": "CA1",
                "accountSid": "AC1",
                "tracks": ["inbound"],
                "customParameters": parameters,
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            }
            await socket.send(json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": start}))
            assert json.loads(await socket.recv())["event"] == "media"
            await socket.send(json.dumps({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}}))


async def test_tokens_are_demanded_under_the_path() -> None:
    async with on_uvicorn(outer(token=TOKEN)) as url, httpx.AsyncClient(base_url=f"{url}/voice") as http:
        assert (await http.get("/calls")).status_code == 401
        owner = {"authorization": f"Bearer {TOKEN}"}
        token = (await http.post("/token", headers=owner)).json()["token"]
        socket_url = url.replace("http", "ws") + "/voice/calls/browser"
        with pytest.raises(InvalidStatus) as refused:
            await connect(socket_url, subprotocols=PROTOCOLS)
        assert refused.value.response.status_code == 401
        async with connect(
            socket_url, subprotocols=[*PROTOCOLS, Subprotocol(f"token.{token}")], close_timeout=0.2
        ) as s:
            client = Client(s)
            await client.send(HELLO)
            assert await client.until("welcome")


async def test_pages_of_other_sites_are_refused_under_the_path_and_allowed_ones_are_not() -> None:
    app = outer(origins=["https://shop.example"])
    async with on_uvicorn(app) as url, httpx.AsyncClient(base_url=f"{url}/voice") as http:
        foreign = await http.post("/calls/x/hangup", headers={"origin": "https://evil.example"})
        assert foreign.json()["error"]["code"] == "foreign_origin"
        allowed = await http.post("/calls/x/hangup", headers={"origin": "https://shop.example"})
        assert allowed.json()["error"]["code"] == "unknown_call"
        host = await http.get("/calls", headers={"host": "rebound.example"})
        assert host.status_code == 421
        assert "BARGEIN_TOKEN" in host.json()["error"]["advice"]
        # A telephone network calls by another name; its webhook checks who calls better than by that.
        webhook = await http.post("/twilio/voice", headers={"host": "tunnel.example"}, data={"CallSid": "CA1"})
        assert webhook.json()["error"]["code"] == "no_auth_token"


async def test_an_app_that_is_mounted_and_nothing_more_starts_with_its_first_request() -> None:
    app = FastAPI()
    app.mount("/voice", create_app(AGENT))
    before = asyncio.all_tasks()
    async with on_uvicorn(app) as url, httpx.AsyncClient(base_url=url, follow_redirects=True) as http:
        answers = await asyncio.gather(*(http.get(path) for path in ("/voice", "/voice/", "/voice/agents") * 2))
        assert [answer.status_code for answer in answers] == [200] * 6
        socket_url = url.replace("http", "ws") + "/voice/calls/browser"
        async with connect(socket_url, subprotocols=PROTOCOLS, close_timeout=0.2) as socket:
            client = Client(socket)
            await client.send(HELLO)
            await client.until("welcome")
            await client.until("state", state="speaking")
    (left,) = [task for task in asyncio.all_tasks() - before if task.get_name() == "the mounted app's lifespan"]
    left.cancel()  # as the loop's end does
    await asyncio.wait([left])
    assert left.cancelled()


def test_its_parts_are_closed_when_the_event_loop_ends() -> None:
    done: list[str] = []

    class Voice(ToneVoice):
        async def start(self) -> None:
            done.append("started")

        async def aclose(self) -> None:
            done.append("closed")

    async def one_request() -> int:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return (await http.get("/voice/agents")).status_code

    app = FastAPI()
    app.mount("/voice", create_app(Agent(name="own", llm=Echo(), tts=Voice(), scripted=True)))
    for _ in range(2):  # two servers, one after the other
        assert asyncio.run(one_request()) == 200
        assert done == ["started", "closed"]
        done.clear()


async def test_parts_that_do_not_start_are_named_in_every_answer_and_once_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    starts: list[None] = []

    class Voice(ToneVoice):
        async def start(self) -> None:
            starts.append(None)
            raise Unavailable("The voice has no key", advice="Set VOICE_KEY")

    app = FastAPI()
    app.mount("/voice", create_app(Agent(name="own", llm=Echo(), tts=Voice(), scripted=True)))
    async with on_uvicorn(app) as url, httpx.AsyncClient(base_url=f"{url}/voice") as http:
        for path in ("/", "/healthz", "/agents", "/web/js/app.js", "/nowhere"):
            answer = await http.get(path)
            assert answer.status_code == 503, path
            assert answer.json()["error"] == {
                "code": "not_started",
                "message": "The voice has no key",
                "advice": "Set VOICE_KEY",
            }
        for path in ("/calls/browser", "/twilio/media", "/calls/x/events"):
            with pytest.raises(InvalidStatus) as refused:
                await connect(url.replace("http", "ws") + f"/voice{path}")
            assert refused.value.response.status_code == 503
            assert b"VOICE_KEY" in refused.value.response.body
    assert len(starts) == 1
    assert len([r for r in caplog.records if "VOICE_KEY" in r.getMessage()]) == 1
    assert not any(record.exc_info for record in caplog.records)


async def test_a_lifespan_that_is_over_ends_its_calls_and_refuses_the_next() -> None:
    voice = create_app(AGENT)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with voice.lifespan():
            yield

    app = FastAPI(lifespan=lifespan)
    app.mount("/voice", voice)
    async with on_uvicorn(app) as url:
        socket = await connect(url.replace("http", "ws") + "/voice/calls/browser", subprotocols=PROTOCOLS)
        client = Client(socket)
        await client.send(HELLO)
        await client.until("welcome")
    assert await client.closed() == 1012, "uvicorn closes sockets before the lifespan ends"
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        assert (await http.get("/voice/agents")).json()["error"]["code"] == "not_started"


async def test_a_lifespan_runs_once_at_a_time_and_again_after_its_end() -> None:
    voice = create_app(AGENT)
    async with voice.lifespan():
        assert voice.running
        with pytest.raises(UsageError, match="runs already"):
            async with voice.lifespan():
                pass
        assert voice.running
    async with httpx.AsyncClient(transport=httpx.ASGITransport(voice), base_url="http://127.0.0.1") as http:
        assert (await http.get("/agents")).status_code == 503
        async with voice.lifespan():
            assert (await http.get("/agents")).status_code == 200


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "was given no agent"),
        ("agent.py", "needs an Agent, and was given a str"),
        ([AGENT, None], "needs an Agent, and was given a NoneType"),
        ([AGENT, AGENT], "Two agents are called 'mounted'"),
    ],
)
def test_what_is_no_agent_is_refused(given: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        create_app(given)  # type: ignore[arg-type]  # a user's mistake


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"policy": "eager"}, "There is no policy 'eager'"),
        ({"token": "short"}, "shorter than 16"),
        ({"max_calls": 0}, "Setting max_calls"),
        ({"public_url": "example.com"}, "Setting public_url"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        create_app(AGENT, **options)  # type: ignore[arg-type]  # a user's mistake


async def test_a_library_writes_no_records_unless_told_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert create_app(AGENT).settings.record is None
    assert create_app(AGENT, record=tmp_path / "mine").settings.record == tmp_path / "mine"
    monkeypatch.setenv("BARGEIN_RECORD", str(tmp_path / "calls"))
    assert create_app(AGENT).settings.record == tmp_path / "calls"
