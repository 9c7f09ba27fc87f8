"""A recorded call that moves to another server: recorded there as it was here, and removed from both at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bargein.agent import Agent, Greeting
from tests.server.kit import Echo, ToneVoice
from tests.server.test_fleet_routes import beaten, code_of, id_of
from tests.server.two_nodes import Stores, node, shared_stores


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Stores:
    return shared_stores(monkeypatch)


@pytest.mark.parametrize("refuses", [False, True])
async def test_a_recording_goes_on_at_another_server_and_is_removed_from_both(
    stores: Stores, refuses: bool, tmp_path: Path
) -> None:
    quiet = Agent(name="q", stt=None, llm=Echo(), tts=ToneVoice(), scripted=True, greeting=Greeting(""))
    folders = {name: tmp_path / name for name in "ab"}
    mode = "on" if refuses else "consent"
    async with (
        node("a", quiet, record=folders["a"], record_audio=mode) as a,
        node("b", quiet, record=folders["b"], record_audio=mode) as b,
        a.client({"record": not refuses}) as client,
    ):
        welcome, path = client.messages[0], f"/calls/{id_of(client)}"
        if refuses:
            assert not (await b.http.get(path)).json()["recording"]
        else:
            await client.until("recording", on=True)
            answer = await b.http.post(f"{path}/recording", json={"on": False})  # as any server can
            assert answer.json() == {"recording": False, "changed": True}
            await b.http.post(f"{path}/recording", json={"on": True})
        await beaten(b)
        await a.http.post("/drain", json={"move": True})
        await client.until("moved")
        async with b.client({"resume": {"call_id": id_of(client), "secret": welcome["resume"]}}) as again:
            assert again.messages[0]["restored"] is True
            assert (await a.http.get(path)).json()["recording"] is not refuses
            assert code_of(await a.http.delete(path)) == (409, "call_runs")
            await again.send({"type": "hangup"})
            await b.over(again)
        await b.nobody_left()
        kept = {name: sorted(folder.name for folder in folders[name].iterdir()) for name in "ab"}
        assert kept == {"a": [id_of(client)], "b": [f"{id_of(client)}-1"]}
        assert (folders["b"] / kept["b"][0] / "audio.flac").exists() is not refuses
        assert (await a.http.delete(path)).json() == {"deleted": True}
        assert [list(folder.iterdir()) for folder in folders.values()] == [[], []]
        for here in (a, b):
            assert code_of(await here.http.get(path)) == (404, "unknown_call")
        assert (await b.http.delete(path)).json() == {"deleted": False}
