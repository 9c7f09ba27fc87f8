"""Markup in which everything is escaped that was not made here: a target's strings are not trusted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

# What no reader should meet: control codes, halves of pairs (they cannot be written), and marks that turn text around.
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_VOID = frozenset({"meta", "br", "hr", "link"})


class Html(str):
    """Markup, made by `el`, `join` or `raw`. Any other string is text."""

    __slots__ = ()


Child = str | None | Iterable["Child"]


def clean(text: str) -> str:
    return _ODD.sub("\ufffd", text)


def raw(markup: str) -> Html:
    """For our own files and constants: never for what came from outside."""
    return Html(markup)


def join(*children: Child) -> Html:
    """One after the other; None is nothing."""
    return Html("".join(_flat(children)))


def el(tag: str, *children: Child, **attributes: object) -> Html:
    """An element. A name's trailing `_` goes, another becomes `-`; True: the bare attribute; None and False: none."""
    said = "".join(_attribute(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    return Html(f"<{tag}{said}>" if tag in _VOID else f"<{tag}{said}>{join(*children)}</{tag}>")


def short(text: str, most: int = 160) -> str:
    """A stranger's words, bounded."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    if isinstance(value, float):
        value = f"{value:.1f}".removesuffix(".0")
    return f' {name}="{escape(clean(str(value)))}"'


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Html):
            yield child
        elif isinstance(child, str):
            yield escape(clean(child), quote=False)
        else:
            yield from _flat(child)
