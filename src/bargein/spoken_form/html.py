"""What models write of HTML: tags of a page, entities; and marks of sources. Other tags are the TTS's own markup."""

from __future__ import annotations

import re
from html import unescape
from html.entities import html5

_BLOCKS = "br|p|div|ul|ol|li|tr|table|thead|tbody|blockquote|h[1-6]|hr|pre|details|summary|center|td|th"
_INLINE = "strong|b|em|i|u|a|span|code|small|big|sup|del|ins|font|img|kbd"
_TAG = re.compile(rf"<(?P<slash>/?)(?:(?P<block>{_BLOCKS})|{_INLINE})(?:\s[^<>]{{0,200}})?/?>", re.IGNORECASE)
_NAMES = tuple(re.sub(r"h\[1-6\]", "h1|h2|h3|h4|h5|h6", f"{_BLOCKS}|{_INLINE}").split("|"))
_PART_OF_TAG = re.compile(r"</?(?P<name>[a-z]{0,10}[1-6]?)(?P<rest>(?:\s[^<>]{0,200})?/?)", re.IGNORECASE)
_MAIL = re.compile(r"<([^\s<>@]{1,64}@[^\s<>@]{1,100})>")
_PART_OF_MAIL = re.compile(r"<[^\s<>@]{0,64}(?:@[^\s<>@]{0,100})?")
_ENTITY = re.compile(r"&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});", re.IGNORECASE)
_PART_OF_ENTITY = re.compile(r"&(?:[a-z]{0,8}|#\d{0,6}|#x[0-9a-f]{0,5})", re.IGNORECASE)
_SOURCE = re.compile(r"【\d{1,3}(?::\d{1,3})?†[^】\n]{0,80}】")
_PART_OF_SOURCE = re.compile(r"【(?:\d{1,3}(?::\d{0,3})?(?:†[^】\n]{0,80})?)?")


def tag(text: str, at: int) -> tuple[str, bool, bool] | None:
    """A tag of HTML at a place: the tag, whether a line ends with it, and whether it belongs to what follows."""
    found = _TAG.match(text, at)
    return None if found is None else (found.group(), found["block"] is not None, not found["slash"])


def mail(text: str, at: int) -> str | None:
    """The address in angles at a place."""
    found = _MAIL.match(text, at)
    return None if found is None else found[1]


def may_be_tag(text: str, at: int) -> bool:
    """Whether the rest of the text may become a tag or an address in angles."""
    rest = text[at:]
    if _PART_OF_MAIL.fullmatch(rest) is not None:
        return True
    found = _PART_OF_TAG.fullmatch(rest)
    if found is None:
        return False
    name = found["name"].lower()
    return name in _NAMES or (not found["rest"] and any(known.startswith(name) for known in _NAMES))


def entity(text: str, at: int) -> tuple[str, str] | None:
    """An entity at a place, and the sign that it stands for."""
    found = _ENTITY.match(text, at)
    if found is None or (found.group()[1] != "#" and found.group()[1:] not in html5):
        return None
    sign = unescape(found.group())
    return found.group(), " " if sign.isspace() or not sign.isprintable() else sign


def may_be_entity(text: str, at: int) -> bool:
    """Whether the rest of the text may become an entity."""
    return _PART_OF_ENTITY.fullmatch(text, at) is not None


def source(text: str, at: int) -> str | None:
    """The mark of a source at a place, as OpenAI's assistants write it."""
    found = _SOURCE.match(text, at)
    return None if found is None else found.group()


def may_be_source(text: str, at: int) -> bool:
    """Whether the rest of the text may become the mark of a source."""
    return _PART_OF_SOURCE.fullmatch(text, at) is not None
