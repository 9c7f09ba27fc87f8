"""Makes llms.txt, the way into the documentation for a program that writes code: `python tools/llms_txt.py`.

src/bargein/llms.txt is in the wheel and on the site: how one works with Bargein, and every page with its first
sentence. The site has llms-full.txt beside it: all pages, one after the other. A test keeps the file true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from docs_pages import DOCS, ROOT, summary, title

INDEX = ROOT / "src" / "bargein" / "llms.txt"
GUIDE = DOCS / "how_to" / "coding_assistant.md"
OPTIONAL = ("Why", "Project")  # sections that a program may leave out when its context is short
NAV = re.compile(r"^  (?P<space>(?:    )?)- (?:(?P<title>[^:\n]+): ?)?(?P<page>\S+\.md)?$", re.MULTILINE)


def index_text() -> str:
    """llms.txt, whole."""
    guide = GUIDE.read_text("utf-8").partition("\n")[2].strip()
    sections = "".join(
        f"\n## {'Optional: ' if name in OPTIONAL else ''}{name}\n\n" + "".join(map(_line, pages))
        for name, pages in sections_of_nav().items()
    )
    return f"# Bargein\n\n> {_summary()}\n\n{_as_on_site(guide)}\n{sections}"


def full_text() -> str:
    """llms-full.txt: every page, in the order of the site's navigation."""
    every = [page for pages in sections_of_nav().values() for page in pages]
    return "\n\n".join(f"<!-- {page} -->\n\n{_source(page).read_text('utf-8').strip()}" for page in every) + "\n"


def sections_of_nav() -> dict[str, list[str]]:
    """The navigation of mkdocs.yml: a section's name and its pages."""
    text = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:\n")[2]
    found: dict[str, list[str]] = {}
    for name, page in _entries(text):
        found.setdefault(name, []).append(page)
    return found


def _entries(text: str) -> Iterator[tuple[str, str]]:
    section = ""
    for line in NAV.finditer(text):
        if line["space"]:
            yield section, line["page"]
        elif line["page"]:
            yield line["title"], line["page"]
        else:
            section = line["title"]


def _line(page: str) -> str:
    text = _source(page).read_text("utf-8")
    about = summary(text)
    return f"- [{title(text)}]({page}){': ' + _first_sentence(about) if about else ''}\n"


def _source(page: str) -> Path:
    outside = {"contributing.md": ROOT / "CONTRIBUTING.md", "changelog.md": ROOT / "CHANGELOG.md"}
    return outside.get(page, DOCS / page)


def _summary() -> str:
    """What Bargein is: the second paragraph of the README."""
    text = (ROOT / "README.md").read_text("utf-8")
    return " ".join(text.split("\n\n")[2].split()).removesuffix(" that fixes all of this:") + "."


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.:])\s", text, maxsplit=1)[0].rstrip(":.") + "."


def _as_on_site(text: str) -> str:
    """The guide's links, from the root of the site."""
    return re.sub(r"\]\((?:\.\./)*(?!https?:)([^)]+)\)", r"](\1)", text)


if __name__ == "__main__":
    INDEX.write_text(index_text(), "utf-8")
