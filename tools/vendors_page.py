"""Makes docs/reference/vendors.md of the vendors' declarations, and the table in docs/vendors.md: `python
tools/vendors_page.py`. A test keeps both true."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from bargein.vendors.common.vendor import Part, Vendor

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "vendors.md"
GUIDE = ROOT / "docs" / "vendors.md"
TABLE = re.compile(r"(?<=<!-- Made by tools/vendors_page.py. -->\n\n)(?:\|.*\n)+")
HEAD = """\
<!-- Made by tools/vendors_page.py from the vendors' declarations in src/. Change those, and run the script. -->

# Parts of every vendor

The classes that an `Agent` takes. [vendors.md](../vendors.md#the-vendors-that-are-here) lists them beside each other,
[cascade.md](../cascade.md#parts) says how they differ, and [settings.md](../settings.md#vendors) names every variable.
"""
KINDS = {"stt": "STT", "llm": "LLM", "tts": "TTS", "realtime": "realtime model", "turn": "turn model"}


def page() -> str:
    """docs/reference/vendors.md, whole."""
    return HEAD + "".join(_section(name, vendor) for name, vendor in _vendors())


def table() -> str:
    """The table of docs/vendors.md."""
    lines = ["| vendor | parts, as in Python | names in TOML | extra | key |", "| --- | --- | --- | --- | --- |"]
    for name, vendor in _vendors():
        classes = ", ".join(f"`{name}.{short}`" for short, _ in _classes(name))
        parts = ", ".join(dict.fromkeys(f"`{part.name}`" for part in vendor.parts))
        cells = (vendor.title, classes, parts, _extras(vendor), _keys(vendor))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _section(name: str, vendor: Vendor) -> str:
    rows = [f"\n## {vendor.title}\n\n| kind | name in TOML | extra | options |\n| --- | --- | --- | --- |\n"]
    for part in vendor.parts:
        options = ", ".join(f"`{option.name}`" for option in part.options)
        rows.append(f"| {KINDS[part.kind]} | `{part.name}` | {_extra(part)} | {options} |\n")
    classes = [_class(f"{name}.{short}", target.replace(":", ".")) for short, target in _classes(name)]
    return "".join(rows + classes)


def _class(name: str, target: str) -> str:
    """A class with its constructor, for mkdocstrings, under the name that one writes."""
    return f"\n::: {target}\n    options: {{heading: {name}, toc_label: {name}, members: false}}\n"


def _vendors() -> Iterator[tuple[str, Vendor]]:
    """Our vendors by the name of their module, in the order of their titles."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = []
    for target in project["entry-points"]["bargein.vendors"].values():
        module, _, attribute = target.partition(":")
        found.append((module.rpartition(".")[2], getattr(importlib.import_module(module), attribute)))
    yield from sorted(found, key=lambda entry: entry[1].title.lower())


def _classes(name: str) -> list[tuple[str, str]]:
    """The short names of a vendor's classes, with "module:class", from the vendor's own table of them."""
    source = (ROOT / "src" / "bargein" / "vendors" / name / "__init__.py").read_text("utf-8")
    return sorted(dict(re.findall(r'"([A-Z]\w*[a-z]\w*)": "(bargein\.vendors\.[\w.]+:[A-Z]\w+)"', source)).items())


def _extra(part: Part) -> str:
    found = re.search(r"\[([\w-]+)\]", part.requirement)
    return f"`{found[1]}`" if found else ""


def _extras(vendor: Vendor) -> str:
    return ", ".join(dict.fromkeys(extra for part in vendor.parts if (extra := _extra(part)))) or "none"


def _keys(vendor: Vendor) -> str:
    return " or ".join(f"`{key}`" for key in vendor.key.variables) if vendor.key is not None else "none"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    GUIDE.write_text(TABLE.sub(lambda _: table(), GUIDE.read_text("utf-8")), "utf-8")
