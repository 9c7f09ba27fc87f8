"""A simulated Twilio against a small application: what it requests, what it follows, and what the caller heard."""

from __future__ import annotations

import asyncio

import httpx
import numpy as np
import pytest
from fastapi import Response
from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Connect, VoiceResponse
from websockets.asyncio.server import ServerConnection

from bargein_bench.callers import twilio_call
from bargein_bench.callers.caller_audio import EndCallStep, PressKey, SayLine
from bargein_bench.callers.crowd import CallPlan, run
from bargein_bench.callers.result import Result
from bargein_bench.callers.twilio_call import Answered, NetworkManners
from bargein_bench.callers.twilio_network import TwilioNetwork
from bargein_bench.callers.twiml import ConnectStream, Dial, Hangup, SayText, TwimlRefused, read_twiml
from bargein_bench.callers.yielding import audible
from tests.bench.simulated_time import LoopClock, simulated_time
from tests.bench.small_application import HANG_UP, SmallApplication, application, connect, listens, play, started

TOKEN = "auth-token-of-a-test"
NOWHERE = "http://127.0.0.1:9/"


async def called(url: str, manners: NetworkManners | None = None, lasts_ms: float = 20_000, **more: object) -> Result:
    async with TwilioNetwork(manners, serves=False) as network:
        return await network.call(url, lasts_ms=lasts_ms, clock=LoopClock(), **more)  # type: ignore[arg-type]


def loud(result: Result) -> list[int]:
    """The milliseconds at which the caller heard something."""
    return list(np.flatnonzero(audible(result.telephone.signal()[: result.lasted])))


# --------------------------------------------------------------------------------------------- what it requests


@simulated_time
async def test_the_webhook_is_signed_and_its_stream_gets_the_parameters_without_the_query() -> None:
    inside = '<Parameter name="agent" value="front"/>'
    async with application({"voice": [connect(url="{media}?x=1", inside=inside)]}) as app:
        result = await called(f"{app.url}/voice?agent=front", NetworkManners(auth_token=TOKEN), sid="CA7")
    ((_, form, headers),) = app.asked
    del form["agent"]  # of the address
    right = RequestValidator(TOKEN)
    assert right.validate(f"{app.url}/voice?agent=front", form, headers["x-twilio-signature"])
    assert (form["CallSid"], form["CallStatus"], form["From"]) == ("CA7", "ringing", "+4930111")
    assert right.validate(app.media, {}, app.upgrades[0]["x-twilio-signature"])
    assert app.starts[0]["customParameters"] == {"agent": "front"}
    assert app.starts[0]["callSid"] == "CA7"
    assert result.faults == {}
    assert [e.code for e in result.errors] == [31921]


@simulated_time
async def test_what_follows_a_stream_is_asked_of_its_action_and_the_sound_lies_on_one_clock() -> None:
    async with application({"voice": [connect("next")], "next": [connect("next"), HANG_UP]}) as app:
        result = await called(f"{app.url}/voice")
    assert app.paths == ["voice", "next", "next"]
    assert [w.why for w in result.webhooks] == ["voice", "connect", "connect"]
    assert [leg.closed_by for leg in result.legs] == ["the server, 1000"] * 2
    first, second = result.legs
    assert first.ended_ms is not None
    assert second.began_ms >= first.ended_ms
    heard = loud(result)
    assert len(heard) >= 1950
    assert second.first_audio_ms is not None
    ((ended, waited),) = result.silences()
    assert (ended, ended + waited) == (first.ended_ms, second.first_audio_ms)
    assert min(at for at in heard if at > first.ended_ms) == pytest.approx(second.first_audio_ms, abs=2)
    assert result.closed_by == "Twilio"


async def dies(socket: ServerConnection, app: SmallApplication) -> None:
    """Sends a whole second at once, and is gone without a word in the middle of it."""
    stream = await started(socket, app)
    if len(app.starts) > 1:
        await play(socket, stream, 25)
        await asyncio.sleep(1)
        return
    await play(socket, stream, 50, lead=50)
    await asyncio.sleep(0.5)
    socket.transport.abort()


@pytest.mark.parametrize("played_out", [False, True])
def test_a_server_that_dies_leads_to_the_action_and_the_buffer_is_lost_or_not(*, played_out: bool) -> None:
    @simulated_time
    async def body() -> None:
        async with application({"voice": [connect("next")], "next": [connect("next"), HANG_UP]}, dies) as app:
            result = await called(f"{app.url}/voice", NetworkManners(played_out=played_out))
        first = result.legs[0]
        assert (first.error, first.closed_by) == (31903, "the server, without a word")
        assert [e.code for e in result.errors] == [31903, 31921]
        assert len(loud(result)) == pytest.approx(1500 if played_out else 1000, abs=30)
        assert result.telephone.late == 0

    body()


