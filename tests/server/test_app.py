"""The routes of a server with calls: what they show, what they do, and that slow watchers slow nobody."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from bargein.notices import Problem
from bargein.recorder.reading import read
from bargein.recorder.replay import replay
from bargein.server.calls import WATCHER_NOTICES, Watchers
from bargein.server.metrics import Metrics
from tests.server.kit import HEADER, settings, tone_agent, world


async def test_a_call_is_listed_shown_and_kept_for_a_while_after_its_end(tmp_path: Path) -> None:
    async with world(settings(tmp_path), tone_agent("tone", "Hello there")) as here:
        async with here.client() as client:
            call_id = client.messages[0]["call_id"]
            await client.until("state", state="speaking")
            status = (await here.http.get(f"/calls/{call_id}")).json()
            assert (status["state"], status["agent"], status["agent_speaking"]) == ("speaking", "tone", True)
            listing = (await here.http.get("/calls")).json()
            assert [c["id"] for c in listing["calls"]] == [call_id]
            assert listing["finished"] == []
            await client.send({"type": "hangup"})
            assert (await client.until("bye"))["reason"] == "the client hung up"
            assert await client.closed() == 1000
        assert await here.nobody_left()
        listing = (await here.http.get("/calls")).json()
        assert (listing["calls"], [c["over"] for c in listing["finished"]]) == ([], ["the client hung up"])
        assert (await here.http.get(f"/calls/{call_id}")).json()["over"] == "the client hung up"
        for action in ("interrupt", "hangup"):
            answer = await here.http.post(f"/calls/{call_id}/{action}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "call_over")
        answer = await here.http.post("/calls/never/interrupt")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_call")
    recording = read(tmp_path / str(call_id))
    assert recording.complete
    assert replay(recording).differences == []


async def test_an_operator_interrupts_and_nothing_of_the_reply_comes_after() -> None:
    async with world() as here, here.client() as client:
        call_id = client.messages[0]["call_id"]
        assert (await here.http.post(f"/calls/{call_id}/interrupt")).json() == {"interrupted": False}
        reply = await client.speaking()
        assert (await here.http.post(f"/calls/{call_id}/interrupt")).json() == {"interrupted": True}
        cut = await client.until("audio_interrupted")
        assert cut["reply_id"] == reply
        assert (await client.until("barge_in"))["source"] == "operator"
        assert (await client.until("tts_interrupted"))["reason"] == "operator"
        client.frames.clear()
        await client.send({"type": "flushed", "reply_id": reply, "played": 2400})
        heard = await client.until("transcript", role="agent", final=True)
        assert heard["text"] == "You"
        assert await client.still_there()
        assert [f for f in client.frames if HEADER.unpack_from(f)[3] == reply] == []


async def test_an_operator_has_the_agent_say_something() -> None:
    async with world() as here, here.client() as client:
        path = f"/calls/{client.messages[0]['call_id']}/say"
        assert (await here.http.post(path, json={"text": "All is well", "interruptible": False})).status_code == 202
        reply = await client.until("reply")
        assert (reply["kind"], reply["interruptible"]) == ("say", False)
        for body in ({"text": ""}, {"text": 5}, {}, {"text": "x", "loud": True}, {"text": "x" * 5000}, {"text": "   "}):
            answer = await here.http.post(path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_request")
        answer = await here.http.post(path, content=b"{", headers={"Content-Type": "application/json"})
        assert answer.status_code == 422


async def test_an_operator_hangs_up_and_the_client_is_told() -> None:
    async with world() as here, here.client() as client:
        answer = await here.http.post(f"/calls/{client.messages[0]['call_id']}/hangup")
        assert answer.json() == {"hung_up": True}
        assert (await client.until("bye"))["reason"] == "the operator hung up"
        assert await client.closed() == 1000


async def test_a_watcher_sees_the_call_and_its_end() -> None:
    async with world() as here, here.client() as client:
        url = f"{here.socket_url.removesuffix('browser')}{client.messages[0]['call_id']}/events"
        async with connect(url) as watcher:
            first = json.loads(await watcher.recv())
            assert (first["type"], first["state"]) == ("call", "idle")
            await client.speaking()
            await client.send({"type": "hangup"})
            kinds = [json.loads(raw)["type"] async for raw in watcher]
            assert kinds[-1] == "bye"
            assert {"state", "reply", "words", "transcript", "decision"} <= set(kinds)
            assert watcher.close_code == 1000


async def test_a_watcher_that_leaves_leaves_nothing_behind() -> None:
    async with world() as here, here.client() as client:
        url = f"{here.socket_url.removesuffix('browser')}{client.messages[0]['call_id']}/events"
        async with connect(url) as watcher:
            await watcher.recv()
        await client.speaking()
        assert await client.still_there()


async def test_a_slow_watcher_misses_the_oldest_and_is_told_how_many() -> None:
    metrics = Metrics()
    watchers = Watchers(metrics)
    with watchers.one_more() as watcher:
        for k in range(WATCHER_NOTICES + 5):
            watchers.publish(Problem(str(k), "x", "y"))
        assert await watcher.next() == '{"type":"missed","notices":5}'
        assert json.loads(await watcher.next() or "")["code"] == "5"
        watchers.end()
        rest = 0
        while await watcher.next() is not None:
            rest += 1
        assert rest == WATCHER_NOTICES - 1
    assert "bargein_notices_dropped_total 5.0" in metrics.page().decode()


async def test_what_is_measured_can_be_read_by_prometheus() -> None:
    async with world() as here, here.client() as client:
        await client.speaking()
        await here.http.post(f"/calls/{client.messages[0]['call_id']}/interrupt")
        await client.until("tts_interrupted")
        page = await here.http.get("/metrics")
        assert page.headers["content-type"].startswith("text/plain")
        families = {f.name: f for f in text_string_to_metric_families(page.text)}
        assert {"bargein_onset_to_hold_ms", "bargein_hold_to_resume_ms", "bargein_frames_late"} <= set(families)
        samples = {(s.name, s.labels.get("cause")): s.value for f in families.values() for s in f.samples}
        assert samples["bargein_calls_live", None] == 1
        assert samples["bargein_calls_total", None] == 1
        assert samples["bargein_cuts_total", "operator"] == 1
        assert samples["bargein_onset_to_cut_ms_count", "operator"] == 1
        assert samples["bargein_first_audio_ms_count", "reply"] == 1


async def test_readiness_agents_and_page_headers() -> None:
    async with world(None, tone_agent("one"), tone_agent("two")) as here:
        assert (await here.http.get("/healthz")).json() == {"status": "ok"}
        assert (await here.http.get("/readyz")).json() == {"ready": True, "waiting_for": {}}
        told = (await here.http.get("/agents")).json()
        assert [a["name"] for a in told["agents"]] == ["one", "two"]
        assert told["agents"][0]["scripted"] is True
        page = await here.http.get("/")
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-cache"
        assert (await here.http.get("/web/../server/app.py")).status_code == 404
        assert (await here.http.get("/nowhere")).json()["error"]["code"] == "not_found"
        assert (await here.http.post("/healthz")).json()["error"]["code"] == "wrong_method"
        async with here.client({"agent": "two"}) as client:
            agent = client.messages[0]["agent"]
            assert agent == {"name": "two", "stt": "", "llm": "echo", "tts": "tone", "scripted": True}


async def test_the_servers_end_is_a_good_bye_for_every_call() -> None:
    async with world() as here, here.client() as one, here.client() as two:
        await one.speaking()
        here.server.should_exit = True
        for client in (one, two):
            assert (await client.until("bye"))["reason"] == "the server closes"
            assert await client.closed() == 1000


async def test_many_calls_at_once_do_not_hear_of_each_other() -> None:
    async with world() as here:

        async def one(k: int) -> set[int]:
            async with here.client() as client:
                reply = await client.speaking()
                if k % 2:
                    await client.send({"type": "interrupt"})
                    await client.until("audio_interrupted", reply_id=reply)
                assert await client.still_there()
                said = [m["text"] for m in client.messages if m["type"] == "transcript" and m["role"] == "user"]
                assert said == ["hello"]
                return {HEADER.unpack_from(f)[3] for f in client.frames}

        assert await asyncio.gather(*(one(k) for k in range(6))) == [{1}] * 6
        assert await here.nobody_left()
