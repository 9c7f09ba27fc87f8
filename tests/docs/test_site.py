"""The documentation as a site: it builds strictly and offline, asks no other host, and its links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from docs_pages import DOCS, pages
from markdown_it import MarkdownIt

import bargein
import bargein.protocols
import bargein.testing
from tests.docs.built_site import SitePage, build, read

pytestmark = pytest.mark.slow
OTHER_HOST = re.compile(r"(?:https?:)?//")
HELD_TO_GITHUB = ("h1", "h2", "h3", "h4", "li", "table", "tr", "pre", "img", "blockquote")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return folder


@pytest.fixture(scope="module")
def read_pages(site: Path) -> dict[Path, SitePage]:
    return {path: read(path) for path in sorted(site.rglob("*.html"))}


def html_of(site: Path, page: Path) -> Path:
    name = page.relative_to(DOCS).as_posix()
    return site / re.sub(r"(README)?\.md$", lambda end: "index.html" if end[1] else ".html", name)


def test_every_page_of_the_docs_is_a_page_of_the_site(site: Path) -> None:
    assert [page for page in pages() if not html_of(site, page).is_file()] == []
    assert (site / "contributing.html").is_file()
    assert (site / "changelog.html").is_file()


def test_a_file_that_a_page_links_is_a_page_too(site: Path) -> None:
    """On GitHub the link shows the file; a reader of the site has no repository beside it."""
    assert "class=" in (site / "source" / "examples" / "custom_llm.py.html").read_text()
    assert "haproxy.cfg" in read(site / "source" / "deploy" / "index.html").article


def test_no_page_loads_anything_from_another_host(site: Path, read_pages: dict[Path, SitePage]) -> None:
    asked = [
        f"{path.name}: {name}" for path, page in read_pages.items() for name in page.loaded if OTHER_HOST.match(name)
    ]
    assert asked == []
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?(https?:)?//", sheet.read_text()), sheet.name


def test_every_link_and_every_anchor_leads_somewhere(site: Path, read_pages: dict[Path, SitePage]) -> None:
    def broken() -> Iterator[str]:
        for path, page in read_pages.items():
            for href in page.hrefs:
                if path.name == "404.html" or re.match(r"[a-z]+:", href):
                    continue
                name, _, anchor = unquote(href).partition("#")
                there = (path.parent / name).resolve() if name else path
                there = there / "index.html" if there.is_dir() else there
                if not there.is_file() or (anchor and anchor not in read_pages[there].ids):
                    yield f"{path.relative_to(site)}: {href}"

    assert sorted(set(broken())) == []


def test_a_page_has_the_same_blocks_as_on_github(site: Path, read_pages: dict[Path, SitePage]) -> None:
    """Two dialects of Markdown: a list without a blank line before it is none on the site, and so on."""
    github = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    wrong = []
    for page in pages():
        text = page.read_text("utf-8")
        if ":::" in text:
            continue  # filled on the site alone
        shown = SitePage()
        shown.feed(f"<article>{github.render(text)}</article>")
        ours = read_pages[html_of(site, page)]
        wrong += [
            f"{page.relative_to(DOCS)}: {tag}: {shown.blocks.get(tag, 0)} on GitHub, {ours.blocks.get(tag, 0)} here"
            for tag in HELD_TO_GITHUB
            if shown.blocks.get(tag, 0) != ours.blocks.get(tag, 0)
        ]
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "names", "module"),
    [
        ("python", set(bargein.__all__) - {"__version__"}, ""),
        ("protocols", set(bargein.protocols.__all__), r"\w+\."),
        ("testing", set(bargein.testing.__all__), ""),
    ],
)
def test_the_reference_has_every_public_name(
    name: str, names: set[str], module: str, site: Path, read_pages: dict[Path, SitePage]
) -> None:
    shown = "\n".join(read_pages[site / "reference" / f"{name}.html"].ids)
    missing = [one for one in sorted(names) if not re.search(rf"^bargein\.(\w+\.)?{module}{one}$", shown, re.MULTILINE)]
    assert missing == []


def test_a_program_finds_the_pages_as_text(site: Path) -> None:
    index = (site / "llms.txt").read_text()
    named = re.findall(r"\]\(([^)]+\.md)\)", index)
    assert len(named) > 20
    assert [name for name in named if not (site / name).is_file()] == []
    assert len((site / "llms-full.txt").read_text()) > 100_000
