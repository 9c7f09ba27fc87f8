"""The page's dummy call with the embedded agent, from its first word to its last."""

from __future__ import annotations

from pathlib import Path

from benchmarks.chromium import page
from benchmarks.process import server


async def test_the_dummy_call_shows_every_verdict_with_the_embedded_agent(tmp_path: Path) -> None:
    async with server(name="guide") as address, page() as shown:
        await shown.goto(f"http://{address}/?dummy=1")
        await shown.wait_for_function("() => bargein.call?.dummy?.progress.done", timeout=90_000)
        results = await shown.evaluate("bargein.call.dummy.progress.results")
        said = await shown.evaluate("bargein.transcript()")
    assert [(r["say"], r["verdict"]) for r in results[:5]] == [
        ("story", "cut"),
        ("cough", "resume"),
        ("mmhmm", "resume"),
        ("laugh", "resume"),
        ("stop", "cut"),
    ], results
    cut = next(t for t in said if t["role"] == "agent" and "lighthouse" in t["heard"])
    assert cut["never"]
    last = cut["heard"].split()[-1].strip(".,;:")
    where = [t["heard"] for t in said if t["role"] == "agent"][-1]
    assert last in where, "asked where it was stopped, it names the last word that was heard"