@simulated_time
async def test_a_connection_that_falls_silent_is_given_up_in_the_end() -> None:
    async with (
        application({"voice": [connect("next")], "next": [HANG_UP]}, listens) as app,
        TwilioNetwork(NetworkManners(tcp_timeout_ms=4000), serves=False) as network,
    ):
        making = asyncio.create_task(network.call(f"{app.url}/voice", sid="CA1", clock=LoopClock()))
        await asyncio.sleep(2)
        network.calls["CA1"].break_stream("silence")
        result = await making
    assert result.legs[0].error == 31903
    assert result.legs[0].ended_ms == pytest.approx(6000, abs=60)
    assert app.paths == ["voice", "next"]


@simulated_time
async def test_without_an_action_the_next_verb_runs_and_without_one_the_call_ends() -> None:
    more = "<Say language='de-DE'>auf Wiedersehen</Say></Response>"
    async with application({"voice": [connect().replace("</Response>", more)]}) as app:
        result = await called(f"{app.url}/voice")
    (told,) = result.announcements
    assert (told.text, told.language) == ("auf Wiedersehen", "de-DE")
    assert result.legs[0].ended_ms is not None
    assert told.began_ms >= result.legs[0].ended_ms
    assert max(loud(result)) == pytest.approx(told.ended_ms, abs=2)


@simulated_time
async def test_a_redirect_and_a_pause_are_followed_and_addresses_are_relative() -> None:
    first = "<Response><Say>busy</Say><Pause length='7'/><Redirect>../voice?try=1</Redirect></Response>"
    async with application({"a/voice": [first], "voice": [HANG_UP]}) as app:
        result = await called(f"{app.url}/a/voice")
    assert app.paths == ["a/voice", "voice"]
    assert app.asked[1][1]["try"] == "1"
    assert app.asked[1][1]["CallStatus"] == "in-progress"
    assert 7_000 <= result.webhooks[1].at_ms <= 7_400


# ------------------------------------------------------------------------------------------------------ failures


@simulated_time
async def test_a_webhook_that_cannot_be_reached_is_tried_again_and_then_the_fallback_is_asked() -> None:
    async with application({"fallback": ["<Response><Say>sorry</Say></Response>"]}) as app:
        result = await called(NOWHERE, NetworkManners(fallback=f"{app.url}/fallback"))
        alone = await called(NOWHERE)
        more = await called(NOWHERE + "#rc=3")
    first, second = result.webhooks
    assert (first.tries, first.status, first.error) == (2, None, 11205)
    assert (second.why, second.error) == ("fallback", None)
    ((_, form, _),) = app.asked
    assert (form["ErrorCode"], form["ErrorUrl"]) == ("11205", NOWHERE)
    assert [told.text for told in result.announcements] == ["sorry"]
    assert [e.code for e in alone.errors] == [11205]
    assert alone.lasted < 8000
    assert more.webhooks[0].tries == 4


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Response(status_code=500), 11200),
        (Response(status_code=403, content="{}", media_type="application/json"), 11200),
        (Response(content="{}", media_type="application/json"), 12300),
        ("<Response><Connect>", 12100),
        ('<!DOCTYPE a [<!ENTITY b "c">]><Response/>', 12100),
        ("<Answer/>", 12100),
        ("<Response><Sing/></Response>", 12200),
        ("<Response><Redirect>/voice</Redirect></Response>", 11215),
        (connect(url="wss://127.0.0.1:9/media"), 31902),
        (connect(url="ws://phone.example/media"), 31941),
        (connect(url="https://phone.example/media"), 31941),
        (f"<Response>{' ' * 70_000}</Response>", 11750),
    ],
)
def test_what_an_application_does_wrong_has_twilios_number(
    answer: str | Response, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twilio_call, "MOST_DOCUMENTS", 20)

    @simulated_time
    async def body() -> None:
        async with application({"voice": [answer]}) as app:
            result = await called(f"{app.url}/voice", lasts_ms=60_000)
        assert [e.code for e in result.errors] == [code]
        assert result.closed_by == "Twilio"

    body()


@simulated_time
async def test_a_stream_that_is_refused_leads_to_the_action_too() -> None:
    async with application({"voice": [connect("next", url="ws://127.0.0.1:9/media")], "next": [HANG_UP]}) as app:
        result = await called(f"{app.url}/voice")
    assert [e.code for e in result.errors] == [31902]
    assert app.paths == ["voice", "next"]


# --------------------------------------------------------------------------------------------- the caller, REST


