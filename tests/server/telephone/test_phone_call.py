"""One whole telephone call, as a person makes it, against a real server with the embedded agent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from bargein.audio.pcm import Samples
from bargein.audio.resample import resample
from bargein.errors import VendorLost, VendorRefused
from bargein.recorder.reading import Happened, Noted, Ordered, read
from bargein.server.telephone.twilio_sdk import TwilioExchange
from bargein_bench.callers.caller import Caller
from bargein_bench.callers.caller_audio import EndCallStep, PressKey, SayLine, Step
from bargein_bench.callers.yielding import score
from benchmarks.process import server
from tests.server.kit import tone_agent, world
from tests.simulators.serving import serving
from tests.sounds import labels, load


def spoken(name: str) -> SayLine:
    label = next(each for each in labels() if each.file == name)
    samples: Samples = resample(load(name), 8000).samples
    onset = int(label.onset_ms * 8)
    return SayLine(0, samples[onset : int(label.end_ms * 8) + 400], name=name)


def at(ms: float, say: SayLine, *, after_agent: bool = False) -> SayLine:
    return SayLine(ms, say.samples, say.onset, after_agent, say.name)


async def test_greeted_interrupts_coughs_presses_a_key_and_hangs_up(tmp_path: Path) -> None:
    async with server("--record", str(tmp_path), name="guide") as address:
        steps: list[Step] = [
            at(900, spoken("interruption-1.wav")),  # over the greeting
            at(1200, spoken("cough-3.wav"), after_agent=True),  # over the answer
            PressKey(11_000, "5"),
            EndCallStep(14_000),
        ]
        result = await Caller(f"ws://{address}/twilio/media", steps, 16_000).run()
    told = score(result)
    assert told.faults == {}
    assert told.stale_ms == 0
    assert told.most_queued_ms <= 3000
    assert told.first_audio_ms is not None
    first = next(y for y in told.yields if y.name == "interruption-1.wav")
    assert first.stop_ms is not None
    assert first.answer_ms is not None

    (folder,) = tmp_path.iterdir()  # noqa: ASYNC240  # a test's own folder
    entries = read(folder).entries
    actions = [e.action for e in entries if isinstance(e, Ordered)]
    names = [type(a).__name__ for a in actions]
    greeting = next(e.facts for e in entries if isinstance(e, Noted) and e.kind == "heard")
    assert greeting["ended"] == "cut"
    assert greeting["text"]
    assert greeting["unheard"]
    assert names.index("Hold") < names.index("Cut")
    assert "Resume" in names[names.index("Cut") :], "the cough costs nothing"
    assert "KeyPressed" in [type(e.event).__name__ for e in entries if isinstance(e, Happened)]
    users = [e.facts["text"] for e in entries if isinstance(e, Noted) and e.kind == "user"]
    assert any("5" in str(text) for text in users)
    facts = next(e.facts for e in entries if isinstance(e, Noted) and e.kind == "call")
    assert facts["transport"] == "twilio"
    assert [e.facts for e in entries if isinstance(e, Noted) and e.kind == "bye"] == [{"reason": "the caller hung up"}]


async def test_the_log_tells_greeting_from_reply(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="bargein.call")
    async with world(None, tone_agent(greeting="hello and welcome here")) as here:
        url = here.url.replace("http", "ws") + "/twilio/media"
        speech = spoken("interruption-4.wav")
        await Caller(url, [at(1500, speech), EndCallStep(5500)], 6000).run()
    said = [record.message.split(": ", 1)[1] for record in caplog.records if "Call" in record.message]
    assert "greeting 1 sounds" in said
    assert "greeting 1 completed" in said
    assert "reply 2 sounds" in said


# ---------------------------------------------------------------------------------------------- Twilio's REST API


@asynccontextmanager
async def rest(called: asyncio.Event | None = None) -> AsyncIterator[tuple[str, list[tuple[str, dict[str, str]]]]]:
    """Twilio's REST API, as far as a live call is changed by it. called: set by the first request."""
    asked: list[tuple[str, dict[str, str]]] = []
    app = FastAPI()

    @app.post("/2010-04-01/Accounts/{account}/Calls/{call}.json")
    async def update(account: str, call: str, request: Request) -> JSONResponse:
        body = dict(pair.split("=", 1) for pair in (await request.body()).decode().split("&"))
        asked.append((call, body))
        if called is not None:
            called.set()
        if account == "ACbad":
            return JSONResponse({"code": 20003, "message": "Authenticate", "status": 401}, 401)
        if account == "ACsick":
            return JSONResponse({"message": "later"}, 503)
        return JSONResponse({"sid": call, "account_sid": account, "status": "completed"})

    async with serving(app) as url:
        yield url, asked


async def test_a_call_is_ended_and_handed_on_through_twilios_own_package() -> None:
    async with rest() as (url, asked):
        exchange = TwilioExchange("AC1", "secret", "CA7", url)
        await exchange.hang_up()
        await exchange.transfer("+4930123456")
    assert asked[0] == ("CA7", {"Status": "completed"})
    assert asked[1][0] == "CA7"
    assert "%2B4930123456" in asked[1][1]["Twiml"]
    assert "Dial" in asked[1][1]["Twiml"]


async def test_twilio_saying_no_and_twilio_being_gone_are_told_apart_and_no_key_leaks() -> None:
    async with rest() as (url, _):
        for account, error in (("ACbad", VendorRefused), ("ACsick", VendorLost)):
            with pytest.raises(error) as told:
                await TwilioExchange(account, "secret", "CA7", url).hang_up()
            assert "secret" not in str(told.value)
            assert account not in str(told.value)
    with pytest.raises(VendorLost):
        await TwilioExchange("AC1", "secret", "CA7", "http://127.0.0.1:9").hang_up()


async def test_a_transfer_without_credentials_is_refused_and_the_call_goes_on() -> None:
    async with world(None, tone_agent(greeting="hello " * 60)) as here:
        url = here.url.replace("http", "ws") + "/twilio/media"
        call = asyncio.create_task(Caller(url, [], 4000).run())
        await asyncio.sleep(1)  # it is greeted for six seconds, from some moment of this on
        (call_id,) = here.hub.calls.ids
        answer = await here.http.post(f"/calls/{call_id}/transfer", json={"to": "+4930123456"})
        assert answer.status_code == 422
        assert "cannot be transferred" in json.dumps(answer.json())
        assert here.hub.calls.ids == [call_id]
        assert b"bargein_agents_speaking 1.0" in (await here.http.get("/metrics")).content
        await call
