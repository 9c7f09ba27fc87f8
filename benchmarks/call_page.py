"""How fast a call's page opens and scrolls: `python -m benchmarks.call_page`, of a synthetic call of one hour.

The page comes from a server of its own, in a real Chromium. "Opens" is from the navigation to the transcript, the lanes
and the waveform on the screen; frames a second are counted while the transcript, or the zoomed lanes, scroll at a
reader's pace, and the longest pause between two frames stands beside them.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from benchmarks.chromium import page
from benchmarks.hour_record import write_record
from benchmarks.process import server

if TYPE_CHECKING:
    from playwright.async_api import Page

CYCLES = 300  # of twelve seconds
RUNS = 5
SHOWN = "() => globalThis.bargeinCall?.lanes.peaks && document.querySelectorAll('#said .w').length > 20"
SCROLL = """
async ([id, horizontal]) => {
  const box = document.getElementById(id);
  const gaps = [];
  let last = performance.now();
  const until = last + 3000;
  while (last < until) {
    if (horizontal) box.scrollLeft += 40;
    else box.scrollTop += 40;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
  }
  return [1000 * gaps.length / gaps.reduce((a, b) => a + b, 0), Math.max(...gaps)];
}
"""


async def opens(shown: Page, url: str) -> float:
    """Seconds until all of the page is on the screen."""
    began = time.perf_counter()
    await shown.goto(url)
    await shown.wait_for_function(SHOWN)
    await shown.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return time.perf_counter() - began


async def measure(root: Path) -> Table:
    write_record(root, "hour", cycles=CYCLES, sound=True)
    table = Table("of a call of one hour", "median", "worst", box=None, pad_edge=False)
    async with server(record=root) as address, page() as shown:
        await shown.set_viewport_size({"width": 1300, "height": 900})
        url = f"http://{address}/calls/hour"
        times = sorted([await opens(shown, url) for _ in range(RUNS)])
        table.add_row("opens, s", f"{times[RUNS // 2]:.2f}", f"{times[-1]:.2f}")
        for name, box, horizontal in (
            ("transcript", "said", False),
            ("decisions", "verdicts", False),
            ("lanes", "scroll", True),
        ):
            if horizontal:
                await shown.evaluate("() => bargeinCall.lanes.zoom(200)")
            fps, longest = await shown.evaluate(SCROLL, [box, horizontal])
            table.add_row(f"{name} scroll, frames a second; longest pause, ms", f"{fps:.0f}", f"{longest:.0f}")
        heard = await asyncio.wait_for(hears(shown), 10)
        table.add_row("a word clicked until it sounds, ms", f"{heard:.0f}", "")
    return table


async def hears(shown: Page) -> float:
    """Milliseconds from a click on a word in the middle of the call to its sound."""
    found: Any = await shown.evaluate(
        """async () => {
          const page = bargeinCall;
          page.transcript.slices.more(Infinity);
          const words = [...document.querySelectorAll('#said .by-agent .w')];
          const word = words[words.length >> 1];
          const began = performance.now();
          const sounds = new Promise((done) => (page.player.audio.onplaying = done));
          word.click();
          await sounds;
          return performance.now() - began;
        }"""
    )
    return float(found)


def main() -> None:
    with TemporaryDirectory() as folder:
        Console(width=120).print(asyncio.run(measure(Path(folder))))


if __name__ == "__main__":
    main()