@simulated_time
async def test_the_caller_goes_on_speaking_over_all_streams_and_hangs_up_where_he_is() -> None:
    voice = (np.random.default_rng(1).normal(0, 4000, 24_000)).astype(np.int16)
    steps = [SayLine(500, voice, 0, name="long"), PressKey(1500, "5"), EndCallStep(1_800)]
    async with application({"voice": [connect("next")], "next": [connect("next")]}) as app:
        result = await called(f"{app.url}/voice", steps=steps)
    assert [s.step.name for s in result.spoken] == ["long"]
    assert result.closed_by == "the caller"
    assert result.lasted == pytest.approx(1_800 * 8, abs=400)
    assert [leg.closed_by for leg in result.legs] == ["the server, 1000", "us"]


@simulated_time
async def test_a_number_that_is_dialled_answers_or_not_and_the_action_hears_how_it_went() -> None:
    dial = "<Response><Dial action='next' timeout='25'>+49301</Dial></Response>"
    outcomes = {"busy": Answered("busy", 500), "completed": Answered("completed", 500, 2_000)}
    for status in ("busy", "completed", "no-answer"):
        numbers = {"+49301": outcomes[status]} if status in outcomes else {}
        async with application({"voice": [dial], "next": [HANG_UP]}) as app:
            result = await called(f"{app.url}/voice", NetworkManners(numbers=numbers), lasts_ms=60_000)
        assert app.asked[1][1]["DialCallStatus"] == status
        expected = {"busy": 500, "completed": 2_500, "no-answer": 25_000}[status]
        assert result.webhooks[1].at_ms == pytest.approx(expected, abs=30)


async def test_the_rest_api_changes_a_live_call_and_no_other() -> None:
    async with (
        application(
            {"voice": [connect("next")], "other": ["<Response><Pause length='60'/></Response>"]}, listens
        ) as app,
        TwilioNetwork(NetworkManners(auth_token=TOKEN)) as network,
        httpx.AsyncClient(base_url=network.rest_url) as http,
    ):
        account = network.manners.account
        path = f"/2010-04-01/Accounts/{account}/Calls/CA1.json"
        login = (account, TOKEN)
        making = asyncio.create_task(network.call(f"{app.url}/voice", sid="CA1"))
        while "media" not in app.heard:  # noqa: ASYNC110  # a test may look
            await asyncio.sleep(0.01)
        assert (await http.post(path, data={"Status": "completed"})).json()["code"] == 20003
        assert (await http.post(path.replace("CA1", "CA2"), data={}, auth=login)).json()["code"] == 20404
        assert (await http.post(path, data={"Twiml": "<Response"}, auth=login)).json()["code"] == 12100
        changed = await http.post(path, data={"Url": f"{app.url}/other"}, auth=login)
        assert changed.json()["status"] == "in-progress"
        while "other" not in app.paths:  # noqa: ASYNC110  # a test may look
            await asyncio.sleep(0.01)
        assert app.heard[-1] == "stop"
        ended = await http.post(path, data={"Status": "completed"}, auth=login)
        assert ended.json()["status"] == "completed"
        result = await making
    assert app.paths == ["voice", "other"], "a stream that an update ends asks for no action"
    assert result.closed_by == "Twilio, for the application"


@simulated_time
async def test_many_callers_go_through_one_network() -> None:
    async with application({"voice": [connect()]}) as app:
        done = await run(CallPlan(f"{app.url}/voice", 3, 3_000, lambda _: []), clock=LoopClock())
    assert len(done.scores) == 3
    assert done.summary()["failed"] == {}
    assert len({str(start["callSid"]) for start in app.starts}) == 3


# ---------------------------------------------------------------------------------------------------------- TwiML


def test_what_twilios_own_package_writes_is_read() -> None:
    response, wire = VoiceResponse(), Connect(action="https://a.example/next?x=1&y=2")
    wire.stream(url="wss://a.example/media").parameter(name="a", value="<&>")
    response.say("Sorry", language="de-DE")
    response.append(wire)
    response.dial("+4930", action="/d", timeout=25)
    response.hangup()
    assert read_twiml(str(response)) == [
        SayText("Sorry", "de-DE"),
        ConnectStream("wss://a.example/media", {"a": "<&>"}, "https://a.example/next?x=1&y=2"),
        Dial("+4930", "/d", timeout_s=25.0),
        Hangup(),
    ]


@pytest.mark.parametrize(
    "document",
    [
        "<Response><Connect><Room>a</Room></Connect></Response>",
        "<Response><Connect/></Response>",
        "<Response><Say langauge='de'>a</Say></Response>",
        "<Response><Pause length='long'/></Response>",
        "<Response>words</Response>",
        connect(url="wss://a/b", inside=f"<Parameter name='a' value='{'x' * 600}'/>"),
    ],
)
def test_a_document_that_twilio_would_not_follow_is_refused(document: str) -> None:
    with pytest.raises(TwimlRefused) as refused:
        read_twiml(document)
    assert refused.value.code == 12200
