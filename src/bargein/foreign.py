"""Text from outside (a client, a telephone network, a vendor) on its way into a log line, an error, a fact or a label.

Such a text may have any length, and newlines or escape sequences that would write lines of their own into a log, or
commands into a terminal.
"""

from __future__ import annotations

SHOWN = 200  # characters, unless the place has a bound of its own


def printable(text: object, most: int = SHOWN) -> str:
    """At most so many characters of a text, all of them printable. What is not printable stands as in Python's source.

    most: >= 1. A text that was cut ends in an ellipsis."""
    whole = text if isinstance(text, str) else str(text)
    shown = whole[:most]
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else _escaped(each) for each in shown)
    if len(whole) > most or len(shown) > most:
        return f"{shown[: most - 1]}…"
    return shown


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
