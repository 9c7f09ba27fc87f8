"""Markup in which every text is escaped: the strings of a target are not trusted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

# Control codes, lone surrogates (they cannot be encoded), and marks that change the direction of text.
_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_VOID = frozenset({"meta", "br", "hr", "link"})


class Html(str):
    """Markup, made by `el`, `join` or `raw`. Any other string is text."""

    __slots__ = ()


Child = str | None | Iterable["Child"]


def clean(text: str) -> str:
    return _ODD.sub("\ufffd", text)


def raw(markup: str) -> Html:
    """Markup of our own files and constants: never what came from outside."""
    return Html(markup)


def join(*children: Child) -> Html:
    """The children in their order; None is nothing."""
    return Html("".join(_flat(children)))


def el(tag: str, *children: Child, **attributes: object) -> Html:
    """An element.

    An attribute's trailing `_` is removed, another one becomes `-`. True: the bare attribute. None, False: no
    attribute.
    """
    said = "".join(_attribute(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    return Html(f"<{tag}{said}>" if tag in _VOID else f"<{tag}{said}>{join(*children)}</{tag}>")


def short(text: str, most: int = 160) -> str:
    """A text of a stranger, bounded."""
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
