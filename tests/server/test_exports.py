"""Exports of kept calls, by HTTP and by the command."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from bargein.cli import app
from tests.recorder.story.calls import spoken_call
from tests.server.kit import TOKEN, settings, world


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["export", *words])


async def test_an_owner_gets_a_call_in_every_format_and_nobody_else(tmp_path: Path) -> None:
    await spoken_call(tmp_path)
    owner = {"authorization": f"Bearer {TOKEN}"}
    async with world(settings(tmp_path, token=TOKEN)) as here:
        told = await here.http.get("/calls/c1/export", params={"as": "messages"}, headers=owner)
        assert told.headers["content-type"].startswith("application/json")
        assert told.headers["content-disposition"] == 'attachment; filename="c1.messages.json"'
        assert told.json()[0] == {"role": "assistant", "content": "Good evening how may I help you today"}
        subtitles = await here.http.get("/calls/c1/export", params={"as": "vtt"}, headers=owner)
        assert subtitles.headers["content-type"] == "text/vtt; charset=utf-8"
        assert subtitles.text.startswith("WEBVTT\n")
        assert (await here.http.get("/calls/c1/export", headers=owner)).text.startswith('{"type":"call"')
        wrong = await here.http.get("/calls/c1/export", params={"as": "pdf"}, headers=owner)
        assert wrong.status_code == 422
        assert "jsonl, vtt" in wrong.json()["error"]["advice"]
        for name in ("c2", "..%2Fc1", "%2e%2e"):
            assert (await here.http.get(f"/calls/{name}/export", headers=owner)).status_code == 404
        assert (await here.http.get("/calls/c1/export")).status_code == 401


async def test_the_command_prints_a_call_or_writes_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    await spoken_call(tmp_path)
    told = run("c1", "--record", str(tmp_path), "--as", "messages")
    assert json.loads(told.stdout)[0]["role"] == "assistant"
    out = tmp_path / "calls.csv"
    assert run("c1", "c1", "--as", "csv", "--record", str(tmp_path), "--out", str(out)).exit_code == 0
    assert out.read_text().count("call,agent") == 1
    assert out.stat().st_mode & 0o777 == 0o600
    assert "one by one" in run("c1", "c1", "--as", "srt", "--record", str(tmp_path)).output
    assert "no call 'c9'" in run("c9", "--record", str(tmp_path)).output
