"""A softphone that is not ours calls a server that runs as a process of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import numpy as np

from bargein.audio.pcm import Samples
from bargein.recorder.reading import Happened, Noted, Ordered, Recording, read
from benchmarks.baresip import RATE, baresip, free_udp_port
from benchmarks.process import server
from tests.server.telephone.test_phone_call import spoken

COUGH_MS, SPEECH_MS, KEY_MS, TRANSFER_MS = 1_200, 2_800, 5_800, 7_000  # since the answer
AUDIBLE = 60  # mean level of 20 ms
ACCOUNT = ";audio_codecs=PCMU/8000/1;dtmfmode=rtpevent"


def script() -> Samples:
    """What the caller says: a cough, then words."""
    says = np.zeros(12 * RATE, np.int16)
    for at_ms, name in ((COUGH_MS, "cough-3.wav"), (SPEECH_MS, "interruption-1.wav")):
        sound = spoken(name).samples
        says[at_ms * 8 : at_ms * 8 + len(sound)] = sound
    return says


def audible(heard: Samples) -> list[bool]:
    """Of each 20 ms."""
    whole = heard[: len(heard) // 160 * 160].astype(float).reshape(-1, 160)
    return [bool(level > AUDIBLE) for level in np.abs(whole).mean(axis=1)]


def names(record: Recording) -> list[str]:
    return [type(each.action).__name__ for each in record.entries if isinstance(each, Ordered)]


def notes(record: Recording, kind: str) -> list[dict[str, object]]:
    return [dict(each.facts) for each in record.entries if isinstance(each, Noted) and each.kind == kind]


async def test_greeted_coughs_interrupts_presses_a_key_and_is_transferred_and_hung_up(tmp_path: Path) -> None:
    port = free_udp_port()
    uri = f"sip:talker@127.0.0.1:{port}"
    async with (
        server("--sip", f"127.0.0.1:{port}", record=tmp_path) as address,
        baresip(script(), account=ACCOUNT) as phone,
        httpx.AsyncClient(base_url=f"http://{address}", timeout=30) as http,
    ):
        assert (await http.get("/readyz")).json()["sip"] == {"addresses": [f"sip:127.0.0.1:{port}"]}
        await phone.do("dial", uri)
        await phone.until("CALL_ESTABLISHED")
        await asyncio.sleep(KEY_MS / 1000)  # a softphone speaks in real time
        await phone.do("sndcode", "7")
        await asyncio.sleep((TRANSFER_MS - KEY_MS) / 1000)
        first = (await http.get("/calls")).json()["calls"][0]["id"]
        told = await http.post(f"/calls/{first}/transfer", json={"to": uri})
        assert told.json() == {"transferred": True}
        await phone.until("CALL_ESTABLISHED", count=2)
        await asyncio.sleep(0.6)  # of the greeting
        (second,) = [each["id"] for each in (await http.get("/calls")).json()["calls"]]
        await http.post(f"/calls/{second}/hangup")
        await phone.until("CALL_CLOSED", count=2)
        ear = audible(phone.heard())
        assert sum(ear) > 15, "the greeting of the second call was heard"

    record = read(tmp_path / first)
    done = names(record)
    cut = done.index("Cut")
    assert "Hold" in done[:cut]
    assert "Resume" in done[:cut], "the cough costs nothing"
    greeting = notes(record, "heard")[0]
    assert greeting["ended"] == "cut"
    assert greeting["text"]
    assert "KeyPressed" in [type(each.event).__name__ for each in record.entries if isinstance(each, Happened)]
    (facts,) = notes(record, "call")
    assert facts["transport"] == "sip"
    assert facts["codec"] == "PCMU"
    assert str(facts["from"]).startswith("caller@")
    assert notes(record, "bye") == [{"reason": f"transferred to {uri}"}]
    assert notes(read(tmp_path / second), "bye") == [{"reason": "the operator hung up"}]
