"""Every link within the repository leads to a file, and every anchor to a heading, as GitHub makes anchors."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from docs_pages import links, pages
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *pages()]


@cache
def anchors(path: Path) -> frozenset[str]:
    """The headings' anchors: small letters, no punctuation, a hyphen for each space, a number for each repetition."""
    tokens = MarkdownIt("commonmark").parse(path.read_text("utf-8"))
    seen: Counter[str] = Counter()
    found = set()
    for at, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        text = "".join(child.content for child in tokens[at + 1].children or [])
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for target in links(page.read_text("utf-8")):
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        if not there.exists() or (anchor and (there.suffix != ".md" or anchor not in anchors(there))):
            broken.append(target)
    assert broken == []


def test_a_link_is_seen_in_prose_and_not_in_code() -> None:
    text = (
        "A [page](a.md#b), `[no](c.md)`, ![picture](d.png).\n\n```python\nx = y[0](e.md)\n```\n\n[far](https://f.md)\n"
    )
    assert links(text) == ["a.md#b", "d.png"]
