"""The documentation's pages and their links: for the site, for llms.txt, and for the tests that check both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^(?P<indent> *)(?P<mark>`{3,}|~{3,}).*?^(?P=indent)(?P=mark)[`~]* *$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?P<target>[^()\s]+)(?=\))")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)  # a scheme: https, mailto


def pages() -> list[Path]:
    """Every page of docs/, in a fixed order."""
    return sorted(DOCS.rglob("*.md"))


def outside_code(text: str) -> Iterator[tuple[bool, str]]:
    """The text in pieces that make it up again; True: a block or a span of code, whose brackets are no links."""
    done = 0
    for found in re.finditer(FENCE.pattern + r"|(?P<span>`+)(?!`).+?(?<!`)(?P=span)(?!`)", text, FENCE.flags):
        yield False, text[done : found.start()]
        yield True, found[0]
        done = found.end()
    yield False, text[done:]


def links(text: str) -> list[str]:
    """The targets of the text's links and pictures within the repository, anchors included."""
    prose = "".join("" if code else piece for code, piece in outside_code(text))
    return [target for target in LINK.findall(prose) if not ELSEWHERE.match(target)]


def relink(text: str, change: Callable[[str], str]) -> str:
    """The text with each link's target changed; code stays."""

    def changed(found: re.Match[str]) -> str:
        return found[0] if ELSEWHERE.match(found[0]) else change(found[0])

    return "".join(piece if code else LINK.sub(changed, piece) for code, piece in outside_code(text))


def title(text: str) -> str:
    """The page's first heading."""
    prose = FENCE.sub("", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL))
    return next(line.removeprefix("# ").strip() for line in prose.splitlines() if line.startswith("# "))


def summary(text: str) -> str:
    """The page's first paragraph, on one line and without links."""
    prose = FENCE.sub("", re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)).strip()
    for paragraph in re.split(r"\n\s*\n", prose):
        if paragraph and not paragraph.startswith(("#", "|", "-", "!", ":::", "<", "    ", "1.")):
            return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(paragraph.split()))
    return ""
