"""The page's faults in a real Chromium, with the whole cascade against its simulators."""

from __future__ import annotations

from benchmarks.chromium import page
from benchmarks.process import server

MET = ("ears-drop", "voice-drop")


async def test_the_dummy_call_meets_faults_and_goes_on_after_each() -> None:
    async with server("--simulate", name="cascade") as address, page() as shown:
        complaints: list[str] = []
        shown.on("console", lambda m: complaints.append(m.text) if "Content Security" in m.text else None)
        await shown.goto(f"http://{address}/?dummy=faults:{','.join(MET)}")
        await shown.wait_for_function("() => bargein.call?.dummy?.progress.done", timeout=120_000)
        results = await shown.evaluate("bargein.call.dummy.progress.results")
        problems = await shown.evaluate("bargein.call.problems.map(p => p.code)")
        caption = await shown.inner_text("#caption")
        await shown.wait_for_function("() => bargein.state === 'off'")
        await shown.click("#faults summary")
        await shown.click("[data-fault=model-429]")
        await shown.wait_for_function("() => document.querySelector('#fault-next').textContent.includes('rate limit')")
    assert [(r["fault"], r["verdict"], r["after"]) for r in results] == [(f, "answered", "answered") for f in MET], (
        results
    )
    # The voice was lost while the reply was prepared: it is made again, and the caller hears no gap.
    assert set(problems) == {"ears_lost"}
    assert "went on each time" in caption
    assert complaints == []


async def test_real_vendors_have_no_faults_to_be_had() -> None:
    async with server(name="guide") as address, page() as shown:
        async with shown.expect_response("**/simulate") as asked:
            await shown.goto(f"http://{address}/")
        assert await (await asked.value).json() == {"faults": []}
        await shown.wait_for_function("() => !document.querySelector('#choose').hidden")
        assert await shown.evaluate("document.querySelector('#faults').hidden")
