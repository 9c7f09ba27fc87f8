"""MkDocs' hooks for our site: what the pages link outside of docs/ comes along, and so does the text for LLMs.

On GitHub a page's link such as ../examples/hello.py shows the file. On the site the file is a page of its own below
source/, CONTRIBUTING.md and CHANGELOG.md are pages, and a folder is a page with its files' names. The Markdown of each
page lies beside its HTML: llms.txt links it.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePosixPath

from docs_pages import DOCS, ROOT, links, pages, relink, title
from llms_txt import full_text, index_text
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LEXERS = {".py": "python", ".js": "javascript", ".ts": "typescript", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml"}
# A link whose text is a page's file name: on the site the text is the page's title.
NAMED = re.compile(r"\[(?:[\w.]+/)*\w+\.md\](?=\((?P<target>[^)#]+\.md)\))")
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "README.md": "README.md"}
_folders: dict[str, Path] = {}  # a page's place on the site -> the folder in which its links begin


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that lie outside of docs/, and all that they link."""
    _folders.clear()
    for file in files:
        if file.src_uri.endswith(".md"):
            _folders[file.src_uri] = (DOCS / file.src_uri).parent
    waiting = [((DOCS / uri).read_text("utf-8"), folder) for uri, folder in _folders.items()]
    waiting += [((ROOT / name).read_text("utf-8"), ROOT) for name in PAGES]
    while waiting:
        text, folder = waiting.pop()
        for target in links(text):
            path = _path(folder, target)
            if path is None or not path.exists() or path.is_relative_to(DOCS) or _uri(path) in _folders:
                continue
            shown = _shown(path)
            files.append(File.generated(config, _uri(path), content=shown))
            _folders[_uri(path)] = path if path.is_dir() else path.parent
            if path.is_dir():
                waiting.append((shown, path))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links lead to where the site has what they name."""
    uri = page.file.src_uri

    def change(target: str) -> str:
        path = _path(_folders[uri], target)
        if path is None or not path.exists():
            return target
        there = path.relative_to(DOCS).as_posix() if path.is_relative_to(DOCS) else _uri(path)
        return os.path.relpath(there, PurePosixPath(uri).parent) + target[len(target.partition("#")[0]) :]

    def named(found: re.Match[str]) -> str:
        path = _path(_folders[uri], found["target"])
        return f"[{title(path.read_text('utf-8'))}]" if path is not None and path.is_file() else found[0]

    return relink(NAMED.sub(named, markdown), change)


def on_post_page(output: str, *, page: Page, config: MkDocsConfig) -> str:
    """The theme's search is a dialog without a name, which a screen reader would tell."""
    return output.replace('role="dialog">', 'role="dialog" aria-label="Search">', 1)


def on_post_build(config: MkDocsConfig) -> None:
    """The text for programs, and each page's Markdown beside its HTML."""
    site = Path(config.site_dir)
    (site / "llms.txt").write_text(index_text(), "utf-8")
    (site / "llms-full.txt").write_text(full_text(), "utf-8")
    for page in pages():
        shutil.copyfile(page, site / page.relative_to(DOCS))
    for name, uri in PAGES.items():
        if name != uri:
            shutil.copyfile(ROOT / name, site / uri)


def _path(folder: Path, target: str) -> Path | None:
    """The file that a link names. None: an anchor of the page itself."""
    name = target.partition("#")[0]
    if not name:
        return None
    path = Path(os.path.normpath(folder / name))
    return path if path.is_relative_to(ROOT) else None


def _uri(path: Path) -> str:
    """Where the site has a file from outside of docs/."""
    name = path.relative_to(ROOT).as_posix()
    if name in PAGES:
        return PAGES[name]
    return f"source/{name}/README.md" if path.is_dir() else f"source/{name}.md"


def _shown(path: Path) -> str:
    name = path.relative_to(ROOT).as_posix()
    if name in PAGES:
        return path.read_text("utf-8")
    if path.is_dir():
        files = sorted(file.name for file in path.iterdir() if file.is_file())
        return f"# {name}/\n\n" + "".join(f"- [{file}]({file})\n" for file in files)
    return f"# {name}\n\n````{LEXERS.get(path.suffix, 'text')}\n{path.read_text('utf-8')}\n````\n"
