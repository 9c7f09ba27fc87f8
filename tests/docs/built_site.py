"""The site as `make docs` builds it, by a process that cannot reach any other host, and a reader of its pages."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = """
import socket

def refuse(*args, **kwargs):
    raise OSError("the documentation is built without a network")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from mkdocs.__main__ import cli
cli()
"""
NO_ADVERTISEMENT = {"NO_MKDOCS_2_WARNING": "1"}
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}


def build(site: Path) -> subprocess.CompletedProcess[str]:
    """Builds the site into a folder, strictly."""
    return subprocess.run(
        [sys.executable, "-c", BUILD, "build", "--strict", "--site-dir", str(site)],
        cwd=ROOT,
        env=os.environ | NO_ADVERTISEMENT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@dataclass
class SitePage(HTMLParser):
    """What one page holds: its anchors, its links, what a browser loads for it, and its blocks by tag."""

    ids: set[str] = field(default_factory=set)
    hrefs: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    blocks: dict[str, int] = field(default_factory=dict)
    """Of the article alone."""
    article: str = ""
    _inside: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "a" and "href" in given:
            self.hrefs.append(given["href"])
        if tag in LOADED and LOADED[tag] in given and given.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(given[LOADED[tag]])
        self._inside = self._inside or tag == "article"
        if self._inside:
            self.blocks[tag] = self.blocks.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "article"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.article += data


def read(path: Path) -> SitePage:
    page = SitePage()
    page.feed(path.read_text("utf-8"))
    return page
