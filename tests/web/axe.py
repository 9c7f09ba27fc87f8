"""What axe-core finds on a page."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

BAD = ("serious", "critical")
RUN = """
async (bad) => (await axe.run(document, { resultTypes: ["violations"] })).violations
  .filter((one) => bad.includes(one.impact))
  .map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ")}`)
"""


@cache
def _script() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


async def findings(shown: Page) -> list[str]:
    """The serious and critical findings, each with the first elements of its kind."""
    if not await shown.evaluate("() => 'axe' in window"):
        await shown.evaluate(_script())
    found: list[str] = await shown.evaluate(RUN, BAD)
    return found
